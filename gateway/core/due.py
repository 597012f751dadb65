"""What time alone does to an incident: its hold ends, it ages, it is quiet, it is over for good."""

from collections.abc import Callable, Mapping

from gateway.core.decision import Decision, Rank
from gateway.core.ending import close, resolve
from gateway.core.flapping import calm
from gateway.core.incident import TABLE, Incident, Move, State, Trigger, due_of, impact_by_age, quiet_ms
from gateway.core.making import Making
from gateway.core.mute import Around
from gateway.core.reason import Reason
from gateway.core.seldom import lapse
from gateway.core.text import span


def decide_due(incident: Incident | None, *, now_ms: int, around: Around) -> Decision:
    """What the earliest deadline of ``incident`` means, if it has come."""
    due_ms = due_of(incident) if incident else None
    if incident is None or due_ms is None or due_ms > now_ms:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making, move = Making(incident, now_ms=now_ms), TABLE[incident.state, Trigger.DUE]
    if incident.calm_ms is not None and incident.calm_ms <= now_ms:
        calm(making)
        return making.decision(Reason.CALM)
    if incident.counting:
        return lapse(making)
    if move is Move.OPEN:
        making.note(Reason.HOLD_ENDED, f"still raised after {span(incident.hold_ms)}")
        making.mute(around(incident), told=False)
    return _DUE[move](making)


def open_now(making: Making, reason: Reason = Reason.HOLD_ENDED) -> Decision:
    """Let it be open: people are told, unless something mutes it."""
    making.change(state=State.OPEN, opened_ms=making.now_ms)
    making.sync(Rank.CREATE, reason)
    if not making.incident.unseen:
        making.attach_stored()
    return making.decision(reason)


def _age(making: Making) -> Decision:
    incident = making.incident
    quiet = quiet_ms(incident)
    if quiet is not None and quiet <= making.now_ms:
        making.change(cleared_ms=quiet)
        return resolve(making)
    age = span(making.now_ms - (incident.opened_ms or incident.first_seen_ms))
    impact = impact_by_age(incident, now_ms=making.now_ms)
    making.raise_impact(impact, f"open for {age}", Reason.IMPACT_AGED)
    return making.decision(Reason.IMPACT_AGED)


_DUE: Mapping[Move, Callable[[Making], Decision]] = {
    Move.OPEN: open_now,
    Move.AGE: _age,
    Move.RESOLVE: resolve,
    Move.CLOSE: close,
}

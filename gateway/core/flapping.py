"""What flapping does to an incident: one line when it begins, one per hundred transitions, one when it is calm.

Meanwhile occurrences count, and the ticket stays open as it is: no comment, no transition.
"""

from gateway.core.decision import Rank
from gateway.core.flap import FlapLimits
from gateway.core.incident import NOT_COUNTING, State
from gateway.core.making import Making
from gateway.core.mute import Around, nothing
from gateway.core.reason import Muted, Reason
from gateway.core.text import utc


def count_transition(making: Making, limits: FlapLimits, *, at_ms: int, around: Around = nothing) -> None:
    """Count a raise after a clear or a clear after a raise, which happened at ``at_ms``; say so if it flaps."""
    incident = making.incident
    since_ms = incident.penalty_ms if incident.penalty_ms is not None else at_ms
    at_ms = max(at_ms, since_ms)
    quiet = limits.aged(incident.penalty, at_ms - since_ms) < limits.below
    if quiet and Muted.FLAPPING in incident.muted:
        calm(making)
    penalty = limits.after_transition(incident.penalty, at_ms - since_ms)
    making.change(
        penalty=penalty,
        penalty_ms=at_ms,
        transitions=1 if quiet else incident.transitions + 1,
        unquiet_ms=at_ms if quiet else incident.unquiet_ms,
    )
    if Muted.FLAPPING in making.incident.muted:
        making.change(calm_ms=making.now_ms + limits.calm_after_ms(penalty))  # a device's clock may be off
        if making.incident.transitions % limits.line_every == 0:
            _say(making, "Still flapping")
    elif penalty > limits.above:
        _begin(making, calm_ms=making.now_ms + limits.calm_after_ms(penalty), around=around)


def _begin(making: Making, *, calm_ms: int, around: Around) -> None:
    if making.incident.state is State.PENDING:  # who waits for it to last would never hear of it
        making.change(state=State.OPEN, opened_ms=making.now_ms, **NOT_COUNTING)
        making.mute(around(making.incident), told=False)
        if not making.incident.unseen:
            making.attach_stored()
    making.change(muted=making.incident.muted | {Muted.FLAPPING}, calm_ms=calm_ms)
    making.sync(Rank.REOPEN, Reason.FLAPPING, though_flapping=True)
    _say(making, "Flapping")


def _say(making: Making, what: str) -> None:
    incident = making.incident
    text = f"{what}: {incident.transitions} transitions since {utc(incident.unquiet_ms or incident.first_seen_ms)}."
    making.note(Reason.FLAPPING, text)
    making.comment(Reason.FLAPPING, text, though_flapping=True)


def calm(making: Making) -> None:
    """It flaps no more: the ticket follows the incident again, and who closed it meanwhile is asked again if it lasts."""
    incident = making.incident
    raised = incident.state is State.OPEN
    text = (
        f"Calm again: {incident.transitions} transitions from {utc(incident.unquiet_ms or incident.first_seen_ms)} "
        f"to {utc(incident.penalty_ms or making.now_ms)}; it is {'still raised' if raised else 'cleared'}."
    )
    closed_by_person = Muted.HUMAN_CLOSED in incident.muted
    making.change(muted=incident.muted - {Muted.FLAPPING, Muted.HUMAN_CLOSED}, calm_ms=None)
    making.note(Reason.CALM, text)
    making.sync(Rank.REOPEN if raised else Rank.CLOSE, Reason.CALM)
    if raised or not closed_by_person:
        making.comment(Reason.CALM, text)
    if raised and not making.incident.muted:
        making.tell()

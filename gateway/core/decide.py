"""Decide what an input means for an incident.

``decide`` is total: every input meets every state, by the table of `gateway.core.incident`. It is pure: the same
incident, input, time and id always give the same decision.
"""

from bisect import bisect
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, assert_never

from gateway.core.counting import Frequency, Tally
from gateway.core.decision import Command, Decision, Due, Heard, Input, Join, Look, Rank, Seen, Verb, WindowBegan
from gateway.core.event import EventKind
from gateway.core.flapping import calm, count_transition
from gateway.core.gather import is_parent
from gateway.core.impact import Impact, graver
from gateway.core.incident import (
    NOT_COUNTING,
    TABLE,
    Incident,
    Move,
    State,
    Trigger,
    changed,
    due_of,
    impact_by_age,
    made,
    pause,
    quiet_ms,
)
from gateway.core.making import Making
from gateway.core.mute import Around, nothing
from gateway.core.person import decide_seen
from gateway.core.reason import Muted, Reason
from gateway.core.release import decide_around
from gateway.core.text import one_line, span, utc

RECURRENCES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Numbers of occurrences that are worth a comment."""
LONGEST_COMMENT = 8_000
_MUTED_UNTIL_CLEAR = frozenset({Muted.HUMAN_CLOSED})
_MUTED_ACROSS = frozenset({Muted.WONT_FIX})
"""Marks that a new incident inherits from the one before it."""


def decide(
    incident: Incident | None, what: Input, *, now_ms: int, new_id: str = "", around: Around = nothing
) -> Decision:
    """What ``what`` means for ``incident``.

    Args:
        incident: the latest one with the fingerprint concerned; None if there has been none.
        what: the input.
        now_ms: the time, epoch milliseconds.
        new_id: the id for a new incident, should one begin; needed for events only.
        around: tells what mutes an incident now; asked when it opens, and when that may be over.
    """
    match what:
        case Heard():
            return _heard(incident, what, now_ms=now_ms, new_id=new_id, around=around)
        case Due():
            return _due(incident, now_ms=now_ms, around=around)
        case Join() | WindowBegan() | Look():
            return decide_around(incident, what, now_ms=now_ms, around=around)
        case Seen():
            return decide_seen(incident, what, now_ms=now_ms)
        case Command():
            return _command(incident, what, now_ms=now_ms)
        case _:
            assert_never(what)


# --- events ----------------------------------------------------------------------------------------


def _heard(incident: Incident | None, heard: Heard, *, now_ms: int, new_id: str, around: Around) -> Decision:
    if heard.verdict.drop:
        return Decision(reason=Reason.DROPPED, incident=incident)
    if heard.follow_up and incident is not None and incident.state is not State.CLOSED:
        return _follow_up(incident, heard, now_ms=now_ms)
    match heard.verdict.kind:
        case EventKind.NOTE:
            return _note(incident, heard, now_ms=now_ms)
        case EventKind.CLEAR:
            return _cleared(incident, heard, now_ms=now_ms, around=around)
        case EventKind.RAISE:
            return _raised(incident, heard, now_ms=now_ms, new_id=new_id, around=around)
        case _:
            assert_never(heard.verdict.kind)


def _raised(incident: Incident | None, heard: Heard, *, now_ms: int, new_id: str, around: Around) -> Decision:
    move = TABLE[incident.state if incident else None, Trigger.RAISE]
    if incident is not None and _is_over(incident, heard):
        return _count_what_is_over(Making(incident, now_ms=now_ms), heard)
    if incident is None or move is Move.BEGIN_LINKED:
        return _begin(heard, previous=incident, now_ms=now_ms, new_id=new_id, around=around)
    if move is Move.COUNT and (decision := _one_more(incident, heard, now_ms=now_ms)):
        return decision
    making = Making(incident, now_ms=now_ms)
    if _too_seldom(making, heard):
        return making.decision(Reason.COUNTING)
    if incident.counting:
        return _counted(making, heard, around=around)
    if move is Move.REOPEN:
        making.mute(around(incident), told=not incident.unseen)
    return _HEARD[move](making, heard)


def _cleared(incident: Incident | None, heard: Heard, *, now_ms: int, around: Around) -> Decision:
    move = TABLE[incident.state if incident else None, Trigger.CLEAR]
    if incident is None or (move is Move.IGNORE and not incident.counted):
        return Decision(reason=Reason.UNMATCHED_CLEAR, incident=incident)
    if heard.last_ms < incident.raised_ms:
        return Decision(reason=Reason.STALE_CLEAR, incident=incident)
    making = Making(incident, now_ms=now_ms)
    if move is Move.IGNORE:
        making.change(**NOT_COUNTING)
        return making.decision(Reason.UNMATCHED_CLEAR)
    if incident.cleared_ms is None:
        count_transition(making, heard.verdict.flap, at_ms=heard.last_ms, around=around)
    # What flaps is held no longer: a clear does not cancel it any more.
    return _HEARD[TABLE[making.incident.state, Trigger.CLEAR]](making, heard)


def _begin(heard: Heard, *, previous: Incident | None, now_ms: int, new_id: str, around: Around) -> Decision:
    verdict, event, over = heard.verdict, heard.event, heard.cleared_ms is not None
    count = {} if over else _counted_from(heard)
    held = verdict.hold_ms > 0 or bool(count) or over
    incident = made(
        id=new_id,
        fingerprint=verdict.fingerprint,
        condition=verdict.condition,
        source=verdict.source,
        object=verdict.object,
        state=State.PENDING if held else State.OPEN,
        impact=verdict.impact,
        severity=verdict.severity,
        summary=one_line(verdict.summary),
        description=event.description,
        labels=event.labels,
        rule=verdict.rule,
        runbook=verdict.runbook,
        team=verdict.team,
        sinks=verdict.sinks,
        requester=event.requester,
        occurrences=heard.count,
        first_seen_ms=heard.first_ms,
        last_seen_ms=heard.last_ms,
        raised_ms=heard.last_ms,
        opened_ms=None if held else now_ms,
        **count,
        hold_ms=verdict.hold_ms,
        clear_hold_ms=verdict.clear_hold_ms,
        clear_after_ms=verdict.clear_after_ms,
        reopen_within_ms=verdict.reopen_within_ms,
        impact_after=verdict.impact_after,
        muted=_inherited_mutes(previous, verdict.fingerprint),
        **_inherited_unrest(previous, verdict.fingerprint),
        previous=previous.id if previous else "",
    )
    making = Making(incident, now_ms=now_ms, began=True)
    reason = Reason.RAISED_AGAIN if previous else Reason.FIRST_RAISED
    if held:
        reason = Reason.COUNTING if count else Reason.OVERTAKEN if over else Reason.HELD
    wait = f"; held for {span(verdict.hold_ms)}" if verdict.hold_ms else ""
    wait += f"; counts if raised {verdict.frequency}" if count else ""
    before = f", after {previous.id}" if previous else ""
    making.note(reason, f"raised by rule {verdict.rule} as {verdict.impact.short}{wait}{before}")
    if not held:
        making.mute(around(incident), told=False)
        making.sync(Rank.CREATE, reason)
    count_transition(making, verdict.flap, at_ms=heard.first_ms, around=around)
    making.attach(event.attachments)
    if heard.cleared_ms is not None:
        count_transition(making, verdict.flap, at_ms=heard.cleared_ms, around=around)
        _HEARD[TABLE[making.incident.state, Trigger.CLEAR]](making, replace(heard, last_ms=heard.cleared_ms))
    return making.decision(reason, known_as=(f"incident:{new_id}", *event.known_as), attachments=event.attachments)


def _is_over(incident: Incident, heard: Heard) -> bool:
    """Whether a raise that its clear has overtaken belongs to ``incident``, and tells nothing new of it.

    It does not if the incident is raised since, or was closed before the raise: then it is another trouble.
    """
    if heard.cleared_ms is None or incident.fingerprint != heard.verdict.fingerprint:
        return False
    if incident.state is State.CLOSED:
        return incident.cleared_ms is not None and heard.last_ms < incident.cleared_ms
    return incident.state in (State.RECOVERING, State.RESOLVED) or incident.counting


def _count_what_is_over(making: Making, heard: Heard) -> Decision:
    incident = making.incident
    making.change(
        occurrences=incident.occurrences + heard.count,
        last_seen_ms=max(incident.last_seen_ms, heard.last_ms),
        raised_ms=max(incident.raised_ms, heard.last_ms),
    )
    if incident.cleared_ms is not None and heard.cleared_ms is not None:
        making.change(cleared_ms=max(incident.cleared_ms, heard.cleared_ms))
    event = heard.event
    return making.decision(Reason.OVERTAKEN, known_as=event.known_as, attachments=event.attachments)


def _counted_from(heard: Heard) -> dict[str, Any]:
    """The count that a raise begins; empty if the raise is enough."""
    frequency = heard.verdict.frequency
    if frequency is None:
        return {}
    tally = frequency.add(None, heard.count, at_ms=heard.last_ms)
    return {} if frequency.reached(tally, at_ms=heard.last_ms) else _as_fields(tally, frequency)


def _too_seldom(making: Making, heard: Heard) -> bool:
    """Count a raise of what is not raised as often as its rule asks for; False if it is, or nothing is counted."""
    incident, frequency = making.incident, heard.verdict.frequency
    if incident.state is State.OPEN or (incident.state is State.PENDING and not incident.counting):
        return False
    if frequency is None:
        return False
    before = None if incident.counted_from_ms is None else Tally(incident.counted, incident.counted_from_ms)
    tally = frequency.add(before, heard.count, at_ms=heard.last_ms)
    if frequency.reached(tally, at_ms=heard.last_ms):
        making.change(**NOT_COUNTING)
        return False
    making.change(
        occurrences=incident.occurrences + heard.count,
        last_seen_ms=max(incident.last_seen_ms, heard.last_ms),
        raised_ms=max(incident.raised_ms, heard.last_ms),
        **_as_fields(tally, frequency),
    )
    if incident.state is State.PENDING:
        _raise_impact(making, heard.verdict.impact, f"rule {heard.verdict.rule}")
    return True


def _as_fields(tally: Tally, frequency: Frequency) -> dict[str, Any]:
    return {"counted": tally.raises, "counted_from_ms": tally.from_ms, "lapses_ms": frequency.lapses_ms(tally)}


def _counted(making: Making, heard: Heard, *, around: Around) -> Decision:
    """It was raised as often as its rule asks for: it opens, unless it is held beside."""
    making.change(**NOT_COUNTING)  # also if it is another rule that raises it now, and asks for no number
    _count(making, heard)
    incident = making.incident
    making.note(Reason.COUNTED, f"raised {incident.occurrences} times since {utc(incident.first_seen_ms)}")
    if incident.hold_ms and incident.first_seen_ms + incident.hold_ms > making.now_ms:
        return making.decision(Reason.COUNTED)
    making.mute(around(incident), told=False)
    return _open(making, Reason.COUNTED)


def _inherited_mutes(previous: Incident | None, fingerprint: str) -> frozenset[Muted]:
    """What a person said of this fingerprint; what was said of another, which a mail merely answers, is no matter.

    What was said of a storm or a group holds for that one: the next one may be of other troubles.
    """
    if previous is None or previous.fingerprint != fingerprint or is_parent(previous):
        return frozenset()
    return previous.muted & _MUTED_ACROSS


def _inherited_unrest(previous: Incident | None, fingerprint: str) -> dict[str, Any]:
    """What closes at each clear may flap all the same."""
    if previous is None or previous.fingerprint != fingerprint:
        return {}
    return {name: getattr(previous, name) for name in ("penalty", "penalty_ms", "transitions", "unquiet_ms")}


def _one_more(incident: Incident, heard: Heard, *, now_ms: int) -> Decision | None:
    """A raise that is a number and nothing else, as most are in a storm; None if it is more than that.

    It comes to what `_count` would come to, in a third of the time.
    """
    after = incident.occurrences + heard.count
    if (
        incident.counting
        or bisect(RECURRENCES, incident.occurrences) != bisect(RECURRENCES, after)
        or not (incident.impact_owned or graver(heard.verdict.impact, incident.impact) is incident.impact)
        or pause(incident, now_ms=now_ms) is not incident
    ):
        return None
    counted = changed(
        incident,
        occurrences=after,
        last_seen_ms=max(incident.last_seen_ms, heard.last_ms),
        raised_ms=max(incident.raised_ms, heard.last_ms),
        version=incident.version + 1,
    )
    due_ms = due_of(counted)
    if due_ms != counted.due_ms:
        counted = changed(counted, due_ms=due_ms)
    return Decision(reason=Reason.REPEATED, incident=counted)


def _count(making: Making, heard: Heard) -> Decision:
    reason = _add_occurrences(making, heard)
    _raise_impact(making, heard.verdict.impact, f"rule {heard.verdict.rule}")
    return making.decision(reason)


def _add_occurrences(making: Making, heard: Heard) -> Reason:
    before = making.incident.occurrences
    after = before + heard.count
    making.change(
        occurrences=after,
        last_seen_ms=max(making.incident.last_seen_ms, heard.last_ms),
        raised_ms=max(making.incident.raised_ms, heard.last_ms),
    )
    reached = [number for number in RECURRENCES if before < number <= after]
    if not reached or making.incident.state is State.PENDING:
        return Reason.REPEATED
    what = f"{reached[-1]} incidents belong to it" if is_parent(making.incident) else f"Seen {reached[-1]} times"
    text = f"{what} since {utc(making.incident.first_seen_ms)}, last at {utc(heard.last_ms)}."
    making.note(Reason.RECURRED, text)
    making.comment(Reason.RECURRED, text)
    if is_parent(making.incident):
        making.sync(Rank.PRIORITY, Reason.RECURRED)  # its ticket lists its children
    return Reason.RECURRED


def _raise_impact(making: Making, impact: Impact, why: str, reason: Reason = Reason.IMPACT_CHANGED) -> None:
    incident = making.incident
    if incident.impact_owned or graver(impact, incident.impact) is incident.impact:
        return
    making.change(impact=impact, muted=incident.muted - _MUTED_UNTIL_CLEAR)
    text = f"Impact raised from {incident.impact.short} to {impact.short}: {why}."
    making.note(reason, text)
    if incident.state is not State.PENDING:
        making.sync(Rank.PRIORITY, reason)
        making.comment(reason, text)


def _raise_again(making: Making, heard: Heard) -> Decision:
    making.change(state=State.OPEN, cleared_ms=None)
    count_transition(making, heard.verdict.flap, at_ms=heard.first_ms)
    _add_occurrences(making, heard)
    making.note(Reason.RAISED_AGAIN, "raised again within the clear hold")
    _raise_impact(making, heard.verdict.impact, f"rule {heard.verdict.rule}")
    return making.decision(Reason.RAISED_AGAIN)


def _reopen(making: Making, heard: Heard) -> Decision:
    making.change(state=State.OPEN, cleared_ms=None, resolved_ms=None, opened_ms=making.now_ms)
    count_transition(making, heard.verdict.flap, at_ms=heard.first_ms)
    _add_occurrences(making, heard)
    text = f"Raised again at {utc(heard.last_ms)}: open again."
    making.note(Reason.REOPENED, text)
    making.sync(Rank.REOPEN, Reason.REOPENED)
    making.comment(Reason.REOPENED, text)
    if making.incident.unseen and not making.incident.muted - {Muted.FLAPPING}:
        making.sync(Rank.CREATE, Reason.REOPENED, though_flapping=True)
        making.tell()
    _raise_impact(making, heard.verdict.impact, f"rule {heard.verdict.rule}")
    return making.decision(Reason.REOPENED)


def _clear(making: Making, heard: Heard) -> Decision:
    incident = making.incident
    making.change(cleared_ms=heard.last_ms)
    if incident.needs_person:
        making.note(Reason.CLEARED, "cleared; a person reopened the ticket, so a person closes it")
        return making.decision(Reason.CLEARED)
    if incident.clear_hold_ms > 0:
        making.change(state=State.RECOVERING)
        making.note(Reason.CLEARING, f"cleared; resolved in {span(incident.clear_hold_ms)} unless raised again")
        return making.decision(Reason.CLEARING)
    return _resolve(making)


def _cancel(making: Making, heard: Heard) -> Decision:
    making.change(state=State.CLOSED, cleared_ms=heard.last_ms, closed_ms=making.now_ms)
    if heard.cleared_ms is not None:
        making.note(Reason.OVERTAKEN, f"over at {utc(heard.cleared_ms)}, before it was heard of; nobody was told")
        return making.decision(Reason.OVERTAKEN)
    making.note(Reason.CLEARED_IN_HOLD, "cleared within its hold; nobody was told")
    return making.decision(Reason.CLEARED_IN_HOLD)


_HEARD: Mapping[Move, Callable[[Making, Heard], Decision]] = {
    Move.COUNT: _count,
    Move.RAISE_AGAIN: _raise_again,
    Move.REOPEN: _reopen,
    Move.CLEAR: _clear,
    Move.CANCEL: _cancel,
}


def _note(incident: Incident | None, heard: Heard, *, now_ms: int) -> Decision:
    if incident is None or incident.state is State.CLOSED:
        return Decision(reason=Reason.NOTED, incident=incident)
    making = Making(incident, now_ms=now_ms)
    text = _what_was_said(heard)
    making.note(Reason.NOTED, one_line(text, 500))
    making.comment(Reason.NOTED, text)
    return making.decision(Reason.NOTED, known_as=heard.event.known_as)


def _follow_up(incident: Incident, heard: Heard, *, now_ms: int) -> Decision:
    """A mail, or another event, that names the incident; a person's wakes a resolved one, and one whose ticket was closed.

    Who closed a request's ticket thought that it was done: the requester's answer says that it is not.
    """
    making = Making(incident, now_ms=now_ms)
    reason = Reason.NOTED
    by_person = bool(heard.event.requester)
    if by_person and (incident.state is State.RESOLVED or Muted.HUMAN_CLOSED in incident.muted):
        reason = Reason.REOPENED
        making.change(muted=incident.muted - {Muted.HUMAN_CLOSED})
        if incident.state is State.RESOLVED:
            making.change(state=State.OPEN, cleared_ms=None, resolved_ms=None, opened_ms=now_ms)
        making.sync(Rank.REOPEN, Reason.REOPENED)
    text = _what_was_said(heard)
    making.change(last_seen_ms=max(incident.last_seen_ms, heard.last_ms))
    making.note(reason, one_line(text, 500))
    making.comment(Reason.NOTED, text, though_muted=by_person)  # a mute hides no person's words
    making.attach(heard.event.attachments)
    return making.decision(reason, known_as=heard.event.known_as, attachments=heard.event.attachments)


def _what_was_said(heard: Heard) -> str:
    event = heard.event
    who = event.requester or event.labels.get("from") or event.source
    text = f"{who} at {utc(heard.last_ms)}: {heard.verdict.summary}\n\n{event.description}".strip()
    return text if len(text) <= LONGEST_COMMENT else text[: LONGEST_COMMENT - 1] + "…"


# --- time ------------------------------------------------------------------------------------------


def _due(incident: Incident | None, *, now_ms: int, around: Around) -> Decision:
    due_ms = due_of(incident) if incident else None
    if incident is None or due_ms is None or due_ms > now_ms:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making, move = Making(incident, now_ms=now_ms), TABLE[incident.state, Trigger.DUE]
    if incident.calm_ms is not None and incident.calm_ms <= now_ms:
        calm(making)
        return making.decision(Reason.CALM)
    if incident.counting:
        return _lapse(making)
    if move is Move.OPEN:
        making.note(Reason.HOLD_ENDED, f"still raised after {span(incident.hold_ms)}")
        making.mute(around(incident), told=False)
    return _DUE[move](making)


def _open(making: Making, reason: Reason = Reason.HOLD_ENDED) -> Decision:
    making.change(state=State.OPEN, opened_ms=making.now_ms)
    making.sync(Rank.CREATE, reason)
    if not making.incident.unseen:
        making.attach_stored()
    return making.decision(reason)


def _lapse(making: Making) -> Decision:
    making.change(state=State.CLOSED, closed_ms=making.now_ms)
    making.note(Reason.LAPSED, f"raised {making.incident.counted} times, too seldom for its rule; nobody was told")
    return making.decision(Reason.LAPSED)


def _age(making: Making) -> Decision:
    incident = making.incident
    quiet = quiet_ms(incident)
    if quiet is not None and quiet <= making.now_ms:
        making.change(cleared_ms=quiet)
        return _resolve(making)
    age = span(making.now_ms - (incident.opened_ms or incident.first_seen_ms))
    impact = impact_by_age(incident, now_ms=making.now_ms)
    _raise_impact(making, impact, f"open for {age}", Reason.IMPACT_AGED)
    return making.decision(Reason.IMPACT_AGED)


def _resolve(making: Making) -> Decision:
    incident = making.incident
    text = f"Cleared after {span((incident.cleared_ms or making.now_ms) - incident.first_seen_ms)}, "
    text += f"{incident.occurrences} occurrence{'s' if incident.occurrences != 1 else ''}."
    making.change(state=State.RESOLVED, resolved_ms=making.now_ms)
    making.note(Reason.CLEARED, text)
    making.sync(Rank.CLOSE, Reason.CLEARED)
    making.comment(Reason.CLEARED, text)  # before the mute is lifted: who closed it needs no word of the clear
    if Muted.FLAPPING not in incident.muted:  # else until calm
        making.change(muted=incident.muted - _MUTED_UNTIL_CLEAR)
    making.over()
    return making.decision(Reason.CLEARED)


def _close(making: Making) -> Decision:
    making.change(state=State.CLOSED, closed_ms=making.now_ms)
    making.note(Reason.CLOSED, f"quiet for {span(making.incident.reopen_within_ms)}")
    making.sync(Rank.CLOSE, Reason.CLOSED)
    return making.decision(Reason.CLOSED)


_DUE: Mapping[Move, Callable[[Making], Decision]] = {
    Move.OPEN: _open,
    Move.AGE: _age,
    Move.RESOLVE: _resolve,
    Move.CLOSE: _close,
}

# --- operators -------------------------------------------------------------------------------------


def _command(incident: Incident | None, command: Command, *, now_ms: int) -> Decision:
    if incident is None or incident.state is State.CLOSED:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making = Making(incident, now_ms=now_ms)
    if command.verb is Verb.UNMUTE:
        making.change(muted=frozenset(), calm_ms=None)
        making.note(Reason.PERSON, f"{command.actor} lifted every mute")
        making.sync(Rank.CREATE, Reason.PERSON)
        making.tell()
        return making.decision(Reason.PERSON)
    making.change(state=State.CLOSED, resolved_ms=incident.resolved_ms or now_ms, closed_ms=now_ms)
    making.over()
    making.change(muted=making.incident.muted - {Muted.FLAPPING}, calm_ms=None)
    making.note(Reason.PERSON, f"closed by {command.actor}")
    making.sync(Rank.CLOSE, Reason.PERSON)
    return making.decision(Reason.PERSON)

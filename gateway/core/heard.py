"""What an event means for an incident: raises, clears, notes and follow-ups."""

from bisect import bisect
from collections.abc import Callable, Mapping
from typing import assert_never

from gateway.core.begin import begin
from gateway.core.decision import Decision, Heard, Rank
from gateway.core.due import open_now
from gateway.core.ending import ON_CLEAR
from gateway.core.event import EventKind
from gateway.core.flapping import count_transition
from gateway.core.gather import is_parent
from gateway.core.impact import graver
from gateway.core.incident import NOT_COUNTING, TABLE, Incident, Move, State, Trigger, changed, due_of, pause
from gateway.core.making import Making
from gateway.core.mute import Around
from gateway.core.reason import Muted, Reason
from gateway.core.seldom import too_seldom
from gateway.core.text import one_line, utc

RECURRENCES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
"""Numbers of occurrences that are worth a comment."""
LONGEST_COMMENT = 8_000


def decide_heard(incident: Incident | None, heard: Heard, *, now_ms: int, new_id: str, around: Around) -> Decision:
    """What an event with its verdict means for ``incident``, the latest one with its fingerprint or the one it names."""
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
        return begin(heard, previous=incident, now_ms=now_ms, new_id=new_id, around=around)
    if move is Move.COUNT and (decision := _one_more(incident, heard, now_ms=now_ms)):
        return decision
    making = Making(incident, now_ms=now_ms)
    if too_seldom(making, heard):
        return making.decision(Reason.COUNTING)
    if incident.counting:
        return _counted(making, heard, around=around)
    if move is Move.REOPEN:
        making.mute(around(incident), told=not incident.unseen)
    return _RAISED[move](making, heard)


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
    return ON_CLEAR[TABLE[making.incident.state, Trigger.CLEAR]](making, heard)


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
    making.count(heard)
    if incident.cleared_ms is not None and heard.cleared_ms is not None:
        making.change(cleared_ms=max(incident.cleared_ms, heard.cleared_ms))
    event = heard.event
    return making.decision(Reason.OVERTAKEN, known_as=event.known_as, attachments=event.attachments)


def _counted(making: Making, heard: Heard, *, around: Around) -> Decision:
    """It was raised as often as its rule asks for: it opens, unless it is held beside."""
    making.change(**NOT_COUNTING)  # also if it is another rule that raises it now, and asks for no number
    _count(making, heard)
    incident = making.incident
    making.note(Reason.COUNTED, f"raised {incident.occurrences} times since {utc(incident.first_seen_ms)}")
    if incident.hold_ms and incident.first_seen_ms + incident.hold_ms > making.now_ms:
        return making.decision(Reason.COUNTED)
    making.mute(around(incident), told=False)
    return open_now(making, Reason.COUNTED)


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
    making.raise_impact(heard.verdict.impact, f"rule {heard.verdict.rule}")
    return making.decision(reason)


def _add_occurrences(making: Making, heard: Heard) -> Reason:
    before = making.incident.occurrences
    making.count(heard)
    after = making.incident.occurrences
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


def _raise_again(making: Making, heard: Heard) -> Decision:
    making.change(state=State.OPEN, cleared_ms=None)
    count_transition(making, heard.verdict.flap, at_ms=heard.first_ms)
    _add_occurrences(making, heard)
    making.note(Reason.RAISED_AGAIN, "raised again within the clear hold")
    making.raise_impact(heard.verdict.impact, f"rule {heard.verdict.rule}")
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
    making.raise_impact(heard.verdict.impact, f"rule {heard.verdict.rule}")
    return making.decision(Reason.REOPENED)


_RAISED: Mapping[Move, Callable[[Making, Heard], Decision]] = {
    Move.COUNT: _count,
    Move.RAISE_AGAIN: _raise_again,
    Move.REOPEN: _reopen,
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

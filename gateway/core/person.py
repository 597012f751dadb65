"""What people do to tickets, and what we make of it.

The table of the design's section 5.7 as data: each act of a person meets the phase that the incident is in.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import StrEnum
from types import MappingProxyType

from gateway.core.decision import Decision, Rank, Seen
from gateway.core.incident import TABLE, Incident, Move, State, Trigger
from gateway.core.making import Making
from gateway.core.reason import Muted, Reason
from gateway.core.ticket import Observation, Ticket, TicketField, TicketState


class Act(StrEnum):
    """What a person did."""

    CLOSED = "closed the ticket"
    WONT_FIX = "said won't fix"
    PRIORITY = "changed priority"
    DELETED = "deleted the ticket"
    MOVED = "moved or merged it"
    REOPENED = "reopened it"


class Phase(StrEnum):
    """What the incident is doing meanwhile."""

    RAISED = "still raised"
    CLEARED = "cleared"
    FLAPPING = "flapping"
    MUTED = "muted"


class Answer(StrEnum):
    """What we do about it."""

    MUTE = "mute until clear; reopen if impact rises"
    MUTE_UNTIL_CALM = "mute until calm"
    ACCEPT = "accept"
    SILENCE = "silence this fingerprint until a person lifts it"
    FOLLOW_IMPACT = "the incident's impact follows; ours no longer overrides"
    RECORD = "record"
    OPEN_ANEW = "open a new one once, saying so; then as won't fix"
    WAIT = "wait"
    FOLLOW = "follow the new place"
    OPEN = "open"
    OPEN_FOR_PERSON = "open, needs a person to close"


def _row(raised: Answer, cleared: Answer, flapping: Answer, muted: Answer) -> Mapping[Phase, Answer]:
    return MappingProxyType(dict(zip(Phase, (raised, cleared, flapping, muted), strict=True)))


POLICY: Mapping[Act, Mapping[Phase, Answer]] = MappingProxyType(
    {
        Act.CLOSED: _row(Answer.MUTE, Answer.ACCEPT, Answer.MUTE_UNTIL_CALM, Answer.ACCEPT),
        Act.WONT_FIX: _row(Answer.SILENCE, Answer.ACCEPT, Answer.SILENCE, Answer.SILENCE),
        Act.PRIORITY: _row(Answer.FOLLOW_IMPACT, Answer.RECORD, Answer.RECORD, Answer.RECORD),
        Act.DELETED: _row(Answer.OPEN_ANEW, Answer.ACCEPT, Answer.OPEN_ANEW, Answer.WAIT),
        Act.MOVED: _row(Answer.FOLLOW, Answer.FOLLOW, Answer.FOLLOW, Answer.FOLLOW),
        Act.REOPENED: _row(Answer.OPEN, Answer.OPEN_FOR_PERSON, Answer.OPEN, Answer.OPEN),
    }
)


def phase_of(incident: Incident) -> Phase:
    """The column of the table that ``incident`` is in."""
    if Muted.FLAPPING in incident.muted:
        return Phase.FLAPPING
    if incident.muted - {Muted.HUMAN_CLOSED, Muted.WONT_FIX}:
        return Phase.MUTED
    cleared = incident.cleared_ms is not None and incident.cleared_ms >= incident.raised_ms
    return Phase.RAISED if incident.alive and not cleared else Phase.CLEARED


def acts_in(ticket: Ticket, seen: Observation) -> tuple[Act, ...]:
    """What people did since we last wrote the ticket, as far as ``seen`` shows."""
    if not seen.exists:
        return (Act.DELETED,)
    acts = []
    if ticket.ref is not None and (seen.ref.id, seen.ref.name) != (ticket.ref.id, ticket.ref.name):
        acts.append(Act.MOVED)
    if ticket.state is not None and seen.state.done != ticket.state.done:
        acts.append(Act.REOPENED if ticket.state.done else Act.WONT_FIX if seen.wont_fix else Act.CLOSED)
    if seen.impact is not None and ticket.impact is not None and seen.impact is not ticket.impact:
        acts.append(Act.PRIORITY)
    return tuple(acts)


def decide_seen(incident: Incident | None, seen: Seen, *, now_ms: int) -> Decision:
    """What an observation of a ticket means for its incident."""
    acts = _acts_that_count(incident, seen)
    if incident is None or not acts:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making = _Answering(incident, seen, now_ms=now_ms)
    for act in acts:
        making.answer(act)
    making.keep_ticket(making.ticket)
    return making.decision(making.reason)


def _acts_that_count(incident: Incident | None, seen: Seen) -> tuple[Act, ...]:
    """What people did; of a closed incident's ticket only where it is, and that a person needs it open again."""
    acts = acts_in(seen.ticket, seen.observation)
    if incident is None or TABLE[incident.state, Trigger.TICKET_CLOSED] is not Move.IGNORE:
        return acts
    last = () if seen.succeeded else (Act.REOPENED,)
    return tuple(act for act in acts if act in (Act.MOVED, *last))


class _Answering(Making):
    """A decision in the making, about one ticket."""

    def __init__(self, incident: Incident, seen: Seen, *, now_ms: int) -> None:
        super().__init__(incident, now_ms=now_ms)
        self.ticket = seen.ticket
        self.observation = seen.observation
        self.reason = Reason.UNCHANGED

    def answer(self, act: Act) -> None:
        self.reason = _REASONS[act]
        chosen = POLICY[act][phase_of(self.incident)]
        self.note(self.reason, f"a person {act} in {self.ticket.sink}; {chosen}")
        _ANSWERS[chosen](self)

    def accept_state(self) -> None:
        """Take the ticket's state as written: it is what the person wanted."""
        done = self.observation.state.done
        owned = self.ticket.owned | {TicketField.STATE} if done else self.ticket.owned - {TicketField.STATE}
        self.ticket = replace(self.ticket, state=self.observation.state, owned=owned)


def _mute(making: _Answering) -> None:
    making.accept_state()
    making.change(muted=making.incident.muted | {Muted.HUMAN_CLOSED})


def _accept(making: _Answering) -> None:
    if not making.observation.exists:
        making.ticket = replace(making.ticket, ref=None, state=TicketState.CLOSED)
    else:
        making.accept_state()
    if phase_of(making.incident) is Phase.MUTED:
        return
    if TABLE[making.incident.state, Trigger.TICKET_CLOSED] is Move.CLOSE:
        making.change(state=State.CLOSED, closed_ms=making.now_ms)
    else:
        making.change(state=State.RESOLVED, resolved_ms=making.now_ms, needs_person=False)
    making.sync(Rank.CLOSE, making.reason, but=making.ticket.sink)


def _silence(making: _Answering) -> None:
    if making.observation.exists:
        making.accept_state()
    making.change(muted=making.incident.muted | {Muted.WONT_FIX})


def _follow_impact(making: _Answering) -> None:
    impact = making.observation.impact or making.incident.impact
    _record(making)
    making.change(impact=impact, impact_owned=True)
    making.sync(Rank.PRIORITY, Reason.PERSON_CHANGED_PRIORITY)


def _record(making: _Answering) -> None:
    making.ticket = replace(
        making.ticket, impact=making.observation.impact, owned=making.ticket.owned | {TicketField.PRIORITY}
    )


def _open_anew(making: _Answering) -> None:
    if making.ticket.generation > 1:
        making.ticket = replace(making.ticket, ref=None, state=TicketState.CLOSED)
        _silence(making)
        return
    making.ticket = replace(making.ticket, ref=None, state=None, impact=None, generation=2, owned=frozenset())
    making.change(muted=making.incident.muted - {Muted.HUMAN_CLOSED})
    making.sync(Rank.CREATE, Reason.PERSON_DELETED)


def _wait(making: _Answering) -> None:
    making.ticket = replace(making.ticket, ref=None, state=None, impact=None, generation=making.ticket.generation + 1)


def _follow(making: _Answering) -> None:
    making.ticket = replace(making.ticket, ref=making.observation.ref)


def _reopen(making: _Answering) -> None:
    making.accept_state()
    making.change(muted=making.incident.muted - {Muted.HUMAN_CLOSED, Muted.WONT_FIX})
    if making.incident.state in (State.RESOLVED, State.CLOSED):
        making.change(state=State.OPEN, resolved_ms=None, closed_ms=None, opened_ms=making.now_ms)
        making.sync(Rank.REOPEN, making.reason, but=making.ticket.sink)


def _reopen_for_person(making: _Answering) -> None:
    _reopen(making)
    making.change(needs_person=True)


_ANSWERS: Mapping[Answer, Callable[[_Answering], None]] = {
    Answer.MUTE: _mute,
    Answer.MUTE_UNTIL_CALM: _mute,
    Answer.ACCEPT: _accept,
    Answer.SILENCE: _silence,
    Answer.FOLLOW_IMPACT: _follow_impact,
    Answer.RECORD: _record,
    Answer.OPEN_ANEW: _open_anew,
    Answer.WAIT: _wait,
    Answer.FOLLOW: _follow,
    Answer.OPEN: _reopen,
    Answer.OPEN_FOR_PERSON: _reopen_for_person,
}

_REASONS: Mapping[Act, Reason] = {
    Act.CLOSED: Reason.PERSON_CLOSED,
    Act.WONT_FIX: Reason.PERSON_WONT_FIX,
    Act.PRIORITY: Reason.PERSON_CHANGED_PRIORITY,
    Act.DELETED: Reason.PERSON_DELETED,
    Act.MOVED: Reason.PERSON_MOVED,
    Act.REOPENED: Reason.PERSON_REOPENED,
}

"""What people do to tickets: each cell of the table of the design's section 5.7."""

import pytest

from gateway.core.draft import draft
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.person import POLICY, Act, Answer, Phase, acts_in, phase_of
from gateway.core.reason import Muted, Reason
from gateway.core.ticket import Observation, Ticket, TicketField, TicketRef, TicketState

OPEN, CLOSED = TicketState.OPEN, TicketState.CLOSED


def test_the_table_has_every_cell() -> None:
    assert {act: set(row) for act, row in POLICY.items()} == {act: set(Phase) for act in Act}
    assert {answer for row in POLICY.values() for answer in row.values()} <= set(Answer)


def test_nothing_happened_if_the_ticket_looks_as_we_wrote_it(life) -> None:
    life.raised()
    assert life.seen() is Reason.UNCHANGED
    assert life.seen(impact=Impact.MEDIUM) is Reason.UNCHANGED
    assert life.last.tickets == ()


def test_closed_while_raised_mutes_until_clear(life) -> None:
    life.raised()
    assert life.seen(state=CLOSED) is Reason.PERSON_CLOSED
    assert (life.state, life.muted) == (State.OPEN, {Muted.HUMAN_CLOSED})
    assert TicketField.STATE in draft(life.incident, life.last.tickets[0]).keep
    life.raised(count=50)
    assert life.last.wishes == ()
    life.cleared()
    assert (life.state, life.muted) == (State.RESOLVED, frozenset())


def test_closed_while_raised_reopens_if_the_impact_rises(life) -> None:
    life.raised()
    life.seen(state=CLOSED)
    life.raised(impact=Impact.CRITICAL)
    assert life.muted == frozenset()
    assert life.syncs[-1] == "PRIORITY"
    assert TicketField.STATE not in draft(life.incident, life.ticket(state=CLOSED)).keep


def test_closed_while_recovering_resolves(life) -> None:
    life.raised(clear_hold_ms=60_000)
    life.cleared()
    life.seen(state=CLOSED)
    assert life.state is State.RESOLVED


def test_closed_after_the_end_is_accepted(life) -> None:
    life.raised()
    life.cleared()
    life.seen(life.ticket(state=OPEN), state=CLOSED)
    assert life.state is State.CLOSED


def test_closed_in_maintenance_is_accepted_and_the_incident_goes_on(life) -> None:
    life.raised()
    life.incident = _muted(life, Muted.MAINTENANCE)
    life.seen(state=CLOSED)
    assert (life.state, life.muted) == (State.OPEN, {Muted.MAINTENANCE})


def test_closed_while_flapping_mutes(life) -> None:
    life.raised()
    life.incident = _muted(life, Muted.FLAPPING)
    life.seen(state=CLOSED)
    assert life.muted == {Muted.FLAPPING, Muted.HUMAN_CLOSED}


@pytest.mark.parametrize("mute", [None, Muted.FLAPPING, Muted.MAINTENANCE])
def test_wont_fix_silences_until_a_person_lifts_it(life, mute) -> None:
    life.raised()
    if mute:
        life.incident = _muted(life, mute)
    assert life.seen(state=CLOSED, wont_fix=True) is Reason.PERSON_WONT_FIX
    assert Muted.WONT_FIX in life.muted
    life.cleared()
    assert Muted.WONT_FIX in life.muted
    life.raised()
    assert life.last.wishes == ()


def test_wont_fix_after_the_end_is_accepted(life) -> None:
    life.raised()
    life.cleared()
    life.seen(life.ticket(state=OPEN), state=CLOSED, wont_fix=True)
    assert (life.state, life.muted) == (State.CLOSED, frozenset())


def test_a_changed_priority_becomes_the_incidents_impact_and_ours_no_longer_overrides(life) -> None:
    life.raised(impact_after=((3_600_000, Impact.HIGH),))
    assert life.seen(impact=Impact.LOW) is Reason.PERSON_CHANGED_PRIORITY
    assert (life.impact, life.impact_owned, life.due_ms) == (Impact.LOW, True, None)
    assert TicketField.PRIORITY in life.last.tickets[0].owned
    life.raised(impact=Impact.CRITICAL)
    assert life.impact is Impact.LOW


@pytest.mark.parametrize("mute", [Muted.FLAPPING, Muted.MAINTENANCE])
def test_a_changed_priority_is_only_recorded_while_muted(life, mute) -> None:
    life.raised()
    life.incident = _muted(life, mute)
    life.seen(impact=Impact.LOW)
    assert (life.impact, life.last.tickets[0].impact) == (Impact.MEDIUM, Impact.LOW)


def test_a_deleted_ticket_is_opened_anew_once_and_says_so_then_counts_as_wont_fix(life) -> None:
    life.raised()
    assert life.seen(exists=False) is Reason.PERSON_DELETED
    anew = life.last.tickets[0]
    assert (anew.ref, anew.generation, anew.key, life.syncs[-1]) == (None, 2, f"{life.id}-2", "CREATE")
    assert "deleted" in draft(life.incident, anew).description
    life.seen(life.ticket(generation=2), exists=False)
    assert (life.muted, life.last.tickets[0].ref, life.last.wishes) == ({Muted.WONT_FIX}, None, ())


def test_a_ticket_deleted_after_the_end_is_gone(life) -> None:
    life.raised()
    life.cleared()
    life.seen(exists=False)
    assert life.last.tickets[0].ref is None
    assert life.state is State.CLOSED


def test_a_ticket_deleted_in_maintenance_waits_for_the_end(life) -> None:
    life.raised()
    life.incident = _muted(life, Muted.MAINTENANCE)
    life.seen(exists=False)
    assert (life.last.tickets[0].generation, life.last.wishes) == (2, ())


@pytest.mark.parametrize("end", [False, True])
def test_a_moved_ticket_is_followed(life, end: bool) -> None:
    life.raised()
    if end:
        life.cleared()
        life.after(120)
    there = TicketRef(id="8", url="http://x/8", name="T-8")
    assert life.seen(life.ticket(state=OPEN if not end else CLOSED), ref=there, asked="7") is Reason.PERSON_MOVED
    assert life.last.tickets[0].ref == there


def test_reopened_by_a_person_after_the_end_only_a_person_closes_it_again(life) -> None:
    life.raised()
    life.cleared()
    assert life.seen(life.ticket(state=CLOSED), state=OPEN) is Reason.PERSON_REOPENED
    assert (life.state, life.needs_person) == (State.OPEN, True)
    life.raised()
    life.cleared()
    assert life.state is State.OPEN
    life.seen(life.ticket(state=OPEN), state=CLOSED)
    assert life.state is State.RESOLVED


def test_what_a_person_ends_or_reopens_in_one_tracker_is_so_in_the_others(life) -> None:
    life.raised(sinks=("desk", "noc"), clear_hold_ms=60_000)
    life.cleared()
    life.seen(state=CLOSED)
    assert [(wish.sink, wish.rank.name) for wish in life.last.wishes] == [("noc", "CLOSE")]
    life.seen(life.ticket(state=CLOSED), state=OPEN)
    assert (life.state, [(wish.sink, wish.rank.name) for wish in life.last.wishes]) == (State.OPEN, [("noc", "REOPEN")])


@pytest.mark.parametrize("mute", [Muted.HUMAN_CLOSED, Muted.WONT_FIX, Muted.FLAPPING])
def test_reopened_by_a_person_while_raised_lifts_what_people_had_muted(life, mute) -> None:
    life.raised()
    life.incident = _muted(life, mute)
    life.seen(life.ticket(state=CLOSED), state=OPEN)
    assert life.muted == ({Muted.FLAPPING} if mute is Muted.FLAPPING else frozenset())
    assert life.state is State.OPEN


def test_what_a_person_closed_is_not_closed_again_by_us_and_what_is_reopened_is(life) -> None:
    life.raised()
    life.seen(state=CLOSED)
    ticket = life.last.tickets[0]
    life.cleared()
    assert TicketField.STATE in draft(life.incident, ticket).keep
    life.raised()
    assert TicketField.STATE not in draft(life.incident, ticket).keep


def test_two_acts_seen_at_once_are_both_answered(life) -> None:
    life.raised()
    life.seen(state=CLOSED, impact=Impact.LOW)
    assert (life.impact, life.muted) == (Impact.LOW, {Muted.HUMAN_CLOSED})


def test_acts_are_told_apart() -> None:
    ref = TicketRef(id="1")
    ticket = Ticket(incident="i", sink="s", ref=ref, state=OPEN, impact=Impact.LOW)
    assert acts_in(ticket, Observation(ref=ref, exists=False)) == (Act.DELETED,)
    assert acts_in(ticket, Observation(ref=ref, state=TicketState.RESOLVED)) == (Act.CLOSED,)
    assert acts_in(Ticket(incident="i", sink="s", ref=ref), Observation(ref=ref, state=CLOSED)) == ()


def test_phases(life) -> None:
    life.raised()
    assert phase_of(life.incident) is Phase.RAISED
    assert phase_of(_muted(life, Muted.FLAPPING)) is Phase.FLAPPING
    assert phase_of(_muted(life, Muted.STORM)) is Phase.MUTED
    life.cleared()
    assert phase_of(life.incident) is Phase.CLEARED


def _muted(life, mute: Muted):
    from dataclasses import replace

    return replace(life.incident, muted=frozenset({mute}))

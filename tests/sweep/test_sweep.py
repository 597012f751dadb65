"""When a sweep looks, and what it makes of what it sees."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sweep import GIVE_UP_MS, LATER_MS, LOOKS_MS, judge, later, looked, planned
from gateway.core.ticket import Observation, TicketRef, TicketState

NOW_MS = 1_795_305_600_000
OPEN, RESOLVED, CLOSED = TicketState.OPEN, TicketState.RESOLVED, TicketState.CLOSED


def sweep():
    return planned(incident="I", sink="desk", key="I", since_ms=NOW_MS - 5, now_ms=NOW_MS)


def ticket(id_: str, state: TicketState = OPEN, **more) -> Observation:
    return Observation(ref=TicketRef(id=id_), state=state, **more)


def verdict(*seen: Observation, ours: str | None = None, over: bool = False) -> tuple[str, list[str]] | None:
    made = judge(seen, ours=None if ours is None else TicketRef(id=ours), over=over)
    return None if made is None else (made.keep.ref.id, [ref.id for ref in made.close])


def test_it_looks_after_15_minutes_2_hours_and_12_hours_and_never_again() -> None:
    at, found = NOW_MS, sweep()
    instants = []
    while found is not None:
        instants.append(found.next_ms - NOW_MS)
        at = found.next_ms
        found = looked(found, now_ms=at)
    assert instants == [15 * 60_000, 2 * 3_600_000, 12 * 3_600_000] == list(LOOKS_MS)


def test_after_a_long_stop_looks_are_not_made_all_at_once() -> None:
    day_later = NOW_MS + 86_400_000
    second = looked(sweep(), now_ms=day_later)
    assert second is not None
    assert second.next_ms == day_later + LOOKS_MS[0]


def test_a_look_that_could_not_be_made_is_made_later_and_given_up_in_the_end() -> None:
    again = later(sweep(), now_ms=NOW_MS + 7)
    assert again == replace(sweep(), next_ms=NOW_MS + 7 + LATER_MS)
    assert later(sweep(), now_ms=NOW_MS + GIVE_UP_MS + 1) is None


def test_the_older_of_two_is_kept_whichever_we_knew() -> None:
    for ours in ("1", "2", None):
        assert verdict(ticket("1"), ticket("2"), ours=ours) == ("1", ["2"])


def test_people_who_closed_one_have_chosen_the_other() -> None:
    assert verdict(ticket("1", CLOSED), ticket("2"), ours="1") == ("2", [])
    assert verdict(ticket("1"), ticket("2", RESOLVED), ours="2") == ("1", [])


def test_when_the_trouble_is_over_ours_stays_and_what_is_open_is_closed() -> None:
    assert verdict(ticket("1"), ticket("2", RESOLVED), ours="2", over=True) == ("2", ["1"])
    assert verdict(ticket("1"), ticket("2"), ours=None, over=True) == ("1", ["2"])


def test_what_is_gone_or_merged_is_no_second_ticket() -> None:
    assert verdict(ticket("1", exists=False), ours="1") is None
    assert verdict(ticket("1", exists=False), ticket("2"), ours="1") == ("2", [])
    assert verdict(ticket("1"), ticket("1", asked="2"), ours="2") == ("1", [])
    assert verdict(ours="1") is None


@given(
    states=st.lists(st.tuples(st.sampled_from(TicketState), st.booleans()), max_size=6),
    ours=st.none() | st.integers(0, 7),
    over=st.booleans(),
)
def test_at_most_one_stays_open_and_what_stays_is_never_closed(states, ours, over) -> None:
    seen = [ticket(str(number), state, exists=there) for number, (state, there) in enumerate(states)]
    made = judge(seen, ours=None if ours is None else TicketRef(id=str(ours)), over=over)
    if made is None:
        assert not any(one.exists for one in seen)
        return
    closed = {ref.id for ref in made.close}
    assert made.keep.ref.id not in closed
    assert {one.ref.id for one in seen if one.exists and not one.state.done} <= closed | {made.keep.ref.id}
    assert all(not one.state.done for one in seen if one.ref.id in closed)

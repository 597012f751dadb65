"""A rule that asks for many raises: who is told when, by both ways to count, against a count done by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.counting import Counting, Frequency, Tally
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.reason import Reason

INTERVAL, BUCKET = Counting
OFTEN = Frequency(count=3, within_ms=600_000)
LEAKS = Frequency(count=3, within_ms=600_000, counting=BUCKET)


def _opens_at(times: list[int], frequency: Frequency) -> int | None:
    """Which raise (from 0) makes the trouble, by hand: millisecond for millisecond for the bucket."""
    left, began, before = 0, 0, 0
    for number, at in enumerate(times):
        if frequency.counting is INTERVAL:
            if left and at - began >= frequency.within_ms:
                left = 0
        else:
            each = frequency.within_ms // frequency.count
            for passed in range(before + 1, at + 1):
                left -= 1 if left and (passed - began) % each == 0 else 0
        if not left:
            began = at
        left, before = left + 1, at
        if left >= frequency.count:
            return number
    return None


@given(
    gaps=st.lists(st.integers(0, 30), max_size=25),
    count=st.integers(2, 5),
    each=st.integers(1, 12),
    counting=st.sampled_from(Counting),
)
def test_it_opens_with_the_very_raise_that_makes_the_number(life_class, gaps, count, each, counting) -> None:
    frequency = Frequency(count=count, within_ms=count * each, counting=counting)
    life, times = life_class(), []
    start = life.now
    for gap in gaps:
        life.now += gap
        times.append(life.now - start)
        life.raised(frequency=frequency)
        if life.state is State.OPEN:
            break
        assert (life.state, life.syncs) == (State.PENDING, [])
    opened = len(times) - 1 if times and life.state is State.OPEN else None
    assert opened == _opens_at(times, frequency)


@pytest.mark.parametrize(
    ("frequency", "minutes", "opens"),
    [
        (OFTEN, (0, 4, 9), True),
        (OFTEN, (0, 9, 10, 11), False),
        (OFTEN, (0, 9, 10, 11, 19.9), True),
        (LEAKS, (0, 1, 2), True),
        (LEAKS, (0, 4, 8), False),
        (LEAKS, (0, 3, 3, 3.2), True),
        (LEAKS, range(0, 33, 3), False),  # a little faster than it leaks:
        (LEAKS, range(0, 36, 3), True),  # in the end it is full
    ],
)
def test_an_interval_begins_anew_and_a_bucket_leaks(life, frequency: Frequency, minutes, opens: bool) -> None:
    start = life.now
    for at in minutes:
        life.now = start + round(at * 60_000)
        life.raised(frequency=frequency)
    assert (life.state is State.OPEN) is opens


def test_when_it_is_raised_often_enough_it_opens_and_says_so(life) -> None:
    said = [life.raised(frequency=OFTEN) for _ in range(4)]
    assert said == [Reason.COUNTING, Reason.COUNTING, Reason.COUNTED, Reason.REPEATED]
    assert (life.state, life.occurrences, life.syncs, life.counted, life.lapses_ms) == (
        State.OPEN,
        4,
        ["CREATE"],
        0,
        None,
    )


def test_a_count_that_lapses_is_put_away_without_a_word(life) -> None:
    life.raised(frequency=OFTEN)
    assert life.after(10) is Reason.UNCHANGED  # what came in time may still wait to be written
    assert life.after(0.1) is Reason.LAPSED
    assert (life.state, life.syncs, life.comments, life.due_ms) == (State.CLOSED, [], [], None)
    first = life.id
    life.raised(frequency=OFTEN)
    assert (life.state, life.previous, life.counted) == (State.PENDING, first, 1)


def test_a_clear_begins_the_count_anew(life) -> None:
    life.raised(frequency=OFTEN)
    life.raised(frequency=OFTEN)
    assert life.cleared() is Reason.CLEARED_IN_HOLD
    assert [life.raised(frequency=OFTEN) for _ in range(3)] == [Reason.COUNTING, Reason.COUNTING, Reason.COUNTED]


@pytest.mark.parametrize(("times", "again"), [({}, Reason.REOPENED), ({"clear_hold_ms": 60_000}, Reason.RAISED_AGAIN)])
def test_what_is_over_is_not_raised_again_by_fewer(life, times, again: Reason) -> None:
    terms = {"frequency": OFTEN, "reopen_within_ms": 7_200_000, **times}
    for _ in range(3):
        life.raised(**terms)
    life.cleared()
    over, told = life.state, (life.syncs, life.comments)
    assert [life.raised(impact=Impact.HIGH, **terms) for _ in range(2)] == [Reason.COUNTING] * 2
    life.wait(0.1)
    assert life.cleared() is Reason.UNMATCHED_CLEAR
    assert (life.state, life.counted, (life.syncs, life.comments)) == (over, 0, told)
    assert [life.raised(**terms) for _ in range(3)] == [Reason.COUNTING, Reason.COUNTING, again]
    assert life.state is State.OPEN


def test_a_late_clear_leaves_the_count(life) -> None:
    for _ in range(3):
        life.raised(frequency=OFTEN, clear_hold_ms=600_000)
    life.cleared()
    life.wait(1)
    life.raised(frequency=OFTEN)
    life.now -= 30_000
    assert life.cleared() is Reason.STALE_CLEAR
    assert life.counted == 1


def test_its_hold_counts_from_the_first_raise(life) -> None:
    life.raised(frequency=OFTEN, hold_ms=300_000)
    life.wait(1)
    life.raised(frequency=OFTEN, count=2)
    assert (life.last.reason, life.state, life.syncs) == (Reason.COUNTED, State.PENDING, [])
    assert life.after(4) is Reason.HOLD_ENDED
    life.cleared()
    life.raised(frequency=OFTEN, hold_ms=0, count=3)
    assert life.state is State.OPEN


def test_another_rule_that_asks_for_no_number_opens_it(life) -> None:
    life.raised(frequency=OFTEN)
    assert life.raised(impact=Impact.HIGH) is Reason.COUNTED
    assert (life.state, life.impact, life.syncs) == (State.OPEN, Impact.HIGH, ["CREATE"])


def test_what_flaps_meanwhile_is_told(life) -> None:
    while life.incident is None or life.state in (State.PENDING, State.CLOSED):
        life.raised(frequency=OFTEN)
        life.wait(0.1)
        life.cleared()
        life.wait(0.1)
    assert "Flapping" in life.comments[0]
    assert (life.counted, life.lapses_ms) == (0, None)


def test_late_raises_count_and_move_nothing() -> None:
    assert OFTEN.add(Tally(1, 1000), 1, at_ms=900) == Tally(2, 1000)
    assert LEAKS.reached(Tally(3, 1000), at_ms=900)
    assert str(LEAKS) == "3 times within 10 min (token_bucket)"

"""A loss above a threshold is an incident of its own, and ends when a minute was calm."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.event import EventKind
from gateway.core.loss import HARMLESS, Loss, look, sentence
from gateway.core.reason import Dropped

RAISE, CLEAR = EventKind.RAISE, EventKind.CLEAR


def story(*minutes, per_min=100, known=None):
    """What is told, minute by minute, of so many kernel drops."""
    known, told = known or Loss(raised=False), []
    for drops in minutes:
        known, kind, _ = look(known, {Dropped.KERNEL: drops}, per_min=per_min)
        told.append(kind)
    return told


def test_it_is_raised_once_and_cleared_when_calm():
    assert story(0, 99, 100, 5000, 99, 51, 50, 0) == [None, None, RAISE, None, None, None, CLEAR, None]


def test_a_new_process_clears_what_the_one_before_may_have_raised():
    assert story(0, 0, known=Loss()) == [CLEAR, None]
    assert story(500, 0, known=Loss()) == [RAISE, CLEAR]


def test_zero_turns_it_off_and_clears_what_was_raised():
    assert story(10**9, 10**9, per_min=0, known=Loss(raised=True)) == [CLEAR, None]


def test_the_smallest_threshold_works():
    assert story(1, 1, 0, per_min=1) == [RAISE, None, CLEAR]


def test_what_is_no_loss_is_not_counted():
    _, kind, lost = look(Loss(raised=False), dict.fromkeys(HARMLESS, 10**6), per_min=1)
    assert (kind, lost) == (None, {})


def test_the_reasons_are_told_with_the_gravest_first():
    drops = {
        Dropped.MALFORMED: 3,
        Dropped.OVERLOAD: 200,
        Dropped.KERNEL: 1000,
        Dropped.DUPLICATE: 9,
        Dropped.REPLAYED: 0,
    }
    _, kind, lost = look(Loss(raised=False), drops, per_min=1)
    assert kind is RAISE
    assert sentence("snmp", lost) == "snmp lost 1203 inputs in a minute: kernel 1000, overload 200, malformed 3"


@given(st.lists(st.integers(0, 300)), st.integers(0, 200))
def test_raise_and_clear_take_turns(minutes, per_min):
    told = [kind for kind in story(*minutes, per_min=per_min) if kind]
    assert told == [(RAISE, CLEAR)[turn % 2] for turn in range(len(told))]

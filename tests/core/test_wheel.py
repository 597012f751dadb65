"""The wheel wakes what is due: never early, never lost, at most a tick late."""

import math
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.core.wheel import Wheel

TICK_S = 0.7  # no power of two: floating point may show itself
keys = st.sampled_from([f"s{n}" for n in range(6)])


class AgainstADictionary(RuleBasedStateMachine):
    """The model: a dictionary of deadlines, scanned."""

    def __init__(self) -> None:
        super().__init__()
        self.wheel, self.model, self.now_s = Wheel(tick_s=TICK_S), {}, 0.0

    @rule(key=keys, after_s=st.floats(-5, 30))
    def schedule(self, key: str, after_s: float) -> None:
        self.model[key] = self.now_s + after_s
        self.wheel.schedule(key, self.now_s + after_s)

    @rule(key=keys, never=st.booleans())
    def forget(self, key: str, never: bool) -> None:
        self.model.pop(key, None)
        if never:
            self.wheel.schedule(key, math.inf)
        else:
            self.wheel.cancel(key)

    @rule(after_s=st.floats(0, 20), limit=st.integers(1, 3))
    def turn(self, after_s: float, limit: int) -> None:
        """Time passes; all that is due comes out once, in bites no larger than the limit."""
        self.now_s += after_s
        found, calls = [], 0
        while True:
            bite = self.wheel.due(self.now_s, limit=limit)
            assert len(bite) <= limit
            found += bite
            calls += 1
            next_s = self.wheel.next_s()
            if next_s is None or next_s > self.now_s:
                break
            assert calls < 1000
        assert len(set(found)) == len(found)
        for key in found:
            assert self.model.pop(key) <= self.now_s, "early"
        late = [key for key, at_s in self.model.items() if at_s <= self.now_s - TICK_S]
        assert not late, "lost, or more than a tick late"

    @invariant()
    def agrees(self) -> None:
        assert len(self.wheel) == len(self.model)
        assert all(key in self.wheel for key in self.model)

    @precondition(lambda self: self.model)
    @invariant()
    def says_when_to_come_back(self) -> None:
        assert self.wheel.next_s() < min(self.model.values()) + TICK_S * 1.000001


TestAgainstADictionary = AgainstADictionary.TestCase


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.sampled_from([0.1, 1.0, 3.0]))
def test_each_key_is_found_within_one_tick(instants: list[float], tick_s: float) -> None:
    wheel = Wheel(tick_s=tick_s)
    for n, at_s in enumerate(instants):
        wheel.schedule(f"k{n}", at_s)
    while len(wheel):
        now_s = wheel.next_s()
        for key in wheel.due(now_s):
            assert now_s - tick_s * 1.000001 <= instants[int(key[1:])] <= now_s


def test_work_per_call_is_bounded_even_if_everything_has_moved_later() -> None:
    wheel = Wheel()
    for n in range(1000):
        wheel.schedule(f"k{n}", 10)
        wheel.schedule(f"k{n}", 100)
    assert wheel.due(10, limit=100) == []
    assert wheel.next_s() <= 10, "it must say that there is more to do"
    while wheel.next_s() <= 10:
        assert wheel.due(10, limit=100) == []
    assert len(wheel) == 1000
    assert len(wheel.due(100)) == 1000


def test_moving_back_and_forth_piles_nothing_up() -> None:
    wheel = Wheel()
    tracemalloc.start()
    try:
        for n in range(20_000):
            wheel.schedule("flapping", 90 + n / 1000)
            wheel.schedule("flapping", 30 + n / 1000)
            wheel.cancel("flapping")
        grown, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert grown < 10_000


def test_an_empty_wheel_waits_for_nothing() -> None:
    wheel = Wheel()
    assert wheel.next_s() is None
    assert wheel.due(1e9) == []
    assert "s1" not in wheel


@pytest.mark.parametrize("nonsense", [math.nan, -math.inf])
def test_a_deadline_must_be_an_instant(nonsense: float) -> None:
    with pytest.raises(ValueError, match="deadline"):
        Wheel().schedule("s1", nonsense)


def test_a_tick_must_have_a_length() -> None:
    with pytest.raises(ValueError, match="tick"):
        Wheel(tick_s=0)

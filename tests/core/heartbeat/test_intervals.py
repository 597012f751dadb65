"""Where the interval of a station comes from, and how late a beat may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.station import Policy
from tests.core.heartbeat.conftest import POLICY, Watch


def interval_of(watch: Watch) -> tuple[float, str]:
    return watch.station.interval_s, watch.station.interval_from.value


def test_configured_beats_announced_beats_learned_beats_default() -> None:
    watch = Watch()
    watch.hear()
    assert interval_of(watch) == (60, "default")
    watch.beats(9, every_s=20)
    assert interval_of(watch) == (20, "learned")
    watch.hear(interval_s=300)
    assert interval_of(watch) == (300, "announced")
    watch.beats(20, every_s=20)
    assert interval_of(watch) == (300, "announced")
    watch.policy = Policy(interval_s=45)
    watch.hear(interval_s=300)
    assert interval_of(watch) == (45, "configured")
    watch.policy = POLICY
    watch.hear()
    assert interval_of(watch) == (60, "default")


@pytest.mark.parametrize(("announced", "taken"), [(0.1, 5), (5, 5), (3600, 3600), (10**9, 86_400)])
def test_announced_intervals_are_clamped(announced: float, taken: float) -> None:
    watch = Watch()
    watch.hear(interval_s=announced)
    assert interval_of(watch) == (taken, "announced")


@pytest.mark.parametrize("announced", [0, -5, 0.0])
def test_an_interval_of_nothing_is_no_announcement(announced: float) -> None:
    watch = Watch()
    watch.hear(interval_s=announced)
    assert interval_of(watch) == (60, "default")


def test_an_interval_is_learned_from_the_median_of_eight_gaps_and_no_fewer() -> None:
    watch = Watch()
    for gap_s in (30, 31, 29, 30, 300, 30, 30, 30):  # 300 s are an outage, and no gap
        watch.hear()
        watch.wait(gap_s)
    watch.hear()
    assert interval_of(watch) == (60, "default")
    watch.wait(30)
    watch.hear()
    assert interval_of(watch) == (30, "learned")


def test_beats_close_together_are_one_when_intervals_are_learned() -> None:
    watch = Watch()
    for _ in range(20):
        watch.beats(3, every_s=0.1)
        watch.wait(59.7)
    assert interval_of(watch) == (60, "learned")


@given(
    pace_s=st.integers(min_value=10, max_value=3600),
    silences=st.lists(st.tuples(st.integers(0, 12), st.integers(3, 50)), min_size=1, max_size=12),
)
def test_what_was_learned_is_not_unlearned_by_outages(pace_s: int, silences: list[tuple[int, int]]) -> None:
    watch = Watch(Policy(recovery_beats=1))
    watch.beats(12, every_s=pace_s)
    learned = interval_of(watch)
    assert learned == (pace_s, "learned")
    for beats, missed in silences:
        watch.beats(beats, every_s=pace_s)
        watch.wait(missed * pace_s + 100)
    watch.hear()
    assert interval_of(watch) == learned


def test_a_station_that_became_slower_is_learned_anew() -> None:
    watch = Watch()
    watch.beats(12, every_s=30)
    watch.beats(30, every_s=300)
    assert interval_of(watch) == (300, "learned")
    assert watch.state == "up"


def test_a_pace_that_is_given_is_not_learned() -> None:
    watch = Watch(Policy(default_interval_s=120, learns=False))
    watch.beats(20, every_s=30)
    assert interval_of(watch) == (120, "default")
    watch.hear(interval_s=40)
    assert interval_of(watch) == (40, "announced")


def test_a_learned_interval_is_never_shorter_than_the_least() -> None:
    watch = Watch()
    watch.beats(60, every_s=1)
    assert interval_of(watch) == (5, "learned")


def test_a_slow_station_is_not_down_while_we_learn_how_slow_it_is() -> None:
    watch = Watch()
    said = []
    for _ in range(20):
        said += watch.hear()
        said += watch.wait(300)
    assert said == []
    assert interval_of(watch) == (300, "learned")


@pytest.mark.parametrize(
    ("policy", "grace_s"),
    [
        (Policy(interval_s=20), 30),
        (Policy(interval_s=600), 300),
        (Policy(interval_s=600, grace_s=5), 5),
        (Policy(interval_s=20, default_grace_s=90), 90),
    ],
)
def test_grace_is_half_an_interval_but_not_too_short(policy: Policy, grace_s: float) -> None:
    watch = Watch(policy)
    watch.hear()
    assert watch.station.grace_s == grace_s

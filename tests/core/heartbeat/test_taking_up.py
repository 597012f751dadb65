"""From when on a station owes beats."""

from gateway.core.heartbeat import expect, resumed
from gateway.core.station import NEVER, Policy, StationState
from tests.core.heartbeat.conftest import EPOCH_MS, POLICY, Watch


def test_a_discovered_station_cannot_go_down_before_three_beats() -> None:
    watch = Watch()
    watch.beats(2)
    assert watch.state == "new"
    assert watch.wait(100_000) == []
    assert watch.state == "new"
    watch.hear()
    assert watch.state == "up"
    assert watch.wait(100_000) != []


def test_a_listed_station_must_appear() -> None:
    policy = Policy(must_appear_s=300)
    watch = Watch(policy, expect("s1", policy, observed_s=0, site="north"))
    assert watch.wait(1000) == ["raise station_down at 300"]
    assert watch.hear() == []
    watch.wait(10)
    assert watch.hear() == ["clear station_down"]


def test_a_listed_station_is_up_from_its_first_beat() -> None:
    watch = Watch(Policy(must_appear_s=300))
    watch.hear()
    assert watch.state == "up"
    assert watch.wait(1000) == ["raise station_down at 100"]


def test_a_station_expected_without_a_time_may_stay_away() -> None:
    watch = Watch(POLICY, expect("s1", POLICY, observed_s=0))
    assert watch.station.deadline_s == NEVER


def test_after_a_restart_everyone_has_a_whole_interval_and_grace() -> None:
    watch = Watch()
    watch.beats(3)
    watch.wait(32)
    assert watch.state == "late"
    again = resumed(watch.station, POLICY, observed_s=5, now_ms=EPOCH_MS)
    assert (again.state, again.deadline_s, again.misses) == (StationState.UP, 95, 0)


def test_after_a_restart_the_down_stay_down_and_quiet() -> None:
    watch = Watch().fell()
    again = resumed(watch.station, POLICY, observed_s=5, now_ms=EPOCH_MS)
    assert (again.state, again.deadline_s, again.misses) == (StationState.DOWN, NEVER, 1)
    assert again.down_since_ms == watch.station.down_since_ms


def test_after_a_restart_the_listed_have_their_whole_time_to_appear() -> None:
    policy = Policy(must_appear_s=300)
    assert resumed(expect("s1", policy, observed_s=0), policy, observed_s=5, now_ms=EPOCH_MS).deadline_s == 305
    assert resumed(expect("s1", POLICY, observed_s=0), POLICY, observed_s=5, now_ms=EPOCH_MS).deadline_s == NEVER

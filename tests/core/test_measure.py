"""What living stations tell besides: thresholds with hysteresis, and clocks that are wrong."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.event import Beat, BeatKind
from gateway.core.heartbeat import heard, retired
from gateway.core.match import Matcher
from gateway.core.measure import measured
from gateway.core.station import Policy, Station, Threshold

EPOCH_MS = 1_795_305_600_000
LOW = Threshold(
    name="low_battery", raises=Matcher.parse("metrics.battery < 20"), clears=Matcher.parse("metrics.battery > 25")
)
POLICY = Policy(interval_s=60, thresholds=(LOW,))


class Life:
    """One station that beats each minute; says what `heard` said, as words."""

    def __init__(self, policy: Policy = POLICY) -> None:
        self.policy, self.station, self.now_ms, self.signals = policy, None, EPOCH_MS, ()

    def tells(self, after_s: float = 60.0, off_s: float | None = None, **more) -> list[str]:
        self.now_ms += round(after_s * 1000)
        sent_ms = None if off_s is None else self.now_ms + round(off_s * 1000)
        labels = {f"metrics.{name}": str(value) for name, value in more.pop("metrics", {}).items()}
        beat = Beat(collector="mqtt", station="s1", at_ms=self.now_ms, sent_ms=sent_ms, labels=labels, **more)
        observed_s = (self.now_ms - EPOCH_MS) / 1000
        self.station, self.signals = heard(self.station, beat, self.policy, observed_s=observed_s)
        return [f"{signal.kind} {signal.condition}" for signal in self.signals]

    def battery(self, *levels: object) -> list[list[str]]:
        return [self.tells(metrics={"battery": level}) for level in levels]


def test_a_threshold_raises_once_below_and_clears_once_above() -> None:
    life = Life()
    assert life.battery(50, 21, 19.5, 12, 22, 25, 26, 30) == [
        [], [], ["raise low_battery"], [], [], [], ["clear low_battery"], []
    ]  # fmt: skip


def test_its_events_say_what_was_told_and_where() -> None:
    life = Life()
    life.tells(metrics={"battery": 19}, site="lyon")
    (signal,) = life.signals
    assert signal.summary == "Station s1 tells metrics.battery = 19 (metrics.battery < 20)"
    assert signal.labels == {"cause": "threshold", "site": "lyon"}


def test_what_is_not_told_or_no_number_or_no_sign_of_life_changes_nothing() -> None:
    life = Life()
    life.battery(10)
    assert life.tells() == []
    assert life.battery("n/a", "nan", "") == [[], [], []]
    assert life.tells(metrics={"battery": 90}, retained=True) == []
    assert life.tells(metrics={"battery": 90}, kind=BeatKind.WILL) == []
    assert life.station.crossed == ("low_battery",)


def test_without_a_bound_to_clear_it_is_over_when_it_does_not_hold() -> None:
    life = Life(replace(POLICY, thresholds=(replace(LOW, clears=None),)))
    assert life.battery(10, 20) == [["raise low_battery"], ["clear low_battery"]]


@pytest.mark.parametrize(
    ("matcher", "said"), [("site = lyon", ["raise low_battery"]), ("site = paris", []), ("metrics.battery != 10", [])]
)
def test_a_threshold_is_about_the_stations_that_it_names(matcher: str, said: list[str]) -> None:
    life = Life(replace(POLICY, thresholds=(replace(LOW, matchers=(Matcher.parse(matcher),)),)))
    assert life.tells(metrics={"battery": 10}, site="lyon") == said


def test_a_threshold_that_is_gone_and_a_station_that_is_retired_clear() -> None:
    life = Life()
    life.battery(10)
    assert [signal.condition for signal in retired(life.station)[1]] == ["low_battery"]
    life.policy = Policy(interval_s=60)
    assert life.tells() == ["clear low_battery"]
    assert life.tells() == []


@given(levels=st.lists(st.integers(0, 40), max_size=60))
def test_raises_and_clears_alternate_and_end_as_the_last_telling_value_says(levels: list[int]) -> None:
    life = Life()
    said = [word for words in life.battery(*levels) for word in words]
    assert said == ["raise low_battery", "clear low_battery"] * (len(said) // 2) + ["raise low_battery"] * (
        len(said) % 2
    )
    telling = [level for level in levels if level < 20 or level > 25]
    assert bool(len(said) % 2) is (bool(telling) and telling[-1] < 20)


# --- clocks --------------------------------------------------------------------------------------

CLOCKS = Policy(interval_s=60, skew_s=120)


@pytest.mark.parametrize(("off_s", "words"), [(300, "5 min ahead"), (-7200, "2 h behind")])
def test_a_clock_that_is_off_is_told_at_the_third_beat_and_again_when_it_is_right(off_s: float, words: str) -> None:
    life = Life(CLOCKS)
    assert [life.tells(off_s=off_s) for _ in range(4)] == [[], [], ["raise station_clock"], []]
    assert [life.tells(off_s=off) for off in (100, 59, 59)] == [[], ["clear station_clock"], []]
    life = Life(CLOCKS)
    for _ in range(3):
        life.tells(off_s=off_s)
    assert life.signals[0].summary == f"Station s1 has a clock that is {words}"
    assert life.signals[0].labels == {"cause": "clock"}


def test_a_backlog_that_comes_at_once_is_late_and_no_wrong_clock() -> None:
    life = Life(CLOCKS)
    life.tells(off_s=0)
    life.now_ms += 600_000
    for missed in range(9, 0, -1):
        assert life.tells(after_s=0.1, off_s=-60 * missed) == []
    assert life.tells(off_s=0) == []
    assert (life.station.skewed, life.station.crossed) == (0, ())


def test_nobody_looks_at_clocks_unless_told_and_what_was_told_is_over_then() -> None:
    life = Life(CLOCKS)
    for _ in range(3):
        life.tells(off_s=300)
    life.policy = Policy(interval_s=60)
    assert life.tells() == ["clear station_clock"]
    assert [life.tells(off_s=300) for _ in range(5)] == [[]] * 5


def test_a_beat_without_a_timestamp_says_nothing_of_the_clock() -> None:
    life = Life(CLOCKS)
    life.tells(off_s=300)
    life.tells()
    assert life.station.skewed == 1
    quiet = Station(station="s1", skewed=1)
    assert measured(quiet, Beat(collector="m", station="s1", at_ms=0), CLOCKS, seen_ms=0) == (quiet, ())


@pytest.mark.parametrize("matcher", ["site = nice", "station = s2"])
def test_a_threshold_that_is_about_others_now_clears(matcher: str) -> None:
    life = Life()
    life.battery(10)
    life.policy = replace(POLICY, thresholds=(replace(LOW, matchers=(Matcher.parse(matcher),)),))
    assert life.tells(site="lyon") == ["clear low_battery"]
    life.policy = replace(POLICY, thresholds=(replace(LOW, matchers=(Matcher.parse("collector = ping"),)),))

"""When silence is a raise, told alone or covered by an outage."""

import dataclasses
import math

from gateway.core.event import BeatKind
from gateway.core.heartbeat import covered, expired, outlived, resumed, retired, telling
from gateway.core.station import Policy, StationState, StationVerb
from tests.core.heartbeat.conftest import EPOCH_MS, POLICY, Watch


def test_silence_makes_a_station_late_then_down_once() -> None:
    watch = Watch()
    watch.beats(3, every_s=60)  # the last one at 120 s
    watch.wait(29.9)
    assert watch.state == "up"
    watch.wait(0.1)
    assert watch.state == "late"
    assert watch.wait(100_000) == ["raise station_down at 220"]
    assert watch.state == "down"
    assert watch.station.down_since_ms == EPOCH_MS + 220_000


def test_the_raise_says_in_words_what_is_known() -> None:
    watch = Watch()
    watch.beats(3, site="north")
    watch.wait(30)
    _, (signal,) = expired(watch.station, POLICY, observed_s=220, now_ms=EPOCH_MS + 220_000)
    assert signal.summary == "Station s1 is silent; last heard 100 s ago (interval 60 s, grace 30 s)"
    assert signal.labels == {"cause": "silence", "interval_s": "60", "interval_from": "default", "site": "north"}


def test_nothing_expires_before_its_deadline() -> None:
    watch = Watch()
    watch.beats(3)
    assert expired(watch.station, POLICY, observed_s=209.9, now_ms=0) == (watch.station, ())


def test_more_misses_make_it_wait_longer_between_late_and_down() -> None:
    watch = Watch(Policy(misses=3))
    watch.beats(3)
    assert watch.wait(10_000) == ["raise station_down at 330"]  # 120 + 90, and two intervals more
    assert watch.station.misses == 3


def test_one_beat_ends_being_late_and_says_nothing() -> None:
    watch = Watch()
    watch.beats(3)
    watch.wait(35)
    assert watch.state == "late"
    assert watch.hear() == []
    assert (watch.state, watch.station.misses) == ("up", 0)


def test_a_summary_says_spans_as_people_do() -> None:
    watch = Watch(Policy(interval_s=13_000, settle_beats=1))
    watch.hear()
    for later_s, words in ((200, "3 min"), (7500, "2 h 5 min"), (7200, "2 h"), (864_000, "10 days")):
        late = dataclasses.replace(watch.station, state=StationState.LATE, deadline_s=0)
        _, (signal,) = expired(late, watch.policy, observed_s=0, now_ms=EPOCH_MS + later_s * 1000)
        assert f"heard {words} ago (interval 3 h 37 min, grace 108 min)" in signal.summary


def test_a_covered_station_comes_back_or_leaves_or_retires_without_a_word() -> None:
    for way in ("beats", "leaves", "retires"):
        watch = Watch().fell()
        watch.station = covered(watch.station)
        if way == "beats":
            assert watch.beats(2, every_s=1) == []
            assert watch.state == "up"
        elif way == "leaves":
            assert watch.hear(BeatKind.LEAVE) == []
        else:
            watch.station, signals = retired(watch.station)
            assert signals == ()
        assert not watch.station.covered


def test_a_covered_station_that_outlives_the_outage_is_told_and_ends_as_others_do() -> None:
    watch = Watch().fell()
    watch.station = outlived(covered(watch.station), POLICY, observed_s=watch.now_s, now_ms=watch.now_ms)
    at_s = watch.now_s + 90
    assert watch.wait(91) == [f"raise station_down at {at_s:g}"]
    assert watch.beats(2, every_s=1) == ["clear station_down"]


def test_one_that_owes_no_beats_outlives_an_outage_after_five_minutes() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH, interval_s=math.inf)
    watch.hear(BeatKind.WILL)
    watch.wait(31)
    watch.station = outlived(covered(watch.station), POLICY, observed_s=watch.now_s, now_ms=watch.now_ms)
    assert watch.wait(301) != []


def test_who_may_have_been_told_down_is_told_back_whatever_ends_it() -> None:
    """The process died between the event and the station."""
    for way in ("beats", "leaves", "retires", "remembered to leave"):
        watch = Watch()
        watch.beats(3)
        watch.station = resumed(telling(watch.station), POLICY, observed_s=watch.now_s, now_ms=watch.now_ms)
        if way == "remembered to leave":  # the broker's memory clears nothing
            assert watch.hear(BeatKind.LEAVE, retained=True) == []
        if way == "leaves":
            assert watch.hear(BeatKind.LEAVE) == ["clear station_down"]
        elif way == "retires":
            assert watch.order(StationVerb.RETIRE) == ["clear station_down"]
        else:
            assert watch.beats(1) == ["clear station_down"]
        assert watch.beats(3) == []

"""What a station's message changes."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.event import BeatKind
from gateway.core.station import NEVER, STATION_DOWN, STATION_FAULT, IntervalFrom, Policy, StationState
from tests.core.heartbeat.conftest import EPOCH_MS, POLICY, Watch

# --- coming back -----------------------------------------------------------------------------------


def test_down_needs_two_beats_to_come_back() -> None:
    watch = Watch().fell()
    assert watch.hear() == []
    assert watch.state == "down"
    watch.wait(60)
    assert watch.hear() == ["clear station_down"]
    assert (watch.state, watch.station.down_since_ms, watch.station.back) == ("up", 0, 0)


def test_a_lone_beat_does_not_count_towards_a_much_later_one() -> None:
    watch = Watch().fell()
    watch.hear()
    assert watch.wait(1000) == []
    assert watch.hear() == []
    assert watch.state == "down"


@pytest.mark.parametrize("kinds", [(BeatKind.BIRTH, BeatKind.BEAT), (BeatKind.BEAT, BeatKind.BIRTH)])
def test_a_birth_and_one_beat_bring_it_back_however_many_beats_are_asked_for(kinds: tuple[BeatKind, ...]) -> None:
    watch = Watch(Policy(recovery_beats=5)).fell()
    assert watch.hear(kinds[0]) == []
    assert watch.hear(kinds[1]) == ["clear station_down"]


def test_one_beat_is_enough_if_so_configured() -> None:
    assert Watch(Policy(recovery_beats=1)).fell().hear() == ["clear station_down"]


# --- last wills and births -------------------------------------------------------------------------


def test_a_last_will_is_a_fast_down() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH, interval_s=600)
    watch.beats(3, every_s=600)
    watch.hear(BeatKind.WILL)
    assert watch.wait(10_000) == ["raise station_down at 1830"]


def test_without_a_birth_a_last_will_waits_for_the_next_beat() -> None:
    watch = Watch()
    watch.beats(3, every_s=60, interval_s=600)
    watch.hear(BeatKind.WILL)
    assert watch.wait(10_000) == ["raise station_down at 900"]  # 180 + 1.2 * 600


def test_a_last_will_never_puts_the_deadline_off() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH)
    watch.beats(3)
    watch.wait(25)
    deadline_s = watch.station.deadline_s
    watch.hear(BeatKind.WILL)
    assert watch.station.deadline_s == deadline_s


def test_a_beat_cancels_the_last_will() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH)
    watch.beats(3)
    watch.hear(BeatKind.WILL)
    watch.wait(29)
    watch.hear()
    assert watch.wait(89) == []
    assert watch.state == "up"


def test_a_last_will_of_a_stranger_or_of_one_that_is_down_changes_nothing() -> None:
    watch = Watch()
    assert watch.hear(BeatKind.WILL) == []
    assert (watch.station.beats, watch.station.deadline_s) == (0, NEVER)
    watch = Watch().fell()
    before = watch.station
    assert watch.hear(BeatKind.WILL) == []
    assert watch.station == before


def test_a_retained_offline_is_a_hint_like_a_last_will() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH, interval_s=600)
    watch.beats(3, every_s=1)
    watch.hear(BeatKind.WILL, retained=True)
    assert watch.wait(1000) == ["raise station_down at 33"]


def test_a_retained_online_shows_only_that_the_station_announces_itself() -> None:
    watch = Watch()
    watch.beats(3)
    before = watch.station
    watch.hear(BeatKind.BIRTH, retained=True)
    assert watch.station == dataclasses.replace(before, born=True)
    assert watch.hear(BeatKind.BIRTH, retained=True) == []


# --- presence told by others -----------------------------------------------------------------------


def test_who_owes_no_beats_is_down_only_when_its_end_was_told() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH, interval_s=math.inf)
    assert watch.state == "up"
    assert watch.wait(10_000_000) == []
    watch.hear(BeatKind.WILL, interval_s=math.inf)
    assert watch.wait(31) == ["raise station_down at 1e+07"]
    assert watch.hear(BeatKind.BIRTH, interval_s=math.inf) == ["clear station_down"]
    assert watch.wait(10_000_000) == []


def test_of_one_that_beats_the_word_of_others_changes_no_interval() -> None:
    watch = Watch()
    watch.beats(3)
    watch.hear(BeatKind.BIRTH, interval_s=math.inf)
    assert watch.station.interval_s == 60
    assert watch.wait(200) != []


def test_one_whose_presence_was_told_first_owes_beats_when_it_begins_to_beat() -> None:
    watch = Watch()
    watch.hear(BeatKind.BIRTH, interval_s=math.inf)
    watch.hear()
    assert (watch.station.interval_s, watch.station.interval_from) == (60, IntervalFrom.DEFAULT)


# --- faults ----------------------------------------------------------------------------------------


def test_a_stranger_that_reports_a_fault_raises_at_once() -> None:
    watch = Watch()
    assert watch.hear(fault="low_battery") == ["raise station_fault"]


def test_a_fault_raises_once_and_clears_once_and_the_deadline_is_renewed_all_the_while() -> None:
    watch = Watch()
    assert watch.beats(4) == []
    assert watch.beats(100, fault="low_battery") == ["raise station_fault"]
    assert watch.hear(fault="door") == []
    assert watch.station.fault == "door"
    assert watch.beats(5) == ["clear station_fault"]
    assert watch.state == "up"


def test_a_fault_is_not_lost_with_a_message_that_proves_no_life() -> None:
    for kind in (BeatKind.WILL, BeatKind.LEAVE):
        watch = Watch()
        watch.beats(3)
        assert watch.hear(kind, fault="tamper") == ["raise station_fault"]
        assert watch.hear(kind) == []
        assert watch.station.fault == "tamper"
    watch = Watch()
    watch.hear(sent_ms=EPOCH_MS)
    assert watch.hear(sent_ms=EPOCH_MS - 10**8, fault="tamper") == ["raise station_fault"]
    assert watch.station.beats == 1


def test_a_fault_in_the_same_second_as_a_beat_is_no_repeat() -> None:
    watch = Watch()
    watch.hear(sent_ms=EPOCH_MS)
    assert watch.hear(sent_ms=EPOCH_MS, fault="door") == ["raise station_fault"]
    assert watch.hear(sent_ms=EPOCH_MS) == ["clear station_fault"]


def test_a_station_can_come_back_and_report_a_fault_at_once() -> None:
    watch = Watch().fell()
    watch.hear()
    assert watch.hear(fault="door") == ["clear station_down", "raise station_fault"]


# --- whatever comes --------------------------------------------------------------------------------


messages = st.fixed_dictionaries(
    {"kind": st.sampled_from(BeatKind)},
    optional={
        "retained": st.booleans(),
        "fault": st.sampled_from(["", "door"]),
        "sequence": st.integers(0, 3),
        "sent_ms": st.integers(EPOCH_MS - 10**6, EPOCH_MS + 10**6),
        "interval_s": st.sampled_from([1.0, 60.0, 600.0]),
    },
)


@given(st.lists(st.tuples(st.floats(0, 400), messages), max_size=40), st.sampled_from([POLICY, Policy(misses=3)]))
def test_raises_and_clears_alternate_whatever_comes(story: list, policy: Policy) -> None:
    watch, said = Watch(policy), []
    for wait_s, message in story:
        said += [word.split(" at ")[0] for word in watch.wait(wait_s)]
        said += watch.hear(**message)
        station = watch.station
        assert (station.state is StationState.DOWN) is (station.down_since_ms > 0)
        assert station.interval_from in IntervalFrom
        assert len(station.gaps) <= policy.learn_gaps
    for condition in (STATION_DOWN, STATION_FAULT):
        kinds = [word.split()[0] for word in said if word.endswith(condition)]
        assert kinds == ["raise", "clear"] * (len(kinds) // 2) + ["raise"] * (len(kinds) % 2)

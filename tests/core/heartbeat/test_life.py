"""What is a sign of life, and what only looks like one."""

import pytest

from gateway.core.event import BeatKind
from gateway.core.station import NEVER, Policy
from tests.core.heartbeat.conftest import EPOCH_MS, Watch


def test_retained_beats_prove_nothing() -> None:
    watch = Watch()
    watch.hear(retained=True)
    assert (watch.station.beats, watch.station.deadline_s) == (0, NEVER)
    watch = Watch().fell()
    before = watch.station
    assert watch.beats(5, retained=True) == []
    assert watch.station == before


def test_retained_faults_neither_raise_nor_clear() -> None:
    watch = Watch()
    assert watch.hear(retained=True, fault="battery") == []
    assert watch.hear(fault="battery") == ["raise station_fault"]
    assert watch.hear(retained=True) == []
    assert watch.station.fault == "battery"


@pytest.mark.parametrize("fields", [{"sequence": 7}, {"sent_ms": EPOCH_MS}, {"sequence": 7, "sent_ms": EPOCH_MS}])
def test_the_same_beat_again_does_not_renew_the_deadline(fields: dict[str, int]) -> None:
    watch = Watch(Policy(settle_beats=1))
    watch.hear(**fields)
    deadline_s = watch.station.deadline_s
    watch.wait(20)
    watch.hear(**fields)
    assert watch.station.deadline_s == deadline_s


def test_beats_without_sequence_or_time_are_all_fresh() -> None:
    watch = Watch()
    assert watch.beats(3) == []
    assert watch.station.beats == 3


def test_a_sequence_that_starts_again_is_fresh() -> None:
    watch = Watch()
    for sequence in (254, 255, 0, 1):
        watch.hear(sequence=sequence)
    assert watch.station.beats == 4


def test_a_beat_sent_long_before_the_last_one_is_recorded_but_not_fresh() -> None:
    watch = Watch(Policy(settle_beats=1))
    watch.hear(sent_ms=EPOCH_MS)
    deadline_s = watch.station.deadline_s
    watch.wait(20)
    watch.hear(sent_ms=EPOCH_MS - 61_000)
    assert (watch.station.beats, watch.station.deadline_s) == (1, deadline_s)
    watch.hear(sent_ms=EPOCH_MS - 59_000)
    assert watch.station.beats == 2


def test_a_replayed_backlog_is_not_fresh_but_a_clock_set_back_is_believed_the_second_time() -> None:
    backlog = Watch()
    backlog.hear(sent_ms=EPOCH_MS)
    for minutes in range(100, 90, -1):
        backlog.hear(sent_ms=EPOCH_MS - minutes * 60_000)
    assert backlog.station.beats == 1

    stepped = Watch()
    for minute in range(5):
        stepped.hear(sent_ms=stepped.now_ms if minute < 2 else stepped.now_ms - 86_400_000)
        stepped.wait(60)
    assert stepped.station.beats == 4


def test_a_clock_that_was_ahead_and_is_set_right_costs_nothing() -> None:
    watch = Watch()
    watch.hear(sent_ms=EPOCH_MS + 10**10)
    watch.wait(60)
    watch.hear(sent_ms=watch.now_ms)
    assert watch.station.beats == 2


@pytest.mark.parametrize(("born", "ended", "believed"), [(3, 2, False), (3, 3, True), (3, 4, True), (0, 255, False)])
def test_the_end_of_an_earlier_life_came_late(born: int, ended: int, believed: bool) -> None:
    watch = Watch()
    watch.beats(3)
    watch.hear(BeatKind.BIRTH, session=born)
    watch.hear(BeatKind.WILL, session=ended)
    assert watch.station.will is believed
    watch.hear(BeatKind.LEAVE, session=ended)
    assert (watch.state == "sleeping") is believed


def test_without_sessions_every_end_is_believed() -> None:
    watch = Watch()
    watch.beats(3)
    watch.hear(BeatKind.WILL, session=3)
    assert watch.station.will

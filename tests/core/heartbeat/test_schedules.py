"""Beats that are due at fixed times: which time one counts for, and what was due while we heard nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.heartbeat import expired, ordered, outlived, resighted, resumed
from gateway.core.station import NEVER, Policy, StationVerb
from tests.core.heartbeat.conftest import EPOCH_MS, POLICY, Watch


class Daily:
    """A schedule: every day at three (UTC), or every so many hours from then on."""

    def __init__(self, hours: int = 24) -> None:
        self.every_ms = hours * HOUR_MS

    def after(self, now_ms: int) -> int:
        first_ms = 3 * HOUR_MS
        return first_ms + ((now_ms - first_ms) // self.every_ms + 1) * self.every_ms

    def local(self, at_ms: int) -> str:
        return f"{at_ms // HOUR_MS % 24:02d}:00"

    def __str__(self) -> str:
        return "0 3 * * * UTC"


HOUR_MS = 3_600_000
HOUR_S = 3600
EPOCH_HOUR = EPOCH_MS // HOUR_MS % 24
TO_THREE_S = (3 - EPOCH_HOUR) % 24 * HOUR_S
"""From the beginning until the first time of the schedule."""
DAILY = Policy(schedule=Daily(), grace_s=HOUR_S)


def test_a_beat_between_the_times_changes_nothing_and_a_missed_time_raises_once() -> None:
    watch = Watch(DAILY)
    for _ in range(TO_THREE_S // HOUR_S):
        watch.hear()
        assert watch.wait(HOUR_S) == []
    watch.wait(60)
    assert watch.hear() == []
    assert watch.state == "up"
    down_at = TO_THREE_S + 25 * HOUR_S + POLICY.confirm_s
    assert watch.wait(5 * 24 * HOUR_S) == [f"raise station_down at {down_at:g}"]
    assert watch.hear() == ["clear station_down"]  # one is enough: the next may be a day away
    assert watch.state == "up"


def test_the_raise_says_when_a_beat_was_due() -> None:
    watch = Watch(DAILY)
    watch.hear()
    watch.wait(TO_THREE_S + HOUR_S)
    assert watch.state == "late"
    _, (signal,) = expired(watch.station, DAILY, observed_s=NEVER - 1, now_ms=EPOCH_MS + (TO_THREE_S + HOUR_S) * 1000)
    assert "a beat was due at 03:00; last heard" in signal.summary
    assert "(schedule 0 3 * * * UTC, grace 60 min)" in signal.summary
    assert signal.labels["interval_from"] == "schedule"


@given(early_s=st.integers(0, 59), hours=st.sampled_from([1, 24]))
def test_a_beat_slightly_before_its_time_counts_for_it(early_s: int, hours: int) -> None:
    policy = Policy(schedule=Daily(hours), grace_s=300)
    watch = Watch(policy)
    watch.wait(TO_THREE_S - early_s)
    watch.hear()
    assert watch.station.deadline_s == pytest.approx(TO_THREE_S + hours * HOUR_S + 300)


def test_of_times_that_come_often_a_beat_counts_for_the_next_if_it_is_near() -> None:
    schedule = Daily()
    schedule.every_ms = 120_000
    for early_s, due_s in ((59, 59), (31, 31), (29, 149)):
        watch = Watch(Policy(schedule=schedule, grace_s=0))
        watch.wait(120 - early_s)
        watch.hear()
        assert watch.station.deadline_s - watch.now_s == due_s


def test_the_time_stays_what_it_is_when_we_stood_still_and_was_not_due_meanwhile() -> None:
    watch = Watch(DAILY)
    watch.hear()
    due_ms = watch.station.expected_ms
    now_ms = due_ms - HOUR_MS
    again = resighted(watch.station, DAILY, observed_s=7, now_ms=now_ms, away_ms=10 * HOUR_MS)
    assert (again.expected_ms, again.deadline_s) == (due_ms, 7 + 2 * HOUR_S)


def test_what_was_due_while_we_heard_nothing_is_forgiven() -> None:
    watch = Watch(DAILY)
    watch.hear()
    due_ms = watch.station.expected_ms
    again = resighted(watch.station, DAILY, observed_s=7, now_ms=due_ms + 1000, away_ms=HOUR_MS)
    assert again.expected_ms == due_ms + 24 * HOUR_MS
    short = resighted(watch.station, DAILY, observed_s=7, now_ms=due_ms + HOUR_MS, away_ms=30_000)
    assert (short.expected_ms, short.deadline_s) == (due_ms, 7 + 60)


def test_a_restart_and_a_new_schedule_take_the_times_as_they_are() -> None:
    watch = Watch().fell()
    up = Watch()
    up.beats(3)
    scheduled = resumed(up.station, DAILY, observed_s=0, now_ms=EPOCH_MS)
    assert scheduled.expected_ms == Daily().after(EPOCH_MS)
    assert scheduled.deadline_s == TO_THREE_S + HOUR_S
    back = resumed(scheduled, POLICY, observed_s=0, now_ms=EPOCH_MS)
    assert (back.expected_ms, back.interval_s, back.deadline_s) == (0, 60, 90)
    assert resumed(watch.station, DAILY, observed_s=0, now_ms=EPOCH_MS).deadline_s == NEVER
    assert outlived(scheduled, DAILY, observed_s=1, now_ms=EPOCH_MS).deadline_s == 1 + TO_THREE_S + HOUR_S
    asleep, _ = ordered(scheduled, StationVerb.SLEEP, DAILY, observed_s=0, now_ms=EPOCH_MS)
    awake, _ = ordered(asleep, StationVerb.WAKE, DAILY, observed_s=0, now_ms=EPOCH_MS + TO_THREE_S * 1000)
    assert awake.expected_ms == Daily().after(EPOCH_MS) + 24 * HOUR_MS


def test_a_schedule_that_is_over_owes_nothing() -> None:
    class Over(Daily):
        def after(self, _now_ms: int) -> None:
            return None

    policy = Policy(schedule=Over())
    watch = Watch(policy)
    watch.hear()
    assert (watch.station.deadline_s, watch.station.expected_ms, policy.grace(NEVER)) == (NEVER, 0, 3600)
    assert resumed(watch.station, policy, observed_s=0, now_ms=EPOCH_MS).deadline_s == NEVER

"""The watch on one station: when silence is a raise, what counts as a sign of life, and where intervals come from."""

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.event import Beat, BeatKind, EventKind
from gateway.core.heartbeat import (
    NEVER,
    STATION_DOWN,
    STATION_FAULT,
    IntervalFrom,
    Policy,
    Station,
    StationState,
    covered,
    expect,
    expired,
    heard,
    ordered,
    outlived,
    resighted,
    resumed,
    retired,
    telling,
)
from gateway.core.station import StationVerb

EPOCH_MS = 1_795_305_600_000
POLICY = Policy()


class Watch:
    """One station and its clocks: says what `heard` and `expired` said, as words."""

    def __init__(self, policy: Policy = POLICY, station: Station | None = None) -> None:
        self.policy, self.station, self.now_s = policy, station, 0.0

    @property
    def now_ms(self) -> int:
        return EPOCH_MS + round(self.now_s * 1000)

    def hear(self, kind: BeatKind = BeatKind.BEAT, **fields) -> list[str]:
        beat = Beat(collector="mqtt", station="s1", at_ms=self.now_ms, kind=kind, **fields)
        self.station, signals = heard(self.station, beat, self.policy, observed_s=self.now_s)
        return [f"{signal.kind} {signal.condition}" for signal in signals]

    def beats(self, count: int, every_s: float = 60.0, **fields) -> list[str]:
        said = []
        for _ in range(count):
            said += self.hear(**fields)
            self.wait(every_s)
        return said

    def wait(self, seconds: float) -> list[str]:
        """Let time pass, waking the station at each of its deadlines; says at which second each signal came."""
        until, said = self.now_s + seconds, []
        while self.station is not None and self.station.deadline_s <= until:
            self.now_s = max(self.now_s, self.station.deadline_s)
            self.station, signals = expired(self.station, self.policy, observed_s=self.now_s, now_ms=self.now_ms)
            said += [f"{signal.kind} {signal.condition} at {self.now_s:g}" for signal in signals]
        self.now_s = until
        return said

    def fell(self) -> "Watch":
        """A known station that has gone down."""
        self.beats(3)
        assert self.wait(200)
        assert self.state == "down"
        return self

    @property
    def state(self) -> str:
        return self.station.state.value


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


# --- schedules -----------------------------------------------------------------------------------


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


# --- silence -------------------------------------------------------------------------------------


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


# --- coming back ---------------------------------------------------------------------------------


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


# --- what is no sign of life ---------------------------------------------------------------------


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


# --- last wills, births, farewells ---------------------------------------------------------------


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


def test_a_station_that_left_may_be_silent() -> None:
    watch = Watch()
    watch.beats(3)
    assert watch.hear(BeatKind.LEAVE) == []
    assert watch.wait(1_000_000) == []
    assert watch.state == "sleeping"
    watch.hear()
    assert watch.state == "up"
    assert watch.station.gaps[-1] == 60, "sleep is no gap between beats"


def test_leaving_ends_an_outage() -> None:
    assert Watch().fell().hear(BeatKind.LEAVE) == ["clear station_down"]


def test_a_retained_farewell_puts_to_sleep_but_ends_no_outage() -> None:
    watch = Watch()
    watch.beats(3)
    watch.hear(BeatKind.LEAVE, retained=True)
    assert watch.state == "sleeping"
    watch = Watch().fell()
    assert watch.hear(BeatKind.LEAVE, retained=True) == []
    assert watch.state == "down"


# --- faults --------------------------------------------------------------------------------------


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


# --- intervals -----------------------------------------------------------------------------------


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


# --- restarts and retirement ---------------------------------------------------------------------


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


def test_retiring_ends_what_was_wrong_and_a_beat_discovers_it_anew() -> None:
    watch = Watch().fell()
    watch.hear(fault="door")
    gone, signals = retired(watch.station)
    assert [(signal.kind, signal.condition) for signal in signals] == [
        (EventKind.CLEAR, STATION_DOWN),
        (EventKind.CLEAR, STATION_FAULT),
    ]
    assert (gone.state, gone.deadline_s, retired(gone)) == (StationState.RETIRED, NEVER, (gone, ()))
    watch.station = gone
    watch.hear(BeatKind.LEAVE)
    watch.hear(BeatKind.WILL)
    assert watch.state == "retired"
    watch.hear()
    assert (watch.state, watch.station.beats) == ("new", 1)


# --- whatever comes ------------------------------------------------------------------------------

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


def test_a_summary_says_spans_as_people_do() -> None:
    watch = Watch(Policy(interval_s=13_000, settle_beats=1))
    watch.hear()
    for later_s, words in ((200, "3 min"), (7500, "2 h 5 min"), (7200, "2 h"), (864_000, "10 days")):
        late = dataclasses.replace(watch.station, state=StationState.LATE, deadline_s=0)
        _, (signal,) = expired(late, watch.policy, observed_s=0, now_ms=EPOCH_MS + later_s * 1000)
        assert f"heard {words} ago (interval 3 h 37 min, grace 108 min)" in signal.summary


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


# --- covered by an outage ----------------------------------------------------------------------------


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
            assert order(watch, StationVerb.RETIRE) == ["clear station_down"]
        else:
            assert watch.beats(1) == ["clear station_down"]
        assert watch.beats(3) == []


# --- a person's word -----------------------------------------------------------------------------------


def order(watch: Watch, verb: StationVerb) -> list[str]:
    watch.station, signals = ordered(
        watch.station, verb, watch.policy, observed_s=watch.now_s, now_ms=watch.now_ms
    )  # fmt: skip
    return [f"{signal.kind} {signal.condition}" for signal in signals]


def test_who_is_put_to_sleep_may_be_silent_until_it_is_woken() -> None:
    watch = Watch().fell()
    assert order(watch, StationVerb.SLEEP) == ["clear station_down"]
    assert watch.wait(100_000) == []
    assert order(watch, StationVerb.WAKE) == []
    assert watch.state == "up"
    assert watch.wait(99) == []
    assert watch.wait(2) != []


def test_who_is_retired_is_well_until_it_beats_again() -> None:
    watch = Watch().fell()
    assert order(watch, StationVerb.RETIRE) == ["clear station_down"]
    assert watch.wait(100_000) == []
    order(watch, StationVerb.WAKE)
    assert watch.state == "new"
    assert order(watch, StationVerb.WAKE) == []
    watch.beats(3)
    assert watch.state == "up"

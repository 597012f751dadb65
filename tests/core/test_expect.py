"""Events that must come in each slot of time: what is missing is told once, and the next one ends it."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schedule import calendar
from gateway.core.event import Beat, EventKind
from gateway.core.heartbeat import awaited, expired, heard, ordered, resighted, resumed, retired
from gateway.core.judge import Judge
from gateway.core.match import Matcher
from gateway.core.rules import Rule, Rulebook, Setting
from gateway.core.sites import live
from gateway.core.station import EVENT_MISSING, EXPECTED, Policy, StationState, StationVerb

HOUR = 3_600_000
DAY = 24 * HOUR
SLOT = 100


class Slots:
    """A slot ends every so many milliseconds."""

    def after(self, now_ms: int) -> int:
        return (now_ms // SLOT + 1) * SLOT

    def local(self, at_ms: int) -> str:
        return f"{at_ms}"


def policy(schedule, **more) -> Policy:
    return Policy(**{"schedule": schedule, "slots": True, "grace_s": 0.0, "confirm_s": 0.0, **more})


def play(terms: Policy, *, begins: int, ends: int, events: list[int], step: int = 1) -> list[tuple[int, str]]:
    """What is told, and when, if events come at these instants."""
    station = awaited(EXPECTED + "job", terms, observed_s=begins / 1000, now_ms=begins)
    told = []
    for now in range(begins, ends, step):
        signals = ()
        if now in events:
            beat = Beat(collector="snmp", station=station.station, at_ms=now)
            station, signals = heard(station, beat, terms, observed_s=now / 1000)
        seconds = now / 1000 + 1e-6  # deadlines are sums of floats
        while not signals and station.deadline_s <= seconds:
            station, signals = expired(station, terms, observed_s=seconds, now_ms=now)
        told += [(now, signal.kind.value) for signal in signals]
    return told


@given(begins=st.integers(0, 250), events=st.lists(st.integers(0, 1500).filter(lambda at: at % SLOT), max_size=20))
def test_a_slot_without_an_event_is_told_at_its_end_and_the_next_event_ends_it(begins: int, events: list[int]) -> None:
    events = sorted({at for at in events if at >= begins})
    ends = range((begins // SLOT + 1) * SLOT, 1500, SLOT)  # the slot that is begun is forgiven
    wanted, missing = [], False
    for begin, end in pairwise(ends):
        inside = [at for at in events if begin <= at < end]
        if inside and missing:
            wanted.append((inside[0], "clear"))
        if not inside and not missing:
            wanted.append((end, "raise"))
        missing = not inside
    assert play(policy(Slots()), begins=begins, ends=ends[-1] + 1, events=events) == wanted


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ([150, 250, 350], []),
        ([101, 299, 310], []),  # wherever in its slot
        ([150, 210], []),  # the first slot has its own, so the second is no late one
        ([209, 290, 390], []),  # late by less than the grace, for the slot before
        ([209, 390], [(320, "raise"), (390, "clear")]),
        ([230, 350], [(220, "raise"), (230, "clear")]),
    ],
)
def test_what_comes_within_the_grace_counts_for_the_slot_that_is_over(events, told) -> None:
    assert play(policy(Slots(), grace_s=0.02), begins=0, ends=400, events=events) == told


@pytest.fixture
def missing():
    """An event that has not come in its hour, and what was told of it."""
    terms = policy(calendar("hourly", "Europe/Paris"))
    station = awaited(EXPECTED + "backup", terms, observed_s=0, now_ms=HOUR // 2)
    for _ in range(2):
        station, signals = expired(station, terms, observed_s=3 * HOUR / 1000, now_ms=2 * HOUR)
    (signal,) = signals
    return station, terms, signal


def test_what_is_told(missing) -> None:
    station, terms, signal = missing
    assert (signal.kind, signal.condition) == (EventKind.RAISE, EVENT_MISSING)
    assert signal.summary == (
        "Event backup has not come by 1970-01-01 03:00 CET, and never before (schedule hourly Europe/Paris, grace 0 s)"
    )
    beat = Beat(collector="smtp", station=station.station, at_ms=3 * HOUR)
    back, (signal,) = heard(station, beat, terms, observed_s=0)
    assert (signal.kind, signal.summary) == (EventKind.CLEAR, "Event backup is back after 60 min")
    assert not live(back)  # no neighbour of any station
    _, (signal,) = retired(station)
    assert (signal.kind, signal.condition) == (EventKind.CLEAR, EVENT_MISSING)


def test_days_are_as_long_as_they_are() -> None:
    terms = policy(calendar("daily", "Europe/Paris"))
    noon = 1_792_843_200_000  # 2026-10-24 14:00 in Paris, the day before the clocks are set back
    station = awaited(EXPECTED + "job", terms, observed_s=0, now_ms=noon)
    assert station.expected_ms == noon + (10 + 25) * HOUR
    assert station.deadline_s == 35 * 3600
    beat = Beat(collector="snmp", station=station.station, at_ms=noon + 11 * HOUR)
    again, _ = heard(station, beat, terms, observed_s=0)
    assert again.expected_ms == station.expected_ms + DAY


def test_a_slot_in_which_we_were_blind_is_held_against_nobody() -> None:
    terms = policy(Slots())
    station = awaited(EXPECTED + "job", terms, observed_s=0, now_ms=250)
    assert station.expected_ms == 400
    assert resighted(station, terms, observed_s=0, now_ms=310, away_ms=50).expected_ms == 400
    assert resighted(station, terms, observed_s=0, now_ms=310, away_ms=70_000).expected_ms == 500
    assert resumed(station, terms, observed_s=0, now_ms=310, away_ms=70_000).expected_ms == 500
    late = resumed(replace(station, state=StationState.LATE), terms, observed_s=7, now_ms=310)
    assert (late.state, late.expected_ms, late.deadline_s) == (StationState.UP, 400, pytest.approx(7.09))


def test_a_person_may_let_it_sleep_and_wake_it(missing) -> None:
    station, terms, _ = missing
    asleep, signals = ordered(station, StationVerb.SLEEP, terms, observed_s=0, now_ms=3 * HOUR)
    assert (asleep.state, signals[0].condition) == (StationState.SLEEPING, EVENT_MISSING)
    awake, _ = ordered(asleep, StationVerb.WAKE, terms, observed_s=0, now_ms=5 * HOUR)
    assert (awake.state, awake.expected_ms) == (StationState.UP, 7 * HOUR)


def test_an_event_may_meet_many_expectations_whatever_the_rules_make_of_it(say) -> None:
    rules = Rulebook([Rule(name="quiet", drop=True)], defaults=Setting())
    expected = Rulebook(
        [
            Rule(name="any", conditions=("linkDown",)),
            Rule(name="r1", matchers=(Matcher.parse("source = r1"),)),
            Rule(name="r2", matchers=(Matcher.parse("source = r2"),)),
        ],
        defaults=Setting(),
    )
    _, verdict = Judge(rules, expected=expected).judge(say.event())
    assert (verdict.drop, verdict.expected) == (True, ("any", "r1"))
    _, verdict = Judge(rules, expected=expected).judge(say.event(condition=EVENT_MISSING))
    assert verdict.expected == ()

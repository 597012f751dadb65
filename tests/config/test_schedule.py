"""Schedules: cron and OnCalendar, local to a zone, right when the clocks change."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.schedule import Calendar, calendar

PARIS = ZoneInfo("Europe/Paris")
SPRING = datetime(2026, 3, 29, tzinfo=PARIS)
"""02:00 to 03:00 is left out on this day."""
AUTUMN = datetime(2026, 10, 25, tzinfo=PARIS)
"""02:00 to 03:00 comes twice on this day."""
TEXTS = ["30 2 * * *", "0 3 * * *", "*/20 * * * *", "15 * * * 1-5", "02:30", "Mon..Fri 03:00", "*:00/15", "*-*-1 04:00"]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def coming(text: str, start: datetime, count: int) -> list[str]:
    """The next ``count`` times, as day, local time and distance from UTC."""
    schedule, now_ms, said = Calendar(text, "Europe/Paris"), ms(start), []
    for _ in range(count):
        now_ms = schedule.after(now_ms) or 0
        said.append(f"{datetime.fromtimestamp(now_ms / 1000, PARIS):%d %H:%M %z}")
    return said


@pytest.mark.parametrize(
    ("text", "day", "times"),
    [
        ("30 2 * * *", SPRING, ["29 03:00 +0200", "30 02:30 +0200"]),  # cron runs it right after the hour left out
        ("02:30", SPRING, ["30 02:30 +0200", "31 02:30 +0200"]),  # systemd leaves it out
        ("0 3 * * *", SPRING, ["29 03:00 +0200", "30 03:00 +0200"]),
        ("30 * * * *", SPRING + timedelta(hours=1), ["29 01:30 +0100", "29 03:30 +0200"]),
        ("30 2 * * *", AUTUMN, ["25 02:30 +0200", "26 02:30 +0100"]),
        ("02:30", AUTUMN, ["25 02:30 +0200", "26 02:30 +0100"]),
        ("30 * * * *", AUTUMN + timedelta(hours=2), ["25 02:30 +0200", "25 02:30 +0100", "25 03:30 +0100"]),
        ("*:30", AUTUMN + timedelta(hours=2), ["25 02:30 +0200", "25 03:30 +0100"]),
        ("*:00/20", AUTUMN.replace(hour=2, minute=10, fold=1), ["25 03:00 +0100", "25 03:20 +0100"]),
        ("Mon..Fri 03:00", AUTUMN, ["26 03:00 +0100", "27 03:00 +0100"]),
    ],
)
def test_when_the_clocks_change(text: str, day: datetime, times: list[str]) -> None:
    assert coming(text, day, len(times)) == times


@given(
    text=st.sampled_from(TEXTS),
    edge=st.sampled_from([SPRING, AUTUMN]),
    offsets=st.lists(st.integers(-26 * 3600, 30 * 3600), min_size=2, max_size=30),
)
def test_the_next_time_lies_ahead_and_is_the_same_until_it_comes(text: str, edge: datetime, offsets: list[int]) -> None:
    fresh, asked_before = Calendar(text, "Europe/Paris"), Calendar(text, "Europe/Paris")
    instants = [ms(edge) + offset * 1000 for offset in offsets]
    found = {at: asked_before.after(at) for at in instants}  # in any order: memory changes no answer
    for at in instants:
        assert found[at] == Calendar(text, "Europe/Paris").after(at)
        assert found[at] > at
        assert fresh.after(found[at] - 1) == found[at]
    for one, next_one in pairwise(sorted(found)):
        assert found[one] <= found[next_one]
        assert found[one] == found[next_one] or found[one] <= next_one


def test_a_schedule_that_ends_has_no_next_time() -> None:
    assert calendar("2027-01-01 03:00", "UTC").after(ms(datetime(2028, 1, 1, tzinfo=UTC))) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("61 * * * *", "no cron expression: Bad minute"),
        ("every day", "neither a cron expression of five fields"),
        ("", "neither"),
    ],
)
def test_what_is_no_schedule_is_told_in_one_sentence(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Calendar(text, "UTC")

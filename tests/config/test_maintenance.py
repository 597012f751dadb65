"""Maintenance windows: once, recurring, from a calendar; the clocks change and the window does not."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.config.maintenance import DAY_MS, Calendars, MaintenanceConfig, Series

CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//
BEGIN:VEVENT
UID:1
SUMMARY:Core switch
DTSTART;TZID=Europe/Paris:20261020T220000
DTEND;TZID=Europe/Paris:20261021T000000
RRULE:FREQ=DAILY;UNTIL=20261027T210000Z
EXDATE;TZID=Europe/Paris:20261022T220000
END:VEVENT
BEGIN:VEVENT
UID:1
RECURRENCE-ID;TZID=Europe/Paris:20261023T220000
SUMMARY:Core switch, later
DTSTART;TZID=Europe/Paris:20261023T233000
DTEND;TZID=Europe/Paris:20261024T003000
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Inventory day
DTSTART;VALUE=DATE:20261021
END:VEVENT
BEGIN:VEVENT
UID:3
STATUS:CANCELLED
DTSTART:20261021T100000Z
DTEND:20261021T110000Z
END:VEVENT
END:VCALENDAR
"""


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def spans(series: Series, after: str, before: str) -> list[str]:
    found = series.windows(after_ms=ms(after), before_ms=ms(before))

    def say(at_ms: int) -> str:
        return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%d %H:%M}"

    return [f"{say(one.window.from_ms)}-{say(one.window.until_ms)} {one.window.comment}".strip() for one in found]


def series(tmp_path: Path = Path(), **given) -> Series:
    return Series(MaintenanceConfig.model_validate({"name": "w", **given}), folder=tmp_path)


def test_once():
    once = series(start="2026-12-01T22:00", duration="2h", zone="Europe/Paris", match="site = lyon")
    assert spans(once, "2026-11-01", "2027-01-01") == ["01 21:00-01 23:00"]
    assert spans(once, "2026-12-01T23:00", "2027-01-01") == []
    (one,) = once.windows(after_ms=ms("2026-11-01"), before_ms=ms("2027-01-01"))
    assert (one.window.id, one.window.match, str(one.matchers[0])) == (
        "w@20261201T210000Z",
        ("site = lyon",),
        "site = lyon",
    )


def test_recurring_windows_follow_the_clock_on_the_wall():
    nightly = series(start="2026-10-01T02:30", duration="1h", rrule="FREQ=DAILY", zone="Europe/Paris")
    # On 25 October 2026 the clocks go back at 3:00: two hours have the name 2, and the window is the first of them.
    assert spans(nightly, "2026-10-24", "2026-10-27") == ["24 00:30-24 01:30", "25 00:30-25 01:30", "26 01:30-26 02:30"]


def test_a_window_that_began_before_what_is_asked_for_still_counts():
    long = series(start="2026-10-01T00:00", duration="10d", rrule="FREQ=MONTHLY")
    assert spans(long, "2026-12-09", "2026-12-10") == ["01 00:00-11 00:00"]


def test_a_calendar(tmp_path):
    (tmp_path / "work.ics").write_text(CALENDAR)
    work = series(tmp_path, ical="work.ics", zone="Europe/Paris")
    assert sorted(spans(work, "2026-10-01", "2026-11-30")) == [
        "20 20:00-20 22:00 Core switch",
        "20 22:00-21 22:00 Inventory day",
        "21 20:00-21 22:00 Core switch",
        "23 21:30-23 22:30 Core switch, later",
        "24 20:00-24 22:00 Core switch",
        "25 21:00-25 23:00 Core switch",
        "26 21:00-26 23:00 Core switch",
        "27 21:00-27 23:00 Core switch",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "cannot be read"),
        ("no calendar", "is no iCalendar file"),
        (CALENDAR.replace("DTSTART:20261021T100000Z", "X-NO:1"), "has no time that can be read"),
    ],
)
def test_a_calendar_that_cannot_be_read_is_told(tmp_path, text, said):
    if text:
        (tmp_path / "work.ics").write_text(text)
    with pytest.raises(ValueError, match=said):
        series(tmp_path, ical="work.ics")


def test_what_is_planned_is_worked_out_once_a_day():
    calendars = Calendars([series(start="2026-10-01T00:00", duration="1h", rrule="FREQ=DAILY")])
    now = ms("2026-10-20T12:00")
    found = calendars.at(now)
    assert len(found) == 11  # one that ended in the last three days, to one in eight days
    assert calendars.at(now + 1) is found
    assert calendars.at(now + DAY_MS) is not found
    assert Calendars([]).at(now) == ()

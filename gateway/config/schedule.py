"""Schedules as they are written: a cron expression or systemd's OnCalendar, local to a time zone.

When the clocks change they do what their own programs do. Cron runs what falls into the hour that is left out right
after it, and in the hour that comes twice only what recurs more often than daily comes twice. OnCalendar leaves out
what falls into the hour that is left out, and expects once what falls into the hour that comes twice: a watch had
rather expect too little.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError
from oncalendar import OnCalendar, OnCalendarError
from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

CRON_FIELDS = 5
LONGEST = 200
"""Characters of a schedule."""
MOST_STEPS = 1000
"""Times that are passed over in search of one that lies ahead: an hour of them at most, when the clocks are set back."""


class Calendar:
    """One schedule; immutable but for the memory of what it said last. Implements `gateway.core.station.Schedule`."""

    def __init__(self, text: str, zone: str) -> None:
        """Read ``text``, local to ``zone``.

        Raises:
            ValueError: it is neither; one sentence.
        """
        self._text, self._zone = " ".join(text.split()), ZoneInfo(zone)
        self._from_ms, self._next_ms = 0, 0
        try:
            self._coming(datetime(2026, 1, 1, tzinfo=UTC))
        except CronSimError as error:
            raise ValueError(f'"{text}" is no cron expression: {error}') from None
        except OnCalendarError as error:
            raise ValueError(
                f'"{text}" is neither a cron expression of five fields ("0 3 * * *") nor OnCalendar '
                f'("Mon..Fri 03:00"): {error}'
            ) from None

    def after(self, now_ms: int) -> int | None:
        """The first instant after ``now_ms``, both epoch milliseconds; None if there is none."""
        if self._from_ms <= now_ms < self._next_ms:
            return self._next_ms
        for number, local in enumerate(self._coming(datetime.fromtimestamp(now_ms / 1000, UTC))):
            found_ms = round(local.timestamp() * 1000)
            if found_ms > now_ms:
                self._from_ms, self._next_ms = now_ms, found_ms
                return found_ms
            if number == MOST_STEPS:
                break
        return None

    def local(self, at_ms: int) -> str:
        """An instant as people there say it."""
        return f"{datetime.fromtimestamp(at_ms / 1000, self._zone):%Y-%m-%d %H:%M %Z}"

    def _coming(self, now: datetime) -> Iterator[datetime]:
        kind = CronSim if len(self._text.split()) == CRON_FIELDS else OnCalendar
        return kind(self._text, now.astimezone(self._zone))

    def __str__(self) -> str:
        return f"{self._text} {self._zone.key}"


@lru_cache(maxsize=10_000)
def calendar(text: str, zone: str) -> Calendar:
    """The schedule ``text`` in ``zone``; the same one for the same words, so that thousands of stations share it.

    Raises:
        ValueError: as `Calendar`.
    """
    return Calendar(text, zone)


def _schedule(text: str) -> str:
    try:
        found = calendar(text, "UTC")
    except ValueError as error:
        raise PydanticCustomError("schedule", "{why}", {"why": str(error)}) from None
    if found.after(_NEVER_BEFORE_MS) is None:
        raise PydanticCustomError("schedule", '"{text}" never comes; correct the date', {"text": text})
    return text


_NEVER_BEFORE_MS = 1_767_225_600_000
"""2026: what comes no more after it never comes."""
ScheduleText = Annotated[str, Field(max_length=LONGEST), AfterValidator(_schedule)]
"""A cron expression, or OnCalendar."""

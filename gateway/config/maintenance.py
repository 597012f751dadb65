"""``[[maintenance]]`` as it is written, and the windows that it plans: once, recurring (RRULE) or from an iCalendar file.

Recurrence is counted in the entry's time zone, as people mean it: 22:00 stays 22:00 when the clocks change. A window's
length is real time.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from dateutil.rrule import rruleset, rrulestr
from icalendar import Calendar
from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.rules import ONE_OR_MANY, MatcherText
from gateway.config.types import UNITS_MS, Between, Duration, Name, Zone
from gateway.core.mute import KEPT_MS, LONGEST_PLANNED_MS, Planned, Window
from gateway.core.reason import Muted
from gateway.plugin import PluginConfig

DAY_MS = UNITS_MS["d"]
AHEAD_MS = 8 * DAY_MS
"""So far ahead windows are planned."""
FAR_MS = 100 * 366 * DAY_MS
MOST_WINDOWS = 5000
"""Of one entry, in the days that are planned."""
MOST_RECURRENCES = 100_000
"""Of one recurrence from its start: later ones are not looked for."""
LARGEST_CALENDAR = 4_194_304
_FINE = ("SECONDLY", "MINUTELY")


def _instant(text: str) -> str:
    try:
        begins = datetime.fromisoformat(text)
    except ValueError:
        begins = None
    if begins is None or begins.tzinfo is not None:
        raise PydanticCustomError(
            "start", 'must be a local date and time such as "2026-12-01T22:00"; zone says where it is local'
        )
    return text


def _recurrence(text: str) -> str:
    try:
        _rule(text, datetime(2026, 1, 1), UTC)  # noqa: DTZ001 - local, as all of them here
    except ValueError as error:
        raise PydanticCustomError(
            "rrule",
            'is no recurrence rule of RFC 5545 ({why}); write one such as "FREQ=WEEKLY;BYDAY=SU"',
            {"why": str(error)},
        ) from None
    return text


class MaintenanceConfig(PluginConfig):
    """Planned work: while it goes on, tickets of what matches wait, and survivors open theirs at its end."""

    name: Name = Field(max_length=120)
    """Its name; timelines and tickets show it."""
    match: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = ()
    """What it is about: matchers on the incident, all of which must hold; left out: everything."""
    start: Annotated[str, AfterValidator(_instant)] | None = None
    """When it begins, or first begins, local to ``zone``: ``"2026-12-01T22:00"``."""
    duration: Annotated[Duration, Between("1m", "31d")] | None = None
    """How long it lasts."""
    rrule: Annotated[str, AfterValidator(_recurrence)] | None = None
    """How it recurs (RFC 5545), no finer than hourly: ``"FREQ=WEEKLY;BYDAY=SU"``; left out: once."""
    zone: Zone = "UTC"
    """The time zone of ``start``, and of a calendar's times that have none."""
    ical: str = ""
    """An iCalendar file in place of ``start``: each of its events is a window. Relative to this file; read at a reload."""

    @model_validator(mode="after")
    def _says_when(self) -> Self:
        if self.ical and (self.start or self.duration is not None or self.rrule):
            raise PydanticCustomError("when", "the calendar says when: remove start, duration and rrule, or ical")
        if not self.ical and not self.start:
            raise PydanticCustomError("when", "start is missing: say when it begins, or name a calendar with ical")
        if not self.ical and self.duration is None:
            raise PydanticCustomError("when", 'duration is missing: say how long it lasts, such as "2h"')
        return self


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, epoch milliseconds; ``name``: what the calendar calls it."""

    from_ms: int
    until_ms: int
    name: str = ""


class Series:
    """The windows of one entry."""

    def __init__(self, config: MaintenanceConfig, *, folder: Path) -> None:
        """Read the entry, and its calendar relative to ``folder``.

        Raises:
            ValueError: the calendar cannot be read; one sentence.
        """
        self._config = config
        self._zone = ZoneInfo(config.zone)
        self._planned = Planned.of(
            Window(id="", kind=Muted.MAINTENANCE, match=config.match, from_ms=0, until_ms=0, name=config.name)
        )
        self._events = list(_events(folder / config.ical)) if config.ical else []
        for event in self._events:
            next(self._of_event(event, (), 0, 0), None)  # so that what is wrong with it is told now

    def windows(self, *, after_ms: int, before_ms: int) -> Iterator[Planned]:
        """Those that touch the time between two instants."""
        config = self._config
        for span in islice(self._spans(after_ms, before_ms), MOST_WINDOWS):
            begins = datetime.fromtimestamp(span.from_ms / 1000, UTC)
            window = Window(
                id=f"{config.name}@{begins:%Y%m%dT%H%M%SZ}",
                kind=Muted.MAINTENANCE,
                match=config.match,
                from_ms=span.from_ms,
                until_ms=span.until_ms,
                name=config.name,
                comment=span.name,
                planned=True,
            )
            yield Planned(window, self._planned.matchers)

    @property
    def name(self) -> str:
        """What the entry is called."""
        return self._config.name

    def is_over(self, now_ms: int) -> bool:
        """Whether no window of it is on or to come."""
        return next(self._spans(now_ms, now_ms + FAR_MS), None) is None

    def _spans(self, after_ms: int, before_ms: int) -> Iterator[Span]:
        config = self._config
        if config.start:
            begins, length = datetime.fromisoformat(config.start), timedelta(milliseconds=int(config.duration or 0))
            if config.rrule:
                rule = _rule(config.rrule, begins, self._zone)
                yield from _recurring(rule, self._zone, length, after_ms, before_ms)
            else:
                yield from _touching([_span(begins, self._zone, length)], after_ms, before_ms)
        moved: dict[str, set[datetime]] = {}
        for event in self._events:
            if "RECURRENCE-ID" in event:
                moved.setdefault(str(event.get("UID")), set()).add(_local(event["RECURRENCE-ID"].dt, self._zone)[0])
        for event in self._events:
            mine = () if "RECURRENCE-ID" in event else moved.get(str(event.get("UID")), ())
            yield from self._of_event(event, mine, after_ms, before_ms)

    def _of_event(self, event: Any, moved: Iterable[datetime], after_ms: int, before_ms: int) -> Iterator[Span]:
        """The windows of one event (RFC 5545 section 3.6.1), without those that another event moves."""
        if str(event.get("STATUS", "")).upper() == "CANCELLED":
            return
        begins, zone = _local(event.start, self._zone)
        length = min(event.end - event.start, timedelta(milliseconds=LONGEST_PLANNED_MS))
        name = str(event.get("SUMMARY", ""))[:120]
        rules = rruleset()
        for given in _many(event.get("RRULE")) if "RECURRENCE-ID" not in event else ():
            rules.rrule(_rule(given.to_ical().decode(), begins, zone))
        rules.rdate(begins)
        for listed in _many(event.get("RDATE")):
            for one in listed.dts:
                rules.rdate(_local(one.dt[0] if isinstance(one.dt, tuple) else one.dt, zone)[0])
        for listed in _many(event.get("EXDATE")):
            for one in listed.dts:
                rules.exdate(_local(one.dt, zone)[0])
        for one in moved:
            rules.exdate(one)
        yield from _recurring(rules, zone, length, after_ms, before_ms, name=name)


class Calendars:
    """All that is planned, worked out for some days at a time; `at` is what the engine asks."""

    def __init__(self, series: Sequence[Series]) -> None:
        self._series = series
        self._known: tuple[int, tuple[Planned, ...]] | None = None

    def at(self, now_ms: int) -> Sequence[Planned]:
        """The windows that are near ``now_ms``: those that ended in the last days, and those of the next."""
        if not self._series:
            return ()
        day = now_ms // DAY_MS
        known = self._known
        if known is None or known[0] != day:
            after_ms, before_ms = day * DAY_MS - KEPT_MS, day * DAY_MS + AHEAD_MS
            found = (one for series in self._series for one in series.windows(after_ms=after_ms, before_ms=before_ms))
            known = self._known = (day, tuple(found))
        return known[1]


def _events(path: Path) -> Iterator[Any]:
    """The events of a calendar file.

    Raises:
        ValueError: it cannot be read; one sentence.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_CALENDAR + 1)
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror}); make it a file that this user may read") from None
    if len(raw) > LARGEST_CALENDAR:
        raise ValueError(f"{path} is larger than {LARGEST_CALENDAR} bytes; split it")
    try:
        calendar = Calendar.from_ical(raw)
    except Exception as error:  # noqa: BLE001 - the library raises many kinds for what people write
        raise ValueError(f"{path} is no iCalendar file ({error}); export it again") from None
    event: Any
    for event in calendar.walk("VEVENT"):
        try:
            _ = event.end - event.start
        except Exception as error:  # noqa: BLE001 - as above
            name = event.get("SUMMARY") or event.get("UID") or "an event without a name"
            raise ValueError(f"{path}: {name} has no time that can be read ({error}); correct it") from None
        yield event


def _many(value: Any) -> list[Any]:
    return [] if value is None else value if isinstance(value, list) else [value]


def _local(value: datetime | date, zone: tzinfo) -> tuple[datetime, tzinfo]:
    """A calendar's time without its zone, and the zone; whole days begin at midnight."""
    if not isinstance(value, datetime):
        return datetime.combine(value, time()), zone
    return value.replace(tzinfo=None), value.tzinfo or zone


def _rule(text: str, begins: datetime, zone: tzinfo) -> Any:
    """A recurrence rule on local times; an end in UTC is made local.

    Raises:
        ValueError: it is none; one sentence.
    """
    parts = dict(part.partition("=")[::2] for part in text.upper().removeprefix("RRULE:").split(";") if part)
    if parts.get("FREQ") in _FINE:
        raise ValueError("it recurs more often than each hour")
    until = parts.get("UNTIL", "")
    if until.endswith("Z"):
        ends = datetime.strptime(until, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).astimezone(zone)
        parts["UNTIL"] = f"{ends:%Y%m%dT%H%M%S}"
    return rrulestr(";".join(f"{name}={value}" for name, value in parts.items()), dtstart=begins)


def _recurring(
    rule: Any, zone: tzinfo, length: timedelta, after_ms: int, before_ms: int, *, name: str = ""
) -> Iterator[Span]:
    for begins in islice(rule, MOST_RECURRENCES):
        span = _span(begins, zone, length, name)
        if span.from_ms >= before_ms:
            return
        yield from _touching([span], after_ms, before_ms)


def _touching(spans: Iterable[Span], after_ms: int, before_ms: int) -> Iterator[Span]:
    return (span for span in spans if span.until_ms > after_ms and span.from_ms < before_ms)


def _span(begins: datetime, zone: tzinfo, length: timedelta, name: str = "") -> Span:
    from_ms = round(begins.replace(tzinfo=zone).timestamp() * 1000)
    return Span(from_ms, from_ms + round(length.total_seconds() * 1000), name)

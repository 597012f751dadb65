"""What makes tickets wait from outside of an incident: silences and maintenance windows.

A raise inside a window is recorded and its ticket waits; a clear always passes. When nothing mutes a survivor any more,
it is decided afresh (`gateway.core.decide`, input `Look`). Pure: who is asked for what mutes an incident is an argument.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.core.incident import Incident
from gateway.core.match import Fields, Matcher
from gateway.core.reason import Muted
from gateway.core.text import utc
from gateway.core.value import value

KEPT_MS = 3 * 86_400_000
"""A window is kept for so long after its end, for people to look at."""
LONGEST_PLANNED_MS = 31 * 86_400_000
"""A window of the configuration lasts no longer: so long after its beginning it is in no plan any more."""
LONGEST_MS = 366 * 86_400_000
"""Who wants silence for longer wants another rule."""
FROM_OUTSIDE = frozenset({Muted.SILENCE, Muted.MAINTENANCE, Muted.INHIBITED, Muted.STORM, Muted.CHILD})
"""Marks that say what is around the incident: they go when that is over, and with the trouble itself."""
INCIDENT_FIELDS = (
    "condition",
    "source",
    "object",
    "severity",
    "impact",
    "summary",
    "rule",
    "team",
    "requester",
    "fingerprint",
)
"""What matchers of windows and inhibitions may look at, beside labels."""


@value
class Mute:
    """One thing that mutes an incident now."""

    mark: Muted
    by: str
    """The id of a window or of another incident."""
    why: str
    """For people: ``maintenance "core upgrade" (2026-11-28 22:00 to 23:00 UTC)``."""


Around = Callable[[Incident], tuple[Mute, ...]]
"""Asks what mutes an incident now."""


def nothing(_incident: Incident) -> tuple[Mute, ...]:
    """Nothing mutes it."""
    return ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A time in which tickets of what matches wait. Instants are epoch milliseconds; the end is no part of it."""

    id: str
    kind: Muted
    """``silence`` (ad hoc) or ``maintenance`` (planned)."""
    match: tuple[str, ...]
    """Matchers as they are written, all of which must hold; none: everything."""
    from_ms: int
    until_ms: int
    name: str = ""
    author: str = ""
    comment: str = ""
    planned: bool = False
    """It stands in the configuration; the stored one is what a person has made of it, and is kept as long as the plan."""

    def is_on(self, now_ms: int) -> bool:
        """Whether it is going on."""
        return self.from_ms <= now_ms < self.until_ms

    def is_over(self, now_ms: int) -> bool:
        """Whether it has ended, or was ended before it began."""
        return now_ms >= self.until_ms or self.until_ms <= self.from_ms

    @property
    def told(self) -> str:
        """It in words, for timelines and tickets."""
        name = self.name or self.comment
        named = f' "{name}"' if name else ""
        by = f" by {self.author}" if self.author else ""
        return f"{self.kind}{named}{by} ({utc(self.from_ms)} to {utc(self.until_ms)})"


@dataclass(frozen=True, slots=True)
class Planned:
    """A window with its matchers read."""

    window: Window
    matchers: tuple[Matcher, ...]

    @classmethod
    def of(cls, window: Window) -> "Planned":
        """Read the matchers.

        Raises:
            ValueError: one of them is no matcher; one sentence.
        """
        return cls(window, tuple(Matcher.parse(text) for text in window.match))

    def mutes(self, incident: Incident, *, now_ms: int) -> Mute | None:
        """What it does to ``incident`` now."""
        if not self.window.is_on(now_ms) or not holds(self.matchers, fields_of_incident(incident)):
            return None
        return Mute(mark=self.window.kind, by=self.window.id, why=self.window.told)


def fields_of_incident(incident: Incident) -> Fields:
    """The lookup of matchers in an incident; a missing field is empty."""

    def look_up(name: str) -> str:
        return str(getattr(incident, name)) if name in INCIDENT_FIELDS else incident.labels.get(name, "")

    return look_up


def holds(matchers: Iterable[Matcher], fields: Fields) -> bool:
    """Whether all of them hold."""
    return all(matcher.match(fields) is not None for matcher in matchers)


def in_force(planned: Iterable[Planned], stored: Iterable[Planned]) -> tuple[Planned, ...]:
    """All windows; a stored one stands in place of the planned one with its id, which a person has moved."""
    return tuple({one.window.id: one for one in (*planned, *stored)}.values())


def next_edge_ms(windows: Iterable[Planned], *, now_ms: int) -> int | None:
    """When the next window begins or ends; None if none does."""
    edges = (edge for one in windows for edge in (one.window.from_ms, one.window.until_ms))
    return min((edge for edge in edges if edge > now_ms), default=None)

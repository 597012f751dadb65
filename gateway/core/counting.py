"""Count raises before they are a trouble: a rule may ask for so many of them within a time (as Checkmk does).

Until they are so many, their incident is pending and nobody is told. Pure: only the events' own times count.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.core.text import span


class Counting(StrEnum):
    """How raises that lie apart are counted."""

    INTERVAL = "interval"
    """The count begins with a raise, and anew with the first one after ``within``."""
    TOKEN_BUCKET = "token_bucket"  # noqa: S105 - no password
    """The count loses one in each ``within / count``; it begins anew when nothing is left."""


@dataclass(frozen=True, slots=True)
class Tally:
    """A count under way: raises since it began, and when that was (epoch milliseconds)."""

    raises: int
    from_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Frequency:
    """How many raises within what time are a trouble."""

    count: int
    within_ms: int
    counting: Counting = Counting.INTERVAL

    def add(self, tally: Tally | None, raises: int, *, at_ms: int) -> Tally:
        """The count with so many more at ``at_ms``; one that is behind the count's beginning came late, and counts."""
        if tally is None or at_ms >= self.lapses_ms(tally):
            return Tally(raises, at_ms)
        return Tally(tally.raises + raises, tally.from_ms)

    def reached(self, tally: Tally, *, at_ms: int) -> bool:
        """Whether it is so often, with the last raise at ``at_ms``."""
        return tally.raises - self._leaked(tally, at_ms) >= self.count

    def lapses_ms(self, tally: Tally) -> int:
        """When nothing of the count is left, should no raise come."""
        if self.counting is Counting.INTERVAL:
            return tally.from_ms + self.within_ms
        return tally.from_ms - (-tally.raises * self.within_ms // self.count)

    def _leaked(self, tally: Tally, at_ms: int) -> int:
        if self.counting is Counting.INTERVAL:
            return 0
        return max(0, at_ms - tally.from_ms) * self.count // self.within_ms

    def __str__(self) -> str:
        return f"{self.count} times within {span(self.within_ms)} ({self.counting.value})"

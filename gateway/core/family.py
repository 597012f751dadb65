"""A parent's children, as its ticket lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LISTED = 50
"""Children that a ticket names; the rest is a number."""


def _no_numbers() -> Mapping[str, int]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What a parent's ticket tells of its children."""

    total: int = 0
    raised: int = 0
    """Those that are not over."""
    by_condition: Mapping[str, int] = field(default_factory=_no_numbers)
    by_source: Mapping[str, int] = field(default_factory=_no_numbers)
    """The most frequent ones."""
    some: Sequence[str] = ()
    """The gravest, a line each."""

    @property
    def told(self) -> str:
        """It in lines; empty without children."""
        if not self.total:
            return ""
        lines = [f"Incidents that belong to it: {self.total}, of which {self.raised} are not over"]
        for what, numbers in (("condition", self.by_condition), ("source", self.by_source)):
            lines.append(f"By {what}: {', '.join(f'{name} {count}' for name, count in numbers.items())}")
        more = [f"... and {self.total - len(self.some)} more"] if self.total > len(self.some) else []
        return "\n".join([*lines, *self.some, *more])

"""A parent's children, as its ticket lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

LISTED = 50
"""Children that a ticket names; the rest is a number."""
HELD_LISTED = 20
"""Sources that it names of which something was held back."""


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
    held_back: int = 0
    """Events beyond a cap, which have no incidents."""
    held_by_source: Mapping[str, int] = field(default_factory=_no_numbers)
    """Most of them first; of a few sources."""

    @property
    def told(self) -> str:
        """It in lines; empty without children."""
        lines = []
        if self.held_back:
            lines.append(f"Held back, without incidents of their own: {self.held_back}")
            lines.append(f"By source: {_listed(self.held_by_source, self.held_back)}")
        if self.total:
            lines.append(f"Incidents that belong to it: {self.total}, of which {self.raised} are not over")
            for what, numbers in (("condition", self.by_condition), ("source", self.by_source)):
                lines.append(f"By {what}: {_listed(numbers)}")
        more = [f"... and {self.total - len(self.some)} more"] if self.total > len(self.some) else []
        return "\n".join([*lines, *self.some, *more])


def _listed(numbers: Mapping[str, int], total: int = 0) -> str:
    named = [f"{name} {count}" for name, count in numbers.items()]
    others = total - sum(numbers.values())
    return ", ".join([*named, f"others {others}"] if others > 0 else named)

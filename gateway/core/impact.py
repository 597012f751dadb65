"""Impact: what *we* judge an incident to be worth, from P1 (critical) to P4 (low)."""

from enum import StrEnum


class Impact(StrEnum):
    """How much a trouble hurts; members are listed from the gravest to the lightest."""

    CRITICAL = "critical"
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"

    @property
    def rank(self) -> int:
        """1 for critical .. 4 for low; smaller is graver."""
        return _RANK[self]

    @property
    def short(self) -> str:
        """``P1`` .. ``P4``, as people write it."""
        return f"P{self.rank}"

    def raised(self, steps: int = 1) -> "Impact":
        """The impact ``steps`` graver than this one, at most critical."""
        return _ORDER[max(0, self.rank - 1 - steps)]


_ORDER = tuple(Impact)
_RANK = {impact: rank for rank, impact in enumerate(Impact, start=1)}


def graver(first: Impact, second: Impact) -> Impact:
    """The graver of two impacts."""
    return first if first is second or _RANK[first] <= _RANK[second] else second

"""What was not kept, by source and reason: who sends with wrong credentials, out of time, or what we cannot read.

Sources can be forged at will, so the ledger is bounded: the source unheard for longest is forgotten first. The metrics
count everything; this says who.
"""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.core.reason import Dropped

MOST_REMEMBERED = 4096
"""Pairs of source and reason."""


@dataclass(slots=True, kw_only=True)
class Drops:
    """What was dropped of one source for one reason."""

    source: str
    reason: Dropped
    count: int = 0
    first_seen_ms: int = 0
    last_seen_ms: int = 0
    detail: str = ""
    """Why, the last time."""
    said_s: float = float("-inf")
    """When it was logged last, monotonic seconds."""
    unsaid: int = 0
    """How many since then."""


class DropLedger:
    """Counts drops by source and reason."""

    def __init__(self, most: int = MOST_REMEMBERED) -> None:
        self._most = most
        self._drops: OrderedDict[tuple[str, Dropped], Drops] = OrderedDict()

    def add(self, source: str, reason: Dropped, count: int, *, now_ms: int, detail: str) -> Drops:
        """Count ``count`` drops; the entry, which says when it was logged."""
        key = (source, reason)
        found = self._drops.get(key)
        if found is None:
            if len(self._drops) >= self._most:
                self._drops.popitem(last=False)
            found = self._drops[key] = Drops(source=source, reason=reason, first_seen_ms=now_ms)
        else:
            self._drops.move_to_end(key)
        found.count += count
        found.last_seen_ms, found.detail = now_ms, detail
        return found

    def __iter__(self) -> Iterator[Drops]:
        """All that is remembered, the latest first."""
        return reversed(self._drops.values())

    def __len__(self) -> int:
        return len(self._drops)

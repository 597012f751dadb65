"""Asks before an incident begins whether a cap leaves room for it, and counts what it does not.

What began is counted in the store: a refused commit and a restart change no number.
"""

from collections import Counter
from dataclasses import dataclass, field, replace

from gateway.core.gather import Caps, Gathering, period_end_ms, raise_parent
from gateway.core.impact import graver
from gateway.core.overflow import CAP_PERIOD_MS, overall_cap, source_cap
from gateway.pending import Run
from gateway.store.api import Transaction

BEGUN = "begun"
"""Scope of the tallies of what each source began."""


@dataclass(slots=True)
class Held:
    """What one greater incident counts of this batch."""

    run: Run
    """All of it, as occurrences of the greater incident."""
    members: list[int] = field(default_factory=list)
    """Places in the batch."""
    by_source: Counter[str] = field(default_factory=Counter)

    def settle(self, tx: Transaction, parent: str) -> None:
        """Write down of which sources it was."""
        for source, count in self.by_source.items():
            tx.hold_back(parent, source, count=count)


class Overflow:
    """For one batch, inside its transaction."""

    def __init__(self, tx: Transaction, caps: Caps, *, now_ms: int) -> None:
        self._tx = tx
        self._caps = caps
        self._until_ms = period_end_ms(now_ms, CAP_PERIOD_MS)
        self._full: dict[str, Gathering] = {}
        """What counts for the sources whose cap is reached."""
        self._room: int | None = None
        """How many more may begin over all; None: not asked yet."""
        self.held: dict[tuple[str, str], Held] = {}
        """By the greater incident's condition and source."""

    def takes(self, number: int, run: Run, *, fresh: int) -> bool:
        """Whether there is no room for the incident that ``run`` would begin: all that is new in it is merely counted."""
        greater = self._beyond(run.verdict.source)
        if greater is None:
            return False
        held = self.held.get((greater.condition, greater.source))
        if held is None:
            event, verdict = raise_parent(
                greater, run.event, run.verdict, impact=run.verdict.impact, period_ms=CAP_PERIOD_MS
            )  # fmt: skip
            held = Held(Run(event, verdict, run.first_ms, run.last_ms))
            self.held[greater.condition, greater.source] = held
        held.members.append(number)
        held.by_source[run.verdict.source] += fresh
        merged = held.run
        merged.offered += fresh
        merged.waiters += run.waiters
        merged.first_ms, merged.last_ms = min(merged.first_ms, run.first_ms), max(merged.last_ms, run.last_ms)
        impact = graver(merged.verdict.impact, run.verdict.impact)
        if impact is not merged.verdict.impact:
            merged.verdict = replace(merged.verdict, impact=impact)
        return True

    def _beyond(self, source: str) -> Gathering | None:
        caps = self._caps
        if source in self._full:
            return self._full[source]
        if caps.open_max and self._room is None:
            self._room = caps.open_max - self._tx.count_alive(limit=caps.open_max)
        if self._room is not None and self._room <= 0:
            return overall_cap(caps)  # first: who invents sources must not fill the tallies with them either
        if caps.source_new_per_min:
            count = self._tx.tally(BEGUN, source, until_ms=self._until_ms)
            if count > caps.source_new_per_min:
                self._full[source] = source_cap(source, caps)
                return self._full[source]
        if self._room is not None:
            self._room -= 1
        return None

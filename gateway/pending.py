"""What waits for the next commit: events folded by fingerprint before the engine sees them.

A storm of one event costs one row: each repeat is a number that grows. Order is kept where it matters, within a
fingerprint: a raise, a clear and a raise stay three runs.
"""

import asyncio
from dataclasses import dataclass, field

from gateway.core.event import Event
from gateway.core.rules import Verdict
from gateway.plugin import Receipt

Waiter = tuple[str, asyncio.Future[Receipt]]
"""Upstream identity (may be empty), and who waits for the commit."""


@dataclass(slots=True)
class Run:
    """Equal events in a row, of one fingerprint and kind."""

    event: Event
    """The first of them."""
    verdict: Verdict
    first_ms: int
    last_ms: int
    offered: int = 0
    """How many came without anybody waiting."""
    waiters: list[Waiter] = field(default_factory=list)

    @property
    def count(self) -> int:
        """Events in this run."""
        return self.offered + len(self.waiters)

    @property
    def foldable(self) -> bool:
        """Whether another event may become a mere number here; a mail has its own text and never does."""
        return not (self.event.references or self.event.known_as or self.event.attachments)


class Pending:
    """Runs by fingerprint, in the order in which the fingerprints came."""

    def __init__(self, *, limit: int) -> None:
        self._limit = limit
        self._runs: dict[str, list[Run]] = {}
        self.inputs = 0

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, event: Event, verdict: Verdict, waiter: Waiter | None) -> bool | None:
        """Take an event: True if it was folded into a waiting run, False if it is a run of its own, None if full."""
        runs = self._runs.get(verdict.fingerprint)
        if runs is None:
            if len(self._runs) >= self._limit:
                return None
            runs = self._runs[verdict.fingerprint] = []
        last = runs[-1] if runs else None
        folded = (
            last is not None
            and last.verdict.kind is verdict.kind
            and last.foldable
            and not (event.references or event.known_as or event.attachments)
        )
        if last is None or not folded:
            last = Run(event, verdict, event.at_ms, event.at_ms)
            runs.append(last)
        last.last_ms = max(last.last_ms, event.at_ms)
        if waiter is None:
            last.offered += 1
        else:
            last.waiters.append(waiter)
        self.inputs += 1
        return folded

    def take(self, most: int) -> list[Run]:
        """Remove and return the runs of at most ``most`` fingerprints, the oldest first."""
        taken: list[Run] = []
        for mark in list(self._runs)[:most]:
            taken += self._runs.pop(mark)
        self.inputs -= sum(run.count for run in taken)
        return taken

    def give_back(self, runs: list[Run]) -> None:
        """Put runs that could not be committed before what came since; those who waited were told to try again."""
        given: dict[str, list[Run]] = {}
        for run in runs:
            run.waiters.clear()
            if run.offered:
                given.setdefault(run.verdict.fingerprint, []).append(run)
        for mark, newer in self._runs.items():
            given.setdefault(mark, []).extend(newer)
        self._runs = given
        self.inputs = sum(run.count for runs in given.values() for run in runs)

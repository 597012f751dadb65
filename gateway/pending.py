"""What waits for the next commit: events folded by fingerprint before the engine sees them.

A storm of one event costs one row: each repeat is a number that grows. Order is kept where it matters, within a
fingerprint: a raise, a clear and a raise stay three runs. Folding changes no outcome: only what the core would decide
alike becomes one run. What a rule counts stays one by one, for each raise has a time of its own; and so does a raise
that is older than a clear which came before it, for that may be over already (`gateway.core.overtaken`).

There are two lanes. What merely repeats what is on disk already, and nobody waits for, is patient: it grows until it is
hastened. As soon as anything else comes for its fingerprint, it goes with that, before it.
"""

import asyncio
from dataclasses import dataclass, field, replace
from itertools import islice

from gateway.core.event import Event, EventKind
from gateway.core.rules import Verdict
from gateway.plugin import Receipt

SHARES = 8
"""A fingerprint's share of a batch is one of so many."""

Waiter = tuple[str, asyncio.Future[Receipt]]
"""Upstream identity (may be empty), and who waits for the commit."""
FEW_BESIDE = 10
"""Of a batch that somebody waits for, what nobody waits for is about the tenth part."""
RESERVED = 0.25
"""The part of the room that is for what somebody waits for: no flood of traps refuses an inform or a mail."""
BYTES_MAX = 64 * 2**20
"""Text and files that may wait; a mail with ten attachments weighs more than a trap."""


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
    order: int = 0
    """Its place among all runs: in this order they are decided, since one incident may mute another."""
    grows: bool = True
    """It waits, and is the last of its fingerprint: one more of the same may join it."""
    late: bool = False
    """A raise that a clear may have overtaken."""
    weight: int = field(init=False)
    """Characters and bytes that it holds, about."""

    def __post_init__(self) -> None:
        event = self.event
        self.weight = len(event.description) + sum(map(len, event.labels)) + sum(map(len, event.labels.values()))
        for file in event.attachments:
            self.weight += len(file.content)

    @property
    def count(self) -> int:
        """Events in this run."""
        return self.offered + len(self.waiters)

    def count_one(self, at_ms: int) -> bool:
        """One more of the same that nobody waits for; False if it grows no more."""
        if not self.grows:
            return False
        self.offered += 1
        if at_ms > self.last_ms:  # noqa: PLR1730 - calling max() costs more than the rest of this
            self.last_ms = at_ms
        return True

    def settle(self) -> None:
        """All who waited were answered: they are a number now, for what is prepared remembers its last run long."""
        self.offered += len(self.waiters)
        self.waiters = []

    def shift(self, by_ms: int) -> None:
        """Move its instants, after a step of the wall clock."""
        self.first_ms += by_ms
        self.last_ms += by_ms
        self.event = replace(self.event, at_ms=self.event.at_ms + by_ms)

    def folds(self, event: Event, verdict: Verdict) -> bool:
        """Whether ``event`` is a mere number here: decided one by one, the two would come to the same."""
        mine = self.verdict
        alike = (
            mine.kind is verdict.kind
            and mine.impact is verdict.impact
            and mine.drop is verdict.drop
            and mine.rule == verdict.rule
            and self.event.collector == event.collector
            and mine.expected == verdict.expected
            and not self.late
            and mine.frequency is None
            and verdict.frequency is None
            and not _is_mail(self.event)
            and not _is_mail(event)
        )
        return alike and (verdict.kind is not EventKind.NOTE or _text(self.event) == _text(event))


class Pending:
    """Runs by fingerprint, in the order in which the fingerprints came."""

    def __init__(self, *, limit: int, bytes_max: int = BYTES_MAX, overtake_ms: int = 0) -> None:
        """Let at most ``limit`` runs and waiters, and ``bytes_max`` bytes, wait; a clear may overtake by ``overtake_ms``."""
        self._limit = limit
        self._bytes_max = bytes_max
        self._overtake_ms = overtake_ms
        self._cleared: dict[str, int] = {}
        """Event time of the newest clear of fingerprints; at more than ``limit`` all are forgotten, and more is folded."""
        self._runs: dict[str, list[Run]] = {}
        self._patient: dict[str, Run] = {}
        """Runs that only repeat what is on disk; no fingerprint is here and in `_runs`."""
        self._entries = 0
        self._runs_seen = 0
        self._bytes = 0
        self._urgent: dict[str, None] = {}
        """Fingerprints that somebody waits for, in the order in which they became so."""
        self.waiting = 0
        """How many of them somebody waits for."""

    def __len__(self) -> int:
        return len(self._runs) + len(self._patient)

    @property
    def inputs(self) -> int:
        """Events that wait."""
        return sum(run.count for runs in self._runs.values() for run in runs) + sum(
            run.count for run in self._patient.values()
        )

    @property
    def pressing(self) -> int:
        """Fingerprints that are not patient."""
        return len(self._runs)

    @property
    def patient(self) -> int:
        """Fingerprints that are."""
        return len(self._patient)

    @property
    def crowded(self) -> bool:
        """Whether those that are patient take so much room that others may soon find none."""
        return self._entries * 2 >= self._limit and bool(self._patient)

    def add(self, event: Event, verdict: Verdict, waiter: Waiter | None, *, repeats: bool = False) -> bool | None:
        """Take an event: True if it was folded into a waiting run, False if it is a run of its own, None if full.

        ``repeats``: it would be merely counted by what is on disk, so that it may be patient.
        """
        mark = verdict.fingerprint
        last = self._last(mark)
        folded = last is not None and last.folds(event, verdict)
        if (waiter is not None or not folded) and self._is_full(for_all=waiter is None):
            return None  # one more of the same that nobody waits for always has room
        patient = waiter is None and (folded or (last is None and repeats and not _is_mail(event)))
        if not patient:
            self._hasten(mark)
        run = last if folded and last is not None else self._begin(event, verdict, patient=patient)
        run.last_ms = max(run.last_ms, event.at_ms)
        if waiter is None:
            run.offered += 1
        else:
            self._let_wait(run, waiter)
        return folded

    def join(self, run: Run, waiter: Waiter, *, at_ms: int) -> bool:
        """One more of what `waiting_for` gave, for somebody who waits; False if it grows no more, or all is full."""
        if not run.grows or self._is_full(for_all=False):
            return False
        self._hasten(run.verdict.fingerprint)
        run.last_ms = max(run.last_ms, at_ms)
        self._let_wait(run, waiter)
        return True

    def _let_wait(self, run: Run, waiter: Waiter) -> None:
        run.waiters.append(waiter)
        self._urgent[run.verdict.fingerprint] = None
        self._entries += 1
        self.waiting += 1

    def _is_full(self, *, for_all: bool) -> bool:
        kept = RESERVED if for_all else 0
        return self._entries >= self._limit * (1 - kept) or self._bytes >= self._bytes_max * (1 - kept)

    def _begin(self, event: Event, verdict: Verdict, *, patient: bool) -> Run:
        self._runs_seen += 1
        run = Run(event, verdict, event.at_ms, event.at_ms, order=self._runs_seen)
        self._entries += 1
        self._bytes += run.weight
        if patient:
            self._patient[verdict.fingerprint] = run
            return run
        runs = self._runs.setdefault(verdict.fingerprint, [])
        if runs:
            self._ends(runs[-1])
        if verdict.kind is EventKind.RAISE:
            run.late = 0 < self._cleared.get(verdict.fingerprint, 0) - event.at_ms <= self._overtake_ms
        runs.append(run)
        return run

    def _ends(self, run: Run) -> None:
        """It grows no more: its clears are known to whatever comes behind them."""
        run.grows = False
        if run.verdict.kind is EventKind.CLEAR and self._overtake_ms:
            if len(self._cleared) >= self._limit:
                self._cleared.clear()
            mark = run.verdict.fingerprint
            self._cleared[mark] = max(self._cleared.get(mark, 0), run.last_ms)

    def _last(self, mark: str) -> Run | None:
        runs = self._runs.get(mark)
        return runs[-1] if runs is not None else self._patient.get(mark)

    def waiting_for(self, fingerprint: str) -> Run | None:
        """The run that one more of this fingerprint would join, if it is one that anything can join."""
        run = self._last(fingerprint)
        if run is None or run.late or run.verdict.frequency is not None or _is_mail(run.event):
            return None
        return run

    def hasten(self) -> None:
        """Let what is patient go with the next commits; until then it still grows."""
        for mark in list(self._patient):
            self._hasten(mark)

    def _hasten(self, mark: str) -> None:
        if mark in self._patient:
            self._runs[mark] = [self._patient.pop(mark)]

    def take(self, most: int) -> list[Run]:
        """Remove and return at most ``most`` runs: of fingerprints that somebody waits for, then of the oldest.

        Beside the former there are few others, so that nobody waits for a storm to be written.
        One fingerprint gives no more than its share while others wait, and then goes behind them: a port that flaps
        faster than the disk writes keeps nobody waiting but itself.
        """
        urgent = list(islice(self._urgent, most))
        if urgent:
            most = min(most, max(len(urgent), most // FEW_BESIDE))
        taken: list[Run] = []
        share = max(1, most // SHARES) if len(self._runs) > 1 else most
        for mark in [*urgent, *islice((mark for mark in self._runs if mark not in self._urgent), most)]:
            runs = self._runs.pop(mark)
            self._urgent.pop(mark, None)
            room = min(share, most - len(taken))
            taken += runs[:room]
            if len(runs) > room:
                self._runs[mark] = runs[room:]
                self._mark_urgent(mark)
            if len(taken) == most:
                break
        self._count(taken, -1)
        for run in taken:
            self._ends(run)
        return taken

    def give_back(self, runs: list[Run]) -> None:
        """Put runs that could not be committed before what came since; those who waited were told to try again."""
        self.hasten()
        given: dict[str, list[Run]] = {}
        kept = []
        for run in runs:
            run.waiters.clear()
            if run.offered:
                given.setdefault(run.verdict.fingerprint, []).append(run)
                kept.append(run)
        for mark, newer in self._runs.items():
            given.setdefault(mark, []).extend(newer)
        self._runs = given
        self._count(kept, 1)
        self._urgent.clear()
        for mark, all_of in given.items():
            all_of[-1].grows = True
            self._mark_urgent(mark)

    def shift(self, by_ms: int) -> None:
        """Move every instant, after a step of the wall clock."""
        self._cleared.clear()
        self.hasten()
        for run in (run for runs in self._runs.values() for run in runs):
            run.shift(by_ms)

    def _mark_urgent(self, mark: str) -> None:
        if any(run.waiters for run in self._runs[mark]):
            self._urgent[mark] = None

    def _count(self, runs: list[Run], sign: int) -> None:
        for run in runs:
            self._entries += sign * (1 + len(run.waiters))
            self._bytes += sign * run.weight
            self.waiting += sign * len(run.waiters)


def _is_mail(event: Event) -> bool:
    """Whether it has a text of its own that must not become a number."""
    return bool(event.references or event.known_as or event.attachments)


def _text(event: Event) -> tuple[str, str]:
    return event.summary, event.description

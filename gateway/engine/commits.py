"""Batches on their way to the disk: when one is written, what it holds, and what becomes of one that cannot be."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from gateway import metrics
from gateway.core.event import Event
from gateway.core.reason import Dropped, Reason
from gateway.engine.books import answer
from gateway.engine.health import Health
from gateway.engine.limits import EngineLimits
from gateway.engine.meaning import Outcome
from gateway.engine.timers import RETRY_S
from gateway.pending import Pending, Run, Waiter
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

PROBE = "engine/probe"
WRITE_S = 0.1
"""How long the writing of one batch should take, without its sync."""
FEWEST = 100
"""Runs in a batch, at least (if ``batch_max`` allows): on a slow disk only great batches make a throughput."""


class Commits:
    """One per engine. `run` serves until cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        pending: Pending,
        health: Health,
        *,
        write: Callable[[Transaction, Sequence[Run], int], list[Outcome]],
        release: Callable[[list[Run], list[Outcome]], None],
        limits: EngineLimits,
    ) -> None:
        """Write what waits in ``pending``.

        Args:
            store: where to.
            clock: what time it is.
            pending: runs that wait.
            health: is told what the disk says.
            write: decides and writes a batch at an instant, inside a transaction.
            release: is told what came of a batch when it is on disk and answered for.
            limits: how much, and how long.
        """
        self.suspects: deque[list[Run]] = deque()
        """Parts of a batch that the core could not bear, in order: one of them is to blame."""
        self.idle = asyncio.Event()
        """Set while no batch is being written."""
        self.idle.set()
        self._store = store
        self._clock = clock
        self._pending = pending
        self._health = health
        self._decide = write
        self._tell = release
        self._limits = limits
        self._most = limits.batch_max
        """Runs in the next batch."""
        self._gave_back = False
        """The disk refused the last batch. (It may refuse others, timers' and those of what is set aside: `Health`.)"""
        self._wanted = asyncio.Event()
        self._lazy: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        """Until what merely repeats is committed."""

    def gather(self) -> None:
        """Commit what nobody waits for soon, or at once if it is a whole batch; what merely repeats, in its time."""
        pending = self._pending
        if pending.crowded:
            self.hasten()
        if pending.pressing >= self._limits.batch_max:
            self.want()
        elif pending.pressing and self._lazy is None and not self._wanted.is_set():
            self._lazy = asyncio.get_running_loop().call_later(self._limits.lazy_s, self.want)
        if pending.patient and self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(self._limits.repeat_s, self.hasten)

    def hasten(self) -> None:
        """Commit what merely repeats, too."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._pending.hasten()
        self.want()

    def want(self) -> None:
        """Commit now: somebody waits."""
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        self._wanted.set()

    # --- batches --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; a batch that is being written then is released all the same when it is on disk."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while not await self.commit_one():
                await self._clock.sleep(RETRY_S)
            if self._pending.waiting or self.suspects:
                self.want()
            else:
                self.gather()

    async def drain(self) -> None:
        """Commit what waits; call when nothing more is heard. Cancel it when time is up."""
        try:
            while len(self._pending) or self.suspects or not self.idle.is_set():
                self._pending.hasten()
                if not await self.commit_one():
                    await self._clock.sleep(RETRY_S)
        except asyncio.CancelledError:
            log.error("inputs.lost", count=self._pending.inputs)
            raise

    def shift(self, by_ms: int) -> None:
        """Follow a step of the clock."""
        self._pending.shift(by_ms)
        for run in (run for part in self.suspects for run in part):
            run.shift(by_ms)

    def refused(self, error: StoreError) -> None:
        """The disk refused: ask again until it is well."""
        self._health.refused(error)
        self.want()

    async def commit_one(self) -> bool:
        """Write one batch, or wait for the one that is being written; False if the disk refused the last one."""
        if self.idle.is_set():
            batch = self.suspects.popleft() if self.suspects else self._pending.take(self._most)
            if not batch and self._health.good:
                return True
            self._send(batch)
        await self.idle.wait()
        return not self._gave_back

    def _send(self, batch: list[Run]) -> None:
        """Hand a batch to the store. What follows hangs on the store's future, not on any task that may be cancelled.

        An empty batch asks whether the disk takes writes again.
        """
        batch.sort(key=lambda run: run.order)
        self.idle.clear()
        metrics.PENDING.set(len(self._pending))
        if batch:
            metrics.BATCH_INPUTS.observe(sum(run.count for run in batch))
        sent_s = asyncio.get_running_loop().time()
        self._store.submit(lambda tx: self._write(tx, batch)).add_done_callback(partial(self._written, batch, sent_s))

    def _write(self, tx: Transaction, batch: Sequence[Run]) -> list[Outcome]:
        if not batch:
            tx.put(PROBE, b"")
            return []
        now_ms = self._clock.now_ms()
        began_s = self._clock.monotonic_s()
        outcomes = self._decide(tx, batch, now_ms)
        self._pace_batches(len(batch), self._clock.monotonic_s() - began_s)
        return outcomes

    def _pace_batches(self, runs: int, took_s: float) -> None:
        """Keep batches so short that an inform, which waits for the one before, is answered in time; the sync is no part."""
        fits = self._limits.batch_max if took_s <= 0 else int(runs * WRITE_S / took_s)
        self._most = min(self._limits.batch_max, max(FEWEST, min(fits, 2 * self._most)))

    def _written(self, batch: list[Run], sent_s: float, done: asyncio.Future[list[Outcome]]) -> None:
        metrics.COMMIT_SECONDS.observe(asyncio.get_running_loop().time() - sent_s)
        try:
            error = StoreError("the write was cancelled") if done.cancelled() else done.exception()
            self._gave_back = isinstance(error, StoreError)
            if isinstance(error, StoreError):
                self._give_back(batch, error)
            elif error is not None:
                self._split(batch, error)
            else:
                self._health.recovered()
                self._answer(batch, done.result())
        finally:
            self.idle.set()

    def _answer(self, batch: list[Run], outcomes: list[Outcome]) -> None:
        """Tell who waits, first: it is on disk, whatever else may fail that follows a commit."""
        for run, outcome in zip(batch, outcomes, strict=True):
            if run.waiters:
                answer(run.waiters, Receipt(incident=outcome.incident, reason=outcome.reason))
                run.settle()
        try:
            self._tell(batch, outcomes)
        except Exception:
            log.exception("commit.unfinished", inputs=sum(run.count for run in batch))

    # --- what cannot be written -----------------------------------------------------------------------

    def _split(self, batch: list[Run], error: BaseException) -> None:
        """Search by halves for the run that the core cannot bear, and set that one aside."""
        if len(batch) > 1:
            middle = len(batch) // 2
            self.suspects.extendleft((batch[middle:], batch[:middle]))
        elif batch:
            run = batch[0]
            log.error("input.failed", collector=run.event.collector, source=run.event.source, exc_info=error)
            self.set_aside(run.event, run.count, run.waiters)

    def _give_back(self, batch: list[Run], error: StoreError) -> None:
        runs = [*batch, *(run for part in self.suspects for run in part)]
        self.suspects.clear()
        for run in runs:
            metrics.INPUTS_DROPPED.labels(run.event.collector, Dropped.OVERLOAD).inc(len(run.waiters))
            answer(run.waiters, Overloaded(str(error)))
        self._pending.give_back(runs)
        self.refused(error)

    def set_aside(self, event: Event, count: int, waiters: Sequence[Waiter]) -> None:
        """Keep what the rules or the core cannot bear where a person finds it."""
        metrics.INPUTS_DROPPED.labels(event.collector, Dropped.MALFORMED).inc(count)
        raw = repr(event).encode("utf-8", "backslashreplace")
        self.quarantine(raw, waiters, reason=Dropped.MALFORMED, source=event.source)

    def quarantine(self, raw: bytes, waiters: Sequence[Waiter], *, reason: Dropped, source: str) -> None:
        """Keep ``raw``; who waits is told when it is on disk."""
        at_ms = self._clock.now_ms()

        def kept(done: asyncio.Future[None]) -> None:
            error = StoreError("the write was cancelled") if done.cancelled() else done.exception()
            if isinstance(error, StoreError):
                self.refused(error)
            elif error is None:
                self._health.recovered()
            receipt = Receipt(incident="", reason=Reason.DROPPED)
            answer(waiters, receipt if error is None else Overloaded(str(error)))

        work = partial(_keep_raw, raw=raw, reason=reason, source=source, at_ms=at_ms)
        self._store.submit(work).add_done_callback(kept)


def _keep_raw(tx: Transaction, *, raw: bytes, reason: Dropped, source: str, at_ms: int) -> None:
    tx.quarantine(raw, reason=reason, source=source, at_ms=at_ms)

"""Gathers what collectors heard, commits it in batches, and releases those who wait after the commit."""

import asyncio
import hashlib
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from gateway import metrics
from gateway.core.decision import Command, Decision, Verb
from gateway.core.event import Event
from gateway.core.gather import Gatherings
from gateway.core.incident import Incident
from gateway.core.inhibit import Inhibitions
from gateway.core.judge import Judge
from gateway.core.mute import Planned, Window, in_force
from gateway.core.reason import Dropped, Reason
from gateway.core.rules import Verdict
from gateway.core.ticket import Observation, Ticket
from gateway.engine.applying import apply
from gateway.engine.around import Plan, Surroundings, no_plan, refresh_facets, stored
from gateway.engine.meaning import Outcome, look_at, write_batch
from gateway.engine.prepared import PreparedEvent, Refused
from gateway.engine.release import Releases
from gateway.engine.timers import RETRY_S, Timers
from gateway.pending import BYTES_MAX, Pending, Run, Waiter
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.repeats import Repeats
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

PROBE = "engine/probe"
WRITE_S = 0.1
"""How long the writing of one batch should take, without its sync."""
FEWEST = 100
"""Runs in a batch, at least (if ``batch_max`` allows): on a slow disk only great batches make a throughput."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """What the engine takes at once."""

    lazy_s: float = 0.1
    """How long events that nobody waits for are gathered before they are committed."""
    repeat_s: float = 1.0
    """How long those of them are gathered that merely repeat what is on disk."""
    batch_max: int = 2000
    """Runs per commit, so that an inform never waits long."""
    pending_max: int = 20_000
    """Runs and waiters that may wait; more are refused, and counted."""
    bytes_max: int = BYTES_MAX
    """Bytes of text and files that may wait."""
    overtake_ms: int = 10_000
    """By how much a clear may overtake its raise; 0: what comes behind it is always raised."""
    release_per_min: int = 60
    """Survivors whose tickets are opened in a minute when what muted them is over."""


class Engine:
    """One per process. `run` serves until cancelled."""

    def __init__(
        self,
        store: Store,
        *,
        judge: Judge,
        plan: Plan = no_plan,
        inhibitions: Inhibitions | None = None,
        clock: Clock,
        new_id: Callable[[int], str],
        limits: EngineLimits | None = None,
        wake_delivery: Callable[[], None] = lambda: None,
        follow_clock: Callable[[int], None] = lambda _jump: None,
        clock_jump: Callable[[], int] = lambda: 0,
        shift_stored: Callable[[Transaction, int], None] = lambda tx, by_ms: tx.shift_deadlines(by_ms),
        journal: Callable[[Sequence[Run], Sequence[str]], None] = lambda _runs, _incidents: None,
        met: Callable[[Run], None] = lambda _run: None,
    ) -> None:
        self.judge = judge
        self.inhibitions = inhibitions or Inhibitions()
        self.gatherings = Gatherings()
        self._ended = False
        """Something is over that may have muted others."""
        self.plan = plan
        """The configured maintenance windows; replaced as a whole by a reload."""
        self.healthy = True
        self.refusal = ""
        """Why the disk refuses, in one sentence, while it does."""
        self.trusts_store = True
        """False once the store's file is known to be damaged."""
        self.progress = 0
        """Grows with each turn of the commit loop: what the watchdog looks at."""
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._limits = limits or EngineLimits()
        self._wake_delivery = wake_delivery
        self._follow_clock = follow_clock
        self._journal = journal
        self._met = met
        self._pending = Pending(
            limit=self._limits.pending_max, bytes_max=self._limits.bytes_max, overtake_ms=self._limits.overtake_ms
        )
        self._repeats = Repeats(self._limits.pending_max)
        self._patience_ms = round(1000 * self._limits.repeat_s)
        self._most = self._limits.batch_max
        """Runs in the next batch."""
        self._suspects: deque[list[Run]] = deque()
        """Parts of a batch that the core could not bear, in order: one of them is to blame."""
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        """Set while no batch is being written."""
        self._idle.set()
        self._gave_back = False
        """The disk refused the last batch. (It may refuse others, timers' and those of what is set aside: `healthy`.)"""
        self._lazy: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        """Until what merely repeats is committed."""
        self._timers = Timers(
            store, clock, decide=self._decide, around=self._around, refused=self._refused, clock_jump=clock_jump,
            move_clock=self._move_clock, shift_stored=shift_stored, idle=self._idle,
        )  # fmt: skip
        self._releases = Releases(
            clock, decide=self._decide, around=self._around, per_min=self._limits.release_per_min
        )  # fmt: skip

    # --- what collectors call (by way of their intake) -------------------------------------------

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        """Take an event that somebody waits for: it is committed at once."""
        judged = self.judged(event)
        if judged is not None:
            return self.emit_judged(*judged)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._set_aside(event, 1, [("", future)])
        return future

    def offer(self, event: Event) -> bool:
        """Take an event that nobody waits for: it is committed with others, soon."""
        judged = self.judged(event)
        if judged is None:
            self._set_aside(event, 1, [])
            return True
        return self.offer_judged(*judged)

    def prepare(self, event: Event, *, varying: str = "", refused: Refused = lambda: None) -> PreparedEvent:
        """Look once at an event that will be offered or emitted many times, with other values of the label ``varying``.

        What ``refused`` gives is the answer to who would wait.
        """
        return PreparedEvent(self, self._pending, event, varying=varying, refused=refused)

    def quarantine(self, raw: bytes, *, reason: Dropped, source: str) -> asyncio.Future[Receipt]:
        """Keep what cannot be parsed; the future is done when it is on disk."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._quarantine(raw, [("", future)], reason=reason, source=source)
        return future

    # --- what services and operators call ---------------------------------------------------------

    async def observe(self, sink: str, seen: Sequence[tuple[Ticket, Observation]], *, since_ms: int) -> None:
        """Take what was seen of tickets; what was asked before or right after our own last write says nothing.

        Raises:
            StoreError: the disk refused; look again.
        """
        try:
            await self._decide(
                lambda tx, now_ms: look_at(
                    tx, sink, seen, since_ms=since_ms, now_ms=now_ms, around=self._around(tx, now_ms)
                )
            )
        except StoreError:
            raise
        except Exception:
            if len(seen) == 1:
                log.exception("observation.skipped", sink=sink, incident=seen[0][0].incident)
                return
            for one in seen:
                await self.observe(sink, [one], since_ms=since_ms)

    async def command(self, incident_id: str, verb: Verb, *, actor: str) -> Incident | None:
        """Do what an operator says; the incident as it is then, or None if there is none."""

        def work(tx: Transaction, now_ms: int) -> list[Decision]:
            incident = tx.incident(incident_id)
            command = Command(verb=verb, actor=actor)
            around = self._around(tx, now_ms)
            return [apply(tx, incident, command, now_ms=now_ms, around=around)] if incident else []

        decisions = await self._decide(work)
        return decisions[0].incident if decisions else None

    async def windows(self) -> tuple[Planned, ...]:
        """All silences and maintenance windows: planned ones that are near, and stored ones."""
        kept = await self._store.run(lambda tx: tx.windows())
        return in_force(self.plan(self._clock.now_ms()), stored(kept))

    async def save_window(self, window: Window) -> None:
        """Begin, move or end a window.

        Raises:
            StoreError: the disk refused.
        """
        await self._store.run(lambda tx: tx.save_window(window))
        self._releases.stir()

    async def mute_by(self, plan: Plan, inhibitions: Inhibitions, gatherings: Gatherings | None = None) -> None:
        """Take other maintenance windows, inhibitions, groups, rates and caps; call before `run`, and at a reload.

        Raises:
            StoreError: the disk refused; nothing has changed.
        """
        gatherings = gatherings or Gatherings()
        digest = hashlib.sha256(repr((inhibitions.told, gatherings.told)).encode()).digest()
        before = self.plan, self.inhibitions, self.gatherings

        def work(tx: Transaction) -> None:
            refresh_facets(tx, inhibitions, gatherings, digest)
            # Here, for the next batch may be written before the loop hears of it.
            self.plan, self.inhibitions, self.gatherings = plan, inhibitions, gatherings

        try:
            await self._store.run(work)
        except BaseException:
            self.plan, self.inhibitions, self.gatherings = before
            raise
        self._releases.stir()

    async def run(self) -> None:
        """Serve until cancelled; a batch that is being written then is released all the same when it is on disk."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit_for_ever(), name="engine-commit")
            tasks.create_task(self._timers.run(), name="engine-timers")
            tasks.create_task(self._releases.run(), name="engine-releases")

    async def drain(self) -> None:
        """Commit what waits; call when the collectors have stopped. Cancel it when time is up."""
        try:
            while len(self._pending) or self._suspects or not self._idle.is_set():
                self._pending.hasten()
                if not await self._commit_batch():
                    await self._clock.sleep(RETRY_S)
        except asyncio.CancelledError:
            log.error("inputs.lost", count=self._pending.inputs)
            raise

    # --- gathering --------------------------------------------------------------------------------

    def offer_judged(self, event: Event, verdict: Verdict) -> bool:
        """Take an event that nobody waits for, with the verdict on it; False = overloaded, counted."""
        until_ms = self._clock.now_ms() + self._patience_ms
        if self._pending.add(event, verdict, None, repeats=self._repeats.knows(verdict, until_ms=until_ms)) is None:
            metrics.INPUTS_DROPPED.labels(event.collector, Dropped.OVERLOAD).inc()
            return False
        self._gather()
        return True

    def emit_judged(self, event: Event, verdict: Verdict) -> asyncio.Future[Receipt]:
        """Take an event that somebody waits for, with the verdict on it."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self._pending.add(event, verdict, (event.identity, future)) is None:
            metrics.INPUTS_DROPPED.labels(event.collector, Dropped.OVERLOAD).inc()
            future.set_exception(Overloaded("too much waits for the store"))
        else:
            self._want()
        return future

    def emit_joined(self, run: Run, *, at_ms: int, identity: str) -> asyncio.Future[Receipt] | None:
        """Take one more of what waits in ``run``, for somebody who waits; None if it grows no more, or all is full."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if not self._pending.join(run, (identity, future), at_ms=at_ms):
            return None
        self._want()
        return future

    def judged(self, event: Event) -> tuple[Event, Verdict] | None:
        """The event and the verdict on it; None, told in the log, if the rules cannot bear it."""
        try:
            return self.judge.judge(event)
        except Exception:
            log.exception("judgement.failed", collector=event.collector, source=event.source)
            return None

    def _gather(self) -> None:
        """Commit what nobody waits for soon, or at once if it is a whole batch; what merely repeats, in its time."""
        pending = self._pending
        if pending.crowded:
            self._hasten()
        if pending.pressing >= self._limits.batch_max:
            self._want()
        elif pending.pressing and self._lazy is None and not self._wanted.is_set():
            self._lazy = asyncio.get_running_loop().call_later(self._limits.lazy_s, self._want)
        if pending.patient and self._patience is None:
            self._patience = asyncio.get_running_loop().call_later(self._limits.repeat_s, self._hasten)

    def _hasten(self) -> None:
        """Commit what merely repeats, too."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        self._pending.hasten()
        self._want()

    def _want(self) -> None:
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        self._wanted.set()

    # --- commits ----------------------------------------------------------------------------------

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while not await self._commit_batch():
                await self._clock.sleep(RETRY_S)
            self.progress += 1
            if self._pending.waiting or self._suspects:
                self._want()
            else:
                self._gather()

    async def _commit_batch(self) -> bool:
        """Write one batch, or wait for the one that is being written; False if the disk refused the last one."""
        if self._idle.is_set():
            batch = self._suspects.popleft() if self._suspects else self._pending.take(self._most)
            if not batch and self.healthy:
                return True
            self._send(batch)
        await self._idle.wait()
        return not self._gave_back

    def _send(self, batch: list[Run]) -> None:
        """Hand a batch to the store. What follows hangs on the store's future, not on any task that may be cancelled.

        An empty batch asks whether the disk takes writes again.
        """
        batch.sort(key=lambda run: run.order)
        self._idle.clear()
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
        outcomes = write_batch(
            tx, batch, now_ms=now_ms, new_id=self._new_id, around=self._around(tx, now_ms),
            overtake_ms=self._limits.overtake_ms,
        )  # fmt: skip
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
                self._release(batch, done.result())
        finally:
            self._idle.set()

    def _release(self, batch: list[Run], outcomes: list[Outcome]) -> None:
        self._recovered()
        self._after_ends()
        for run, outcome in zip(batch, outcomes, strict=True):
            if run.waiters:
                _answer(run.waiters, Receipt(incident=outcome.incident, reason=outcome.reason))
            self._repeats.keep(run.verdict, outcome.counts_until_ms)
            if run.verdict.expected and outcome.fresh:
                self._met(run)
        _count(batch, outcomes)
        self._journal(batch, [outcome.incident for outcome in outcomes])
        if any(outcome.wishes for outcome in outcomes):
            self._wake_delivery()
        self._timers.retime()

    def _split(self, batch: list[Run], error: BaseException) -> None:
        """Search by halves for the run that the core cannot bear, and set that one aside."""
        if len(batch) > 1:
            middle = len(batch) // 2
            self._suspects.extendleft((batch[middle:], batch[:middle]))
        elif batch:
            run = batch[0]
            log.error("input.failed", collector=run.event.collector, source=run.event.source, exc_info=error)
            self._set_aside(run.event, run.count, run.waiters)

    def _give_back(self, batch: list[Run], error: StoreError) -> None:
        runs = [*batch, *(run for part in self._suspects for run in part)]
        self._suspects.clear()
        for run in runs:
            metrics.INPUTS_DROPPED.labels(run.event.collector, Dropped.OVERLOAD).inc(len(run.waiters))
            _answer(run.waiters, Overloaded(str(error)))
        self._pending.give_back(runs)
        self._refused(error)

    def _set_aside(self, event: Event, count: int, waiters: Sequence[Waiter]) -> None:
        metrics.INPUTS_DROPPED.labels(event.collector, Dropped.MALFORMED).inc(count)
        raw = repr(event).encode("utf-8", "backslashreplace")
        self._quarantine(raw, waiters, reason=Dropped.MALFORMED, source=event.source)

    def _quarantine(self, raw: bytes, waiters: Sequence[Waiter], *, reason: Dropped, source: str) -> None:
        at_ms = self._clock.now_ms()

        def kept(done: asyncio.Future[None]) -> None:
            error = StoreError("the write was cancelled") if done.cancelled() else done.exception()
            if isinstance(error, StoreError):
                self._refused(error)
            elif error is None:
                self._recovered()
            receipt = Receipt(incident="", reason=Reason.DROPPED)
            _answer(waiters, receipt if error is None else Overloaded(str(error)))

        work = partial(_keep_raw, raw=raw, reason=reason, source=source, at_ms=at_ms)
        self._store.submit(work).add_done_callback(kept)

    def _refused(self, error: StoreError) -> None:
        if self.healthy:
            log.error("store.refused", detail=str(error))
        self.healthy, self.refusal = False, str(error)
        metrics.STORE_OK.set(0)
        self._want()  # so that somebody notices when it is well again

    def _recovered(self) -> None:
        if not self.healthy:
            log.info("store.recovered")
        self.healthy, self.refusal = True, ""
        metrics.STORE_OK.set(self.trusts_store)

    def _around(self, tx: Transaction, now_ms: int) -> Surroundings:
        return Surroundings(
            tx,
            plan=self.plan,
            inhibitions=self.inhibitions,
            gatherings=self.gatherings,
            now_ms=now_ms,
            ended=self._note_end,
        )

    def _note_end(self) -> None:
        """On the writer's thread: the loop looks at it when the transaction is through."""
        self._ended = True

    def _after_ends(self) -> None:
        if self._ended:
            self._ended = False
            self._releases.stir()

    # --- for timers and services -------------------------------------------------------------------

    def _move_clock(self, by_ms: int) -> None:
        self._pending.shift(by_ms)
        for run in (run for part in self._suspects for run in part):
            run.shift(by_ms)
        self._repeats.clear()
        self._follow_clock(by_ms)

    async def _decide(self, work: Callable[[Transaction, int], list[Decision]]) -> list[Decision]:
        """Run ``work`` in a transaction; count its decisions and wake whom they concern."""
        decisions = await self._store.run(lambda tx: work(tx, self._clock.now_ms()))
        for decision in decisions:
            metrics.DECISIONS.labels(decision.reason).inc()
            if decision.incident is not None:
                self._repeats.forget(decision.incident.fingerprint)
        if any(decision.wishes for decision in decisions):
            self._wake_delivery()
        self._after_ends()
        if decisions:
            self._timers.retime()
        return decisions


def _answer(waiters: Sequence[Waiter], answer: Receipt | Overloaded) -> None:
    for _, future in waiters:
        if future.done():
            continue  # whoever waited has gone
        if isinstance(answer, Receipt):
            future.set_result(answer)
        else:
            future.set_exception(answer)


def _count(batch: Sequence[Run], outcomes: Sequence[Outcome]) -> None:
    """Balance the books: received = kept + folded + dropped."""
    decisions: Counter[Reason] = Counter()
    kept: Counter[str] = Counter()
    folded: Counter[str] = Counter()
    dropped: Counter[tuple[str, Dropped]] = Counter()
    for run, outcome in zip(batch, outcomes, strict=True):
        decisions[outcome.reason] += 1
        decisions.update(outcome.before)
        collector = run.event.collector
        if outcome.reason is Reason.DROPPED:
            dropped[collector, Dropped.RULE] += outcome.fresh
        elif outcome.fresh:
            kept[collector] += 1
            folded[collector] += outcome.fresh - 1
        if outcome.repeated:
            dropped[collector, Dropped.DUPLICATE] += outcome.repeated
    for reason, count in decisions.items():
        metrics.DECISIONS.labels(reason).inc(count)
    for collector, count in kept.items():
        metrics.INPUTS_KEPT.labels(collector).inc(count)
    for collector, count in folded.items():
        metrics.INPUTS_FOLDED.labels(collector).inc(count)
    for labels, count in dropped.items():
        metrics.INPUTS_DROPPED.labels(*labels).inc(count)


def _keep_raw(tx: Transaction, *, raw: bytes, reason: Dropped, source: str, at_ms: int) -> None:
    tx.quarantine(raw, reason=reason, source=source, at_ms=at_ms)

"""The engine: takes a batch of inputs, asks the core what each means, writes all answers in one transaction.

Failure semantics: a future that `Engine.emit` gave is done only after the commit. If the disk refuses, those who wait
are told to try again (`Overloaded`), what nobody can repeat stays in memory and is tried again, and `healthy` falls.
An input that the core itself cannot bear is set aside in the quarantine, alone, and acknowledged.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from gateway import metrics
from gateway.core.decide import decide
from gateway.core.decision import Command, Decision, Due, Heard, Input, Seen, Verb
from gateway.core.event import Event
from gateway.core.incident import Incident
from gateway.core.judge import Judge
from gateway.core.reason import Dropped, Reason
from gateway.core.rules import DEFAULT_RULE
from gateway.core.ticket import Observation, Ticket
from gateway.pending import Pending, Run
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

RETRY_S = 1.0
LONGEST_SLEEP_S = 30.0
JUMP_MS = 60_000
"""A step of the wall clock greater than this moves the stored deadlines with it."""
DUE_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """What the engine takes at once."""

    lazy_s: float = 0.1
    """How long events that nobody waits for are gathered before they are committed."""
    batch_max: int = 2000
    """Fingerprints per commit, so that an inform never waits long."""
    pending_max: int = 20_000
    """Fingerprints that may wait; more are refused, and counted."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What became of one run: the incident, the reason, how many of its events were new and how many known."""

    incident: str
    reason: Reason
    fresh: int = 0
    repeated: int = 0
    wishes: bool = False


class Engine:
    """One per process. `run` serves until cancelled."""

    def __init__(
        self,
        store: Store,
        *,
        judge: Judge,
        clock: Clock,
        new_id: Callable[[int], str],
        limits: EngineLimits | None = None,
        wake_delivery: Callable[[], None] = lambda: None,
        follow_clock: Callable[[int], None] = lambda _jump: None,
        clock_jump: Callable[[], int] = lambda: 0,
    ) -> None:
        self.judge = judge
        self.healthy = True
        self.progress = 0
        """Grows with each turn of the commit loop and the ticker: what the watchdog looks at."""
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._limits = limits or EngineLimits()
        self._wake_delivery = wake_delivery
        self._follow_clock = follow_clock
        self._clock_jump = clock_jump
        self._pending = Pending(limit=self._limits.pending_max)
        self._wanted = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._retime = asyncio.Event()
        self._lazy: asyncio.TimerHandle | None = None

    # --- what collectors call (by way of their intake) -------------------------------------------

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        """Take an event that somebody waits for: it is committed at once."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        event, verdict = self.judge.judge(event)
        folded = self._pending.add(event, verdict, (event.identity, future))
        if folded is None:
            metrics.INPUTS_DROPPED.labels(event.collector, Dropped.OVERLOAD).inc()
            future.set_exception(Overloaded("too much waits for the store"))
            return future
        self._want()
        return future

    def offer(self, event: Event) -> bool:
        """Take an event that nobody waits for: it is committed with others, soon."""
        event, verdict = self.judge.judge(event)
        folded = self._pending.add(event, verdict, None)
        if folded is None:
            metrics.INPUTS_DROPPED.labels(event.collector, Dropped.OVERLOAD).inc()
            return False
        if self._lazy is None and not self._wanted.is_set():
            self._lazy = asyncio.get_running_loop().call_later(self._limits.lazy_s, self._want)
        return True

    def quarantine(self, raw: bytes, *, reason: Dropped, source: str) -> asyncio.Future[Receipt]:
        """Keep what cannot be parsed; the future is done when it is on disk."""
        at_ms = self._clock.now_ms()

        def work(tx: Transaction) -> Receipt:
            tx.quarantine(raw, reason=reason, source=source, at_ms=at_ms)
            return Receipt(incident="", reason=Reason.DROPPED)

        return self._store.submit(work)

    # --- what services and operators call ---------------------------------------------------------

    async def observe(self, sink: str, seen: Sequence[tuple[Ticket, Observation]], *, since_ms: int) -> None:
        """Take what was seen of tickets; what was asked before our own last write says nothing."""

        def work(tx: Transaction, now_ms: int) -> list[Decision]:
            decisions = []
            for asked, observation in seen:
                ticket = tx.ticket(asked.incident, sink)
                if ticket.ref is None or ticket.written_ms >= since_ms or tx.busy(asked.incident, sink):
                    continue
                incident = tx.incident(asked.incident)
                decisions.append(_apply(tx, incident, Seen(ticket=ticket, observation=observation), now_ms=now_ms))
            return decisions

        await self._decide(work)

    async def command(self, incident_id: str, verb: Verb, *, actor: str) -> Incident | None:
        """Do what an operator says; the incident as it is then, or None if there is none."""

        def work(tx: Transaction, now_ms: int) -> list[Decision]:
            incident = tx.incident(incident_id)
            return [_apply(tx, incident, Command(verb=verb, actor=actor), now_ms=now_ms)] if incident else []

        decisions = await self._decide(work)
        return decisions[0].incident if decisions else None

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._commit_for_ever(), name="engine-commit")
            tasks.create_task(self._tick_for_ever(), name="engine-timers")

    async def drain(self) -> None:
        """Commit what waits; call when the collectors have stopped."""
        while len(self._pending):
            await self._commit_batch()

    # --- commits ----------------------------------------------------------------------------------

    def _want(self) -> None:
        if self._lazy is not None:
            self._lazy.cancel()
            self._lazy = None
        self._wanted.set()

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while len(self._pending):
                if not await self._commit_batch():
                    await asyncio.sleep(RETRY_S)
            self.progress += 1

    async def _commit_batch(self) -> bool:
        """Commit one batch; False if the disk refused."""
        batch = self._pending.take(self._limits.batch_max)
        metrics.PENDING.set(len(self._pending))
        metrics.BATCH_INPUTS.observe(sum(run.count for run in batch))
        with metrics.COMMIT_SECONDS.time():
            try:
                outcomes = await self._store.submit(lambda tx: self._write(tx, batch))
            except StoreError as error:
                self._refused(batch, error)
                return False
            except asyncio.CancelledError:
                raise
            except Exception:
                log.exception("batch.failed", runs=len(batch))
                outcomes = [await self._write_alone(run) for run in batch]
        self._recovered()
        for run, outcome in zip(batch, outcomes, strict=True):
            self._release(run, outcome)
        if any(outcome.wishes for outcome in outcomes):
            self._wake_delivery()
        self._retime.set()
        return True

    def _write(self, tx: Transaction, batch: Sequence[Run]) -> list[_Outcome]:
        now_ms = self._clock.now_ms()
        return [self._write_run(tx, run, now_ms=now_ms) for run in batch]

    def _write_run(self, tx: Transaction, run: Run, *, now_ms: int) -> _Outcome:
        fresh, known = run.offered, ""
        for identity, _ in run.waiters:
            incident_id = tx.upstream(identity) if identity else None
            if incident_id is None:
                fresh += 1
            else:
                known = incident_id
        if fresh == 0:
            return _Outcome(known, Reason.DUPLICATE, repeated=run.count)
        incident, follow_up = self._concerned(tx, run)
        heard = Heard(
            event=run.event, verdict=run.verdict, count=fresh,
            first_ms=run.first_ms, last_ms=run.last_ms, follow_up=follow_up,
        )  # fmt: skip
        incident = _brought_up_to_date(tx, incident, now_ms=now_ms)
        decision = _apply(tx, incident, heard, now_ms=now_ms, new_id=self._new_id(now_ms))
        touched = decision.incident.id if decision.incident else ""
        for identity, _ in run.waiters:
            if identity:
                tx.remember_upstream(identity, touched, at_ms=now_ms)
        if run.verdict.rule == DEFAULT_RULE:
            sample = run.event.description[:2000]
            tx.count_unknown(run.event.condition[:400], count=fresh, at_ms=run.last_ms, sample=sample)
        return _Outcome(touched, decision.reason, fresh, run.count - fresh, bool(decision.wishes))

    def _concerned(self, tx: Transaction, run: Run) -> tuple[Incident | None, bool]:
        """The incident that the run is about, and whether a reference names it."""
        for reference in run.event.references:
            incident_id = tx.resolve(reference)
            incident = tx.incident(incident_id) if incident_id else None
            if incident is not None:
                return incident, True
        return tx.latest(run.verdict.fingerprint), False

    async def _write_alone(self, run: Run) -> _Outcome:
        try:
            return (await self._store.submit(lambda tx: self._write(tx, [run])))[0]
        except StoreError:
            return _Outcome("", Reason.UNCHANGED)
        except Exception:
            log.exception("input.quarantined", collector=run.event.collector, source=run.event.source)
            metrics.INPUTS_DROPPED.labels(run.event.collector, Dropped.MALFORMED).inc(run.count)
            await self.quarantine(repr(run.event).encode(), reason=Dropped.MALFORMED, source=run.event.source)
            return _Outcome("", Reason.UNCHANGED)

    def _release(self, run: Run, outcome: _Outcome) -> None:
        collector = run.event.collector
        metrics.DECISIONS.labels(outcome.reason).inc()
        receipt = Receipt(incident=outcome.incident, reason=outcome.reason)
        for _, future in run.waiters:
            if not future.done():
                future.set_result(receipt)
        if outcome.reason is Reason.DROPPED:
            metrics.INPUTS_DROPPED.labels(collector, Dropped.RULE).inc(outcome.fresh)
        elif outcome.fresh:
            metrics.INPUTS_KEPT.labels(collector).inc()
            metrics.INPUTS_FOLDED.labels(collector).inc(outcome.fresh - 1)
        metrics.INPUTS_DROPPED.labels(collector, Dropped.DUPLICATE).inc(outcome.repeated)

    def _refused(self, batch: list[Run], error: StoreError) -> None:
        if self.healthy:
            log.error("store.refused", detail=str(error))
        self.healthy = False
        metrics.STORE_OK.set(0)
        for run in batch:
            metrics.INPUTS_DROPPED.labels(run.event.collector, Dropped.OVERLOAD).inc(len(run.waiters))
            for _, future in run.waiters:
                if not future.done():
                    future.set_exception(Overloaded(str(error)))
        self._pending.give_back(batch)
        self._wanted.set()

    def _recovered(self) -> None:
        if not self.healthy:
            log.info("store.recovered")
        self.healthy = True
        metrics.STORE_OK.set(1)

    # --- time -------------------------------------------------------------------------------------

    async def _tick_for_ever(self) -> None:
        while True:
            self._retime.clear()
            try:
                next_ms = await self._act_on_due()
            except StoreError as error:
                log.warning("timers.delayed", detail=str(error))
                await self._clock.sleep(RETRY_S)
                continue
            self.progress += 1
            wait_s = LONGEST_SLEEP_S if next_ms is None else (next_ms - self._clock.now_ms()) / 1000
            await self._clock.wait(self._retime, min(max(wait_s, 0.0), LONGEST_SLEEP_S))

    async def _act_on_due(self) -> int | None:
        """Act on every deadline that has come; the next one's instant."""
        jump_ms = self._clock_jump()
        if abs(jump_ms) > JUMP_MS:
            await self._store.run(lambda tx: tx.shift_deadlines(jump_ms))
            self._follow_clock(jump_ms)
            log.warning("clock.stepped", by_s=jump_ms / 1000)

        def work(tx: Transaction, now_ms: int) -> list[Decision]:
            return [_apply(tx, incident, Due(), now_ms=now_ms) for incident in tx.due(now_ms=now_ms, limit=DUE_BATCH)]

        while len(await self._decide(work)) == DUE_BATCH:
            pass
        return await self._store.run(lambda tx: tx.next_due_ms())

    async def _decide(self, work: Callable[[Transaction, int], list[Decision]]) -> list[Decision]:
        """Run ``work`` in a transaction; count its decisions and wake whom they concern."""
        decisions = await self._store.run(lambda tx: work(tx, self._clock.now_ms()))
        for decision in decisions:
            metrics.DECISIONS.labels(decision.reason).inc()
        if any(decision.wishes for decision in decisions):
            self._wake_delivery()
        if decisions:
            self._retime.set()
        return decisions


def _apply(tx: Transaction, incident: Incident | None, what: Input, *, now_ms: int, new_id: str = "") -> Decision:
    decision = decide(incident, what, now_ms=now_ms, new_id=new_id)
    if decision.incident is not incident or decision.tickets or decision.wishes or decision.entries:
        tx.write(decision, now_ms=now_ms)
    return decision


def _brought_up_to_date(tx: Transaction, incident: Incident | None, *, now_ms: int) -> Incident | None:
    """Let a deadline that has passed act before the event does: the ticker may be a moment behind."""
    while incident is not None and incident.due_ms is not None and incident.due_ms <= now_ms:
        decision = _apply(tx, incident, Due(), now_ms=now_ms)
        if decision.incident is incident:
            break
        incident = decision.incident
    return incident

"""Gathers what collectors heard, commits it in batches, and releases those who wait after the commit."""

import asyncio
import hashlib
from collections.abc import Callable, Sequence

import structlog

from gateway import metrics
from gateway.core.decision import Command, Decision, Verb
from gateway.core.event import Event
from gateway.core.gather import Gatherings
from gateway.core.incident import Incident
from gateway.core.inhibit import Inhibitions
from gateway.core.judge import Judge
from gateway.core.mute import Planned, Window, in_force
from gateway.core.reason import Dropped
from gateway.core.rules import Verdict
from gateway.core.ticket import Observation, Ticket
from gateway.engine import books
from gateway.engine.applying import apply
from gateway.engine.around import Plan, Surroundings, no_plan, refresh_facets, stored
from gateway.engine.commits import Commits
from gateway.engine.health import Health
from gateway.engine.limits import EngineLimits
from gateway.engine.meaning import Outcome, look_at, write_batch
from gateway.engine.prepared import PreparedEvent, Refused
from gateway.engine.release import Releases
from gateway.engine.timers import Timers
from gateway.pending import Pending, Run
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.repeats import Repeats
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()


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
        self.health = Health()
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
        self._commits = Commits(
            store, clock, self._pending, self.health, write=self._write, release=self._release, limits=self._limits
        )  # fmt: skip
        self._timers = Timers(
            store, clock, decide=self._decide, around=self._around, refused=self._commits.refused, clock_jump=clock_jump,
            move_clock=self._move_clock, shift_stored=shift_stored, idle=self._commits.idle,
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
        self._commits.set_aside(event, 1, [("", future)])
        return future

    def offer(self, event: Event) -> bool:
        """Take an event that nobody waits for: it is committed with others, soon."""
        judged = self.judged(event)
        if judged is None:
            self._commits.set_aside(event, 1, [])
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
        self._commits.quarantine(raw, [("", future)], reason=reason, source=source)
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
            tasks.create_task(self._commits.run(), name="engine-commit")
            tasks.create_task(self._timers.run(), name="engine-timers")
            tasks.create_task(self._releases.run(), name="engine-releases")

    async def drain(self) -> None:
        """Commit what waits; call when the collectors have stopped. Cancel it when time is up."""
        await self._commits.drain()

    # --- gathering --------------------------------------------------------------------------------

    def offer_judged(self, event: Event, verdict: Verdict) -> bool:
        """Take an event that nobody waits for, with the verdict on it; False = overloaded, counted."""
        until_ms = self._clock.now_ms() + self._patience_ms
        if self._pending.add(event, verdict, None, repeats=self._repeats.knows(verdict, until_ms=until_ms)) is None:
            metrics.INPUTS_DROPPED.labels(event.collector, Dropped.OVERLOAD).inc()
            return False
        self._commits.gather()
        return True

    def emit_judged(self, event: Event, verdict: Verdict) -> asyncio.Future[Receipt]:
        """Take an event that somebody waits for, with the verdict on it."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if self._pending.add(event, verdict, (event.identity, future)) is None:
            metrics.INPUTS_DROPPED.labels(event.collector, Dropped.OVERLOAD).inc()
            future.set_exception(Overloaded("too much waits for the store"))
        else:
            self._commits.want()
        return future

    def emit_joined(self, run: Run, *, at_ms: int, identity: str) -> asyncio.Future[Receipt] | None:
        """Take one more of what waits in ``run``, for somebody who waits; None if it grows no more, or all is full."""
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        if not self._pending.join(run, (identity, future), at_ms=at_ms):
            return None
        self._commits.want()
        return future

    def judged(self, event: Event) -> tuple[Event, Verdict] | None:
        """The event and the verdict on it; None, told in the log, if the rules cannot bear it."""
        try:
            return self.judge.judge(event)
        except Exception:
            log.exception("judgement.failed", collector=event.collector, source=event.source)
            return None

    # --- commits ----------------------------------------------------------------------------------

    def _write(self, tx: Transaction, batch: Sequence[Run], now_ms: int) -> list[Outcome]:
        return write_batch(
            tx, batch, now_ms=now_ms, new_id=self._new_id, around=self._around(tx, now_ms),
            overtake_ms=self._limits.overtake_ms,
        )  # fmt: skip

    def _release(self, batch: list[Run], outcomes: list[Outcome]) -> None:
        """Books and services of ours first: what others make of a batch may fail, and spoils only itself."""
        books.count(batch, outcomes)
        self._after_ends()
        if any(outcome.wishes for outcome in outcomes):
            self._wake_delivery()
        self._retime()
        for run, outcome in zip(batch, outcomes, strict=True):
            self._repeats.keep(run.verdict, outcome.counts_until_ms)
        self._journal(batch, [outcome.incident for outcome in outcomes])
        for run, outcome in zip(batch, outcomes, strict=True):
            if run.verdict.expected and outcome.fresh:
                self._met(run)

    def _around(self, tx: Transaction, now_ms: int) -> Surroundings:
        return Surroundings(
            tx,
            plan=self.plan,
            inhibitions=self.inhibitions,
            gatherings=self.gatherings,
            now_ms=now_ms,
            ended=self._note_end,
            due=self._timers.note,
        )

    def _note_end(self) -> None:
        """On the writer's thread: the loop looks at it when the transaction is through."""
        self._ended = True

    def _retime(self) -> None:
        if self._timers.sooner:
            self._timers.retime()

    def _after_ends(self) -> None:
        if self._ended:
            self._ended = False
            self._releases.stir()

    # --- for timers and services -------------------------------------------------------------------

    def _move_clock(self, by_ms: int) -> None:
        self._commits.shift(by_ms)
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
        self._retime()
        return decisions

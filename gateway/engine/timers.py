"""Deadlines: wakes when the next one is due, and lets the core act on what has come."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.clock import STEP_MS
from gateway.core.decision import Decision
from gateway.engine.around import Surroundings
from gateway.engine.meaning import act_on_deadline, postpone
from gateway.plugin import Clock
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

RETRY_S = 1.0
LONGEST_SLEEP_S = 30.0
DUE_BATCH = 500

Work = Callable[[Transaction, int], list[Decision]]


class Timers:
    """Acts on what is due; `run` serves until cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        decide: Callable[[Work], Awaitable[list[Decision]]],
        around: Callable[[Transaction, int], Surroundings],
        refused: Callable[[StoreError], None],
        clock_jump: Callable[[], int],
        move_clock: Callable[[int], None],
        shift_stored: Callable[[Transaction, int], None],
        idle: asyncio.Event,
    ) -> None:
        """Decide by ``decide``; tell ``refused`` of a disk that refuses; step the clock only while ``idle``."""
        self._store = store
        self._clock = clock
        self._decide = decide
        self._around = around
        self._tell_refused = refused
        self._clock_jump = clock_jump
        self._move_clock = move_clock
        self._shift_stored = shift_stored
        self._idle = idle
        self._retime = asyncio.Event()
        self._next_ms: int | None = None
        """The next deadline in the store, as it was asked last."""
        self.sooner = False
        """A sooner one was written since."""

    def note(self, due_ms: int) -> None:
        """Hear of a deadline that is being written; on the writer's thread, where the store is asked for the next, too."""
        if self._next_ms is None or due_ms < self._next_ms:
            self.sooner = True

    def retime(self) -> None:
        """Say that the next deadline may be another one now."""
        self._retime.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._retime.clear()
            try:
                await self._act()
            except StoreError as error:
                self._tell_refused(error)
                await self._clock.sleep(RETRY_S)
                continue
            wait_s = LONGEST_SLEEP_S if self._next_ms is None else (self._next_ms - self._clock.now_ms()) / 1000
            await self._clock.wait(self._retime, min(max(wait_s, 0.0), LONGEST_SLEEP_S))

    async def _act(self) -> None:
        """Act on every deadline that has come, and learn of the next."""
        if abs(self._clock_jump()) > STEP_MS:
            await self._follow_jump()
        try:
            while len(await self._decide(self._all_due)) == DUE_BATCH:
                pass
        except StoreError:
            raise
        except Exception:
            log.exception("deadlines.failed")
            await self._act_one_by_one()
            await self._store.run(self._look_ahead)

    async def _act_one_by_one(self) -> None:
        """Act on what is due so that a deadline which the core cannot bear holds up no other."""
        now_ms = self._clock.now_ms()
        due = await self._store.run(lambda tx: tx.due(now_ms=now_ms, limit=DUE_BATCH))
        for incident_id in [incident.id for incident in due]:
            try:
                await self._decide(lambda tx, now_ms, one=incident_id: self._one_due(tx, one, now_ms))  # type: ignore[misc]
            except StoreError:
                raise
            except Exception:
                log.exception("deadline.postponed", incident=incident_id)
                await self._store.run(lambda tx, one=incident_id: postpone(tx, one, now_ms=now_ms))  # type: ignore[misc]

    def _all_due(self, tx: Transaction, now_ms: int) -> list[Decision]:
        around = self._around(tx, now_ms)
        due = tx.due(now_ms=now_ms, limit=DUE_BATCH)
        decisions = [act_on_deadline(tx, incident, now_ms=now_ms, around=around) for incident in due]
        self._look_ahead(tx)
        return decisions

    def _look_ahead(self, tx: Transaction) -> None:
        self._next_ms, self.sooner = tx.next_due_ms(), False

    def _one_due(self, tx: Transaction, incident_id: str, now_ms: int) -> list[Decision]:
        incident = tx.incident(incident_id)
        around = self._around(tx, now_ms)
        return [act_on_deadline(tx, incident, now_ms=now_ms, around=around)] if incident else []

    async def _follow_jump(self) -> None:
        """Accept a step of the wall clock, together with all that was stored or waits by the old one."""
        while not self._idle.is_set():
            await self._idle.wait()
        jump_ms = self._clock_jump()
        self._move_clock(jump_ms)
        try:
            await self._store.run(lambda tx: self._shift_stored(tx, jump_ms))
        except StoreError:
            self._move_clock(-jump_ms)
            raise
        log.warning("clock.stepped", by_s=jump_ms / 1000)

"""Knows when we were blind, and says so in an incident: nobody should take our silence for calm (promise 4).

A pulse that does nothing but look at the time notices when the process stood still; what it saw last is stored every
few seconds, so that a start knows how long there was no daemon.
"""

import asyncio
import json
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Protocol

import structlog

from gateway.clock import STEP_MS
from gateway.core.blind import BLIND, Said, Sight, look
from gateway.core.event import Event
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

PULSE_S = 1.0
KEEP_EVERY_S = 10.0
_KEPT = "tocsin/sight"


def shift_stored(tx: Transaction, by_ms: int) -> None:
    """Move what is stored after a step of the wall clock: deadlines, and by what a start would find that step.

    In one transaction, else a start after a crash between the two would move the deadlines again.
    """
    tx.shift_deadlines(by_ms)
    kept = tx.get(_KEPT)
    if kept:
        sight = Sight.from_dict(json.loads(kept))
        tx.put(_KEPT, _dump(replace(sight, looked_ms=sight.looked_ms + by_ms)))


def _dump(sight: Sight) -> bytes:
    return json.dumps(sight.as_dict()).encode()


class _Engine(Protocol):
    def emit(self, event: Event) -> asyncio.Future[Receipt]: ...


class BlindWatch:
    """Watches ourselves; `run` serves until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        engine: _Engine,
        clock: Clock,
        after_s: float,
        deaf: Callable[[], Collection[str]],
        doubted: Callable[[], bool] = lambda: False,
        unknown: Callable[[], int] = lambda: 0,
        event: Callable[[str, Said], Event],
    ) -> None:
        """Tell of blindness that lasts ``after_s``.

        Args:
            store: where it lasts.
            engine: takes what there is to tell.
            clock: the host's.
            after_s: a shorter blindness is not told.
            deaf: the collectors that cannot hear now.
            doubted: whether far fewer beats come than are due.
            unknown: stations of which we cannot say now whether they live.
            event: makes an event about ourselves, of this condition.
        """
        self._store = store
        self._engine = engine
        self._clock = clock
        self._after_ms = round(after_s * 1000)
        self._deaf = deaf
        self._doubted = doubted
        self._unknown = unknown
        self._event = event
        self._sight = Sight(looked_ms=clock.now_ms())
        self._looked_s = clock.monotonic_s()
        self._away_ms = 0
        self._untold: list[Said] = []
        self._stir = asyncio.Event()

    async def load(self) -> None:
        """Find out how long there was no daemon; call before `run`.

        A wall clock that was set back meanwhile moves the stored deadlines with it: else they would lie ahead.

        Raises:
            StoreError: the store could not be asked.
        """
        now_ms = self._clock.now_ms()
        kept = await self._store.run(lambda tx: tx.get(_KEPT))
        if kept:
            self._sight = Sight.from_dict(json.loads(kept))
            self._away_ms = max(0, now_ms - self._sight.looked_ms)
        behind_ms = self._sight.looked_ms - now_ms
        if behind_ms > STEP_MS:
            self._sight = replace(self._sight, looked_ms=now_ms)
            await self._store.run(lambda tx: shift_stored(tx, -behind_ms))
            log.warning("clock.stepped", by_s=-behind_ms / 1000)
        self._looked_s = self._clock.monotonic_s()

    @property
    def away_ms(self) -> int:
        """How long there was no daemon, until `run` has told it."""
        return self._away_ms

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._pulse(), name="blind-pulse")
            tasks.create_task(self._tell_for_ever(), name="blind-tell")

    async def flush(self) -> None:
        """Store when we looked last.

        Raises:
            StoreError: the disk refused.
        """
        if not self._untold:  # else what is stored must still say it
            kept = _dump(self._sight)
            await self._store.run(lambda tx: tx.put(_KEPT, kept))

    async def _pulse(self) -> None:
        """Look at the time, and wait for nothing else: only so a look that is late proves that we stood still."""
        while True:
            await self._clock.sleep(PULSE_S)
            now_s = self._clock.monotonic_s()
            idle = "the daemon did not run" if self._away_ms else "the process stood still"
            self._sight, said = look(
                self._sight,
                now_ms=self._clock.now_ms(),
                passed_ms=round((now_s - self._looked_s) * 1000) + self._away_ms,
                deaf=self._deaf(),
                doubted=self._doubted(),
                unknown=self._unknown(),
                after_ms=self._after_ms,
                idle=idle,
            )
            self._looked_s, self._away_ms = now_s, 0
            if said:
                self._untold += said
                self._stir.set()

    async def _tell_for_ever(self) -> None:
        while True:
            await self._clock.wait(self._stir, KEEP_EVERY_S)
            self._stir.clear()
            try:
                while self._untold:
                    said = self._untold[0]
                    await self._engine.emit(self._event(BLIND, said))
                    del self._untold[0]
                    log.warning("sight.changed", kind=said.kind.value, why=said.summary)
                await self.flush()
            except (Overloaded, StoreError) as error:
                log.debug("sight.delayed", why=str(error))

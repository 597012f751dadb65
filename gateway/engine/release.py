"""Lets go what nothing mutes any more: looks at what waits whenever a cause may be over, and at a bounded rate.

What mutes an incident is asked anew each time, from the store and the configuration as they are: a window that was ended,
a reload and a restart need nothing remembered.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.core.decision import Decision, Look
from gateway.core.reason import Reason
from gateway.engine.applying import apply
from gateway.engine.around import Surroundings
from gateway.engine.gathering import look_at_parents
from gateway.plugin import Clock
from gateway.store.api import StoreError, Transaction

log = structlog.get_logger()

LOOK_S = 30.0
"""What waits is looked at this often, at least."""
REST_S = 1.0
"""Between two looks, at least."""
BITE = 200
"""Incidents looked at in one transaction."""
MINUTE_MS = 60_000
FIRST = (0, "")

Work = Callable[[Transaction, int], list[Decision]]


class Releases:
    """Looks at what is muted; `run` serves until cancelled."""

    def __init__(
        self,
        clock: Clock,
        *,
        decide: Callable[[Work], Awaitable[list[Decision]]],
        around: Callable[[Transaction, int], Surroundings],
        per_min: int,
    ) -> None:
        """Decide by ``decide``; release at most ``per_min`` incidents a minute."""
        self._clock = clock
        self._decide = decide
        self._around = around
        self._per_min = per_min
        self._minute = 0
        self._released = 0
        self._stirred = asyncio.Event()
        self._cursor = FIRST
        """Behind whom to look next."""
        self._more = True
        """Whether there are others behind."""
        self._edge_ms: int | None = None
        """When the next window ends."""

    def stir(self) -> None:
        """Say that something that mutes may be over."""
        self._stirred.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._stirred.clear()
            wait_s = LOOK_S
            try:
                wait_s = await self.look()
            except StoreError:
                wait_s = REST_S  # the timers tell of a disk that refuses
            except Exception:
                log.exception("release.failed")
            await self._clock.wait(self._stirred, wait_s)
            await self._clock.sleep(REST_S)

    async def look(self) -> float:
        """Look at all that waits; seconds until the next look is due."""
        self._cursor, self._more = FIRST, True
        while self._more:
            await self._decide(self._bite)
        now_ms = self._clock.now_ms()
        if self._room(now_ms) == 0:
            return (MINUTE_MS - now_ms % MINUTE_MS) / 1000
        return LOOK_S if self._edge_ms is None else min(LOOK_S, max(0.0, (self._edge_ms - now_ms) / 1000))

    def _room(self, now_ms: int) -> int:
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self._released = now_ms // MINUTE_MS, 0
        return max(0, self._per_min - self._released)

    def _bite(self, tx: Transaction, now_ms: int) -> list[Decision]:
        """Look at the next few, before the first ones at the greater incidents; what changed."""
        around, room = self._around(tx, now_ms), self._room(now_ms)
        decisions = look_at_parents(tx, around, now_ms=now_ms) if self._cursor is FIRST else []
        self._edge_ms = around.next_edge_ms()
        found = tx.muted(after=self._cursor, limit=BITE)
        self._more = len(found) == BITE
        self._cursor = (found[-1].impact.rank, found[-1].id) if found else FIRST
        for incident in found:
            if room == 0:
                self._more = False
                break
            decision = apply(tx, incident, Look(), now_ms=now_ms, around=around)
            if decision.reason is Reason.RELEASED:
                decisions.append(decision)
                room, self._released = room - 1, self._released + 1
        return decisions

"""Upkeep: forgets what is old in small bites, and measures how late the event loop is."""

import asyncio

import structlog

from gateway import metrics
from gateway.config import Config
from gateway.plugin import Clock
from gateway.store.api import Store, StoreError

log = structlog.get_logger()

PRUNE_EVERY_S = 60.0
PRUNE_ROWS = 500
"""Rows per transaction: a bite that keeps no inform waiting."""
DAY_MS = 86_400_000
UPSTREAM_MS = 7 * DAY_MS
"""Identities of acknowledged inputs are kept for so long: mail servers repeat for days."""
LATENESS_EVERY_S = 0.25


class Upkeep:
    """Housekeeping; `run` serves until cancelled."""

    def __init__(self, store: Store, clock: Clock, config: Config) -> None:
        self._store = store
        self._clock = clock
        self._retention = config.retention

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._prune_for_ever(), name="upkeep-prune")
            tasks.create_task(_measure_lateness(), name="upkeep-lateness")

    async def _prune_for_ever(self) -> None:
        while True:
            await self._clock.sleep(PRUNE_EVERY_S)
            try:
                while await self._prune():
                    await self._clock.sleep(0)
            except StoreError as error:
                log.warning("retention.delayed", why=str(error))

    async def _prune(self) -> int:
        now_ms = self._clock.now_ms()
        return await self._store.run(
            lambda tx: tx.prune(
                closed_before_ms=now_ms - self._retention.closed_days * DAY_MS,
                upstream_before_ms=now_ms - UPSTREAM_MS,
                quarantined_before_ms=now_ms - self._retention.quarantine_days * DAY_MS,
                limit=PRUNE_ROWS,
            )
        )


async def _measure_lateness() -> None:
    loop = asyncio.get_running_loop()
    while True:
        wanted = loop.time() + LATENESS_EVERY_S
        await asyncio.sleep(LATENESS_EVERY_S)
        metrics.LOOP_LATENESS.observe(max(0.0, loop.time() - wanted))

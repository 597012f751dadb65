"""Upkeep: forgets what is old in small bites, examines the store's file, tells of lost inputs, and measures how late the event loop is."""

import asyncio
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway import metrics
from gateway.config import Config
from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.loss import Loss, look, sentence
from gateway.core.mute import KEPT_MS
from gateway.core.reason import Dropped
from gateway.plugin import Clock
from gateway.store.api import Retention, Store, StoreError
from gateway.store.restore import RestoreError, restored

log = structlog.get_logger()

PRUNE_EVERY_S = 60.0
PRUNE_ROWS = 500
"""Rows per transaction: a bite that keeps no inform waiting."""
DAY_MS = 86_400_000
UPSTREAM_MS = 7 * DAY_MS
"""Identities of acknowledged inputs are kept for so long: mail servers repeat for days."""
LATENESS_EVERY_S = 0.25
LOSS_EVERY_S = 60.0


class Upkeep:
    """Housekeeping; `run` serves until cancelled."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Config,
        *,
        tell: Callable[[Event], bool],
        damaged: Callable[[str], None] = lambda _what: None,
    ) -> None:
        """Look after ``store``.

        Args:
            store: what is looked after.
            clock: tells when.
            config: what is kept for how long.
            tell: takes an event about ourselves, or says False.
            damaged: hears what is wrong with the store's file, in one sentence.
        """
        self._store = store
        self._clock = clock
        self._retention = config.retention
        self._daemon = config.daemon
        self._tell = tell
        self._damaged = damaged
        self._losses: dict[str, tuple[Loss, Counter[Dropped]]] = {
            name: (Loss(), Counter()) for name in config.collectors
        }

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._prune_for_ever(), name="upkeep-prune")
            tasks.create_task(self._examine_for_ever(), name="upkeep-examine")
            tasks.create_task(_measure_lateness(), name="upkeep-lateness")
            tasks.create_task(self._look_at_losses_for_ever(), name="upkeep-losses")

    async def _prune_for_ever(self) -> None:
        while True:
            await self._clock.sleep(PRUNE_EVERY_S)
            try:
                while await self._prune():
                    await self._clock.sleep(0)
            except StoreError as error:
                log.warning("retention.delayed", why=str(error))

    async def _examine_for_ever(self) -> None:
        """Damage is told once: it does not go away, and a restart refuses the file."""
        while True:
            await self._clock.sleep(self._retention.check_every / 1000)
            try:
                damage = await self._store.caretaker.examine()
            except StoreError as error:
                log.warning("store.check_delayed", why=str(error))
                continue
            if damage:
                return self._tell_damage(damage)

    def _tell_damage(self, damage: str) -> None:
        sentence = f"the store is damaged ({damage}): make a copy of its folder, and restore a backup"
        log.error("store.damaged", why=sentence)
        self._damaged(sentence)
        self._tell(
            Event(
                collector=OURSELVES,
                source=self._daemon.node_name,
                condition="store_damaged",
                kind=EventKind.RAISE,
                at_ms=self._clock.now_ms(),
                summary="our store is damaged: nothing is acknowledged",
                description=sentence,
            )
        )

    async def _look_at_losses_for_ever(self) -> None:
        self._losses = {name: (known, dropped_so_far(name)) for name, (known, _) in self._losses.items()}
        while True:
            await self._clock.sleep(LOSS_EVERY_S)
            for name in self._losses:
                self._look_at_losses(name)

    def _look_at_losses(self, collector: str) -> None:
        """Raise or clear ``input_loss``; if nobody takes it now, the next minute tries again."""
        known, before = self._losses[collector]
        so_far = dropped_so_far(collector)
        after, kind, lost = look(known, so_far - before, per_min=self._daemon.loss_per_min)
        if kind is not None and not self._tell(
            Event(
                collector=OURSELVES,
                source=self._daemon.node_name,
                condition="input_loss",
                kind=kind,
                at_ms=self._clock.now_ms(),
                object=collector,
                summary=sentence(collector, lost) if lost else f"{collector} loses nothing",
                labels={f"lost.{reason}": str(count) for reason, count in lost.items()},
            )
        ):
            after = known
        self._losses[collector] = (after, so_far)

    async def _prune(self) -> int:
        now_ms = self._clock.now_ms()
        return await self._store.make_room(
            lambda tx: tx.prune(
                Retention(
                    closed_after_ms=now_ms - self._retention.closed_days * DAY_MS,
                    windows_after_ms=now_ms - KEPT_MS,
                    tallies_after_ms=now_ms,
                    upstream_after_ms=now_ms - UPSTREAM_MS,
                    quarantined_after_ms=now_ms - self._retention.quarantine_days * DAY_MS,
                    quarantine_bytes=self._retention.quarantine_mb << 20,
                    timeline_rows=self._retention.timeline_rows,
                ),
                limit=PRUNE_ROWS,
            )
        )


class RestoreRefused(Exception):
    """A backup was not brought back, and nothing has changed; one sentence."""

    def __init__(self, sentence: str, *, later: bool) -> None:
        """``later``: the same may work later."""
        super().__init__(sentence)
        self.later = later


def restore(backup: Path, state_dir: Path) -> list[tuple[str, str]]:
    """Put the databases of ``backup`` into ``state_dir``; their names, each with that of what was there before.

    Raises:
        RestoreRefused: the backup cannot be used, a daemon runs there, or the folder cannot be written.
    """
    try:
        return restored(backup, state_dir)
    except RestoreError as error:
        raise RestoreRefused(str(error), later=False) from None
    except StoreError as error:
        raise RestoreRefused(str(error), later=True) from None


def dropped_so_far(collector: str) -> Counter[Dropped]:
    """Inputs of a collector that were not kept since the process began, by reason."""
    counted: Counter[Dropped] = Counter()
    for family in metrics.INPUTS_DROPPED.collect():
        for sample in family.samples:
            if sample.name.endswith("_total") and sample.labels["collector"] == collector:
                counted[Dropped(sample.labels["reason"])] += int(sample.value)
    return counted


async def _measure_lateness() -> None:
    loop = asyncio.get_running_loop()
    while True:
        wanted = loop.time() + LATENESS_EVERY_S
        await asyncio.sleep(LATENESS_EVERY_S)
        metrics.LOOP_LATENESS.observe(max(0.0, loop.time() - wanted))

"""Hosts the collectors: gives each its intake, runs again what fails, and knows which of them can hear."""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from gateway import metrics
from gateway.config import CollectorInstance
from gateway.core.drops import DropLedger
from gateway.core.told import Told
from gateway.engine import Engine
from gateway.intake import CollectorIntake
from gateway.plugin import Clock, Collector, Receipt, Rereads
from gateway.watch import Watch

log = structlog.get_logger()

FIRST_RESTART_S = 1.0
LONGEST_RESTART_S = 60.0


class CollectorHost:
    """All collectors; `run` serves until cancelled."""

    def __init__(
        self,
        instances: Mapping[str, CollectorInstance],
        *,
        engine: Engine,
        watch: Watch,
        know: Callable[[Told], asyncio.Future[Receipt]],
        clock: Clock,
        refusal: Callable[[], str],
    ) -> None:
        """Host the collectors of ``instances``.

        ``know`` takes entries of the inventory; ``refusal`` says why nothing may be acknowledged, empty if it may.
        """
        self.connected: dict[str, bool] = {}
        self.drops: dict[str, DropLedger] = {}
        """What collectors could not keep, by collector."""
        self._instances = instances
        self._engine, self._watch, self._clock, self._refusal = engine, watch, clock, refusal
        self._know = know
        self._serving: Mapping[str, Collector] = {}
        self._all_hear = asyncio.Event()

    def deaf(self) -> list[str]:
        """The collectors that cannot hear now."""
        return [name for name in self._instances if not self.connected.get(name)]

    async def hear(self) -> None:
        """Return when every collector can hear."""
        if self._instances:
            await self._all_hear.wait()

    def told(self, collector: str, up: bool, proven: bool) -> None:
        """A collector says that it can hear, or cannot."""
        self.connected[collector] = up
        if not self.deaf():
            self._all_hear.set()
        if self._instances[collector].plugin.beats:
            self._watch.connected(collector, up, proven=proven)

    async def run(self, collectors: Mapping[str, Collector]) -> None:
        """Run them, by name."""
        self._serving = collectors
        async with asyncio.TaskGroup() as tasks:
            for name, collector in collectors.items():
                tasks.create_task(self._run(name, collector), name=f"collector-{name}")

    async def reread(self) -> None:
        """Let collectors read files of their own again; one that fails keeps what it has, and holds up no other."""
        for name, collector in self._serving.items():
            if isinstance(collector, Rereads):
                try:
                    await collector.reread()
                except Exception:
                    log.exception("collector.reread_failed", collector=name)

    async def _run(self, name: str, collector: Collector) -> None:
        """Run a collector; one that fails is run again after a while."""
        intake, wait_s = self._intake(name), FIRST_RESTART_S
        while True:
            began_s = self._clock.monotonic_s()
            try:
                return await collector.run(intake)
            except Exception as error:
                metrics.COLLECTOR_RESTARTS.labels(name).inc()
                if self._clock.monotonic_s() - began_s > LONGEST_RESTART_S:
                    wait_s = FIRST_RESTART_S
                log.exception("collector.failed", collector=name, again_in_s=wait_s, why=str(error))
                intake.connected(False, detail="it failed")
            await self._clock.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)

    def _intake(self, name: str) -> CollectorIntake:
        return CollectorIntake(
            name,
            engine=self._engine,
            watch=self._watch.heard,
            know=self._know,
            connected=self.told,
            clock=self._clock,
            refusal=self._refusal,
            drops=self.drops.setdefault(name, DropLedger()),
        )

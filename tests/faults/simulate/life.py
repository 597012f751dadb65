"""One life of the process: the product's services, composed as `gateway.app` composes them, on virtual time."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gateway.app import _count_beat
from gateway.core.flap import FlapLimits
from gateway.core.ids import IdMaker
from gateway.core.impact import Impact
from gateway.core.inhibit import Inhibitions
from gateway.core.judge import Judge
from gateway.core.rules import Rule, Rulebook, Setting
from gateway.core.station import Policy
from gateway.core.terms import Terms
from gateway.delivery import SinkDelivery
from gateway.engine import Engine, EngineLimits
from gateway.engine.around import no_plan
from gateway.intake import CollectorIntake, OwnEvents
from gateway.observe import SinkObservation
from gateway.plugin import PluginConfig, SinkPlugin
from gateway.store.api import Store
from gateway.testing.clock import START_MS
from gateway.watch import Watch
from tests.faults.simulate.disk import SimStore
from tests.faults.simulate.loop import SimLoop
from tests.faults.simulate.tracker import ScriptedSink

if TYPE_CHECKING:
    from tests.faults.simulate.world import World

COLLECTORS = ("snmp", "mail", "mqtt")
OBSERVE_S = 60.0
STATIONS = Policy(interval_s=20.0, grace_s=10.0, settle_beats=2)
LIMITS = EngineLimits(pending_max=200)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """Of what a life is made; a planted bug replaces one of them."""

    engine: Callable[..., Engine] = Engine
    delivery: Callable[..., SinkDelivery] = SinkDelivery
    store: Callable[["World", SimLoop], SimStore] = SimStore
    seen_by_delivery: Callable[[Store], Store] = lambda store: store
    seen_by_start: Callable[[Store], Store] = lambda store: store


class SimClock:
    """As `gateway.clock.SystemClock`: anchored to the monotonic clock at start, so a step of the wall moves nothing."""

    def __init__(self, world: "World", loop: SimLoop) -> None:
        self._world = world
        self._loop = loop
        self._anchor_ms = START_MS + world.jumped_ms

    def now_ms(self) -> int:
        return self._anchor_ms + round(self._loop.time() * 1000)

    def monotonic_s(self) -> float:
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await event.wait()
        except TimeoutError:
            return event.is_set()

    def jump_ms(self) -> int:
        return START_MS + self._world.jumped_ms - self._anchor_ms

    def follow(self, jump_ms: int) -> None:
        self._anchor_ms += jump_ms


class Life:
    """Built at a start, buried at a crash."""

    def __init__(self, world: "World") -> None:
        parts = world.parts
        chance = random.Random(world.seed * 1_000_003 + world.lives)
        self.loop = SimLoop(world.now_s, tell=world.violated)
        self.store = parts.store(world, self.loop)
        self.clock = SimClock(world, self.loop)
        self.deliveries: list[SinkDelivery] = []
        self.engine = parts.engine(
            self.store,
            judge=world.workload.judge,
            clock=self.clock,
            new_id=IdMaker(chance.getrandbits),
            limits=LIMITS,
            wake_delivery=self.wake_delivery,
            clock_jump=self.clock.jump_ms,
            follow_clock=self.clock.follow,
        )
        self.watch = Watch(
            store=self.store,
            engine=OwnEvents(self.engine),
            clock=self.clock,
            terms=Terms(policy=STATIONS),
            count=_count_beat,
        )
        self.intakes = {
            name: CollectorIntake(
                name,
                engine=self.engine,
                watch=self.watch.heard,
                know=_never_told,
                connected=self.watch.connected,
                clock=self.clock,
            )
            for name in COLLECTORS
        }
        self.observations = []
        for tracker in world.trackers:
            sink = ScriptedSink(world, tracker)
            plugin = SinkPlugin(
                name=tracker.name,
                config=PluginConfig,
                build=_never_built,
                unique_key=tracker.unique_key,
                calls_per_s=50,
            )
            delivery = parts.delivery(
                tracker.name,
                sink,
                plugin,
                store=parts.seen_by_delivery(self.store),
                clock=self.clock,
                chance=chance.random,
            )
            self.deliveries.append(delivery)
            self.observations.append(
                SinkObservation(
                    tracker.name,
                    sink,
                    store=self.store,
                    clock=self.clock,
                    tell=self.engine.observe,
                    breaker=delivery.breaker,
                    every_s=OBSERVE_S,
                )
            )
        self._world = world
        self._start_store = parts.seen_by_start(self.store)
        self.started = False
        self.loop.create_task(self._run(), name="life")

    async def _run(self) -> None:
        """Start in the order of `gateway.app.running`."""
        await self._start_store.run(lambda tx: tx.recover_operations(now_ms=self.clock.now_ms()))
        workload = self._world.workload
        if workload.inhibitions or workload.gatherings:
            await self.engine.mute_by(no_plan, workload.inhibitions or Inhibitions(), workload.gatherings)
        await self.watch.load()
        async with asyncio.TaskGroup() as services:
            services.create_task(self.engine.run(), name="engine")
            for delivery, observation in zip(self.deliveries, self.observations, strict=True):
                services.create_task(delivery.run(), name=delivery.name)
                services.create_task(observation.run(), name=f"observe-{delivery.name}")
            if self._world.workload.stations:
                services.create_task(self.watch.run(), name="watch")
            self.started = True
            self._world.reconnect()

    async def drain(self) -> None:
        """What `gateway.app` does between the end of the collectors and the end of the rest."""
        await self.engine.drain()
        await self.watch.flush()
        for delivery in self.deliveries:
            await delivery.rest()

    def wake_delivery(self) -> None:
        for delivery in self.deliveries:
            delivery.wake()


def _never_built(_config: Any, _host: Any) -> Any:
    raise AssertionError("the simulation makes its sinks itself")


def _never_told(_told: Any) -> Any:
    raise AssertionError("the simulation has no inventory")


def judge(
    sinks: tuple[str, ...],
    *,
    hold_ms: int = 0,
    clear_hold_ms: int = 0,
    reopen_ms: int = 20_000,
    flap: FlapLimits | None = None,
) -> Judge:
    """Rules of the simulated house: severity decides the impact, mails are medium."""
    defaults = Setting(
        impact=Impact.MEDIUM,
        sinks=sinks,
        hold_ms=hold_ms,
        clear_hold_ms=clear_hold_ms,
        reopen_within_ms=reopen_ms,
        flap=flap,
    )
    by_severity = {"severity": {"minor": Impact.HIGH, "critical": Impact.CRITICAL}}
    rules = [Rule(name="links", conditions=("link_down",), setting=Setting(impact_by=by_severity))]
    return Judge(Rulebook(rules, defaults=defaults))

"""The composition root: builds everything, starts it in order, reloads it, and stops it in reverse.

Order matters. The store comes first and goes last. Sinks run before collectors, so that what was left in the outbox is
under way before anything new; stations are loaded before the first beat. On the way down collectors stop first, then
what they delivered is committed, then calls under way may end.
"""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from gateway import metrics
from gateway.background import background
from gateway.clock import SystemClock
from gateway.compose import judge_of, limits_of, page_of, policy_of, public_url_of, terms_of
from gateway.config import CollectorInstance, Config, SinkInstance
from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.ids import IdMaker
from gateway.core.reason import Dropped
from gateway.delivery import SinkDelivery
from gateway.engine import Engine
from gateway.intake import CollectorIntake, OwnEvents
from gateway.observe import SinkObservation
from gateway.plugin import Clock, Collector, FindsDuplicates, Host, Sink
from gateway.store.api import Store, StoreError
from gateway.store.sqlite import open_sqlite
from gateway.sweep import SinkSweeper
from gateway.upkeep import Upkeep
from gateway.watch import Watch
from gateway.webhooks import SinkWebhooks

log = structlog.get_logger()

FIRST_RESTART_S = 1.0
LONGEST_RESTART_S = 60.0


class StartError(Exception):
    """The daemon cannot start; one sentence with place and cure."""


class StoreKeep:
    """A plugin's durable memory in the store; implements `gateway.plugin.Keep`."""

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        """What was put last under ``key``."""
        return await self._store.run(lambda tx: tx.get(f"{self._prefix}/{key}"))

    async def put(self, key: str, value: bytes) -> None:
        """Store ``value``; returns when it is on disk."""
        await self._store.run(lambda tx: tx.put(f"{self._prefix}/{key}", value))


class App:
    """A daemon that runs; made by `running`."""

    def __init__(
        self,
        config: Config,
        *,
        state_dir: Path,
        store: Store,
        clock: Clock,
        transports: Mapping[str, Any],
        sockets: Mapping[str, Sequence[int]],
    ) -> None:
        self.config = config
        self.state_dir = state_dir
        self.store = store
        self.clock = clock
        self.deliveries: dict[str, SinkDelivery] = {}
        self.observations: dict[str, SinkObservation] = {}
        self.webhooks: dict[str, SinkWebhooks] = {}
        self.connected: dict[str, bool] = {}
        self.ready = False
        self._transports = transports
        self._sockets = sockets
        self._sinks_changed = asyncio.Event()
        self._all_hear = asyncio.Event()
        jumps = clock if isinstance(clock, SystemClock) else None
        self.engine = Engine(
            store,
            judge=judge_of(config),
            clock=clock,
            new_id=IdMaker(secrets.randbits),
            limits=limits_of(config),
            wake_delivery=self.wake_delivery,
            clock_jump=jumps.jump_ms if jumps else lambda: 0,
            follow_clock=jumps.follow if jumps else lambda _jump_ms: None,
        )
        self.own = OwnEvents(self.engine)
        self.watch = Watch(
            store=store,
            engine=self.own,
            clock=clock,
            policy=policy_of(config.stations),
            terms=terms_of(config),
            most_stations=config.stations.stations_max,
            discover_per_min=config.stations.discover_per_min,
            count=_count_beat,
        )

    def wake_delivery(self) -> None:
        """Say that the outbox may hold something new."""
        for delivery in self.deliveries.values():
            delivery.wake()

    def troubles(self) -> list[str]:
        """Why the daemon is not ready, a sentence each; empty if it is."""
        said = [] if self.ready else ["still starting, or stopping"]
        if not self.engine.healthy:
            said.append("the store refuses to write")
        said += [f"collector {name} cannot hear" for name in self.config.collectors if not self.connected.get(name)]
        return said

    async def hears(self) -> None:
        """Return when every collector can hear."""
        await self._all_hear.wait()

    def host(self, name: str) -> Host:
        """What the plugin instance ``name`` gets."""
        return Host(
            name=name,
            clock=self.clock,
            keep=StoreKeep(self.store, name),
            state_dir=self.state_dir,
            public_url=public_url_of(self.config),
            sockets=self._sockets,
            transport=self._transports.get(name),
        )

    def reload(self, config: Config) -> None:
        """Take a new configuration: rules, inventory and sinks at once; collectors keep their sockets and settings."""
        if _collectors_differ(self.config, config):
            log.warning("configuration.partly_applied", cure="restart to apply what changed in collectors and [http]")
        sinks_differ = self.config.sinks != config.sinks or self.config.tickets != config.tickets
        self.config = config
        self.engine.judge = judge_of(config)
        if sinks_differ:
            self._sinks_changed.set()
        log.info("configuration.reloaded", rules=len(config.rules), sinks=sorted(config.sinks))

    # --- parts that `running` starts --------------------------------------------------------------

    async def run_sinks(self, started: asyncio.Event) -> None:
        """Keep the sinks of the present configuration running; build them anew when it changes."""
        while True:
            self._sinks_changed.clear()
            async with AsyncExitStack() as stack:
                jobs: list[Coroutine[Any, Any, None]] = []
                for name, instance in self.config.sinks.items():
                    sink = await stack.enter_async_context(instance.plugin.build(instance.config, self.host(name)))
                    jobs += self._serve_sink(name, sink, instance)
                async with background(*jobs):
                    started.set()
                    await self._sinks_changed.wait()
                    await self.rest()

    async def rest(self) -> None:
        """Wait for calls under way, as long as the configuration allows."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.daemon.drain_s):
                for delivery in self.deliveries.values():
                    await delivery.rest()

    def _serve_sink(self, name: str, sink: Sink, instance: SinkInstance) -> list[Coroutine[Any, Any, None]]:
        delivery = SinkDelivery(
            name,
            sink,
            instance.plugin,
            store=self.store,
            clock=self.clock,
            page=page_of(self.config),
            paused=self._tell_paused,
        )
        observation = SinkObservation(
            name,
            sink,
            store=self.store,
            clock=self.clock,
            tell=self.engine.observe,
            breaker=delivery.breaker,
            every_s=self.config.tickets.observe_every / 1000,
        )
        webhooks = SinkWebhooks(
            name,
            sink,
            store=self.store,
            clock=self.clock,
            look=observation.look,
            breaker=delivery.breaker,
            looks_per_s=instance.plugin.calls_per_s / 2,
        )
        self.deliveries[name], self.observations[name], self.webhooks[name] = delivery, observation, webhooks
        jobs = [delivery.run(), observation.run(), webhooks.run()]
        if isinstance(sink, FindsDuplicates):
            sweeper = SinkSweeper(
                name, sink, store=self.store, clock=self.clock, breaker=delivery.breaker, wake=delivery.wake
            )
            jobs.append(sweeper.run())
        return jobs

    def _tell_paused(self, sink: str, why: str) -> None:
        """A tracker refuses our credentials: one incident tells, in the sinks that still work."""
        self.own.offer(
            Event(
                collector=OURSELVES,
                source=self.config.daemon.node_name,
                condition="sink_unauthorized",
                kind=EventKind.RAISE,
                at_ms=self.clock.now_ms(),
                object=sink,
                summary=f"{sink} refuses our credentials",
                description=why,
            )
        )

    def intake(self, name: str) -> CollectorIntake:
        """The intake of the collector ``name``."""
        return CollectorIntake(
            name, engine=self.engine, watch=self.watch.heard, connected=self._connected, clock=self.clock
        )

    def _connected(self, collector: str, up: bool) -> None:
        self.connected[collector] = up
        if all(self.connected.get(name) for name in self.config.collectors):
            self._all_hear.set()
        self.watch.connected(collector, up)

    async def run_collector(self, name: str, collector: Collector) -> None:
        """Run a collector; one that fails is run again after a while."""
        intake, wait_s = self.intake(name), FIRST_RESTART_S
        while True:
            began_s = self.clock.monotonic_s()
            try:
                return await collector.run(intake)
            except Exception as error:
                metrics.COLLECTOR_RESTARTS.labels(name).inc()
                if self.clock.monotonic_s() - began_s > LONGEST_RESTART_S:
                    wait_s = FIRST_RESTART_S
                log.exception("collector.failed", collector=name, again_in_s=wait_s, why=str(error))
            await self.clock.sleep(wait_s)
            wait_s = min(2 * wait_s, LONGEST_RESTART_S)


@asynccontextmanager
async def running(
    config: Config,
    *,
    state_dir: Path,
    clock: Clock | None = None,
    transports: Mapping[str, Any] | None = None,
    sockets: Mapping[str, Sequence[int]] | None = None,
) -> AsyncIterator[App]:
    """A whole daemon, started; it stops in order when the block ends.

    Args:
        config: what to run.
        state_dir: folder of the store and of sinks' files; made if it is not there.
        clock: the system's unless a test turns one by hand.
        transports: an `httpx` transport per sink, in place of the network's.
        sockets: descriptors passed by systemd, by name.

    Raises:
        StartError: something cannot be opened; one sentence.
    """
    async with AsyncExitStack() as stack:
        try:
            store = await stack.enter_async_context(open_sqlite(state_dir))
        except StoreError as error:
            raise StartError(str(error)) from None
        app = App(
            config,
            state_dir=state_dir,
            store=store,
            clock=clock or SystemClock(),
            transports=transports or {},
            sockets=sockets or {},
        )
        metrics.BUILD.labels(version("tocsin")).set(1)
        metrics.STORE_OK.set(1)
        recovered = await store.run(lambda tx: tx.recover_operations(now_ms=app.clock.now_ms()))
        if recovered:
            log.warning("outbox.recovered", unknown=recovered)
        await app.watch.load()
        await stack.enter_async_context(
            background(app.engine.run(), Upkeep(app.store, app.clock, config, tell=app.own.offer).run())
        )
        sinks_started = asyncio.Event()
        await stack.enter_async_context(background(app.run_sinks(sinks_started)))
        await sinks_started.wait()
        await _serve_faces(stack, app)
        stack.push_async_callback(_drain, app)
        await stack.enter_async_context(background(app.watch.run()))
        collectors = [await _open_collector(stack, app, instance) for instance in config.collectors.values()]
        await stack.enter_async_context(background(*(app.run_collector(name, one) for name, one in collectors)))
        app.ready = True
        stack.callback(_unready, app)
        yield app


async def _serve_faces(stack: AsyncExitStack, app: App) -> None:
    from gateway.web import serve_faces  # noqa: PLC0415 - the web needs the types of this module

    try:
        await stack.enter_async_context(serve_faces(app))
    except OSError as error:
        where = app.config.http.listen
        raise StartError(
            f"cannot listen for HTTP on {where}: {error.strerror}; stop what listens there or change http.listen"
        ) from None


async def _open_collector(stack: AsyncExitStack, app: App, instance: CollectorInstance) -> tuple[str, Collector]:
    try:
        built = instance.plugin.build(instance.config, app.host(instance.name))
        return instance.name, await stack.enter_async_context(built)
    except OSError as error:
        raise StartError(f"collectors.{instance.name}: {error}") from None


def _unready(app: App) -> None:
    app.ready = False


async def _drain(app: App) -> None:
    """Commit what was received, store the stations, and let calls under way end."""
    try:
        async with asyncio.timeout(app.config.daemon.drain_s):
            await app.engine.drain()
            await app.watch.flush()
    except (TimeoutError, StoreError) as error:
        log.error("drain.incomplete", why=str(error) or "no time left")
    await app.rest()


def _collectors_differ(old: Config, new: Config) -> bool:
    return old.collectors != new.collectors or old.http != new.http


def _count_beat(collector: str, reason: Dropped | None) -> None:
    if reason is None:
        metrics.INPUTS_KEPT.labels(collector).inc()
    else:
        metrics.INPUTS_DROPPED.labels(collector, reason).inc()

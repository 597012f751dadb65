"""The composition root: builds everything, starts it in order, reloads it, and stops it in reverse.

Order matters. The store comes first and goes last. Sinks run before collectors, so that what was left in the outbox is
under way before anything new; stations are loaded before the first beat. On the way down collectors stop first, then
what they delivered is committed, then calls under way may end.
"""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
from prometheus_client import Counter

from gateway import metrics
from gateway.background import background
from gateway.blind import BlindWatch, shift_stored
from gateway.clock import Steps, SystemClock
from gateway.collectorhost import CollectorHost
from gateway.compose import (
    gatherings_of,
    inhibitions_of,
    inventory_of,
    judge_of,
    limits_of,
    over,
    pinged_by,
    plan_of,
    public_url_of,
    watch_terms_of,
)
from gateway.config import CollectorInstance, Config
from gateway.core.blind import Said
from gateway.core.drops import DropLedger
from gateway.core.event import OURSELVES, Event
from gateway.core.ids import IdMaker
from gateway.core.judge import Judge
from gateway.core.reason import Dropped
from gateway.delivery import SinkDelivery
from gateway.drill import Drills
from gateway.engine import Engine
from gateway.intake import OwnEvents
from gateway.journal import Journal
from gateway.observe import SinkObservation
from gateway.pending import Run
from gateway.plugin import Clock, Collector, Host, SinkError
from gateway.refused import Refusals
from gateway.sinkhost import SinkHost, SinkSet, SinkTrouble
from gateway.store.api import Store, StoreError, StoreUnusable
from gateway.store.keep import StoreKeep
from gateway.store.sqlite import open_sqlite
from gateway.systemd import PassedSockets
from gateway.told import ToldInventory
from gateway.upkeep import Upkeep
from gateway.watch import Watch
from gateway.webhooks import SinkWebhooks

log = structlog.get_logger()

PING = "ping"
"""As whose beats pings over HTTP count."""

NEEDS_RESTART = ("collectors", "http", "engine", "retention", "journal")
"""Sections of the configuration that a reload does not apply."""


class StartError(Exception):
    """The daemon cannot start; one sentence with place and cure."""

    def __init__(self, sentence: str, *, exit_code: int = os.EX_TEMPFAIL) -> None:
        """``exit_code``: 75 if the same start may work later, 78 if a person must change something first."""
        super().__init__(sentence)
        self.exit_code = exit_code


class ReloadError(Exception):
    """A new configuration cannot be taken: nothing has changed; one sentence."""


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
        self.ready = False
        self.pinged_by = pinged_by(config)
        """Name and site of each station that may ping, by what its key hashes to."""
        self.damage = ""
        """What is wrong with the store's file; empty if nothing is known to be."""
        self._transports = transports
        self.sockets = PassedSockets(sockets)
        jumps = clock if isinstance(clock, Steps) else None
        kept = config.journal
        self.journal = Journal(state_dir, clock=clock, days=kept.days, megabytes=kept.mb)
        self.engine = Engine(
            store,
            judge=judge_of(config),
            clock=clock,
            new_id=IdMaker(secrets.randbits),
            limits=limits_of(config),
            wake_delivery=self.wake_delivery,
            clock_jump=jumps.jump_ms if jumps else lambda: 0,
            follow_clock=jumps.follow if jumps else lambda _jump_ms: None,
            shift_stored=shift_stored,
            journal=self.journal.keep if kept.enabled else lambda _runs, _incidents: None,
            met=self._met,
        )
        self.told = ToldInventory(store=store, clock=clock, config=lambda: self.config, take_up=self._take_up_told)
        self._changing = asyncio.Lock()
        """Held by whoever replaces what inputs are judged by."""
        self.own = OwnEvents(self.engine)
        self.watch = Watch(
            store=store,
            engine=self.own,
            clock=clock,
            terms=watch_terms_of(config, self.engine.judge.inventory),
            node=config.daemon.node_name,
            count=_count_beat,
        )
        self.collectors = CollectorHost(
            config.collectors,
            engine=self.engine,
            watch=self.watch,
            know=self.told.know,
            clock=clock,
            refusal=lambda: self.damage,
        )
        self.refusals = Refusals(store, tell=self.own.offer, event=self._about_us)
        self.sinks = SinkHost(
            store=store,
            clock=clock,
            engine=self.engine,
            host=self.host,
            paused=self.refusals.refused,
            accepted=self.refusals.accepted,
        )
        self.drills = Drills(self, tell=self.own.offer, about_us=self._about_us)
        self.blind = BlindWatch(
            store=store,
            engine=self.own,
            clock=clock,
            after_s=config.daemon.blind_after / 1000,
            deaf=self.collectors.deaf,
            doubted=lambda: self.watch.doubted,
            unknown=lambda: self.watch.unknown,
            event=self._about_us,
        )

    @property
    def connected(self) -> Mapping[str, bool]:
        """Which collectors can hear."""
        return self.collectors.connected

    @property
    def drops(self) -> Mapping[str, DropLedger]:
        """What collectors could not keep, by collector."""
        return self.collectors.drops

    @property
    def deliveries(self) -> Mapping[str, SinkDelivery]:
        """Delivery of each sink."""
        return self.sinks.deliveries

    @property
    def observations(self) -> Mapping[str, SinkObservation]:
        """Observation of each sink."""
        return self.sinks.observations

    @property
    def webhooks(self) -> Mapping[str, SinkWebhooks]:
        """Webhooks of each sink."""
        return self.sinks.webhooks

    def wake_delivery(self) -> None:
        """Say that the outbox may hold something new."""
        self.sinks.wake()

    def troubles(self) -> list[str]:
        """Why the daemon is not ready, a sentence each; empty if it is."""
        said = [] if self.ready else ["still starting, or stopping"]
        if not self.engine.health.good:
            said.append(self.engine.health.refusal or "the store refuses to write")
        if self.damage:
            said.append(self.damage)
        return said + [f"collector {name} cannot hear" for name in self.collectors.deaf()]

    def host(self, name: str) -> Host:
        """What the plugin instance ``name`` gets."""
        return Host(
            name=name,
            clock=self.clock,
            keep=StoreKeep(self.store, name),
            state_dir=self.state_dir,
            public_url=public_url_of(self.config),
            sockets=self.sockets,
            transport=self._transports.get(name),
        )

    async def reload(self, config: Config) -> None:
        """Take a new configuration: rules, inventory, stations and sinks at once; what needs a restart is told.

        What can fail comes first, and is taken back.

        Raises:
            ReloadError: a sink of it cannot be built, or the disk refuses; nothing has changed.
        """
        async with self._changing:
            await self._reload(config)

    async def _reload(self, config: Config) -> None:
        judge = await asyncio.to_thread(judge_of, self.told.over(config))  # ten thousand rules take their time
        old = self.config
        restart_for = [name for name in NEEDS_RESTART if getattr(old, name) != getattr(config, name)]
        config = replace(config, **{name: getattr(old, name) for name in restart_for})
        sinks: SinkSet | None = None
        if old.sinks != config.sinks or old.tickets != config.tickets:
            try:
                sinks = await self.sinks.build(config)
            except SinkTrouble as error:
                raise ReloadError(str(error)) from error
        try:
            await self._mute_by(config, judge)
        except StoreError as error:
            if sinks is not None:
                await self.sinks.drop(sinks)
            raise ReloadError(f"nothing has changed: {error}; make room, and reload again") from error
        self.engine.judge = self.drills.over(judge)
        if sinks is not None:
            await self.sinks.take_over(sinks)
        if any(
            getattr(old, name) != getattr(config, name)
            for name in ("stations", "inventory", "threshold", "profile", "station", "site", "source", "expect")
        ):
            self.watch.reset(watch_terms_of(self.told.over(config), judge.inventory))
            self.pinged_by = pinged_by(config)
        self.config = config
        await self.collectors.reread()
        if restart_for:
            log.warning("configuration.partly_applied", restart_for=restart_for, cure="restart to apply the rest")
        log.info("configuration.reloaded", rules=len(config.rules), sinks=sorted(config.sinks))

    async def _mute_by(self, config: Config, judge: Judge) -> None:
        await self.engine.mute_by(plan_of(config), inhibitions_of(config, judge), gatherings_of(config))
        for name in over(config, now_ms=self.clock.now_ms()):
            log.warning("maintenance.over", name=name, cure="remove it, or correct start")

    async def _take_up_told(self) -> None:
        """Judge and watch by what was told.

        Raises:
            StoreError: the disk refuses; nothing has changed.
        """
        async with self._changing:
            config = self.told.over(self.config)
            inventory = await asyncio.to_thread(inventory_of, config)
            terms = await asyncio.to_thread(watch_terms_of, config, inventory)
            engine = self.engine
            await engine.mute_by(engine.plan, replace(engine.inhibitions, inventory=inventory), engine.gatherings)
            engine.judge = self.drills.over(Judge(engine.judge.rulebook, inventory, engine.judge.expected))
            self.watch.reset(terms)

    async def load(self) -> None:
        """Remember what the process before knew; call before anything runs."""
        await self.refusals.load()
        await self.told.load()
        if len(self.told):
            await self._take_up_told()
        await self._mute_by(self.config, self.engine.judge)
        await self.blind.load()
        await self.watch.load(away_ms=self.blind.away_ms)

    def _met(self, run: Run) -> None:
        """What was expected has come; equal ones that were folded may have come in two slots."""
        for name in run.verdict.expected:
            for at_ms in sorted({run.first_ms, run.last_ms}):
                self.watch.met(name, collector=run.event.collector, at_ms=at_ms)

    def _about_us(self, condition: str, said: Said, *, about: str = "", description: str = "") -> Event:
        return Event(
            collector=OURSELVES,
            source=self.config.daemon.node_name,
            condition=condition,
            kind=said.kind,
            at_ms=self.clock.now_ms(),
            object=about,
            summary=said.summary,
            description=description,
        )

    # --- parts that `running` starts --------------------------------------------------------------

    def upkeep(self) -> Upkeep:
        """Housekeeping."""
        return Upkeep(self.store, self.clock, self.config, tell=self.own.offer, damaged=self._distrust)

    def _distrust(self, damage: str) -> None:
        """Acknowledge nothing more: what is written to a damaged file may not be found again."""
        self.damage = damage
        self.engine.health.distrust()


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
            store = await stack.enter_async_context(
                open_sqlite(state_dir, ballast_bytes=config.retention.ballast_mb << 20)
            )
        except StoreUnusable as error:
            raise StartError(str(error), exit_code=os.EX_CONFIG) from None
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
        await _take_up(app)
        await stack.enter_async_context(
            background(app.engine.run(), app.upkeep().run(), app.journal.run(), app.told.run())
        )
        await stack.enter_async_context(background(app.sinks.run()))
        await _start_sinks(app)
        await _serve_faces(stack, app)
        stack.push_async_callback(_drain, app)
        if app.pinged_by:
            app.watch.connected(PING, up=True, proven=True)  # they come to our own door
        for name, instance in config.collectors.items():
            if instance.plugin.beats:
                app.watch.connected(name, up=False)  # nobody's silence counts before we hear
        await stack.enter_async_context(background(app.watch.run(), app.blind.run()))
        collectors = dict([await _open_collector(stack, app, instance) for instance in config.collectors.values()])
        await stack.enter_async_context(background(app.collectors.run(collectors)))
        if app.sockets.idle:
            log.warning(
                "socket.unused", sockets=app.sockets.idle, cure="add its collector, or disable the socket's unit"
            )
        await stack.enter_async_context(background(app.drills.run()))
        app.ready = True
        stack.callback(_unready, app)
        yield app


async def _take_up(app: App) -> None:
    """Take up what the last process left."""
    try:
        await app.load()  # first: it moves what was stored by a clock that was set back since
        recovered = await app.store.run(lambda tx: tx.recover_operations(now_ms=app.clock.now_ms()))
    except StoreError as error:
        raise StartError(f"nothing can be stored in {app.state_dir}: {error}; make room there") from None
    if recovered:
        log.warning("outbox.recovered", unknown=recovered)


async def _start_sinks(app: App) -> None:
    try:
        await app.sinks.take_over(await app.sinks.build(app.config))
    except SinkTrouble as error:
        raise _not_built(str(error), error.__cause__) from error.__cause__


async def _serve_faces(stack: AsyncExitStack, app: App) -> None:
    from gateway.web import FacesError, serve_faces  # noqa: PLC0415 - the web needs the types of this module

    try:
        await stack.enter_async_context(serve_faces(app))
    except FacesError as error:
        raise StartError(str(error)) from None


async def _open_collector(stack: AsyncExitStack, app: App, instance: CollectorInstance) -> tuple[str, Collector]:
    try:
        built = instance.plugin.build(instance.config, app.host(instance.name))
        return instance.name, await stack.enter_async_context(built)
    except Exception as error:
        raise _not_built(f"collectors.{instance.name}: {error}", error) from error


def _not_built(sentence: str, error: BaseException | None) -> BaseException:
    """What a plugin that cannot be built means: the world is not ready, the configuration is wrong, or it has a bug."""
    if isinstance(error, OSError):
        return StartError(sentence)
    if isinstance(error, ValueError | SinkError):
        return StartError(sentence, exit_code=os.EX_CONFIG)
    return RuntimeError(sentence)


def _unready(app: App) -> None:
    app.ready = False


async def _drain(app: App) -> None:
    """Commit what was received, store the stations, and let calls under way end."""
    try:
        async with asyncio.timeout(app.config.daemon.drain_s):
            await app.engine.drain()
            await app.watch.flush()
            await app.blind.flush()
            await app.journal.flush()
    except (TimeoutError, StoreError) as error:
        log.error("drain.incomplete", why=str(error) or "no time left")
    await app.sinks.rest(app.config.daemon.drain_s)


def _count_beat(collector: str, reason: Dropped | None) -> None:
    if reason is None:
        _kept(collector).inc()
    else:
        metrics.INPUTS_DROPPED.labels(collector, reason).inc()


@lru_cache
def _kept(collector: str) -> Counter:
    """The collector's counter: to look it up takes longer than to count."""
    return metrics.INPUTS_KEPT.labels(collector)

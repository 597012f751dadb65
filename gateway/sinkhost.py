"""Hosts the sinks of the present configuration: builds them, serves them, and lets those of a new one take over.

Each set of sinks lives in a task of its own, so that what a plugin opened is closed where it was opened. New sinks are
built before the old ones stop: if one cannot be built, the old ones stay, and nothing has changed.
"""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Mapping
from contextlib import AsyncExitStack
from typing import Any

import structlog

from gateway import metrics
from gateway.background import background
from gateway.compose import page_of
from gateway.config import Config, SinkInstance
from gateway.delivery import SinkDelivery
from gateway.dry import Call, dry
from gateway.engine import Engine
from gateway.observe import SinkObservation
from gateway.plugin import Clock, FindsDuplicates, Host, Sink
from gateway.shadow import follow_shadow
from gateway.store.api import Store, StoreError
from gateway.sweep import SinkSweeper
from gateway.webhooks import SinkWebhooks

log = structlog.get_logger()

RETRY_S = 1.0


class SinkTrouble(Exception):
    """A sink cannot be built; one sentence. The cause is what its plugin raised."""


class SinkHost:
    """All sinks; `run` serves until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        engine: Engine,
        host: Callable[[str], Host],
        paused: Callable[[str, str], None],
        accepted: Callable[[str], None],
    ) -> None:
        """Give each sink its ``host``; tell ``paused`` and ``accepted`` what its tracker says of our credentials."""
        self.deliveries: dict[str, SinkDelivery] = {}
        self.observations: dict[str, SinkObservation] = {}
        self.webhooks: dict[str, SinkWebhooks] = {}
        self._store = store
        self._clock = clock
        self._engine = engine
        self._host = host
        self._tell_paused, self._tell_accepted = paused, accepted
        self._tasks: asyncio.TaskGroup | None = None
        self._running = asyncio.Event()
        self._present: SinkSet | None = None

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as self._tasks:
            self._running.set()
            await asyncio.Event().wait()

    async def build(self, config: Config) -> "SinkSet":
        """Build the sinks of ``config``, of which nobody hears until they `take_over`; else `drop` them.

        Raises:
            SinkTrouble: one cannot be built; those before stay.
        """
        await self._running.wait()
        assert self._tasks is not None  # noqa: S101 - `run` has set it
        new = SinkSet(config)
        self._tasks.create_task(self._live(new), name="sinks")
        await new.built
        return new

    async def drop(self, new: "SinkSet") -> None:
        """Close sinks that never took over."""
        new.over.set()
        new.may_serve.set()
        await new.gone.wait()

    async def take_over(self, new: "SinkSet") -> None:
        """Let them serve in place of those before, whose calls under way may end."""
        old, self._present = self._present, new
        if old is not None:
            await self.rest(new.config.daemon.drain_s)
            old.over.set()
            await old.gone.wait()
        new.may_serve.set()
        await new.serving.wait()

    def wake(self) -> None:
        """Say that the outbox may hold something new."""
        for delivery in self.deliveries.values():
            delivery.wake()

    async def rest(self, longest_s: float) -> None:
        """Begin no more calls, and wait for those under way."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s), asyncio.TaskGroup() as waiting:
                for delivery in self.deliveries.values():
                    waiting.create_task(delivery.rest())

    async def _live(self, one: "SinkSet") -> None:
        """The life of one set of sinks."""
        async with AsyncExitStack() as stack:
            sinks: dict[str, tuple[Sink, SinkInstance]] = {}
            for name, instance in one.config.sinks.items():
                try:
                    plugin = dry(instance.plugin, self._tell_recorded) if instance.shadow else instance.plugin
                    built = plugin.build(instance.config, self._host(name))
                    sinks[name] = (await stack.enter_async_context(built), instance)
                except Exception as error:  # noqa: BLE001 - told to whoever asked for these sinks
                    why = SinkTrouble(f"sinks.{name}: {str(error) or type(error).__name__}")
                    why.__cause__ = error
                    one.built.set_exception(why)
                    return
            one.built.set_result(None)
            await one.may_serve.wait()
            if not one.over.is_set():
                await self._serve(one, sinks)
        one.gone.set()

    async def _serve(self, one: "SinkSet", sinks: Mapping[str, tuple[Sink, SinkInstance]]) -> None:
        for name, (_, instance) in sinks.items():
            await self._follow_shadow(name, instance)
        self.deliveries, self.observations, self.webhooks = {}, {}, {}
        jobs = [job for name, (sink, instance) in sinks.items() for job in self._jobs(name, sink, instance, one)]
        async with background(*jobs):
            one.serving.set()
            await one.over.wait()

    async def _follow_shadow(self, name: str, instance: SinkInstance) -> None:
        """Let a sink step into its shadow, or out of it, before it is asked for anything, however long the disk refuses."""
        while True:
            try:
                count = await self._store.run(
                    lambda tx: follow_shadow(tx, name, shadow=instance.shadow, now_ms=self._clock.now_ms())
                )
            except StoreError:
                await self._clock.sleep(RETRY_S)
                continue
            metrics.SINK_SHADOW.labels(name).set(instance.shadow)
            if instance.shadow:
                log.warning("sink.shadowed", sink=name, cure="remove shadow = true to make its calls real")
            if count:
                log.info("sink.unshadowed", sink=name, tickets=count)
            return

    def _tell_recorded(self, call: Call) -> None:
        metrics.CALLS_RECORDED.labels(call.sink).inc()
        log.info("call.recorded", sink=call.sink, ticket=call.ticket, call=str(call))

    def _jobs(self, name: str, sink: Sink, instance: SinkInstance, one: "SinkSet") -> list[Coroutine[Any, Any, None]]:
        delivery = SinkDelivery(
            name,
            sink,
            instance.plugin,
            store=self._store,
            clock=self._clock,
            page=page_of(one.config),
            paused=self._tell_paused,
            accepted=self._tell_accepted,
        )
        observation = SinkObservation(
            name,
            sink,
            store=self._store,
            clock=self._clock,
            tell=self._engine.observe,
            breaker=delivery.breaker,
            every_s=one.config.tickets.observe_every / 1000,
        )
        webhooks = SinkWebhooks(
            name,
            sink,
            store=self._store,
            clock=self._clock,
            look=observation.look,
            breaker=delivery.breaker,
            looks_per_s=instance.plugin.calls_per_s / 2,
        )
        self.deliveries[name], self.observations[name], self.webhooks[name] = delivery, observation, webhooks
        jobs = [delivery.run(), observation.run(), webhooks.run()]
        if isinstance(sink, FindsDuplicates):
            sweeper = SinkSweeper(
                name, sink, store=self._store, clock=self._clock, breaker=delivery.breaker, wake=delivery.wake
            )
            jobs.append(sweeper.run())
        return jobs


class SinkSet:
    """The sinks of one configuration, from their building to their end."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.built: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.may_serve = asyncio.Event()
        self.serving = asyncio.Event()
        self.over = asyncio.Event()
        self.gone = asyncio.Event()

"""A watch on a real store, with an engine that takes or refuses edges as the test says."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.event import Beat, BeatKind, Event
from gateway.core.reason import Reason
from gateway.core.station import EXPECTED, Policy
from gateway.core.terms import Terms
from gateway.plugin import Overloaded, Receipt
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.watch import Watch
from tests.patience import until

POLICY = Policy(interval_s=60, grace_s=30, confirm_s=10, settle_beats=2, recovery_beats=2)


class Hourly:
    """At the full hour."""

    def after(self, now_ms: int) -> int:
        return (now_ms // HOUR_MS + 1) * HOUR_MS

    def local(self, at_ms: int) -> str:
        return str(at_ms)

    def __str__(self) -> str:
        return "hourly"


def to_the_hour(clock: ManualClock) -> int:
    """Seconds until the next full hour."""
    return int((HOUR_MS - clock.now_ms() % HOUR_MS) / 1000)


HOUR_MS = 3_600_000
HOURLY = Policy(schedule=Hourly(), grace_s=300)
BACKUP = f"{EXPECTED}backup"
AWAITED = {BACKUP: (replace(HOURLY, slots=True), "")}


class Engine:
    """Takes edges: at once, refused, or held until `settle`."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.refuses: set[str] = set()
        """Conditions whose events are refused."""
        self.holds = False
        self._held: list[tuple[Event, asyncio.Future[Receipt]]] = []

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._held.append((event, future))
        if not self.holds:
            self.settle()
        return future

    def settle(self) -> None:
        held, self._held = self._held, []
        for event, future in held:
            if future.done():
                continue
            if event.condition in self.refuses:
                future.set_exception(Overloaded("full"))
            else:
                self.events.append(event)
                future.set_result(Receipt(incident="i", reason=Reason.FIRST_RAISED))

    @property
    def said(self) -> list[str]:
        return [f"{event.source} {event.condition} {event.kind}" for event in self.events]


class Stuck:
    """A store that refuses every work, or, without an error, is never done with it."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    def submit(self, _work: Any) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if self._error is not None:
            future.set_exception(self._error)
        return future

    async def run(self, work: Any) -> Any:
        return await self.submit(work)


class Bench:
    def __init__(self, watch: Watch, engine: Engine, clock: ManualClock, store: Any) -> None:
        self.watch, self.engine, self.clock, self.store = watch, engine, clock, store

    def beat(self, station: str = "s1", kind: str = "beat", **more: Any) -> Any:
        beat = Beat(
            collector=more.pop("collector", "mqtt"),
            station=station,
            at_ms=self.clock.now_ms(),
            kind=BeatKind(kind),
            **more,
        )
        return self.watch.heard(beat)

    async def grow_up(self, *stations: str) -> None:
        """Let stations beat until their silence counts."""
        for _ in range(2):
            for station in stations or ("s1",):
                self.beat(station)
            await self.passes(5)

    async def passes(self, seconds: float) -> None:
        """Let time pass second by second, so that everything has its turn."""
        for _ in range(int(seconds)):
            await self.clock.advance(1)
        await asyncio.sleep(0.002)

    async def until(self, look: Callable[[], Any], *, turning: float = 0.0) -> Any:
        async def turn() -> None:
            await self.clock.advance(turning)
            await asyncio.sleep(0.002)

        return await until(look, pause=turn) or pytest.fail(f"not seen; said {self.engine.said}")


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Bench]]:
    """``async with build() as bench``: each time another process on the same store; what is given beside is a field of `Terms`, or ``count``."""

    @contextlib.asynccontextmanager
    async def make(clock: ManualClock | None = None, **more: Any) -> AsyncIterator[Bench]:
        clock = clock or ManualClock()
        engine = Engine()
        async with open_sqlite(tmp_path) as store:
            count = {"count": more.pop("count")} if "count" in more else {}
            terms = Terms(**{"policy": POLICY, **more})
            watch = Watch(store=store, engine=engine, clock=clock, terms=terms, **count)
            await watch.load()
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(watch.run())
                yield Bench(watch, engine, clock, store)
                serving.cancel()

    return make

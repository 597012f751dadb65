"""An engine on a real store whose commits a test can hold or fail, and short ways to say events."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.event import Event, EventKind
from gateway.core.impact import Impact
from gateway.core.judge import Judge
from gateway.core.match import Template
from gateway.core.rules import Rule, Rulebook, Setting
from gateway.engine import Engine, EngineLimits
from gateway.store.api import StoreError
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from tests.patience import LONGEST_S, until


class Moody:
    """A store that holds works back, or refuses them, when it is told to."""

    def __init__(self, store: Any) -> None:
        self._store = store
        self.reader = store.reader
        self.refuses = False
        self.works = 0
        self._free = asyncio.Event()
        self._free.set()

    def hold(self) -> None:
        """Let works wait until `free`."""
        self._free.clear()

    def free(self) -> None:
        self._free.set()

    def submit(self, work: Callable[[Any], Any]) -> asyncio.Future[Any]:
        self.works += 1
        free, loop = self._free, asyncio.get_running_loop()

        def moody(tx: Any) -> Any:
            if not free.is_set():
                asyncio.run_coroutine_threadsafe(free.wait(), loop).result()
            if self.refuses:
                raise StoreError("the disk is full")
            return work(tx)

        return self._store.submit(moody)

    async def run(self, work: Callable[[Any], Any]) -> Any:
        return await asyncio.shield(self.submit(work))


async def eventually(look: Callable[[], Any], what: str = "") -> Any:
    """Wait until ``look`` (a function, or a coroutine function) says something true."""
    seen = await until(look, pause=partial(asyncio.sleep, 0.002))
    return seen or pytest.fail(f"not seen: {what or look}")


def event(source: str = "r1", kind: str = "raise", *, at_ms: int, condition: str = "link_down", **more: Any) -> Event:
    given = {"collector": "snmp", "source": source, "condition": condition, "kind": EventKind(kind), "at_ms": at_ms}
    return Event(**{**given, **more})


def judge(*rules: Rule, **more: Any) -> Judge:
    setting = {
        "impact": Impact.MEDIUM, "sinks": ("desk",), "reopen_within_ms": 7_200_000,
        "impact_by": {"severity": {"critical": Impact.CRITICAL}}, **more,
    }  # fmt: skip
    return Judge(Rulebook(rules, defaults=Setting(**setting)))


class Bench:
    """One engine at work."""

    def __init__(self, engine: Engine, store: Moody, clock: ManualClock, woken: list[int]) -> None:
        self.engine, self.store, self.clock, self.woken = engine, store, clock, woken
        self.reader = store.reader

    def event(self, source: str = "r1", kind: str = "raise", **more: Any) -> Event:
        return event(source, kind, **{"at_ms": self.clock.now_ms(), **more})

    def emit(self, source: str = "r1", kind: str = "raise", **more: Any) -> asyncio.Future[Any]:
        return self.engine.emit(self.event(source, kind, **more))

    def offer(self, source: str = "r1", kind: str = "raise", **more: Any) -> bool:
        return self.engine.offer(self.event(source, kind, **more))

    async def incidents(self) -> list[dict[str, Any]]:
        return list((await self.reader.incidents()).items)

    async def incident(self) -> dict[str, Any]:
        (one,) = await self.incidents()
        return one

    async def sees(self, **facts: Any) -> Any:
        async def look() -> Any:
            found = [one for one in await self.incidents() if all(one[key] == want for key, want in facts.items())]
            return found[0] if found else None

        return await eventually(look, what=str(facts))


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[Bench]]:
    """``async with build(rules..., limits=EngineLimits(...)) as bench``; with ``runs=False`` nothing serves."""

    @contextlib.asynccontextmanager
    async def make(
        *rules: Rule, limits: EngineLimits | None = None, runs: bool = True, folder: str = "state",
        clock: ManualClock | None = None, judged_by: Any = None, jump: Callable[[], int] = lambda: 0,
        journal: Callable[..., None] = lambda _runs, _incidents: None, **setting: Any,
    ) -> AsyncIterator[Bench]:  # fmt: skip
        clock = clock or ManualClock()
        ids, woken = itertools.count(1), [0]

        def wake() -> None:
            woken[0] += 1

        async with open_sqlite(tmp_path / folder) as real:
            store = Moody(real)
            (base,) = await real.run(lambda tx: tx._db.execute("SELECT count(*) FROM incident").fetchone())
            engine = Engine(
                store, judge=judged_by or judge(*rules, **setting), clock=clock,
                new_id=lambda _ms: f"{base * 1000 + next(ids):013d}",
                limits=limits or EngineLimits(lazy_s=0.01), wake_delivery=wake,
                clock_jump=jump, follow_clock=clock.follow, journal=journal,
            )  # fmt: skip
            async with asyncio.timeout(LONGEST_S), asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(engine.run()) if runs else None
                yield Bench(engine, store, clock, woken)
                store.free()
                if serving is not None:
                    serving.cancel()

    return make


@pytest.fixture
def say() -> SimpleNamespace:
    return SimpleNamespace(
        event=event,
        judge=judge,
        eventually=eventually,
        Rule=Rule,
        Setting=Setting,
        Template=Template,
        Limits=EngineLimits,
    )

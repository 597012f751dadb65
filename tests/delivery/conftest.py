"""A sink that does what a script says, and a delivery to it, on a real store and a clock that the test turns."""

import asyncio
import contextlib
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.decision import Decision, OperationKind, Rank, Wish
from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.incident import Incident, State
from gateway.core.reason import Reason
from gateway.core.ticket import Comment, Observation, Ticket, TicketDraft, TicketRef, TicketState
from gateway.delivery import SinkDelivery
from gateway.plugin import PluginConfig, SinkPlugin
from gateway.store.api import StoreError
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from tests.patience import until


class ScriptedSink:
    """A tracker in memory; `script` says of each method what its next calls do before or instead of it."""

    def __init__(self) -> None:
        self.tickets: dict[str, TicketDraft] = {}
        self.comments: list[tuple[str, Comment]] = []
        self.files: list[tuple[str, str, str]] = []
        self.links: list[tuple[str, str]] = []
        self.calls: list[tuple[str, str]] = []
        self.under_way: list[str] = []
        self.together: set[tuple[str, ...]] = set()
        self._script: dict[str, deque[Any]] = defaultdict(deque)
        self._number = itertools.count(1)

    def script(self, method: str, *acts: Any) -> None:
        """Each act is an exception to raise, a coroutine function to await first, or ``("after", exception)``."""
        self._script[method] += acts

    async def _do(self, method: str, about: str, act: Callable[[], Any]) -> Any:
        self.calls.append((method, about))
        self.under_way.append(about)
        self.together.add(tuple(sorted(self.under_way)))
        try:
            step = self._script[method].popleft() if self._script[method] else None
            if isinstance(step, Exception):
                raise step
            if callable(step):
                await step()
            done = act()
            if isinstance(step, tuple):
                raise step[1]
            return done
        finally:
            self.under_way.remove(about)

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        def find() -> TicketRef | None:
            return next((TicketRef(id=ref, name=ref) for ref, draft in self.tickets.items() if draft.key == key), None)

        return await self._do("find", key, find)

    async def open(self, draft: TicketDraft) -> TicketRef:
        def make() -> TicketRef:
            ref = f"T-{next(self._number)}"
            self.tickets[ref] = draft
            return TicketRef(id=ref, name=ref)

        return await self._do("open", draft.key, make)

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        await self._do("update", draft.key, lambda: self.tickets.update({ref.id: draft}))

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        await self._do("comment", ref.id, lambda: self.comments.append((ref.id, comment)))

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        return await self._do("has_comment", ref.id, lambda: any(mark == said.mark for _, said in self.comments))

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        await self._do("link", ref.id, lambda: self.links.append((ref.id, other.id)))

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        await self._do("attach", ref.id, lambda: self.files.append((ref.id, attachment.name, mark)))

    async def observe(self, refs: list[TicketRef]) -> list[Observation]:
        return await self._do(
            "observe", ",".join(ref.id for ref in refs), lambda: [Observation(ref=ref) for ref in refs]
        )


class Terse:
    """The same tracker through a sink without optional abilities."""

    def __init__(self, inner: ScriptedSink) -> None:
        self.find, self.open, self.update = inner.find, inner.open, inner.update
        self.comment, self.observe = inner.comment, inner.observe


class Moody:
    """A store that refuses when it is told to."""

    def __init__(self, store: Any) -> None:
        self._store, self.reader, self.refuses, self.works = store, store.reader, False, 0

    def submit(self, work: Callable[[Any], Any]) -> asyncio.Future[Any]:
        self.works += 1

        def moody(tx: Any) -> Any:
            if self.refuses:
                raise StoreError("the disk is full")
            return work(tx)

        return self._store.submit(moody)

    async def run(self, work: Callable[[Any], Any]) -> Any:
        return await asyncio.shield(self.submit(work))


class Bench:
    """A delivery at work, and short ways to wish for something."""

    def __init__(self, store: Moody, sink: ScriptedSink, clock: ManualClock) -> None:
        self.store, self.sink, self.clock = store, sink, clock
        self.deliveries: dict[str, SinkDelivery] = {}
        self.paused: list[str] = []
        self.accepted: list[str] = []

    def deliver(self, name: str = "desk", *, sink: Any = None, **plugin: Any) -> SinkDelivery:
        given = {"unique_key": False, "search_lag_s": (2.0, 5.0, 15.0, 30.0), "calls_per_s": 1000.0, **plugin}
        timeout_s = given.pop("call_timeout_s", 90.0)
        made = SinkPlugin(name=name, config=PluginConfig, build=None, **given)  # type: ignore[arg-type]
        self.deliveries[name] = SinkDelivery(
            name, sink or self.sink, made, store=self.store, clock=self.clock, chance=lambda: 1.0,
            paused=lambda sink, _why: self.paused.append(sink), accepted=self.accepted.append,
            call_timeout_s=timeout_s,
        )  # fmt: skip
        return self.deliveries[name]

    def incident(self, number: int = 1, **more: Any) -> Incident:
        now_ms = self.clock.now_ms()
        given = {
            "id": f"{number:013d}", "fingerprint": f"1:{number}", "condition": "link_down", "source": f"r{number}",
            "state": State.OPEN, "impact": Impact.CRITICAL, "first_seen_ms": now_ms, "last_seen_ms": now_ms,
            "raised_ms": now_ms, "sinks": ("desk",), **more,
        }  # fmt: skip
        return Incident(**given)

    async def wish(
        self, incident: Incident, *kinds: str, sink: str = "desk", rank: Rank = Rank.CREATE, **more: Any
    ) -> None:
        body = more.pop("body", {})
        wishes = tuple(
            Wish(kind=OperationKind(kind), sink=sink, rank=rank, reason=Reason.FIRST_RAISED, body=body)
            for kind in kinds
        )
        decision = Decision(reason=Reason.FIRST_RAISED, incident=incident, wishes=wishes, **more)
        await self.store._store.run(lambda tx: tx.write(decision, now_ms=self.clock.now_ms()))
        for delivery in self.deliveries.values():
            delivery.wake()

    async def ticket(self, number: int = 1, sink: str = "desk") -> Ticket:
        return await self.store._store.run(lambda tx: tx.ticket(f"{number:013d}", sink))

    async def outbox(self) -> list[dict[str, Any]]:
        return list((await self.store.reader.operations()).items)

    async def states(self) -> list[str]:
        return [one["state"] for one in await self.outbox()]

    async def until(self, look: Callable[[], Any], *, turning: float = 0.0) -> Any:
        """Wait until ``look`` says something true, moving the clock by ``turning`` seconds at each look."""

        async def turn() -> None:
            await self.clock.advance(turning)
            await asyncio.sleep(0.002)

        seen = await until(look, pause=turn)
        return seen or pytest.fail(f"not seen; calls {self.sink.calls}, outbox {await self.outbox()}")

    async def empty(self, *, turning: float = 0.0) -> None:
        async def look() -> bool:
            return not await self.outbox()

        await self.until(look, turning=turning)

    async def quiet(self, turns: int = 10) -> None:
        """Let everything happen that can happen without time."""
        for _ in range(turns):
            await self.clock.advance(0)
            await asyncio.sleep(0.002)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_sqlite(tmp_path) as store:
        yield Bench(Moody(store), ScriptedSink(), ManualClock())


@pytest.fixture
def serve() -> Callable[..., contextlib.AbstractAsyncContextManager[list[asyncio.Task[None]]]]:
    """``async with serve(delivery, ...)``: they run meanwhile."""

    @contextlib.asynccontextmanager
    async def run(*services: Any) -> AsyncIterator[list[asyncio.Task[None]]]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(service.run()) for service in services]
            try:
                yield tasks
            finally:
                for task in tasks:
                    task.cancel()

    return run


@pytest.fixture
def say() -> SimpleNamespace:
    return SimpleNamespace(
        Terse=Terse, State=State, Impact=Impact, Rank=Rank, TicketState=TicketState, Attachment=Attachment
    )

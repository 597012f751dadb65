"""The bench on which a sink is examined: the subject, the person behind its back, and how a test lends them.

A sink's module may have a hook ``conformance`` that lends its own fake tracker for one requirement::

    def conformance():
        fake = FakeTracker()
        yield {"token": Secret("x")}, httpx.ASGITransport(fake)  # config (a mapping or the model), transport

It is a generator, an async generator, or returns a context manager; a third member may be a `Person`.
"""

import asyncio
import inspect
import itertools
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from gateway.core.impact import Impact
from gateway.core.ticket import Observation, TicketDraft, TicketRef, TicketState
from gateway.plugin import Clock, Host, PluginConfig, Sink, SinkPlugin
from gateway.testing.keep import MemoryKeep

UNKNOWN = TicketRef(id="987654321", name="987654321")
"""A ref to a ticket that never was."""
_serial = itertools.count(1)

HOSTILE = {
    "nul": "\0 before \0",
    "lone surrogate": "a \ud800 b",
    "markup": "<script>alert(1)</script> *bold* [x](javascript:alert(1)) {code} @here",
    "bidi": "\u202egnp.exe \u2066",
    "lines": "one\r\ntwo\rthree\u2028four",
    "combining": "e" + "\u0301" * 400,
    "sql": "'; DROP TABLE ticket; --",
    "json": '"}],{"\\":\\u0000',
    "long": "wörter " * 20_000,
    "emoji": "👩‍👩‍👧‍👦" * 300,
    "empty": "",
}
"""Texts as they come from broken devices and hostile mails, by name."""


class Person(Protocol):
    """Somebody who works in the tracker itself, behind the sink's back; a sink's own tests may lend one."""

    async def close(self, ref: TicketRef) -> None:
        """Close the ticket."""
        ...

    async def delete(self, ref: TicketRef) -> None:
        """Delete the ticket."""
        ...

    async def comments(self, ref: TicketRef) -> list[str]:
        """The text of each comment, as people read it."""
        ...

    async def count(self, key: str) -> int:
        """How many tickets carry this key, closed ones included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A sink under examination."""

    plugin: SinkPlugin
    config: PluginConfig
    state_dir: Path
    """A fresh folder."""
    transport: Any = None
    """An `httpx.AsyncBaseTransport` that stands for the tracker; None for the network."""
    person: Person | None = None
    clock: Clock | None = None
    """The fake tracker's clock; None for the system's."""


class NotOffered(Exception):
    """The sink does not have the ability (or lends no `Person`) that a requirement is about."""


@dataclass(slots=True)
class Bench:
    """What a requirement works with: one open sink, and drafts that no requirement shares."""

    sink: Sink
    plugin: SinkPlugin
    clock: Clock
    lent: Person | None
    patient: bool
    opened_ms: int = field(init=False)

    def __post_init__(self) -> None:
        self.opened_ms = self.clock.now_ms()

    @property
    def person(self) -> Person:
        """Somebody in the tracker itself.

        Raises:
            NotOffered: the sink's tests lend none.
        """
        if self.lent is None:
            raise NotOffered("the sink's tests lend no Person")
        return self.lent

    def draft(self, **changes: Any) -> TicketDraft:
        """A draft with a key that was never used."""
        key = changes.pop("key", None) or f"T{time.time_ns():X}{next(_serial):04X}"
        plain = TicketDraft(
            key=key,
            title=f"[P2] Link down gw-7 [TOC-{key}]",
            description="ifIndex 7 is down",
            impact=Impact.HIGH,
            state=TicketState.OPEN,
            fingerprint="1:conformance",
            source="gw-7",
            condition="link_down",
            object="ge-0/0/1",
            first_seen_ms=self.opened_ms,
            last_seen_ms=self.opened_ms,
            labels={"site": "aarhus"},
        )
        return replace(plain, **changes)

    async def find(self, key: str) -> TicketRef | None:
        """What the sink finds; on a real tracker with the patience that the plugin asks for."""
        found = await self.sink.find(key, since_ms=self.opened_ms)
        for wait_s in self.plugin.search_lag_s if self.patient else ():
            if found is not None:
                break
            await self.clock.sleep(wait_s)
            found = await self.sink.find(key, since_ms=self.opened_ms)
        return found

    async def see(self, ref: TicketRef) -> Observation:
        """The one observation of ``ref``."""
        seen = await self.sink.observe([ref])
        assert len(seen) == 1, f"observe of one ref gave {len(seen)} observations"
        return seen[0]


class LiveClock:
    """The system's time, for sinks whose tracker lives in it too."""

    def now_ms(self) -> int:
        """Epoch milliseconds."""
        return time.time_ns() // 1_000_000

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for ``event``, at most ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
        return event.is_set()


@asynccontextmanager
async def bench_of(subject: Subject) -> AsyncIterator[Bench]:
    """Open the sink and lay it on the bench."""
    clock = subject.clock or LiveClock()
    host = Host(
        name="conformance",
        clock=clock,
        keep=MemoryKeep(),
        state_dir=subject.state_dir,
        transport=subject.transport,
    )
    async with subject.plugin.build(subject.config, host) as sink:
        patient = subject.transport is None and not subject.plugin.unique_key
        yield Bench(sink, subject.plugin, clock, subject.person, patient)


Lend = Callable[[Path], AbstractAsyncContextManager[Subject]]
"""Lends a fresh subject that may keep files in a folder."""


def lender(plugin: SinkPlugin, hook: Callable[[], Any] | None = None, config: PluginConfig | None = None) -> Lend:
    """How to lend ``plugin``: from its module's hook, or with ``config`` and the network."""

    @asynccontextmanager
    async def lend(state_dir: Path) -> AsyncIterator[Subject]:
        if hook is None:
            yield Subject(plugin=plugin, config=config or plugin.config(), state_dir=state_dir)
            return
        async with AsyncExitStack() as stack:
            lent = _context(hook)
            entered = (
                await stack.enter_async_context(lent) if hasattr(lent, "__aenter__") else stack.enter_context(lent)
            )
            yield _subject(plugin, entered, state_dir)

    return lend


def _context(hook: Callable[[], Any]) -> Any:
    if inspect.isasyncgenfunction(hook):
        return asynccontextmanager(hook)()
    if inspect.isgeneratorfunction(hook):
        return contextmanager(hook)()
    return hook()


def _subject(plugin: SinkPlugin, lent: Any, state_dir: Path) -> Subject:
    if isinstance(lent, Subject):
        return lent
    config, transport, *others = lent
    if isinstance(config, Mapping):
        config = plugin.config(**config)
    return Subject(
        plugin=plugin,
        config=config,
        state_dir=state_dir,
        transport=transport,
        person=others[0] if others else None,
    )

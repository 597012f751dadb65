"""The daemon on virtual time: everything between the collectors' sockets and the trackers is the product's own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from gateway.app import App
from gateway.background import background
from gateway.config import Config
from gateway.core.event import Beat, Event
from gateway.core.incident import State
from gateway.core.judge import Judge
from gateway.core.rules import Verdict
from gateway.dry import Call, dry
from gateway.rehearse.loop import VirtualClock
from gateway.store.inline import open_inline

START_MS = 1_767_603_600_000
"""2026-01-05T09:00:00Z, a Monday: when a rehearsal begins that is told no other time."""
SETTLE_S = 0.02
"""Virtual seconds in which everything is done that can be done at an instant."""
FAST = 1_000.0
"""Calls per second of a dry sink: there is no tracker to spare."""
PAGE = 1000


class Stage:
    """A daemon that hears what the play tells it."""

    def __init__(self, app: App, clock: VirtualClock, calls: list[Call]) -> None:
        self.app, self.clock = app, clock
        self._began_s = 0.0
        self.calls = calls
        """What the sinks would have been asked to do, in order."""
        self.reached: set[str] = set()
        """Rules that an event has met: those that won, and those that said continue."""

    def hear(self, event: Event) -> None:
        """Let a collector hear ``event``; what came by an acknowledged way is committed at once."""
        if event.identity:
            self.app.engine.emit(event)
        else:
            self.app.engine.offer(event)

    def beat(self, beat: Beat) -> None:
        """Let a collector hear ``beat``."""
        self.app.watch.heard(beat)

    def begin(self) -> None:
        """Now the play begins."""
        self._began_s = self.clock.monotonic_s()

    async def settle(self) -> None:
        """Return when everything is done that can be done now."""
        await asyncio.sleep(SETTLE_S)

    async def until(self, at_s: float) -> None:
        """Let time pass until ``at_s`` seconds after the beginning; what is due then has happened."""
        await asyncio.sleep(max(0.0, self._began_s + at_s - self.clock.monotonic_s()))

    async def incidents(self, *states: State) -> list[dict[str, Any]]:
        """Every incident with its tickets, as the API tells them, oldest first."""
        found: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            page = await self.app.store.reader.incidents(states=states, cursor=cursor, limit=PAGE)
            found += page.items
            cursor = page.next
        return found[::-1]


@asynccontextmanager
async def staged(
    config: Config, *, start_ms: int = START_MS, watch: bool = True, attentive: bool = False
) -> AsyncIterator[Stage]:
    """The daemon of ``config`` on a `VirtualLoop`, without collectors, faces and housekeeping.

    Args:
        config: what to rehearse.
        start_ms: the wall time at the beginning.
        watch: whether to look after stations, which costs a tick for each virtual second.
        attentive: whether to remember which rules an event has met, which takes as long again as judging it.
    """
    calls: list[Call] = []
    clock = VirtualClock(start_ms - round(SETTLE_S * 1000))
    config = replace(
        config,
        journal=config.journal.model_copy(update={"enabled": False}),
        engine=config.engine.model_copy(update={"lazy_ms": 1, "repeat_ms": 1}),
        sinks={
            name: replace(instance, shadow=False, plugin=replace(dry(instance.plugin, calls.append), calls_per_s=FAST))
            for name, instance in config.sinks.items()
        },
    )
    async with open_inline() as store:
        app = App(config, state_dir=Path(), store=store, clock=clock, transports={}, sockets={})
        stage = Stage(app, clock, calls)
        if attentive:
            plain = app.engine.judge
            app.engine.judge = _Attentive(plain.rulebook, plain.inventory, plain.expected, stage.reached)
        await app.load()
        services = [app.engine.run(), app.sinks.run(), *([app.watch.run()] if watch else [])]
        async with background(*services):
            await app.sinks.take_over(await app.sinks.build(config))
            await stage.settle()
            stage.begin()
            yield stage
            await app.engine.drain()


@dataclass(frozen=True, slots=True)
class _Attentive(Judge):
    """The same judge; it remembers which rules an event has met."""

    reached: set[str] = field(default_factory=set)

    def judge(self, event: Event) -> tuple[Event, Verdict]:
        """The same verdict."""
        said, verdict = Judge.judge(self, event)
        self.reached.add(verdict.rule)
        self.reached.update(one.rule for one in self.rulebook.explain(said) if one.matched)
        return said, verdict

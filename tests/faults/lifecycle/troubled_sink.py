"""A sink in a mood: it keeps tickets in a book, a JSON line each, and fails as its configuration says."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.core.ticket import Comment, Observation, TicketDraft, TicketRef
from gateway.plugin import Host, PluginConfig, SinkPlugin


class TroubledConfig(PluginConfig):
    """What it does."""

    book: Path
    """Where its tickets are."""
    mood: str = ""
    """``crash OBJECT``: the process ends in the call about it. ``hang``: no call ever returns. ``bug``: cannot be built.
    ``bug later``: its closing fails, too."""
    title: str = ""
    """Written into each ticket."""


class TroubledSink:
    """Implements `gateway.plugin.Sink`."""

    def __init__(self, config: TroubledConfig) -> None:
        self._config = config

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        if self._config.book.exists():
            for line in self._config.book.read_text().splitlines():
                if json.loads(line)["key"] == key:
                    return TicketRef(id=key)
        return None

    async def open(self, draft: TicketDraft) -> TicketRef:
        if self._config.mood == f"crash {draft.object}":
            os._exit(9)
        if self._config.mood == "hang":
            await asyncio.sleep(3600)
        with self._config.book.open("a") as book:
            book.write(json.dumps({"key": draft.key, "object": draft.object, "title": self._config.title}) + "\n")
        return TicketRef(id=draft.key)

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        pass

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        pass

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        return []


@asynccontextmanager
async def build(config: TroubledConfig, host: Host) -> AsyncIterator[TroubledSink]:
    if config.mood == "bug":
        raise KeyError("a bug in the plugin")
    yield TroubledSink(config)
    if config.mood == "bug later":
        raise KeyError("a bug in the plugin's end")


plugin = SinkPlugin(
    name="troubled", config=TroubledConfig, build=build, unique_key=True, calls_per_s=200, search_lag_s=(0.2, 0.5)
)

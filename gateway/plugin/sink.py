"""Sinks: they keep tickets in one tracker, and say truthfully how each call ended."""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.ticket import Comment, Observation, TicketDraft, TicketRef
from gateway.plugin.config import PluginConfig
from gateway.plugin.host import Host


class Sink(Protocol):
    """Keeps tickets in one tracker. Never called twice at once for one incident."""

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        """The ticket made for ``key`` (see `TicketDraft.key`), at or after ``since_ms``; None if surely none is seen.

        A search that failed is unknown, never "not there": it raises.
        """
        ...

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Create the ticket. If the tracker says that one with this key exists, return that one."""
        ...

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Make the ticket look like ``draft``, state included, except fields in ``draft.keep``. Twice = once."""
        ...

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Add a comment that contains ``comment.mark``."""
        ...

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        """What these tickets look like now; one that is gone is an observation with ``exists=False``."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlugin:
    """A sink at the entry point ``tocsin.sinks``."""

    name: str
    config: type[PluginConfig]
    build: Callable[[Any, Host], AbstractAsyncContextManager[Sink]]
    """``build(config, host)``: never touches the network."""
    unique_key: bool = False
    """The tracker refuses a second ticket with the same key, so that a create may be repeated at once."""
    search_lag_s: tuple[float, ...] = (2, 5, 15, 30, 60, 120)
    """When to look, in seconds after an unknown outcome, until the impact's patience ends."""
    calls_per_s: float = 5.0
    """Sustained budget of calls per credential; the host spends it on creates first."""

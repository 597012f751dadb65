"""What the host gives to each plugin instance."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol


class Clock(Protocol):
    """Time as the host tells it; tests pass one that they turn by hand (`gateway.testing.clock`)."""

    def now_ms(self) -> int:
        """Wall time, epoch milliseconds (UTC), immune to steps while the process runs."""
        ...

    def monotonic_s(self) -> float:
        """Monotonic seconds, for intervals within this process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for ``event``, at most ``seconds`` of this clock; whether it was set."""
        ...


class Keep(Protocol):
    """A plugin's small durable memory (an engine id, a cursor): bytes by key, private to the plugin instance."""

    async def get(self, key: str) -> bytes | None:
        """What was stored under ``key``; None if nothing was."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Store ``value``; returns when it is on disk."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the host gives to each plugin instance."""

    name: str
    """The instance's name in the configuration (``snmp``, ``jira-dc``)."""
    clock: Clock
    keep: Keep
    state_dir: Path
    """Where a plugin that needs its own file puts it (only the local sink does)."""
    public_url: str = ""
    """Where people reach the daemon's own pages, without a slash at the end; empty if there are none."""
    sockets: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """File descriptors handed over by systemd, by ``FileDescriptorName``."""
    transport: Any = None
    """An `httpx.AsyncBaseTransport` to use in place of the network's; None outside tests."""

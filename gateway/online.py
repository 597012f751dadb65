"""Ask the world whether a configuration works: sockets, broker, trackers. Nothing is changed there."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

from gateway.clock import SystemClock
from gateway.config import CollectorInstance, Config, SinkInstance
from gateway.plugin import Checks, Finding, Host, SinkError


class Forgetful:
    """A plugin's memory for one command: the daemon owns the durable one. Implements `gateway.plugin.Keep`."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        """What was put last under ``key``."""
        return self._kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Remember ``value`` until the command ends."""
        self._kept[key] = value


async def check_online(
    config: Config, *, state_dir: Path, transports: Mapping[str, Any] | None = None
) -> list[Finding]:
    """Open every collector's sockets and ask every tracker; what was found, a sentence each.

    Args:
        config: what to try.
        state_dir: the folder that the daemon would use.
        transports: an `httpx` transport per sink, in place of the network's.
    """
    found: list[Finding] = []
    instances: list[CollectorInstance | SinkInstance] = [*config.collectors.values(), *config.sinks.values()]
    for instance in instances:
        host = Host(
            name=instance.name,
            clock=SystemClock(),
            keep=Forgetful(),
            state_dir=state_dir,
            transport=(transports or {}).get(instance.name),
        )
        found += await _try(instance.name, instance.plugin.build(instance.config, host))
    return found


async def _try(name: str, built: AbstractAsyncContextManager[Any]) -> list[Finding]:
    try:
        async with built as plugin:
            if isinstance(plugin, Checks):
                return await plugin.check(apply=False)
            return [Finding(ok=True, what=f"{name} can start")]
    except (OSError, SinkError) as error:
        return [Finding(ok=False, what=f"{name}: {error}")]

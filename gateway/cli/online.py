"""What only a network can tell: do trackers take our credentials, can we listen where the configuration says."""

import socket
from dataclasses import replace
from pathlib import Path

from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config import CollectorInstance, Config, SinkInstance
from gateway.config.types import Endpoint
from gateway.plugin import Checks, Finding, Host, SinkError, Unauthorized

BUSY = "stop what listens there (a running daemon does), or change the address"


class Forgetful:
    """A plugin's memory for one command: the daemon owns the durable one."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        """What was put last under ``key``."""
        return self._kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Remember ``value`` until the command ends."""
        self._kept[key] = value


async def ask(config: Config, *, state_dir: Path) -> list[Finding]:
    """All findings, each naming the instance that it is about. Nothing is changed and no input is taken."""
    findings = [_listens(config.http.listen)] if config.http.enabled else []
    for collector in config.collectors.values():
        findings += [_about(f"collectors.{collector.name}", found) for found in await _opens(collector, state_dir)]
    for sink in config.sinks.values():
        try:
            found = await look(sink, state_dir=state_dir, apply=False)
        except Failure as failure:
            found = [Finding(ok=False, what=failure.message)]
        findings += [_about(f"sinks.{sink.name}", one) for one in found]
    return findings


async def look(instance: SinkInstance, *, state_dir: Path, apply: bool) -> list[Finding]:
    """What the sink's own check finds.

    Raises:
        Failure: the tracker cannot be asked now.
    """
    try:
        async with instance.plugin.build(instance.config, _host(instance.name, state_dir)) as sink:
            if not isinstance(sink, Checks):
                return [Finding(ok=True, what="needs no set-up")]
            return await sink.check(apply=apply)
    except Unauthorized as error:
        return [Finding(ok=False, what=str(error))]
    except SinkError as error:
        raise Failure(f"{instance.name}: {error}; try again", code=Exit.TEMPORARY) from None


async def _opens(instance: CollectorInstance, state_dir: Path) -> list[Finding]:
    try:
        async with instance.plugin.build(instance.config, _host(instance.name, state_dir)) as collector:
            opened = Finding(ok=True, what="can listen")
            return await collector.check(apply=False) if isinstance(collector, Checks) else [opened]
    except OSError as error:
        return [Finding(ok=False, what=f"{error}; {BUSY}")]


def _listens(endpoint: Endpoint) -> Finding:
    family = socket.AF_INET6 if endpoint.v6 else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((endpoint.host, endpoint.port))
        except OSError as error:
            return Finding(ok=False, what=f"http: cannot listen on {endpoint}: {error.strerror}; {BUSY}")
    return Finding(ok=True, what=f"http: can listen on {endpoint}")


def _about(name: str, finding: Finding) -> Finding:
    return replace(finding, what=f"{name}: {finding.what}")


def _host(name: str, state_dir: Path) -> Host:
    return Host(name=name, clock=SystemClock(), keep=Forgetful(), state_dir=state_dir)

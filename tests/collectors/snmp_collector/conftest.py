"""The real collector on loopback sockets, with a recording intake and a clock turned by hand."""

import asyncio
import contextlib
import os
import shutil
import socket

import pytest

from collectors.snmp import plugin
from gateway.plugin import Host
from gateway.testing.clock import ManualClock, turns
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep


class Running:
    """A collector that serves."""

    def __init__(self, collector, intake, clock, keep):
        self.collector, self.intake, self.clock, self.keep = collector, intake, clock, keep
        self.port = collector.listeners[0].port

    async def settled(self, *, inputs):
        """Wait until so many inputs were counted."""
        async with asyncio.timeout(60):
            while self.intake.inputs < inputs:
                await self.intake.wait()
        await turns(5)

    def balance(self):
        """What was received and is neither an event nor counted as dropped."""
        return self.intake.inputs - len(self.intake.events) - self.intake.drops.total()


@pytest.fixture
def serve(tmp_path):
    """``async with serve(config, intake=..., keep=..., sockets=...) as running``; config as in TOML."""

    @contextlib.asynccontextmanager
    async def serving(config=None, *, intake=None, keep=None, clock=None, sockets=None):
        settings = {"listen": ["127.0.0.1:0"], "receive_buffer": 262_144} | (config or {})
        intake, keep, clock = intake or RecordingIntake(), keep or MemoryKeep(), clock or ManualClock()
        host = Host(name="snmp", clock=clock, keep=keep, state_dir=tmp_path, sockets=sockets or {})
        async with (
            plugin.build(plugin.config.model_validate(settings), host) as collector,
            asyncio.TaskGroup() as tasks,
        ):
            task = tasks.create_task(collector.run(intake))
            await turns(2)
            yield Running(collector, intake, clock, keep)
            task.cancel()

    return serving


@pytest.fixture
def sender():
    """A non-blocking UDP socket on 127.0.0.1."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        yield sock


@pytest.fixture
def tool(tmp_path):
    """Run a net-snmp tool to its end: ``code, output = await tool("snmptrap", ...)``; skips where it is absent."""
    # Its engine's boots are in a file; tests that run at once must not share it.
    (tmp_path / "cert_indexes").mkdir()  # else the tool says that it made it
    environment = os.environ | {"SNMP_PERSISTENT_DIR": str(tmp_path), "SNMPCONFPATH": str(tmp_path), "MIBS": ""}

    async def run(name, *arguments):
        path = shutil.which(name)
        if path is None:
            pytest.skip(f"{name} is not installed")
        process = await asyncio.create_subprocess_exec(
            path,
            *arguments,
            env=environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
        print(name, process.returncode, output.decode())
        return process.returncode, output.decode()

    return run


@pytest.fixture
def secret(monkeypatch):
    """Put a password into the environment; returns its reference."""

    def put(name, value):
        monkeypatch.setenv(name, value)
        return f"env:{name}"

    return put

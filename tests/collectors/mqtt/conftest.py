"""A real Mosquitto on loopback, and the collector running against it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from collectors.mqtt import MqttConfig, build
from gateway.clock import SystemClock
from gateway.plugin import Host
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep
from tests.broker import ANYBODY, Mosquitto
from tests.daemon import tool
from tests.ports import free_port


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    if tool("mosquitto") is None or tool("mosquitto_pub") is None:
        pytest.skip("mosquitto and mosquitto-clients are not installed")
    made: list[Mosquitto] = []

    def make(*lines: str) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(made)}"
        memory = ("persistence true", f"persistence_location {folder}/", "user root")
        made.append(Mosquitto(folder, *memory, *(lines or (ANYBODY,))))
        return made[-1]

    yield make
    for broker in made:
        broker.stop(kill=True)


@pytest.fixture
def mosquitto(make_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    return make_mosquitto().start()


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def listening(tmp_path: Path):
    """A function: run the collector while the block lasts."""

    @contextlib.asynccontextmanager
    async def listen(
        url: str, *, intake: RecordingIntake | None = None, connected: bool = True, **settings
    ) -> AsyncIterator[RecordingIntake]:
        intake = intake or RecordingIntake()
        config = MqttConfig(
            **{"broker": url, "client_id": "tocsin-test", "reconnect_least_s": 0.05, "reconnect_most_s": 0.1} | settings
        )
        host = Host(name="mqtt", clock=SystemClock(), keep=MemoryKeep(), state_dir=tmp_path)
        async with build(config, host) as collector, asyncio.TaskGroup() as tasks:
            running = tasks.create_task(collector.run(intake), name="collector")
            try:
                if connected:
                    await until(lambda: intake.link_up)
                yield intake
            finally:
                running.cancel()

    return listen


@pytest.fixture
def eventually():
    """A function: wait until something is true."""
    return until


async def until(true: Callable[[], object], *, within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)

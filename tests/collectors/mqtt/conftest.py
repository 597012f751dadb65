"""A real Mosquitto on loopback, and the collector running against it."""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from collectors.mqtt import MqttConfig, build
from gateway.clock import SystemClock
from gateway.plugin import Host
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep
from tests.ports import free_port


class Mosquitto:
    """A broker with its memory on disk, that can be stopped and started."""

    def __init__(self, folder: Path, *lines: str, port: int | None = None) -> None:
        self.port = port or free_port()
        self._config = folder / "mosquitto.conf"
        settings = [
            f"listener {self.port} 127.0.0.1",
            "persistence true",
            f"persistence_location {folder}/",
            "user root",
            *(lines or ("allow_anonymous true",)),
        ]
        self._config.write_text("\n".join(settings) + "\n")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> "Mosquitto":
        self._process = subprocess.Popen(
            ["mosquitto", "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.02)
        raise AssertionError("mosquitto did not start")

    def stop(self, *, kill: bool = False) -> None:
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(5)
            self._process = None

    def publish(self, topic: str, payload: bytes | str = b"", *options: str) -> None:
        """Publish as a station would, with QoS 1 unless told otherwise."""
        data = payload.encode() if isinstance(payload, str) else payload
        command = ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-q", "1", "-t", topic, *options]
        command += ["-s"] if data else ["-n"]
        subprocess.run(command, input=data, check=True, timeout=60)

    def retained(self, topic: str) -> bytes:
        """What the broker remembers of a topic."""
        command = ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", topic, "-C", "1", "-W", "5", "-N"]
        return subprocess.run(command, capture_output=True, check=True, timeout=60).stdout


@pytest.fixture
def make_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    if shutil.which("mosquitto") is None or shutil.which("mosquitto_pub") is None:
        pytest.skip("mosquitto and mosquitto-clients are not installed")
    made: list[Mosquitto] = []

    def make(*lines: str, **more: int) -> Mosquitto:
        folder = tmp_path / f"mosquitto-{len(made)}"
        folder.mkdir()
        made.append(Mosquitto(folder, *lines, **more))
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

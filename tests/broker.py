"""A Mosquitto on loopback, in a process of its own."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Self

from tests.daemon import pinned, tool
from tests.ports import free_port

START_S, STOP_S, TOOL_S = 60.0, 5.0, 60.0
ANYBODY = "allow_anonymous true"
KEEPS_ALL = "max_queued_messages 0"
"""Whatever waits for a client that is away, or slow, is kept in memory."""


class Mosquitto:
    """A broker that can be stopped and started; a context manager, in which it runs."""

    def __init__(self, folder: Path, *lines: str, port: int | None = None, cores: Iterable[int] = ()) -> None:
        """Prepare a broker.

        Args:
            folder: where its configuration goes; made where it is not there.
            lines: of the configuration, besides where it listens; by default it takes anybody.
            port: where it listens; by default one that is free.
            cores: processor cores that it may use; none for all.
        """
        self.port = port or free_port()
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "mosquitto.conf"
        config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *(lines or (ANYBODY,))]) + "\n")
        self._words = pinned([tool("mosquitto") or "mosquitto", "-c", str(config)], cores)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop(kill=True)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        """Start it, and wait until it listens."""
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_s = time.monotonic() + START_S
        while time.monotonic() < until_s:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
                return self
            time.sleep(0.02)
        self.stop(kill=True)
        raise AssertionError("mosquitto did not start")

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, if it runs; unless killed it writes its memory to disk first, where it was told to."""
        if self._process is not None:
            self._process.kill() if kill else self._process.terminate()
            self._process.wait(STOP_S)
            self._process = None

    def publish(self, topic: str, payload: bytes | str = b"", *options: str) -> None:
        """Publish as a station would, with QoS 1 unless told otherwise."""
        data = payload.encode() if isinstance(payload, str) else payload
        words = ["-q", "1", "-t", topic, *options, "-s" if data else "-n"]
        subprocess.run(self._client("mosquitto_pub", *words), input=data, check=True, timeout=TOOL_S)

    def retained(self, topic: str) -> bytes:
        """What the broker remembers of a topic."""
        words = self._client("mosquitto_sub", "-t", topic, "-C", "1", "-W", "5", "-N")
        return subprocess.run(words, capture_output=True, check=True, timeout=TOOL_S).stdout

    def _client(self, name: str, *words: str) -> list[str]:
        return [tool(name) or name, "-h", "127.0.0.1", "-p", str(self.port), *words]

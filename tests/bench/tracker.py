"""A HubSpot that remembers, as a process of its own: ``python -m tests.bench.tracker PORT LOG``.

For each request that begins a ticket it writes a line: when it arrived (monotonic seconds, the same for all processes of a
machine), and the probe that it is about.
"""

import contextlib
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import uvicorn

from gateway.clock import SystemClock
from tests.bench.harness import cores
from tests.daemon import pinned
from tests.ports import free_port
from tests.trackers import hubspot
from tests.trackers._base import Message, Receive, Send

PROPERTIES = ("incident_id", "source", "condition", "object", "fingerprint", "occurrences", "first_seen", "last_seen")
_PROBE = re.compile(rb"probe-(\d+)")
_BEGINS = ("POST", "/tickets")
START_S = 20.0


class Watched:
    """The tracker, with an eye on what arrives; an ASGI application."""

    def __init__(self, log: Path) -> None:
        self._log = log.open("a", buffering=1)
        self._portal = hubspot.FakeHubspot(SystemClock())
        for name in PROPERTIES:
            self._portal.make_property(f"tocsin_{name}", unique=name == "incident_id")

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        at_s, said = time.monotonic(), bytearray()

        async def heard() -> Message:
            message = await receive()
            said.extend(message.get("body", b""))
            return message

        await self._portal(scope, heard, send)
        if (scope.get("method"), scope.get("path", "")[-len("/tickets") :]) == _BEGINS and (
            found := _PROBE.search(said)
        ):
            self._log.write(f"{at_s} {int(found[1])}\n")


@contextlib.contextmanager
def running(log: Path) -> Iterator[str]:
    """Its address while it runs."""
    port = free_port()
    words = [sys.executable, "-m", "tests.bench.tracker", str(port), str(log)]
    process = subprocess.Popen(pinned(words, cores()[0]), cwd=Path(__file__).parents[2])
    try:
        until_s = time.monotonic() + START_S
        while True:
            with contextlib.suppress(httpx.TransportError):
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False)
                break
            if time.monotonic() > until_s:
                raise RuntimeError("the tracker did not begin to listen")
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def begun(log: Path) -> dict[int, float]:
    """When the first request for each probe's ticket arrived."""
    found: dict[int, float] = {}
    for line in log.read_text().splitlines():
        at_s, probe = line.split()
        found.setdefault(int(probe), float(at_s))
    return found


if __name__ == "__main__":
    uvicorn.run(
        Watched(Path(sys.argv[2])), host="127.0.0.1", port=int(sys.argv[1]), http="h11", ws="none", lifespan="off",
        log_level="critical",
    )  # fmt: skip

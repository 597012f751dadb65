"""The vendors' rule books, and a referee that uses them."""

import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from tests.contract.referee import Referee, Spec

SHARED = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).parents[3] / "shared"))


@pytest.fixture(scope="session")
def spec() -> Callable[[str], Spec]:
    """``spec("hubspot-2026-09.json")``: the vendor's document; skips where the shared folder lacks it."""

    def load(name: str) -> Spec:
        file = SHARED / "vendor-specs" / name
        if not file.is_file():
            pytest.skip(f"no vendor-specs/{name} in TOCSIN_SHARED ({SHARED})")
        return Spec.load(file)

    return load


@pytest.fixture
def refereed() -> Iterator[Callable[..., Referee]]:
    """``refereed(app, spec, base_url)``: a transport onto an ASGI app; at the end no foul may have been swallowed."""
    made: list[Referee] = []

    def wrap(app: Any, spec: Spec, base_url: str, *, unlisted: Iterable[str] = (), strict: bool = True) -> Referee:
        inner = httpx.ASGITransport(app=app)
        made.append(Referee(inner, spec, base_url=base_url, unlisted=unlisted, strict=strict))
        return made[-1]

    yield wrap
    assert [foul for referee in made for foul in referee.fouls] == []


@pytest.fixture
def served() -> Iterator[Callable[[Any], str]]:
    """``served(app)``: the base URL of the app on a real loopback socket, served by a thread of its own."""
    stops: list[Callable[[], None]] = []

    def start(app: Any) -> str:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_config=None, log_level="critical")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="fake-tracker")
        thread.start()

        def stop() -> None:
            server.should_exit = server.force_exit = True
            thread.join(timeout=10)
            assert not thread.is_alive()
            listening.close()

        stops.append(stop)
        return f"http://127.0.0.1:{listening.getsockname()[1]}"

    yield start
    for stop in stops:
        stop()

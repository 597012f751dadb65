"""The vendors' rule books, and a referee that uses them."""

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

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

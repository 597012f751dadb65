"""The faces, asked for what cannot be."""

from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from gateway.config import load
from gateway.core.drops import DropLedger
from gateway.plugins import discover
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.web.site import site

LONG = "9" * 5000


@pytest.fixture
async def ask(tmp_path: Path) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the admin socket's faces, over a store with nothing in it."""
    async with open_sqlite(tmp_path) as store:
        config = load(None, plugins=discover())
        app = SimpleNamespace(
            config=config, store=store, clock=ManualClock(), webhooks={}, deliveries={}, connected={}, troubles=list,
            drops={"snmp": DropLedger()}, watch=SimpleNamespace(states={}),
        )  # fmt: skip
        transport = httpx.ASGITransport(app=site(app, admin=True))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client


@pytest.mark.parametrize(
    "number", [LONG, "9" * 19, "-1", "1.5", "", "\N{ARABIC-INDIC DIGIT ONE}", "\N{SUPERSCRIPT TWO}"]
)
async def test_a_limit_that_is_none_is_one_sentence(ask: httpx.AsyncClient, number: str) -> None:
    answer = await ask.get("/api/v1/incidents", params={"limit": number})
    assert (answer.status_code, answer.json()) == (400, {"error": "limit: a number from 1 to 1000"})


@pytest.mark.parametrize("cursor", [LONG, "x", "\N{SUPERSCRIPT TWO}"])
async def test_a_cursor_that_is_none_is_one_sentence(ask: httpx.AsyncClient, cursor: str) -> None:
    for path in ("/api/v1/outbox", "/api/v1/drops", "/api/v1/incidents", "/api/v1/tickets"):
        answer = await ask.get(path, params={"cursor": cursor})
        assert (answer.status_code, answer.json()) == (400, {"error": "cursor: take it from the answer's next"})


@pytest.mark.parametrize("number", [LONG, "9" * 19, "9" * 18, "x", "-1", "%00"])
@pytest.mark.parametrize("verb", ["requeue", "drop"])
async def test_an_operation_that_cannot_be_is_not_found(ask: httpx.AsyncClient, number: str, verb: str) -> None:
    answer = await ask.post(f"/api/v1/outbox/{number}/{verb}")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("the outbox has no ")


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz", "/style.css", "/api/v1/incidents"])
async def test_what_is_only_read_takes_no_other_method(ask: httpx.AsyncClient, path: str) -> None:
    assert (await ask.head(path)).status_code == 200
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert (await ask.request(method, path)).status_code == 405

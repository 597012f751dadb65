"""A store of each backend, and short ways to say what goes into it."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.core.decision import Decision, Entry, OperationKind, Rank, Wish
from gateway.core.impact import Impact
from gateway.core.incident import Incident, State
from gateway.core.reason import Reason
from gateway.store.sqlite import open_sqlite

NOW = 1_795_305_600_000
BACKENDS: dict[str, Callable[[Path], contextlib.AbstractAsyncContextManager[Any]]] = {"sqlite": open_sqlite}


@pytest.fixture(params=sorted(BACKENDS))
def reopen(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], contextlib.AbstractAsyncContextManager[Any]]:
    """Open the test's store; call it again after the block to see what lasted."""
    return lambda: BACKENDS[request.param](tmp_path)


@pytest.fixture
async def store(reopen: Callable[[], contextlib.AbstractAsyncContextManager[Any]]) -> AsyncIterator[Any]:
    async with reopen() as opened:
        yield opened


def incident(number: int = 1, **more: Any) -> Incident:
    given = {
        "id": f"{number:013d}", "fingerprint": f"1:link_down|r{number}|3", "condition": "link_down",
        "source": f"r{number}", "state": State.OPEN, "impact": Impact.MEDIUM, "first_seen_ms": NOW,
        "last_seen_ms": NOW, "raised_ms": NOW, "sinks": ("desk",), **more,
    }  # fmt: skip
    return Incident(**given)


def wish(kind: str = "sync", *, sink: str = "desk", rank: Rank = Rank.CREATE, **body: str) -> Wish:
    return Wish(kind=OperationKind(kind), sink=sink, rank=rank, reason=Reason.FIRST_RAISED, body=body)


def decision(what: Incident, *wishes: Wish, **more: Any) -> Decision:
    return Decision(reason=Reason.FIRST_RAISED, incident=what, wishes=wishes, **more)


def entry(text: str, at_ms: int = NOW) -> Entry:
    return Entry(at_ms=at_ms, reason=Reason.NOTED, text=text)


@pytest.fixture
def say() -> SimpleNamespace:
    return SimpleNamespace(
        now=NOW, incident=incident, wish=wish, decision=decision, entry=entry, replace=replace, open_sqlite=open_sqlite
    )


@pytest.fixture
def write(store: Any) -> Callable[..., Any]:
    """Write an incident with wishes, in a transaction of its own."""

    async def do(what: Incident, *wishes: Wish, now_ms: int = NOW, **more: Any) -> None:
        await store.run(lambda tx: tx.write(decision(what, *wishes, **more), now_ms=now_ms))

    return do


@pytest.fixture
def claim(store: Any) -> Callable[..., Any]:
    async def do(*, now_ms: int = NOW, limit: int = 100, sink: str = "desk") -> list[Any]:
        return list(await store.run(lambda tx: tx.claim(sink, now_ms=now_ms, limit=limit)))

    return do


@pytest.fixture
def outbox(store: Any) -> Callable[..., Any]:
    async def do() -> list[tuple[int, str, str]]:
        page = await store.reader.operations()
        return [(item["id"], item["kind"], item["state"]) for item in page.items]

    return do

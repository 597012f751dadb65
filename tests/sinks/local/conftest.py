"""A local sink on a fresh file, and drafts to put on it."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.impact import Impact
from gateway.core.ticket import TicketDraft, TicketState
from gateway.plugin import Host
from gateway.testing.clock import ManualClock
from gateway.testing.keep import MemoryKeep
from sinks.local.config import LocalConfig
from sinks.local.desk import Desk
from sinks.local.sink import LocalSink, build

DRAFT = TicketDraft(
    key="T01",
    title="[P2] Link down gw-7 [TOC-T01]",
    description="ifIndex 7 is down",
    impact=Impact.HIGH,
    state=TicketState.OPEN,
    fingerprint="1:abc",
    source="gw-7",
    condition="link_down",
    object="ge-0/0/1",
    labels={"site": "aarhus"},
    team="noc",
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def draft() -> Callable[..., TicketDraft]:
    return lambda **changes: replace(DRAFT, **changes)


@pytest.fixture
def make_sink(tmp_path: Path, clock: ManualClock):
    """A function that opens a sink on this test's file."""

    @asynccontextmanager
    async def make(**options) -> AsyncIterator[LocalSink]:
        host = Host(name="local", clock=clock, keep=MemoryKeep(), state_dir=tmp_path)
        async with build(LocalConfig(**options), host) as sink:
            yield sink

    return make


@pytest.fixture
async def sink(make_sink) -> AsyncIterator[LocalSink]:
    async with make_sink() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, clock: ManualClock):
    """The same file as `sink`, opened as another process (a page, the command line) opens it."""
    with Desk(tmp_path / "tickets.db", now_ms=clock.now_ms) as opened:
        yield opened

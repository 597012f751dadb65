"""A station's edge and its state on disk: whenever we die, the edge is told again or was stored, and is never missed."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import pytest

from gateway.core.event import Beat, BeatKind, Event
from gateway.core.reason import Reason
from gateway.core.station import Policy, Station
from gateway.core.terms import Terms
from gateway.plugin import Overloaded, Receipt
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.watch import Watch

KEPT = Receipt(incident="0000000000001", reason=Reason.FIRST_RAISED)


class SlowEngine:
    """Commits an event when the test says so."""

    def __init__(self) -> None:
        self.told: list[tuple[Event, asyncio.Future[Receipt]]] = []

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self.told.append((event, future))
        return future


@contextlib.asynccontextmanager
async def house(folder: Path) -> Any:
    clock, engine = ManualClock(), SlowEngine()
    async with open_sqlite(folder) as store:

        async def stored() -> list[Station]:
            return await store.run(lambda tx: tx.stations())

        def beat(fault: str) -> Beat:
            return Beat(collector="mqtt", station="s1", at_ms=clock.now_ms(), kind=BeatKind.BEAT, fault=fault)

        yield Watch(store=store, engine=engine, clock=clock, terms=Terms(policy=Policy())), engine, stored, beat


async def test_a_beat_with_an_edge_is_acknowledged_when_event_and_station_are_on_disk(tmp_path: Path) -> None:
    async with house(tmp_path) as (watch, engine, stored, beat):
        waiting = watch.heard(beat("overheated"))
        engine.told[0][1].set_result(KEPT)
        assert await waiting == KEPT
        assert [station.fault for station in await stored()] == ["overheated"]


async def test_a_station_is_not_stored_before_the_event_of_its_edge(tmp_path: Path) -> None:
    async with house(tmp_path) as (watch, engine, stored, beat):
        waiting = watch.heard(beat("overheated"))
        await watch.flush()
        assert await stored() == []
        engine.told[0][1].set_result(KEPT)
        await waiting
        watch.heard(beat("overheated"))
        await watch.flush()
        assert [station.beats for station in await stored()] == [2]


async def test_a_repeated_beat_waits_for_the_edge_that_it_rests_on(tmp_path: Path) -> None:
    async with house(tmp_path) as (watch, engine, _stored, beat):
        first = watch.heard(beat("overheated"))
        again = watch.heard(beat("overheated"))
        assert again is not None
        assert not again.done()
        engine.told[0][1].set_result(KEPT)
        assert (await first, await again) == (KEPT, KEPT)
        assert watch.heard(beat("overheated")) is None


async def test_an_edge_that_was_refused_is_an_edge_again(tmp_path: Path) -> None:
    async with house(tmp_path) as (watch, engine, stored, beat):
        waiting = watch.heard(beat("overheated"))
        engine.told[0][1].set_exception(Overloaded("the disk is full"))
        with pytest.raises(Overloaded):
            await waiting
        await watch.flush()
        assert await stored() == []
        watch.heard(beat("overheated"))
        assert len(engine.told) == 2

"""What is told is on disk before it is acknowledged, bounded, and taken up together."""

import asyncio
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from gateway.background import background
from gateway.config.inventory import InventoryConfig
from gateway.core.reason import Dropped, Reason
from gateway.core.told import EntryKind, Told
from gateway.plugin import EntryRefused, Overloaded
from gateway.store.api import StoreError
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.told import GATHER_S, ToldInventory


def station(name: str, said: dict | None) -> Told:
    return Told(kind=EntryKind.STATION, name=name, said=said, place=f"inv/{name}")


class Bench:
    """An inventory on a real store, and how often it was taken up."""

    def __init__(self, store, **limits) -> None:
        self.clock, self.taken_up, self.full = ManualClock(), [], False
        config = SimpleNamespace(profile=(), inventory=InventoryConfig(**limits))
        self.told = ToldInventory(store=store, clock=self.clock, config=lambda: config, take_up=self.take_up)

    async def take_up(self) -> None:
        if self.full:
            raise StoreError("the disk is full")
        self.taken_up.append(len(self.told))


@pytest.fixture
async def store(tmp_path):
    async with open_sqlite(tmp_path) as opened:
        yield opened


async def test_a_thousand_entries_in_a_second_are_stored_and_taken_up_once(store):
    bench = Bench(store)
    async with background(bench.told.run()):
        said = [bench.told.know(station(f"s{number}", {"site": "lyon"})) for number in range(1000)]
        receipts = [await stored for stored in said]
        assert {receipt.reason for receipt in receipts} == {Reason.NOTED}
        assert bench.taken_up == []
        await bench.clock.advance(GATHER_S)
        assert bench.taken_up == [1000]
        again = await bench.told.know(station("s7", {"site": "lyon"}))
        assert again.reason is Reason.UNCHANGED  # each reconnect brings all of them again
        await bench.clock.advance(10 * GATHER_S)
        assert bench.taken_up == [1000]
    later = Bench(store)
    await later.told.load()
    assert len(later.told) == 1000


async def test_the_last_word_on_a_name_holds_whatever_is_on_its_way(store):
    bench = Bench(store)
    words = [{"site": "a"}, {"site": "b"}, {"site": "b"}, None, None, {"site": "c"}, {"site": "a"}]
    for stored in [bench.told.know(station("s1", said)) for said in words]:
        await stored
    assert await store.run(lambda tx: tx.told()) == [("station", "s1", '{"site": "a"}')]
    await bench.told.know(station("s1", None))
    assert await store.run(lambda tx: tx.told()) == []
    assert len(bench.told) == 0


async def test_more_or_longer_entries_than_allowed_are_refused_with_the_cure(store):
    bench = Bench(store, told_max=2, told_bytes=64)
    waiting = [bench.told.know(station(name, {})) for name in ("a", "b")]
    with pytest.raises(EntryRefused, match=r"inv/c: 2 entries are known already; .*inventory\.told_max") as refused:
        bench.told.know(station("c", {}))
    assert refused.value.reason is Dropped.OVERLOAD
    for stored in waiting:
        await stored
    with pytest.raises(EntryRefused, match=r"inventory\.told_max"):
        bench.told.know(station("c", {}))
    with pytest.raises(EntryRefused, match=r"inv/a: has \d+ bytes; .*inventory\.told_bytes above 64") as refused:
        bench.told.know(station("a", {"owner": "x" * 64}))
    assert refused.value.reason is Dropped.OVERSIZED
    await bench.told.know(station("a", {"owner": "x"}))  # one that is known may change
    await bench.told.know(station("b", None))
    await bench.told.know(station("c", {}))


async def test_what_the_disk_refuses_is_not_acknowledged_and_changes_nothing(store):
    class Full:
        def submit(self, _work):
            future = asyncio.get_running_loop().create_future()
            future.set_exception(StoreError("the disk is full"))
            return future

    bench = Bench(Full())
    with pytest.raises(Overloaded, match="the disk is full"):
        await bench.told.know(station("s1", {}))
    assert len(bench.told) == 0


async def test_a_disk_that_refuses_to_take_them_up_is_said_once_and_asked_again(store):
    bench = Bench(store)
    bench.full = True
    with capture_logs() as logs:
        async with background(bench.told.run()):
            await bench.told.know(station("s1", {}))
            await bench.clock.advance(5 * GATHER_S)
            bench.full = False
            await bench.clock.advance(2 * GATHER_S)
    assert [line["event"] for line in logs] == ["inventory.not_taken_up", "inventory.taken_up"]
    assert bench.taken_up == [1]


async def test_an_entry_that_is_no_longer_understood_is_told_and_left_out(store):
    await store.run(lambda tx: tx.save_told("station", "s1", '{"colour": "red"}', at_ms=1))
    await store.run(lambda tx: tx.save_told("station", "s2", '{"profile": "gone"}', at_ms=1))
    bench = Bench(store)
    with capture_logs() as logs:
        await bench.told.load()
    assert [(line["event"], "colour" in line["why"]) for line in logs] == [("inventory.entry_refused", True)]
    assert len(bench.told) == 1

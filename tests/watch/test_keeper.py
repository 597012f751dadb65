"""No edge is ever lost: what did not reach the disk is taken back, and said again."""

import pytest

from gateway.core.heartbeat import telling
from gateway.core.match import Matcher
from gateway.core.station import Policy, Threshold
from gateway.plugin import Overloaded
from gateway.store.api import StoreError
from gateway.testing.clock import ManualClock
from tests.watch.conftest import Stuck

DOWN = "s1 station_down raise"
BACK = "s1 station_down clear"
FAULT = "s1 station_fault raise"
LOW = Threshold(name="low_battery", raises=Matcher.parse("battery < 20"), clears=Matcher.parse("battery > 25"))


async def test_a_refused_edge_is_an_edge_again_when_the_beat_is_repeated(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses = {"station_fault"}
        with pytest.raises(Overloaded):
            await bench.beat(fault="hot", sequence=7, sent_ms=bench.clock.now_ms())
        bench.engine.refuses = set()
        await bench.beat(fault="hot", sequence=7, sent_ms=bench.clock.now_ms())
        assert bench.engine.said == [FAULT]


async def test_a_refused_edge_is_told_by_the_next_beat_though_others_came_meanwhile(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses, bench.engine.holds = {"station_fault"}, True
        first = bench.beat(fault="hot")
        second = bench.beat(fault="hot")
        assert second is first  # what rests on an edge waits for it
        bench.engine.settle()
        with pytest.raises(Overloaded):
            await first
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.beat(fault="hot")
        assert bench.engine.said == [FAULT]


async def test_a_refused_threshold_is_told_by_the_next_beat_though_others_came_meanwhile(build) -> None:
    async with build(listed={"s1": (Policy(interval_s=60, thresholds=(LOW,)), "")}) as bench:
        await bench.beat(labels={"battery": "10"})
        for level, kind in (("30", "clear"), ("10", "raise")):
            bench.engine.refuses, bench.engine.holds = {"low_battery"}, True
            first = bench.beat(labels={"battery": level})
            assert bench.beat(labels={"battery": level}) is first
            bench.engine.settle()
            with pytest.raises(Overloaded):
                await first
            bench.engine.refuses, bench.engine.holds = set(), False
            await bench.beat(labels={"battery": level})
            assert bench.engine.said[-1] == f"s1 low_battery {kind}"


async def test_a_refused_end_of_silence_is_told_by_the_next_beat_though_others_came_meanwhile(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        bench.engine.refuses, bench.engine.holds = {"station_down"}, True
        bench.beat()
        back = bench.beat()
        bench.beat()
        bench.engine.settle()
        with pytest.raises(Overloaded):
            await back
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.beat()
        assert bench.engine.said == [DOWN, BACK]


async def test_a_refused_end_of_what_may_have_been_told_is_told_by_the_next_beat(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.watch._keeper.keep(telling(bench.watch._stations["s1"]))  # as the process before left it
        bench.engine.refuses, bench.engine.holds = {"station_down"}, True
        back = bench.beat()
        bench.beat()
        bench.engine.settle()
        with pytest.raises(Overloaded):
            await back
        assert bench.watch._stations["s1"].state == "up"
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.beat()
        assert bench.engine.said == [BACK]


async def test_of_two_edges_in_one_beat_none_is_forgotten(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        bench.beat()
        bench.engine.refuses = {"station_down"}  # the first of the two
        with pytest.raises(Overloaded):
            await bench.beat(fault="hot")
        bench.engine.refuses = set()
        await bench.beat(fault="hot")
        assert bench.engine.said == [DOWN, FAULT, BACK, FAULT]  # said twice, rather than never


async def test_a_disk_that_refuses_the_station_is_told_as_overload(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        real, bench.watch._keeper.edges._store = bench.watch._keeper.edges._store, Stuck(StoreError("full"))
        with pytest.raises(Overloaded, match="full"):
            await bench.beat(fault="hot")
        bench.watch._keeper.edges._store = real
        await bench.beat(fault="hot")


async def test_stations_that_could_not_be_stored_are_stored_later(build) -> None:
    async with build() as bench:
        bench.beat()
        real, bench.watch._keeper.unsaved._store = bench.watch._keeper.unsaved._store, Stuck(StoreError("full"))
        with pytest.raises(StoreError):
            await bench.watch.flush()
        bench.watch._keeper.unsaved._store = real
        await bench.watch.flush()
        assert [station.station for station in await bench.store.run(lambda tx: tx.stations())] == ["s1"]


async def test_a_threshold_is_told_once_outlasts_a_restart_and_is_told_again_if_it_was_refused(build) -> None:
    clock, terms = ManualClock(), {"s1": (Policy(interval_s=60, thresholds=(LOW,)), "")}
    async with build(clock, listed=terms) as bench:
        bench.engine.refuses = {"low_battery"}
        with pytest.raises(Overloaded):
            await bench.beat(labels={"battery": "10"})
        assert bench.watch._stations["s1"].crossed == ()
        bench.engine.refuses = set()
        await bench.beat(labels={"battery": "10"})
        for _ in range(3):
            assert bench.beat(labels={"battery": "15"}) is None  # nothing to store, nothing to wait for
        assert bench.engine.said == ["s1 low_battery raise"]
        assert bench.engine.events[0].labels["battery"] == "10"
    async with build(clock, listed=terms) as bench:
        await bench.beat(labels={"battery": "26"})
        assert bench.engine.said == ["s1 low_battery clear"]

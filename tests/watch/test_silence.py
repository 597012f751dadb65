"""Silence is told once, when the disk knows that it will be; what the disk refuses stays due."""

from dataclasses import replace

from gateway.core.station import Policy
from gateway.store.api import StoreError
from gateway.testing.clock import ManualClock
from tests.watch.conftest import HOURLY, Stuck, to_the_hour

DOWN = "s1 station_down raise"
BACK = "s1 station_down clear"


async def test_silence_is_told_once_and_two_beats_end_it(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        await bench.passes(85)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.passes(300)
        bench.beat()
        await bench.passes(5)
        assert bench.engine.said == [DOWN]
        bench.beat()
        assert bench.engine.said == [DOWN, BACK]
        event = bench.engine.events[0]
        assert (event.collector, event.labels["cause"]) == ("mqtt", "silence")


async def test_a_death_between_a_silence_that_is_told_and_its_station_forgets_no_end(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await bench.grow_up()
        await bench.watch.flush()
        bench.watch._keeper.edges._store = Stuck()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
    async with build(clock) as bench:
        bench.beat()
        assert bench.engine.said == [BACK]
        bench.beat()
        assert bench.engine.said == [BACK]


async def test_a_silence_is_not_told_before_the_disk_knows_that_it_will_be(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        real, bench.watch._silence._store = bench.watch._silence._store, Stuck(StoreError("full"))
        await bench.passes(120)
        assert bench.engine.said == []
        bench.watch._silence._store = real
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


async def test_a_refused_silence_stays_due(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses = {"station_down"}
        await bench.passes(120)
        assert bench.engine.said == []
        bench.engine.refuses = set()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


async def test_a_refused_silence_is_forgotten_when_a_beat_comes_meanwhile(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses, bench.engine.holds = {"station_down"}, True
        await bench.until(lambda: bench.engine._held, turning=1)
        bench.beat()
        bench.engine.settle()
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.passes(80)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)  # and its next silence counts


async def test_many_deadlines_that_moved_hold_up_none_that_came(build) -> None:
    async with build(
        policy=replace(Policy(), interval_s=10, grace_s=5, confirm_s=0, settle_beats=1), discover_per_min=10**6
    ) as bench:
        names = [f"n{number}" for number in range(5000)]
        for name in ("s1", *names):  # all in one slot of the wheel, of which s1 is looked at last
            bench.beat(name)
        for _ in range(2):
            await bench.passes(7)
            for name in names:
                bench.beat(name)
        await bench.passes(3)
        await bench.until(lambda: bench.engine.said)
        assert bench.engine.said == [DOWN]


async def test_stations_of_a_site_that_miss_their_time_together_are_one_outage(build) -> None:
    names = ["s1", "s2", "s3", "s4"]
    async with build(by_site={"lyon": HOURLY}) as bench:
        for name in names:
            bench.beat(name, site="lyon")
        await bench.passes(to_the_hour(bench.clock) + 290)
        await bench.until(lambda: bench.engine.said, turning=1)
        await bench.passes(20)
        assert bench.engine.said == ["lyon site_down raise"]

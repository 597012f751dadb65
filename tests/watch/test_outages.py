"""A site that falls silent is told once; who outlives it is told; no process's death and no full disk forgets an end."""

from dataclasses import replace

from gateway.core.station import DRILLED, Policy, StationState
from gateway.core.terms import Terms
from gateway.store.api import StoreError
from gateway.testing.clock import ManualClock
from gateway.watch import Watch
from tests.watch.conftest import POLICY, Stuck

NAMES = [f"s{number}" for number in range(1, 7)]
DOWN, BACK = "lyon site_down raise", "lyon site_down clear"


async def grow_up(bench, names=NAMES, site="lyon") -> None:
    for _ in range(2):
        for name in names:
            bench.beat(name, site=site)
        await bench.passes(5)


async def back_at(bench, sites) -> None:
    """The one station of each of these sites beats."""
    for site in sites:
        bench.beat(site, site=site)
    await bench.passes(10)


async def back(bench, *names) -> None:
    for _ in range(2):
        for name in names:
            bench.beat(name, site="lyon")
        await bench.passes(3)


async def test_a_site_that_falls_silent_is_one_trouble_and_its_stations_none(build) -> None:
    async with build() as bench:
        await grow_up(bench)
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.passes(120)
        assert bench.engine.said == [DOWN]
        event = bench.engine.events[0]
        assert (event.labels["stations"], event.labels["site"], event.collector) == ("6", "lyon", "mqtt")
        assert event.summary == "Site lyon is silent: 6 stations"
        assert event.description.split("\n") == ["Stations:", *NAMES]
        await back(bench, *NAMES)
        await bench.until(lambda: bench.engine.said == [DOWN, BACK], turning=1)
        assert {station.state for station in bench.watch._stations.values()} == {StationState.UP}


async def test_who_outlives_the_outage_of_its_site_is_told_when_its_time_is_over(build) -> None:
    async with build() as bench:
        await grow_up(bench)
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.passes(60)
        await back(bench, *NAMES[:4])
        await bench.until(lambda: bench.engine.said == [DOWN, BACK], turning=1)
        assert "still missing: 2 of 6 stations" in bench.engine.events[-1].summary
        for _ in range(8):
            await back(bench, *NAMES[:4])
        assert len(bench.engine.said) == 2
        for _ in range(100):
            if len(bench.engine.said) < 4:
                await back(bench, *NAMES[:4])
        assert sorted(bench.engine.said[2:]) == ["s5 station_down raise", "s6 station_down raise"]
        await back(bench, "s5")
        await bench.until(lambda: bench.engine.said[4:] == ["s5 station_down clear"])


async def test_a_station_that_dies_alone_is_told_alone(build) -> None:
    async with build() as bench:
        await grow_up(bench)
        for _ in range(20):
            await back(bench, *NAMES[1:])
        assert bench.engine.said == ["s1 station_down raise"]


async def test_the_station_that_drills_is_nobodys_neighbour(build) -> None:
    async with build(policy=replace(POLICY, interval_s=None)) as bench:

        async def drilled():
            for _ in range(3):
                bench.beat(DRILLED, interval_s=5.0, site="lyon")
                await bench.passes(1)

        await drilled()
        await bench.passes(120)  # it alone would be a fleet whose beats no longer come
        await bench.until(lambda: bench.engine.said)
        assert bench.engine.said == [f"{DRILLED} station_down raise"]
        await grow_up(bench)
        await bench.until(lambda: DOWN in bench.engine.said, turning=1)
        await drilled()
        # No outage covers it: whoever drills meanwhile must hear of it.
        await bench.until(lambda: len(bench.engine.said) > 3, turning=1)
        assert bench.engine.said == [
            f"{DRILLED} station_down raise",
            DOWN,
            f"{DRILLED} station_down clear",
            f"{DRILLED} station_down raise",
        ]


async def test_a_region_is_told_instead_of_its_sites_and_the_fleet_instead_of_its_regions(build) -> None:
    rhone = {"lyon": ["a1", "a2"], "vienne": ["b1", "b2"], "givors": ["c1"]}
    others = {f"x{number}": [f"x{number}"] for number in range(4)}
    async with build(region_of=lambda site: "rhone" if site in rhone else "") as bench:
        for site, names in {**rhone, **others}.items():
            await grow_up(bench, names, site)
        for _ in range(20):
            for site, names in others.items():
                bench.beat(names[0], site=site)
            await bench.passes(10)
        await bench.until(lambda: bench.engine.said)
        assert bench.engine.said == ["rhone region_down raise"]
        assert bench.engine.events[0].labels["stations"] == "5"
        await bench.until(lambda: len(bench.engine.said) > 1, turning=1)
        assert bench.engine.said[1:] == ["tocsin fleet_silence raise"]
        assert bench.engine.events[1].collector == "tocsin"


async def test_a_last_will_of_each_station_is_one_outage(build) -> None:
    async with build() as bench:
        await grow_up(bench)
        for name in NAMES:
            bench.beat(name, kind="birth", site="lyon")
        await bench.passes(1)
        for name in NAMES:
            bench.beat(name, kind="will", site="lyon")
        await bench.passes(28)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.passes(60)
        assert bench.engine.said == [DOWN]


async def test_who_was_told_and_not_stored_before_the_outage_of_its_site_is_cleared_after_it(build) -> None:
    async with build() as bench:
        await grow_up(bench)
        real, bench.watch._keeper.edges._store = bench.watch._keeper.edges._store, Stuck(StoreError("full"))
        while not bench.engine.said:
            await back(bench, *NAMES[1:])
        assert set(bench.engine.said) == {"s1 station_down raise"}
        await bench.until(lambda: bench.engine.said[-1] == DOWN, turning=1)
        await bench.until(lambda: bench.watch._stations["s1"].covered, turning=1)
        bench.watch._keeper.edges._store = real
        bench.engine.events.clear()
        await back(bench, *NAMES)
        await bench.until(lambda: len(bench.engine.said) > 1, turning=1)
        assert sorted(bench.engine.said) == [BACK, "s1 station_down clear"]


async def test_whose_site_moves_to_another_region_during_its_outage_is_told(build) -> None:
    regions = dict.fromkeys(("lyon", "vienne", "givors"), "rhone")
    async with build(region_of=lambda site: regions.get(site, "rest")) as bench:
        for site in (*regions, "x1", "x2", "x3", "x4"):
            await grow_up(bench, [site], site)
        keeps = ["x1", "x2", "x3", "x4"]
        for _ in range(20):
            await back_at(bench, keeps)
        assert bench.engine.said == ["rhone region_down raise"]
        bench.watch.reset(Terms(policy=POLICY, region_of=lambda _site: "rest"))
        for _ in range(20):
            await back_at(bench, keeps)
        assert sorted(bench.engine.said[1:]) == sorted(
            ["rhone region_down clear", *(f"{site} station_down raise" for site in regions)]
        )


async def test_a_restart_remembers_the_outage_and_tells_its_end(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await grow_up(bench)
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.passes(60)
        await bench.watch.flush()
    async with build(clock) as bench:
        await bench.passes(300)
        assert bench.engine.said == []
        await back(bench, *NAMES)
        await bench.until(lambda: bench.engine.said == [BACK], turning=1)


async def test_an_outage_that_the_disk_refuses_is_told_when_it_can(build) -> None:
    async with build() as bench:
        await grow_up(bench)
        bench.engine.refuses = {"site_down"}
        await bench.passes(130)
        assert bench.engine.said == []
        bench.engine.refuses = set()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        bench.engine.refuses = {"site_down"}
        await back(bench, *NAMES)
        await bench.passes(5)
        assert bench.engine.said == [DOWN]
        bench.engine.refuses = set()
        await bench.until(lambda: bench.engine.said == [DOWN, BACK], turning=1)


async def test_a_beginning_that_may_not_have_been_told_is_told_again_by_the_next_process(build) -> None:
    """The process dies after it stored that it will tell, and before it stored that it did."""
    clock = ManualClock()
    async with build(clock) as bench:
        await grow_up(bench)
        await bench.watch.flush()
        bench.engine.holds = True
        await bench.until(lambda: bench.engine._held, turning=1)
    async with build(clock) as bench:
        await bench.until(lambda: bench.engine.said[:1] == [DOWN], turning=1)
        await back(bench, *NAMES)
        await bench.until(lambda: bench.engine.said[-1] == BACK, turning=1)


async def test_new_terms_hold_from_the_next_beat_on(build) -> None:
    async with build(listed={"s9": (Policy(must_appear_s=1000), "lyon")}) as bench:
        await grow_up(bench)
        watch: Watch = bench.watch
        watch.reset(
            Terms(
                policy=Policy(interval_s=10, grace_s=5, confirm_s=0),
                listed={"s8": (Policy(must_appear_s=20), "lyon")},
            )
        )
        assert "s9" not in watch._stations
        await bench.passes(25)
        await bench.until(lambda: bench.engine.said == ["s8 station_down raise"])
        for name in NAMES:
            bench.beat(name, site="lyon")
        await bench.until(lambda: bench.engine.said[1:] == [DOWN], turning=1)

"""Who is under watch: after a restart, by the list, by a reload, or heard for the first time."""

import pytest

from gateway.core.reason import Dropped
from gateway.core.station import Policy, StationState
from gateway.core.terms import Terms
from gateway.testing.clock import ManualClock
from tests.watch.conftest import AWAITED, HOURLY, POLICY, to_the_hour

DOWN = "s1 station_down raise"
BACK = "s1 station_down clear"


async def test_a_restart_gives_everybody_their_whole_time_and_writes_nothing(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await bench.grow_up("s1", "s2")
        await bench.passes(60)
        await bench.watch.flush()
    async with build(clock) as bench:
        assert not any(bench.watch._keeper.unsaved._changed)
        await bench.passes(85)
        assert bench.engine.said == []
        await bench.until(lambda: len(bench.engine.said) == 2, turning=1)
        assert {event.collector for event in bench.engine.events} == {"mqtt"}  # rules may match on it


async def test_who_was_down_before_a_restart_comes_back_after_it(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await bench.grow_up()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.watch.flush()
    async with build(clock) as bench:
        await bench.passes(500)
        assert bench.engine.said == []
        bench.beat()
        bench.beat()
        assert bench.engine.said == [BACK]


async def test_who_is_listed_and_never_appears_is_down(build) -> None:
    terms = {"s1": (Policy(must_appear_s=120), "lyon")}
    async with build(listed=terms) as bench:
        await bench.passes(118)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        assert bench.engine.events[0].labels["cause"] == "never_appeared"


async def test_too_many_stations_are_counted_and_not_kept(build) -> None:
    counted = []
    async with build(
        most_stations=1, listed={"listed": (POLICY, "")}, count=lambda collector, why: counted.append((collector, why))
    ) as bench:
        assert bench.beat("s2") is None
        bench.beat("listed")  # there is always room for who is listed, as everybody is who pings over HTTP
        assert counted == [("mqtt", Dropped.OVERLOAD), ("mqtt", None)]


async def test_a_reload_lets_in_no_more_unlisted_stations_than_the_minute_allows(build) -> None:
    async with build(discover_per_min=2) as bench:
        for number in range(10):
            bench.beat(f"n{number}")
            bench.watch.reset(Terms(policy=POLICY, discover_per_min=2))
        assert len(bench.watch._stations) == 2
        bench.watch.reset(Terms(policy=POLICY, discover_per_min=3))
        for number in range(10, 20):
            bench.beat(f"n{number}")
        assert len(bench.watch._stations) == 5


async def test_a_reload_gives_a_schedule_at_once_and_takes_it_away(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.watch.reset(Terms(policy=HOURLY))
        await bench.passes(200)
        assert bench.engine.said == []
        bench.watch.reset(Terms(policy=Policy(interval_s=60, grace_s=30)))
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_is_expected_no_longer_is_missing_no_longer(build, restarts: bool) -> None:
    clock, told = ManualClock(), ["backup event_missing raise"]
    async with build(clock, listed=AWAITED) as bench:
        await bench.clock.advance(to_the_hour(bench.clock) + 3600)
        await bench.until(lambda: bench.engine.said == told, turning=30)
        await bench.watch.flush()
        if not restarts:
            bench.watch.reset(Terms(policy=Policy()))
            assert bench.engine.said == [*told, "backup event_missing clear"]
            assert {state: count for state, count in bench.watch.states.items() if count} == {StationState.RETIRED: 1}
            bench.watch.reset(Terms(policy=Policy(), listed=AWAITED))
            await bench.clock.advance(to_the_hour(bench.clock) + 3600)
            await bench.until(lambda: len(bench.engine.said) == 3, turning=30)  # expected anew
            return
    async with build(clock) as bench:
        assert bench.engine.said == ["backup event_missing clear"]

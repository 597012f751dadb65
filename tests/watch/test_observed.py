"""What we did not hear costs nobody."""

from gateway.testing.clock import ManualClock
from tests.watch.conftest import HOUR_MS, HOURLY, to_the_hour

DOWN = "s1 station_down raise"
BACK = "s1 station_down clear"


async def test_while_we_are_deaf_the_clock_stands_still(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.watch.connected("mqtt", False)
        await bench.passes(1000)
        assert bench.engine.said == []
        bench.watch.connected("mqtt", True)
        await bench.passes(80)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


async def test_a_time_of_a_schedule_outlasts_a_restart_and_is_kept_by_the_wall_clock(build) -> None:
    clock = ManualClock()
    async with build(clock, listed={"s1": (HOURLY, "")}) as bench:
        bench.beat()
        await bench.watch.flush()
    due_s = to_the_hour(clock)
    async with build(clock, listed={"s1": (HOURLY, "")}) as bench:
        bench.watch.connected("mqtt", up=False)  # deaf before it is due: that shifts nothing
        await bench.passes(100)
        bench.watch.connected("mqtt", up=True)
        await bench.passes(due_s + 300 - 100)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        assert bench.clock.now_ms() % HOUR_MS <= 390_000
        bench.beat()
        assert bench.engine.said == [DOWN, BACK]


async def test_what_was_due_while_we_were_deaf_is_held_against_nobody(build) -> None:
    async with build(listed={"s1": (HOURLY, "")}) as bench:
        bench.beat()
        await bench.passes(to_the_hour(bench.clock) - 10)
        bench.watch.connected("mqtt", up=False)
        await bench.passes(90)
        bench.watch.connected("mqtt", up=True)
        await bench.passes(1800)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=60)

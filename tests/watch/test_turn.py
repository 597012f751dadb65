"""However many stations there are to look at, nobody else waits for long."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from itertools import pairwise

from gateway.core.station import StationState
from gateway.watch.silence import FALL_LOOKS
from gateway.watch.turn import LOOKS_MOST, Turn


async def steps(work: Awaitable[object], done_so_far: Callable[[], int]) -> list[int]:
    """How much ``work`` does in each turn of the loop in which it does something."""
    seen = [done_so_far()]

    async def count() -> None:
        while True:
            seen.append(done_so_far())
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as tasks:
        counting = tasks.create_task(count())
        await work
        counting.cancel()
    return [after - before for before, after in pairwise([*seen, done_so_far()]) if after != before]


async def test_a_work_of_many_looks_takes_many_turns() -> None:
    turn, looked = Turn(), 0

    def looking() -> Generator[int, None, str]:
        nonlocal looked
        for _ in range(300):
            looked += 15
            yield 15
        return "done"

    async def work() -> None:
        assert await turn.through(looking()) == "done"

    await turn.took(LOOKS_MOST // 2)  # others share it
    first, *others = await steps(work(), lambda: looked)
    assert first < LOOKS_MOST // 2 + 15
    assert max(others) < LOOKS_MOST + 15
    assert first + sum(others) == 300 * 15


async def test_stations_that_are_due_together_are_looked_at_in_several_turns(build) -> None:
    many = 3 * LOOKS_MOST
    async with build(discover_per_min=many) as bench:
        bench.watch.connected("mqtt", True, proven=True)
        for _ in range(2):
            for number in range(many):
                bench.beat(f"s{number}", sequence=bench.clock.now_ms())
            await bench.passes(5)

        def late() -> int:
            return bench.watch.states[StationState.LATE]

        taken = await steps(bench.until(lambda: late() == many, turning=5), late)
        assert max(taken) <= LOOKS_MOST

        def down() -> int:
            return bench.watch.states[StationState.DOWN]

        taken = await steps(bench.until(lambda: down() == many, turning=5), down)
        assert max(taken) <= LOOKS_MOST / FALL_LOOKS
        assert bench.engine.said == ["tocsin fleet_silence raise"]

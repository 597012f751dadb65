"""Beyond its budget a source's new troubles become one storm incident, on the engine's own way to the disk."""

import asyncio

from gateway.core.storm import CALM_MS
from gateway.engine import EngineLimits

LIMITS = EngineLimits(lazy_s=0.01, source_new_per_min=5)


async def storms(bench):
    return [one for one in await bench.incidents() if one["condition"] == "source_storm"]


async def test_a_flood_of_new_troubles_is_a_few_incidents_and_one_storm(build, say) -> None:
    async with build(limits=LIMITS) as bench:
        for number in range(200):
            assert bench.offer(object=str(number))
        await bench.emit("r2")

        async def counted():
            found = await storms(bench)
            return found and found[0]["occurrences"] == 195

        await say.eventually(counted, what="195 occurrences of the storm")
        assert len(await bench.incidents()) == 5 + 1 + 1


async def test_what_is_known_is_still_repeated_and_cleared(build, say) -> None:
    async with build(limits=LIMITS) as bench:
        for number in range(20):
            await bench.emit(object=str(number))
        again = await bench.emit(object="0")
        assert again.incident not in {one["id"] for one in await storms(bench)}
        await bench.emit("r1", "clear", object="0")
        await bench.sees(object="0", state="resolved")


async def test_a_disk_that_refuses_spends_no_budget(build, say) -> None:
    async with build(limits=LIMITS) as bench:
        bench.store.refuses = True
        for number in range(5):
            bench.offer(object=str(number))
        for _ in range(4):
            await asyncio.sleep(0.02)
            await bench.clock.advance(1)
        bench.store.refuses = False
        await bench.clock.advance(1)

        async def all_there():
            return len(await bench.incidents()) == 5

        await say.eventually(all_there, what="five incidents")
        assert await storms(bench) == []


async def test_a_storm_ends_by_itself(build, say) -> None:
    async with build(limits=LIMITS) as bench:
        for number in range(7):
            await bench.emit(object=str(number))
        assert [one["state"] for one in await storms(bench)] == ["open"]
        await bench.clock.advance(CALM_MS / 1000 + 1)
        await bench.sees(condition="source_storm", state="resolved")


async def test_who_waits_is_served_before_a_storm_that_nobody_waits_for(build, say) -> None:
    async with build(limits=EngineLimits(lazy_s=600, batch_max=100), runs=False) as bench:
        for number in range(1000):
            bench.offer(f"r{number}")
        waits = bench.emit("inform")
        behind = bench.emit("r999")
        batch = bench.engine._pending.take(100)
        assert [run.event.source for run in batch[:2]] == ["inform", "r999"]
        assert len(batch) == 10, "few others beside them"
        bench.engine._pending.give_back(batch)
        assert len(bench.engine._pending) == 1000, "who waited is told to repeat; what was offered stays"
        assert len(bench.engine._pending.take(100)) == 100
        del waits, behind


async def test_what_still_waits_after_a_part_was_taken_stays_urgent(build, say) -> None:
    async with build(limits=EngineLimits(lazy_s=600, batch_max=80), runs=False) as bench:
        for _ in range(30):
            bench.offer("flaps")
            bench.offer("flaps", "clear")
        bench.emit("flaps")
        for number in range(200):
            bench.offer(f"r{number}")
        seen = 0
        while bench.engine._pending.waiting:
            seen += 1
            batch = bench.engine._pending.take(80)
            assert len(batch) <= 10
        assert 1 < seen < 70

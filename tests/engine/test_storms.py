"""Beyond a cap new troubles are counted in one greater incident, on the engine's own way to the disk."""

import asyncio
import contextlib
from typing import Any

import pytest

from gateway.core.gather import Caps, Gatherings
from gateway.core.inhibit import Inhibitions
from gateway.engine import EngineLimits
from gateway.engine.around import no_plan


@pytest.fixture
def capped(build):
    """An engine with these caps."""

    @contextlib.asynccontextmanager
    async def make(*, per_source: int = 0, overall: int = 1000, **more: Any):
        caps = Caps(source_new_per_min=per_source, open_max=overall)
        async with build(limits=EngineLimits(lazy_s=0.01), runs=False, **more) as bench:
            await bench.engine.mute_by(no_plan, Inhibitions(), Gatherings(caps=caps))
            async with asyncio.TaskGroup() as tasks:
                serving = tasks.create_task(bench.engine.run())
                yield bench
                serving.cancel()

    return make


async def greater(bench, condition="source_storm"):
    return [one for one in await bench.incidents() if one["condition"] == condition]


async def told(bench, condition: str) -> str:
    """What the ticket says of what belongs to it."""
    (one,) = await greater(bench, condition)
    return (await bench.store.run(lambda tx: tx.family(one["id"]))).told


async def test_a_flood_of_new_troubles_is_a_few_incidents_and_one_storm(capped, say) -> None:
    async with capped(per_source=5) as bench:
        for number in range(200):
            assert bench.offer(object=str(number))
        await bench.emit("r2")

        async def counted():
            found = await greater(bench)
            return found and found[0]["occurrences"] == 195

        await say.eventually(counted, what="195 occurrences of the storm")
        assert len(await bench.incidents()) == 5 + 1 + 1
        assert "Held back, without incidents of their own: 195\nBy source: r1 195" in await told(bench, "source_storm")


async def test_what_is_known_is_still_repeated_and_cleared(capped, say) -> None:
    async with capped(per_source=5) as bench:
        for number in range(20):
            await bench.emit(object=str(number))
        again = await bench.emit(object="0")
        assert again.incident not in {one["id"] for one in await greater(bench)}
        await bench.emit("r1", "clear", object="0")
        await bench.sees(object="0", state="resolved")


async def test_a_disk_that_refuses_spends_no_budget(capped, say) -> None:
    async with capped(per_source=5) as bench:
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
        assert await greater(bench) == []


async def test_a_storm_ends_by_itself_and_the_next_minute_has_room(capped, say) -> None:
    async with capped(per_source=5) as bench:
        for number in range(7):
            await bench.emit(object=str(number))
        assert [one["state"] for one in await greater(bench)] == ["open"]
        await bench.clock.advance(121)
        await bench.sees(condition="source_storm", state="resolved")
        await bench.emit(object="6")
        await bench.sees(object="6", state="open")


async def test_a_cap_over_all_sources_holds_against_forged_ones(capped, say) -> None:
    """Each forger's troubles are few; all of them together are not."""
    async with capped(overall=10) as bench:
        for number in range(300):
            bench.offer(f"forged{number}", object="x")
        receipt = await bench.emit("r1")
        one = await bench.sees(condition="overflow", impact="high", occurrences=291)
        assert receipt.incident == one["id"], "what is acknowledged has a place where it is counted"
        assert receipt.reason == "held_back"
        assert len(await bench.incidents()) == 10 + 1
        words = await told(bench, "overflow")
        assert words.startswith("Held back, without incidents of their own: 291\nBy source: forged")
        assert words.endswith("others 271")


async def test_sources_that_find_no_room_are_not_remembered_one_by_one(capped, say) -> None:
    async with capped(per_source=600, overall=10) as bench:
        for number in range(300):
            bench.offer(f"forged{number}")
        await bench.sees(condition="overflow", occurrences=290)
        (tallies,) = await bench.store.run(lambda tx: tx._db.execute("SELECT count(*) FROM tally").fetchone())
        assert tallies == 10


async def test_mails_and_what_the_daemon_says_of_itself_pass_a_full_cap(capped, say) -> None:
    async with capped(overall=3) as bench:
        for number in range(5):
            await bench.emit(f"r{number}")
        await bench.emit("ann@x", condition="mail", object="1", known_as=("mid:<1>",))
        await bench.emit("me", condition="blind", collector="tocsin")
        await bench.sees(condition="mail", state="open")
        await bench.sees(condition="blind", state="open")


async def test_the_overflow_lasts_while_there_is_no_room_and_calm_ends_it(build) -> None:
    async with build(runs=False) as bench:

        async def say(kind: str, *numbers: int) -> None:
            for number in numbers:
                bench.offer(f"r{number}", kind)
            await bench.engine.drain()

        async def state_after(minutes: int) -> str:
            for _ in range(minutes):
                await bench.clock.advance(61)
                await bench.engine._releases.look()
                await bench.engine._timers._act()
            return (await greater(bench, "overflow"))[0]["state"]

        await bench.engine.mute_by(no_plan, Inhibitions(), Gatherings(caps=Caps(open_max=10)))
        await say("raise", *range(12))
        assert await state_after(minutes=5) == "open"
        await say("clear", *range(10))
        assert await state_after(minutes=3) == "resolved"
        await say("raise", 11)
        await bench.sees(source="r11", state="open")


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

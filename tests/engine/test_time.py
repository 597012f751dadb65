"""Deadlines act when they are due, never after an event that came later, and never twice."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.core.reason import Reason
from gateway.engine.timers import DUE_BATCH

MINUTE = 60_000


async def _passes(bench, say, seconds: float, **facts) -> dict:
    """Let time pass, in steps that give the writer's thread its turn."""
    await bench.clock.advance(seconds)

    async def look():
        await bench.clock.advance(0)
        found = [one for one in await bench.incidents() if all(one[key] == want for key, want in facts.items())]
        return found[0] if found else None

    return await say.eventually(look, str(facts))


async def test_a_hold_ends_when_it_is_due(build, say) -> None:
    async with build(hold_ms=MINUTE) as bench:
        await bench.emit()
        await bench.clock.advance(59)
        await asyncio.sleep(0.02)
        assert (await bench.incident())["state"] == "pending"
        woken = bench.woken[0]
        await _passes(bench, say, 1, state="open")

        async def told() -> bool:
            return bench.woken[0] > woken

        await say.eventually(told, "that delivery is woken")


async def test_a_life_runs_through_all_its_deadlines(build, say) -> None:
    async with build(hold_ms=MINUTE, clear_hold_ms=MINUTE, reopen_within_ms=MINUTE) as bench:
        await bench.emit()
        await _passes(bench, say, 61, state="open")
        await bench.emit(kind="clear")
        await _passes(bench, say, 61, state="resolved")
        await _passes(bench, say, 61, state="closed")


async def test_the_store_is_asked_for_the_next_deadline_only_when_a_sooner_one_was_written(build, say) -> None:
    async with build(clear_hold_ms=5_000) as bench:
        await bench.emit()
        await asyncio.sleep(0.05)
        works = bench.store.works
        await bench.emit("another")
        await asyncio.sleep(0.05)
        assert bench.store.works == works + 1
        await bench.emit(kind="clear")
        await _passes(bench, say, 5, source="r1", state="resolved")


async def test_a_late_ticker_lets_no_event_overtake_a_deadline(build) -> None:
    async with build(runs=False, clear_hold_ms=MINUTE, reopen_within_ms=MINUTE) as bench:

        async def say(kind: str):
            future = bench.emit(kind=kind)
            await bench.engine.drain()
            return await future

        first = await say("raise")
        await say("clear")
        await bench.clock.advance(61)  # resolved, had anybody looked: no raise within the clear hold
        assert (await say("raise")).reason is Reason.REOPENED
        await say("clear")
        await bench.clock.advance(61)
        assert (await say("clear")).reason is Reason.UNMATCHED_CLEAR
        await bench.clock.advance(61)
        again = await say("raise")
        assert (again.reason, again.incident != first.incident) == (Reason.RAISED_AGAIN, True)
        states = {one["id"]: (one["state"], one["previous"]) for one in await bench.incidents()}
        assert states == {first.incident: ("closed", ""), again.incident: ("open", first.incident)}


async def test_a_deadline_that_an_event_brought_up_wakes_delivery(build) -> None:
    async with build(runs=False, hold_ms=MINUTE) as bench:
        bench.emit()
        await bench.engine.drain()
        await bench.clock.advance(61)
        assert bench.woken == [0]
        repeated = bench.emit()
        await bench.engine.drain()
        assert (await repeated).reason is Reason.REPEATED
        assert (await bench.incident())["state"] == "open"
        assert bench.woken == [1]  # its ticket was wished by the deadline, not by the event


async def test_deadlines_that_came_while_nobody_ran_act_at_the_start(build, say) -> None:
    async with build(hold_ms=MINUTE) as bench:
        await bench.emit()
    async with build(hold_ms=MINUTE) as bench:
        await bench.sees(state="pending")
    async with build(hold_ms=MINUTE, runs=False) as bench:
        await bench.clock.advance(3600)
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(bench.engine.run())
            await bench.sees(state="open")
            serving.cancel()


async def test_more_deadlines_than_a_batch_holds_all_act(build, say) -> None:
    async with build(hold_ms=MINUTE) as bench:
        for number in range(DUE_BATCH + 10):
            bench.offer(f"r{number}")
        await bench.engine.drain()
        await bench.clock.advance(61)

        async def all_open() -> bool:
            await bench.clock.advance(0)
            return (await bench.reader.counts())["incidents"] == {"open": DUE_BATCH + 10}

        await say.eventually(all_open)


async def test_a_deadline_that_the_core_cannot_bear_holds_up_no_other(build, say) -> None:
    async with build(hold_ms=MINUTE) as bench:
        await bench.emit("bad")
        await bench.emit("good")
        await bench.store.run(
            lambda tx: tx._db.execute(
                "UPDATE incident SET body = json_set(body, '$.sinks', json('[1]')) WHERE source = 'bad'"
            )
        )
        await bench.store.run(lambda tx: tx._db.execute("UPDATE incident SET body = json_remove(body, '$.hold_ms')"))
        await bench.store.run(
            lambda tx: tx._db.execute(
                "UPDATE incident SET body = json_set(body, '$.hold_ms', 'x') WHERE source = 'bad'"
            )
        )
        with capture_logs() as logs:
            await _passes(bench, say, 61, source="good", state="open")
            await say.eventually(lambda: any(entry["event"] == "deadline.postponed" for entry in logs))
        assert (await bench.sees(source="bad"))["due_ms"] > bench.clock.now_ms() + MINUTE


async def test_a_deadline_without_a_meaning_does_not_come_up_for_ever(build, say) -> None:
    async with build() as bench:
        await bench.emit()
        await bench.store.run(lambda tx: tx._db.execute("UPDATE incident SET due_ms = 5"))
        bench.engine._timers.retime()

        async def right() -> bool:
            return (await bench.sees(source="r1"))["due_ms"] is None

        await say.eventually(right)
        works = bench.store.works
        await asyncio.sleep(0.05)
        assert bench.store.works - works < 3  # and nobody turns in circles


async def test_a_refusing_disk_delays_deadlines_and_loses_none(build, say) -> None:
    async with build(hold_ms=MINUTE) as bench:
        await bench.emit()
        bench.store.refuses = True
        with capture_logs() as logs:
            for _ in range(65):
                await bench.clock.advance(1)
                await asyncio.sleep(0.001)
            await say.eventually(lambda: not bench.engine.health.good)
            for _ in range(5):
                await bench.clock.advance(1)
                await asyncio.sleep(0.005)
            bench.store.refuses = False

            async def turned() -> bool:
                await bench.clock.advance(1)
                return (await bench.incident())["state"] == "open"

            await say.eventually(turned)
            await say.eventually(lambda: bench.engine.health.good)
        assert [entry["event"] for entry in logs] == ["store.refused", "store.recovered"]


async def test_a_step_of_the_wall_clock_fires_no_timer_early_and_loses_none(build, say) -> None:
    step = [0]
    async with build(hold_ms=MINUTE, jump=lambda: step[0]) as bench:
        follow = bench.engine._follow_clock

        def followed(by_ms: int) -> None:
            follow(by_ms)
            step[0] -= by_ms

        bench.engine._follow_clock = followed
        for day in (86_400_000, -86_400_000):
            source = f"r{day}"
            await bench.emit(source)
            await bench.clock.advance(30)
            began = (await bench.sees(source=source))["first_seen_ms"]
            step[0] = day
            await bench.clock.advance(1)

            async def moved(source=source, began=began, day=day) -> bool:
                await bench.clock.advance(0)
                bench.engine._timers.retime()
                return (await bench.sees(source=source))["first_seen_ms"] == began + day

            await say.eventually(moved)
            assert (await bench.sees(source=source))["state"] == "pending"
            await _passes(bench, say, 30, source=source, state="open")


@pytest.mark.parametrize("suspected", [False, True])
async def test_what_waits_for_a_commit_follows_the_clock_too(build, suspected: bool) -> None:
    async with build(runs=False) as bench:
        bench.offer()
        if suspected:  # its batch failed, and its parts are tried one by one
            bench.engine._commits.suspects.append(bench.engine._pending.take(10))
        at_ms = bench.clock.now_ms()
        bench.engine._move_clock(-86_400_000)
        await bench.engine.drain()
        assert (await bench.incident())["last_seen_ms"] == at_ms - 86_400_000
        bench.offer(kind="clear")
        await bench.engine.drain()
        assert (await bench.incident())["state"] == "resolved"


async def test_decisions_of_deadlines_are_counted(build, say) -> None:
    def decided() -> float:
        return REGISTRY.get_sample_value("tocsin_decisions_total", {"reason": "hold_ended"}) or 0.0

    before = decided()
    async with build(hold_ms=MINUTE) as bench:
        await bench.emit()
        await _passes(bench, say, 61, state="open")

        async def counted() -> bool:
            return decided() == before + 1

        await say.eventually(counted, "that it is counted")

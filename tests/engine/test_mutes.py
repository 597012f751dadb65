"""Greater incidents mute lesser ones and let them go, on a real store, across restarts."""

import asyncio
import itertools
import threading
from dataclasses import replace
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.core.decision import Verb
from gateway.core.gather import Caps, Gatherings, Group, Rate, Scope
from gateway.core.inhibit import Inhibition, Inhibitions
from gateway.core.inventory import Inventory, Known
from gateway.core.match import Matcher
from gateway.core.mute import KEPT_MS, Planned, Window
from gateway.core.reason import Muted
from gateway.engine.around import no_plan
from gateway.engine.beginnings import BITE, Beginnings
from gateway.store.api import Retention, StoreError

DAY_MS = 86_400_000
FOLDERS = itertools.count()
POWER = Inhibition(
    name="power", source=(Matcher.parse("condition = power_down"),), target=(Matcher.parse("condition = link_down"),),
    equal=("site",),
)  # fmt: skip
INVENTORY = Inventory(
    {
        "s1": Known(depends_on=("lyon",)),
        "lyon": Known(depends_on=("uplink",)),
        "uplink": Known(),
        "a": Known(depends_on=("b",)),
        "b": Known(depends_on=("a",)),
    }
)
BOOK = Inhibitions((POWER,), frozenset({"down"}), INVENTORY)


async def prepared(bench):
    await bench.engine.mute_by(no_plan, BOOK)
    return bench


async def raised(bench, source: str, condition: str, **labels: str):
    receipt = await bench.emit(source, condition=condition, labels=labels)
    return next(one for one in await bench.incidents() if one["id"] == receipt.incident)


async def test_a_greater_incident_mutes_lesser_ones_where_labels_are_equal(build) -> None:
    async with build() as bench:
        await prepared(bench)
        await raised(bench, "ups", "power_down", site="lyon")
        assert (await raised(bench, "r1", "link_down", site="lyon"))["muted"] == ["inhibited"]
        assert (await raised(bench, "r2", "link_down", site="nice"))["muted"] == []
        assert (await raised(bench, "r3", "fan", site="lyon"))["muted"] == []
        syncs = [one for one in (await bench.reader.operations()).items if one["kind"] == "sync"]
        assert len(syncs) == 3


async def test_when_it_ends_survivors_open_their_tickets(build) -> None:
    async with build() as bench:
        await prepared(bench)
        await raised(bench, "ups", "power_down", site="lyon")
        muted = await raised(bench, "r1", "link_down", site="lyon")
        cleared = await raised(bench, "r2", "link_down", site="lyon")
        await bench.emit("r2", "clear", condition="link_down")
        await bench.emit("ups", "clear", condition="power_down")
        await bench.clock.advance(2)
        await bench.sees(id=muted["id"], state="open", muted=[])
        syncs = {
            one["incident"] for one in (await bench.reader.operations()).items if one["rank"] in ("create", "reopen")
        }
        assert muted["id"] in syncs
        assert cleared["id"] not in syncs


async def test_a_chain_of_what_rests_on_what(build) -> None:
    async with build() as bench:
        await prepared(bench)
        await raised(bench, "uplink", "down")
        assert (await raised(bench, "lyon", "down"))["muted"] == ["inhibited"]
        assert (await raised(bench, "s1", "no_beat"))["muted"] == ["inhibited"]
        await bench.emit("uplink", "clear", condition="down")
        await bench.clock.advance(2)
        await bench.sees(source="lyon", muted=[])
        await bench.sees(source="s1", muted=["inhibited"])


async def test_of_two_that_rest_on_each_other_one_is_told(build) -> None:
    async with build() as bench:
        await prepared(bench)
        await raised(bench, "a", "down")
        assert (await raised(bench, "b", "down"))["muted"] == ["inhibited"]
        await bench.emit("a", "clear", condition="down")
        await bench.emit("a", condition="down")
        await bench.clock.advance(2)
        told = [one["source"] for one in await bench.incidents() if one["muted"] == []]
        assert len(told) >= 1


async def test_what_was_muted_before_a_restart_is_muted_after_it_and_released(build) -> None:
    folder = f"state{next(FOLDERS)}"
    async with build(folder=folder) as bench:
        await prepared(bench)
        await raised(bench, "ups", "power_down", site="lyon")
        await raised(bench, "r1", "link_down", site="lyon")
        clock = bench.clock
    async with build(folder=folder, clock=clock) as bench:
        await prepared(bench)
        assert (await raised(bench, "r2", "link_down", site="lyon"))["muted"] == ["inhibited"]
        await bench.emit("ups", "clear", condition="power_down")
        await bench.clock.advance(2)
        await bench.sees(source="r1", muted=[])
        await bench.sees(source="r2", muted=[])


async def test_rules_that_a_reload_brings_look_at_what_is_open_already(build) -> None:
    async with build() as bench:
        await raised(bench, "ups", "power_down", site="lyon")
        await prepared(bench)
        muted = await raised(bench, "r1", "link_down", site="lyon")
        assert muted["muted"] == ["inhibited"]
        await bench.engine.mute_by(no_plan, Inhibitions())
        await bench.clock.advance(2)
        await bench.sees(id=muted["id"], muted=[])


async def test_what_is_written_right_behind_new_rules_is_found_by_them(build) -> None:
    """Both are in one commit: the loop hears of neither before the other is written."""
    async with build() as bench:
        loop, writes, may_go_on = asyncio.get_running_loop(), asyncio.Event(), threading.Event()

        def hold(_tx):
            loop.call_soon_threadsafe(writes.set)
            may_go_on.wait(10)

        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.store.run(hold))
            await writes.wait()
            works = bench.store.works
            tasks.create_task(prepared(bench))
            await asyncio.sleep(0)
            greater = bench.emit("ups", condition="power_down", labels={"site": "lyon"})
            while bench.store.works < works + 2:
                await asyncio.sleep(0)
            may_go_on.set()
        await greater
        assert (await raised(bench, "r1", "link_down", site="lyon"))["muted"] == ["inhibited"]


async def test_rules_that_the_disk_refuses_are_not_taken(build) -> None:
    async with build(runs=False) as bench:
        before = bench.engine.plan, bench.engine.inhibitions, bench.engine.gatherings

        async def fails_to_commit(work):
            await bench.store.run(work)
            raise StoreError("full")

        bench.engine._store = SimpleNamespace(run=fails_to_commit)
        with pytest.raises(StoreError):
            await prepared(bench)
        assert (bench.engine.plan, bench.engine.inhibitions, bench.engine.gatherings) == before


async def test_a_planned_window_that_a_person_ended_mutes_no_more_however_long_it_is_planned(build) -> None:
    async with build(runs=False) as bench:
        from_ms = bench.clock.now_ms()
        planned = Window(
            id="work@1", kind=Muted.MAINTENANCE, match=(), from_ms=from_ms, until_ms=from_ms + 20 * DAY_MS, planned=True
        )
        await bench.engine.mute_by(lambda _now_ms: [Planned.of(planned)], Inhibitions())
        await bench.clock.advance(60)
        ended = replace(planned, until_ms=bench.clock.now_ms())
        for window in (ended, replace(ended, id="mine", planned=False)):
            await bench.engine.save_window(window)
        await bench.clock.advance(5 * DAY_MS / 1000)
        keep = Retention(windows_after_ms=bench.clock.now_ms() - KEPT_MS)
        assert await bench.store.run(lambda tx: tx.prune(keep, limit=10)) == 1
        assert [one.window for one in await bench.engine.windows()] == [ended]
        bench.offer()
        await bench.engine.drain()
        assert (await bench.incident())["muted"] == []
        keep = Retention(windows_after_ms=from_ms + 31 * DAY_MS + 1)
        assert await bench.store.run(lambda tx: tx.prune(keep, limit=10)) == 1


async def test_survivors_are_released_at_a_bounded_rate_the_gravest_first(build, say) -> None:
    async with build(limits=say.Limits(lazy_s=0.01, release_per_min=3)) as bench:
        now_ms = bench.clock.now_ms()
        window = Window(id="w", kind=Muted.SILENCE, match=(), from_ms=now_ms, until_ms=now_ms + 30_000)
        await bench.engine.save_window(window)
        for number in range(8):
            await bench.emit(f"r{number}", severity="critical" if number in (5, 7) else "")
        await bench.clock.advance(35)

        async def released() -> list[str]:
            return sorted(one["source"] for one in await bench.incidents() if one["muted"] == [])

        await say.eventually(released)
        assert await released() == ["r0", "r5", "r7"]
        for number in (6, 8):

            async def so_many(number=number) -> bool:
                await bench.clock.advance(5)
                return len(await released()) == number

            await say.eventually(so_many, f"{number} released")


def _maintenance(bench, *, after_s: int, lasts_s: int) -> Window:
    from_ms = bench.clock.now_ms() + after_s * 1000
    return Window(
        id="w", kind=Muted.MAINTENANCE, match=("source = r1",), from_ms=from_ms, until_ms=from_ms + lasts_s * 1000
    )


async def test_a_window_mutes_what_is_open_when_it_begins(build) -> None:
    async with build(runs=False) as bench:
        await bench.engine.save_window(_maintenance(bench, after_s=20, lasts_s=600))
        bench.offer("r1")
        bench.offer("r2")
        await bench.engine.drain()
        told = []
        for wait_s in (10, 10, 599, 1):
            await bench.clock.advance(wait_s)
            next_s = await bench.engine._releases.look()
            told.append((next_s, {one["source"]: one["muted"] for one in await bench.incidents()}))
        on, off = {"r1": ["maintenance"], "r2": []}, {"r1": [], "r2": []}
        assert told == [(10, off), (30, on), (1, on), (30, off)]


async def test_a_window_that_begins_while_nobody_runs_is_found_and_what_a_person_lifted_stays_lifted(build) -> None:
    folder = f"state{next(FOLDERS)}"
    async with build(folder=folder) as bench:
        await bench.engine.save_window(_maintenance(bench, after_s=60, lasts_s=6000))
        receipt = await bench.emit("r1")
        clock = bench.clock
    await clock.advance(100)
    for restart in range(2):
        async with build(runs=False, folder=folder, clock=clock) as bench:
            await bench.engine._releases.look()
            assert (await bench.incident())["muted"] == ([] if restart else ["maintenance"])
            await bench.engine.command(receipt.incident, Verb.UNMUTE, actor="ann")


async def test_a_window_that_mutes_more_than_a_bite_mutes_all_of_it(build) -> None:
    async with build(runs=False) as bench:
        await bench.engine.save_window(
            Window(
                id="w",
                kind=Muted.SILENCE,
                match=(),
                from_ms=bench.clock.now_ms() + 9000,
                until_ms=bench.clock.now_ms() + 60_000,
            )
        )
        for number in range(2 * BITE):
            bench.offer(f"r{number}")
        await bench.engine.drain()
        await bench.clock.advance(10)
        await bench.engine._releases.look()
        found = await bench.store.run(lambda tx: tx.muted(after=(0, ""), limit=1000))
        assert len(found) == 2 * BITE


def _silence(bench, name: str, *match: str, after_s: int) -> Window:
    from_ms = bench.clock.now_ms() + after_s * 1000
    return Window(id=name, kind=Muted.SILENCE, match=match, from_ms=from_ms, until_ms=from_ms + 600_000)


async def test_a_window_that_begins_between_two_bites_of_another_mutes_all_of_its_own(build) -> None:
    async with build(runs=False) as bench:
        await bench.engine.save_window(_silence(bench, "one", "source = r1", after_s=1))
        await bench.engine.save_window(_silence(bench, "two", "source = r0", after_s=2))
        for number in range(BITE + 1):
            bench.offer(f"r{number}")
        await bench.engine.drain()
        releases, beginnings = bench.engine._releases, Beginnings()
        while beginnings.more:
            await bench.clock.advance(1)
            await releases._each(beginnings.some, beginnings.mute)
        await releases.look()
        found = await bench.store.run(lambda tx: tx.muted(after=(0, ""), limit=10))
        assert {one.source for one in found} == {"r0", "r1"}


async def test_one_that_cannot_be_muted_lets_no_window_begin_again(build, monkeypatch) -> None:
    def mute(self, tx, incident, around, now_ms, *, as_ever=Beginnings.mute):
        if incident.source == "r1":
            raise RuntimeError("a bug of the core")
        return as_ever(self, tx, incident, around, now_ms)

    monkeypatch.setattr(Beginnings, "mute", mute)
    async with build(runs=False) as bench:
        await bench.engine.save_window(_silence(bench, "one", after_s=1))
        bench.offer("r0")
        bench.offer("r1")
        await bench.engine.drain()
        await bench.clock.advance(1)
        with capture_logs():
            await bench.engine._releases.look()
        one = await bench.sees(source="r0", muted=["silence"])
        await bench.engine.command(one["id"], Verb.UNMUTE, actor="ann")
        await bench.engine._releases.look()
        await bench.sees(source="r0", muted=[])


async def test_a_plan_that_cannot_be_asked_is_asked_at_the_next_look(build) -> None:
    def broken(_now_ms: int):
        raise OverflowError("a recurrence without end")

    async with build(runs=False) as bench:
        bench.engine.plan = broken
        with capture_logs():
            async with asyncio.timeout(60):
                assert await bench.engine._releases.look() == 30


STEPS = st.lists(
    st.tuples(
        st.sampled_from([("ups", "power_down"), ("r1", "link_down"), ("a", "down"), ("b", "down"), ("s1", "no_beat"), ("lyon", "down")]),
        st.sampled_from(["raise", "raise", "clear"]),
        st.booleans(),
    ),
    max_size=12,
)  # fmt: skip


GATHERED = Gatherings(
    groups=(Group(name="site", matchers=(Matcher.parse("condition != power_down"),), by=("site",), more_than=3, within_ms=9000, until=1),),
    rates={Scope.SOURCE: Rate(1, 1), Scope.ALL: Rate(4, 2)},
    caps=Caps(source_new_per_min=2, open_max=5),
)  # fmt: skip


def _windows(now_ms: int) -> tuple[Window, ...]:
    return (
        Window(id="s", kind=Muted.SILENCE, match=("source = b",), from_ms=now_ms, until_ms=now_ms + 14_000),
        Window(
            id="m", kind=Muted.MAINTENANCE, match=("source = r1",), from_ms=now_ms + 10_000, until_ms=now_ms + 20_000
        ),
    )


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, hold=st.sampled_from([0, 5000]))
async def test_mutes_commute_with_restarts(build, steps, hold: int) -> None:
    """With or without restarts between, the same is muted, and in the end the same tickets are wished for.

    Inhibitions, what rests on what, a group, storms, a cap, a silence from the start and a maintenance that begins later.
    """
    seen = []
    for restarts in (False, True):
        folder, clock, told = f"state{next(FOLDERS)}", None, []
        parts = [*([one] for one in steps), []] if restarts else [steps]
        for number, part in enumerate(parts):
            async with build(runs=False, folder=folder, clock=clock, hold_ms=hold) as bench:
                if clock is None:
                    for window in _windows(bench.clock.now_ms()):
                        await bench.engine.save_window(window)
                clock = bench.clock
                await bench.engine.mute_by(no_plan, BOOK, GATHERED)
                for (source, condition), kind, wait in part:
                    bench.offer(source, kind, condition=condition, labels={"site": "lyon"})
                    await bench.engine.drain()
                    if wait:
                        await bench.clock.advance(6)
                        await bench.engine._timers._act()
                        await bench.engine._releases.look()
                    told.append(sorted((one["source"], one["state"], *one["muted"]) for one in await bench.incidents()))
                if number == len(parts) - 1:
                    await bench.clock.advance(6)
                    await bench.engine._timers._act()
                    await bench.engine._releases.look()
                    told.append(sorted((one["source"], one["state"], *one["muted"]) for one in await bench.incidents()))
                    syncs = [one for one in (await bench.reader.operations()).items if one["kind"] == "sync"]
                    told.append(sorted(one["rank"] for one in syncs))
        seen.append(told)
    assert seen[0] == seen[1]


@pytest.mark.parametrize("refuses", [True, False])
async def test_what_the_disk_refused_mutes_nothing(build, refuses: bool) -> None:
    async with build(runs=False) as bench:
        await prepared(bench)
        bench.store.refuses = refuses
        bench.offer("ups", condition="power_down", labels={"site": "lyon"})
        await bench.engine._commits.commit_one()
        bench.store.refuses = False
        bench.engine._pending.take(10)
        bench.engine.health.good = True
        bench.offer("r1", condition="link_down", labels={"site": "lyon"})
        await bench.engine.drain()
        (one,) = [one for one in await bench.incidents() if one["source"] == "r1"]
        assert one["muted"] == ([] if refuses else ["inhibited"])

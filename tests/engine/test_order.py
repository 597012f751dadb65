"""A raise that comes behind its clear: in the store, over restarts, in the books, and in whatever order things come."""

import itertools
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway import metrics
from gateway.core.event import Reference
from gateway.core.match import Matcher
from gateway.core.overtaken import Clear
from gateway.core.reason import Reason

FOLDERS = itertools.count()
SECOND = 1000


async def _told(bench: Any, kind: str, ago_ms: int = 0, **more: Any) -> Any:
    future = bench.emit(kind=kind, at_ms=bench.clock.now_ms() - ago_ms, **more)
    await bench.engine.drain()
    return await future


async def test_a_raise_that_comes_behind_its_clear_is_kept_and_opens_no_ticket(build) -> None:
    async with build(runs=False) as bench:
        counted, kept = metrics.DECISIONS.labels(Reason.OVERTAKEN), metrics.INPUTS_KEPT.labels("snmp")
        before = counted._value.get(), kept._value.get()
        assert (await _told(bench, "clear", 1000)).reason is Reason.UNMATCHED_CLEAR
        overtaken = await _told(bench, "raise", 2000)
        assert (counted._value.get(), kept._value.get()) == (before[0] + 1, before[1] + 2)
        (one,) = await bench.incidents()
        assert (one["id"], one["state"], one["occurrences"]) == (overtaken.incident, "closed", 1)
        assert (await bench.reader.operations()).items == []
        timeline = (await bench.reader.incident(one["id"]))["timeline"]
        assert [entry["reason"] for entry in timeline] == ["overtaken", "overtaken"]
        true = await _told(bench, "raise")
        assert (true.reason, true.incident != one["id"]) == (Reason.RAISED_AGAIN, True)
        assert (await _told(bench, "raise", 2000)).reason is Reason.REPEATED


async def test_what_was_cleared_is_remembered_over_a_restart_and_a_step_of_the_clock(build) -> None:
    async with build(runs=False) as bench:
        await _told(bench, "clear", 1000, source="r1")
        await _told(bench, "clear", 1000, source="r2")
        await bench.store.run(lambda tx: tx.shift_deadlines(3_600_000))
        clock = bench.clock
    clock.follow(3_600_000)
    async with build(runs=False, clock=clock) as bench:
        assert (await _told(bench, "raise", 2000, source="r1")).reason is Reason.OVERTAKEN
        await bench.clock.advance(11)  # `engine.overtake_ms` is over
        assert (await _told(bench, "raise", 13_000, source="r2")).reason is Reason.FIRST_RAISED


async def test_what_was_no_clear_of_it_has_overtaken_nothing(build, say) -> None:
    quiet = say.Rule(name="quiet", matchers=(Matcher.parse("severity = minor"),), drop=True)
    async with build(quiet, runs=False) as bench:
        for ago_ms in (3000, 1000):  # the same: it was sent again
            bench.emit("r1", "clear", identity="1", at_ms=bench.clock.now_ms() - ago_ms)
        await _told(bench, "clear", 1000, source="r2", severity="minor")
        await _told(bench, "raise", 5000, source="mail", known_as=("mid:1",))
        await _told(bench, "clear", 1000, source="r3", references=(Reference(key="mid:1"),))  # of another trouble
        for source in ("r1", "r2", "r3"):
            assert (await _told(bench, "raise", 2000, source=source)).reason is Reason.FIRST_RAISED, source
    async with build(runs=False, limits=say.Limits(overtake_ms=0), folder="never") as bench:
        await _told(bench, "clear", 1000)
        assert (await _told(bench, "raise", 2000)).reason is Reason.FIRST_RAISED
        assert await bench.store.run(lambda tx: tx._db.execute("SELECT count(*) FROM cleared").fetchone()[0]) == 0


arrivals = st.lists(
    st.tuples(st.sampled_from(["r1", "r2"]), st.sampled_from(["raise", "clear"]), st.integers(0, 9)),
    min_size=1,
    max_size=10,
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(arrivals=arrivals, commits=st.sets(st.integers(0, 9)), restarts=st.integers(0, 9), held=st.booleans())
@example(arrivals=[("r1", "clear", 1), ("r1", "raise", 2)], commits=set(), restarts=0, held=False)
async def test_in_whatever_order_events_come_the_end_is_the_same(
    build, arrivals, commits: set[int], restarts: int, held: bool
) -> None:
    """Over commits and a restart; ``arrivals`` say how many seconds ago something happened."""
    folder = f"order{next(FOLDERS)}"
    holds = {"hold_ms": 60_000, "clear_hold_ms": 60_000} if held else {}
    clock = None
    for part in (range(restarts), range(restarts, len(arrivals))):
        async with build(runs=False, folder=folder, clock=clock, **holds) as bench:
            for number in part:
                if number < len(arrivals):
                    source, kind, ago_s = arrivals[number]
                    assert bench.offer(source, kind, at_ms=bench.clock.now_ms() - ago_s * SECOND)
                if number in commits:
                    await bench.engine.drain()
            await bench.engine.drain()
            clock, incidents = bench.clock, await bench.incidents()
    raised = {one["source"] for one in incidents if one["state"] in ("pending", "open")}
    last = {source: kind for source, kind, _ in sorted(arrivals, key=lambda one: -one[2])}
    assert raised == {source for source, kind in last.items() if kind == "raise"}
    assert sum(one["occurrences"] for one in incidents) == sum(kind == "raise" for _, kind, _ in arrivals)


async def test_the_store_keeps_the_newest_clear_and_forgets_the_old_ones(build) -> None:
    def clear(at_ms: int, heard_ms: int) -> Clear:
        return Clear(at_ms=at_ms, heard_ms=heard_ms, collector="snmp")

    async with build(runs=False) as bench:

        async def keep(mark: str, one: Clear, *, since_ms: int = 0) -> None:
            await bench.store.run(lambda tx: tx.keep_clears({mark: one}, since_ms=since_ms))

        async def kept(*marks: str, since_ms: int = 0) -> dict[str, Clear]:
            return await bench.store.run(lambda tx: tx.clears(marks, since_ms=since_ms))

        await keep("a", clear(5, 10))
        await keep("a", clear(4, 11))
        assert await kept("a", "b\udc80") == {"a": clear(5, 10)}
        assert await kept("a", since_ms=11) == {}
        await keep("a", clear(5, 12))
        await keep("b\udc80", clear(3, 12))
        assert await kept("a", "b\udc80") == {"a": clear(5, 12), "b\udc80": clear(3, 12)}
        await keep("a", clear(2, 20), since_ms=13)  # that of old is worth nothing any more
        assert await kept("a") == {"a": clear(2, 20)}
        many = {str(number): clear(1, 30) for number in range(200)}
        await bench.store.run(lambda tx: tx.keep_clears(many, since_ms=25))
        left = await bench.store.run(lambda tx: tx._db.execute("SELECT count(*) FROM cleared").fetchone()[0])
        assert left == len(many)

"""Sweeps last: one for each ticket, in order, gone with their incident, moved with the clock."""

from dataclasses import replace

import pytest

from gateway.core.decision import Decision
from gateway.core.impact import Impact
from gateway.core.incident import Incident, State
from gateway.core.pace import Breaker
from gateway.core.reason import Failed, Reason
from gateway.core.sweep import Sweep, looked, planned
from gateway.core.ticket import Ticket, TicketRef
from gateway.plugin import Retry
from gateway.store.api import Retention
from gateway.store.sqlite import open_sqlite
from gateway.sweep import SinkSweeper
from gateway.testing.clock import ManualClock

NOW_MS = 1_795_305_600_000
LATE_MS = 2**60


def incident(number: int, state: State = State.OPEN) -> Decision:
    made = Incident(
        id=f"I{number}", fingerprint=f"1:{number}", condition="c", source="s", state=state, impact=Impact.LOW,
        first_seen_ms=1, last_seen_ms=1, raised_ms=1, closed_ms=2 if state is State.CLOSED else None,
    )  # fmt: skip
    return Decision(reason=Reason.FIRST_RAISED, incident=made)


def sweep(number: int, *, sink: str = "desk", now_ms: int = NOW_MS) -> Sweep:
    return planned(incident=f"I{number}", sink=sink, key=f"I{number}", since_ms=NOW_MS - 1, now_ms=now_ms)


@pytest.fixture
async def store(tmp_path):
    async with open_sqlite(tmp_path) as opened:
        for number in range(3):
            await opened.run(lambda tx, number=number: tx.write(incident(number), now_ms=1))
        yield opened


async def due(store, *, sink: str = "desk", now_ms: int = LATE_MS, limit: int = 10) -> list[Sweep]:
    return await store.run(lambda tx: tx.due_sweeps(sink, now_ms=now_ms, limit=limit))


async def test_a_ticket_has_one_sweep_however_often_it_was_in_doubt(store) -> None:
    await store.run(lambda tx: tx.plan_sweep(sweep(0)))
    await store.run(lambda tx: tx.plan_sweep(sweep(0, now_ms=NOW_MS + 60_000)))
    assert await due(store) == [sweep(0)]


async def test_the_most_overdue_come_first_each_at_its_time_and_sink(store) -> None:
    for one in (sweep(1, now_ms=NOW_MS + 5), sweep(0), sweep(2, sink="other")):
        await store.run(lambda tx, one=one: tx.plan_sweep(one))
    assert await due(store) == [sweep(0), sweep(1, now_ms=NOW_MS + 5)]
    assert await due(store, limit=1) == [sweep(0)]
    assert await due(store, now_ms=sweep(0).next_ms - 1) == []
    assert await due(store, sink="other") == [sweep(2, sink="other")]


async def test_a_look_is_written_down_and_the_last_one_ends_it(store) -> None:
    await store.run(lambda tx: tx.plan_sweep(sweep(0)))
    after = looked(sweep(0), now_ms=NOW_MS + 900_000)
    await store.run(lambda tx: tx.settle_sweep(sweep(0), after))
    assert await due(store) == [after]
    await store.run(lambda tx: tx.settle_sweep(after, None))
    assert await due(store) == []


async def test_a_step_of_the_clock_moves_them(store) -> None:
    await store.run(lambda tx: tx.plan_sweep(sweep(0)))
    await store.run(lambda tx: tx.shift_deadlines(86_400_000))
    (moved,) = await due(store)
    assert moved == replace(sweep(0), next_ms=sweep(0).next_ms + 86_400_000, doubt_ms=NOW_MS + 86_400_000)


async def test_a_forgotten_incident_takes_its_sweep_along(store) -> None:
    await store.run(lambda tx: tx.plan_sweep(sweep(0)))
    await store.run(lambda tx: tx.write(incident(0, State.CLOSED), now_ms=1))
    await store.run(lambda tx: tx.prune(Retention(closed_after_ms=NOW_MS), limit=10))
    assert await due(store) == []


async def test_a_tracker_that_takes_no_more_calls_is_not_searched_meanwhile(store) -> None:
    clock, searched = ManualClock(NOW_MS + 86_400_000), []

    class Busy:
        async def find_all(self, key: str, *, since_ms: int) -> list[TicketRef]:
            searched.append(key)
            raise Retry("too fast", reason=Failed.RATE_LIMITED, after_s=100)

    for number in (0, 1):
        ticket = Ticket(incident=f"I{number}", sink="desk", ref=TicketRef(id=f"T{number}"))
        await store.run(lambda tx, ticket=ticket: tx.save_ticket(ticket))
        await store.run(lambda tx, number=number: tx.plan_sweep(sweep(number)))
    sweeper = SinkSweeper("desk", Busy(), store=store, clock=clock, breaker=Breaker(), wake=lambda: None)
    for passed_s, asked in ((0, ["I0"]), (99, ["I0"]), (1, ["I0", "I1"])):
        await clock.advance(passed_s)
        await sweeper.turn()
        assert searched == asked

"""What is seen of tickets, and what operators command."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.core.decision import Verb
from gateway.core.ticket import Observation, Ticket, TicketRef, TicketState
from gateway.engine.meaning import READ_LAG_MS
from gateway.store.api import StoreError


async def _ticketed(bench, source: str, ref: str, *, written_ms: int = 0) -> Ticket:
    """An incident whose ticket was made."""
    incident = (await bench.emit(source)).incident
    await bench.store.run(lambda tx: tx._db.execute("DELETE FROM operation"))
    ticket = Ticket(
        incident=incident, sink="desk", ref=TicketRef(id=ref, name=f"T-{ref}"), state=TicketState.OPEN,
        written_ms=written_ms,
    )  # fmt: skip
    await bench.store.run(lambda tx: tx.save_ticket(ticket))
    return ticket


async def _see(bench, ticket: Ticket, *, since_ms: int = READ_LAG_MS + 1, **seen) -> None:
    observation = Observation(**{"ref": ticket.ref, **seen})
    await bench.engine.observe("desk", [(ticket, observation)], since_ms=since_ms)


async def test_a_ticket_closed_by_a_person_mutes_its_incident(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        await _see(bench, ticket, state=TicketState.CLOSED)
        await bench.sees(source="r1", muted=["human_closed"])


async def test_what_was_asked_before_or_right_after_our_own_write_says_nothing(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7", written_ms=50)
        for since_ms in (49, 50, 50 + READ_LAG_MS):
            await _see(bench, ticket, since_ms=since_ms, state=TicketState.CLOSED)
        assert (await bench.incident())["muted"] == []
        await _see(bench, ticket, since_ms=51 + READ_LAG_MS, state=TicketState.CLOSED)
        assert (await bench.incident())["muted"] == ["human_closed"]


async def test_a_ticket_that_we_are_about_to_change_is_not_judged(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        await bench.emit("r1", severity="critical")  # wishes for another priority
        await _see(bench, ticket, state=TicketState.CLOSED)
        assert (await bench.incident())["muted"] == []


async def test_an_answer_about_a_ticket_that_is_no_longer_ours_says_nothing(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "8")
        before = replace(ticket, ref=TicketRef(id="7", name="T-7"))
        await _see(bench, before, exists=False)
        await _see(bench, before, state=TicketState.CLOSED)
        assert (await bench.incident())["muted"] == []
        assert (await bench.store.run(lambda tx: tx.ticket(ticket.incident, "desk"))).ref == ticket.ref


async def test_a_moved_ticket_is_followed(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        await _see(bench, ticket, ref=TicketRef(id="9", name="NEW-9"), asked="7")
        assert (await bench.store.run(lambda tx: tx.ticket(ticket.incident, "desk"))).ref.id == "9"


async def test_a_ticket_merged_into_that_of_another_incident_is_closed_and_neither_is_lost(build) -> None:
    async with build() as bench:
        first, second = await _ticketed(bench, "r1", "7"), await _ticketed(bench, "r2", "8")
        await _see(bench, second, ref=first.ref, asked="8")
        await bench.sees(source="r2", muted=["human_closed"])
        assert (await bench.sees(source="r1"))["muted"] == []
        for ticket in (first, second):
            kept = await bench.store.run(lambda tx, ticket=ticket: tx.ticket(ticket.incident, "desk"))
            assert kept.ref == ticket.ref


async def test_an_observation_that_the_core_cannot_bear_spoils_no_other(build) -> None:
    async with build() as bench:
        bad, good = await _ticketed(bench, "r1", "7"), await _ticketed(bench, "r2", "8")
        seen = [
            (bad, Observation(ref=bad.ref, state="nonsense")),
            (good, Observation(ref=good.ref, state=TicketState.CLOSED)),
        ]
        with capture_logs() as logs:
            await bench.engine.observe("desk", seen, since_ms=READ_LAG_MS + 1)
        await bench.sees(source="r2", muted=["human_closed"])
        assert [entry["event"] for entry in logs] == ["observation.skipped"]


async def test_a_refusing_disk_is_told_to_who_looked(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        bench.store.refuses = True
        with pytest.raises(StoreError):
            await _see(bench, ticket, state=TicketState.CLOSED)
        bench.store.refuses = False


async def test_an_operator_closes_an_incident_and_its_ticket_is_to_follow(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        woken = bench.woken[0]
        closed = await bench.engine.command(ticket.incident, Verb.CLOSE, actor="ann")
        assert (closed.state, bench.woken[0]) == ("closed", woken + 1)
        assert [one["rank"] for one in (await bench.reader.operations()).items] == ["close"]
        assert await bench.engine.command("nobody", Verb.CLOSE, actor="ann") is None


async def test_a_ticket_reopened_after_its_incident_was_closed_opens_it_again(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        await bench.engine.command(ticket.incident, Verb.CLOSE, actor="ann")
        await _written_as(bench, ticket, TicketState.CLOSED)
        await _see(bench, ticket, state=TicketState.OPEN)
        again = await bench.sees(source="r1", state="open")
        assert again["id"] == ticket.incident


async def test_a_reopened_ticket_leaves_the_incident_closed_that_another_came_after(build) -> None:
    async with build() as bench:
        ticket = await _ticketed(bench, "r1", "7")
        await bench.engine.command(ticket.incident, Verb.CLOSE, actor="ann")
        await _written_as(bench, ticket, TicketState.CLOSED)
        await bench.emit("r1")
        await _see(bench, ticket, state=TicketState.OPEN)
        states = {item["id"]: item["state"] for item in await bench.incidents()}
        assert states.pop(ticket.incident) == "closed"
        assert list(states.values()) == ["open"]


async def _written_as(bench, ticket: Ticket, state: TicketState) -> None:
    """Our wish is fulfilled: the ticket is as it should be."""
    await bench.store.run(lambda tx: tx._db.execute("DELETE FROM operation"))
    await bench.store.run(lambda tx: tx.save_ticket(replace(ticket, state=state)))

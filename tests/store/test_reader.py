"""The contract of every store: pages for people, counts for metrics."""

import pytest

from gateway.core.incident import State
from gateway.core.operation import OperationState
from gateway.core.station import Station
from gateway.core.ticket import Ticket, TicketRef


async def _walk(read, limit: int) -> list:
    items, cursor = [], ""
    while True:
        page = await read(cursor=cursor, limit=limit)
        assert len(page.items) <= limit
        items += page.items
        if page.next is None:
            return items
        cursor = page.next


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_show_everything_once_in_order(store, write, say, limit: int) -> None:
    for number in range(1, 8):
        told = say.incident(number)
        tickets = [Ticket(incident=told.id, sink=sink, ref=TicketRef(id=f"{sink}{number}")) for sink in ("a", "b")]
        await write(told, say.wish(), tickets=tuple(tickets))
        await store.run(lambda tx, n=number: tx.save_stations([Station(station=f"s/{n}")]))
        await store.run(lambda tx, n=number: tx.count_unknown(f"1.{n}", count=1, at_ms=1, sample=""))
    reader = store.reader
    assert [int(item["id"]) for item in await _walk(reader.incidents, limit)] == [7, 6, 5, 4, 3, 2, 1]
    assert [item["id"] for item in await _walk(reader.operations, limit)] == [1, 2, 3, 4, 5, 6, 7]
    assert [item["station"] for item in await _walk(reader.stations, limit)] == [f"s/{n}" for n in range(1, 8)]
    assert [item["condition"] for item in await _walk(reader.unknown, limit)] == [f"1.{n}" for n in range(1, 8)]
    expected = [f"{sink}{number}" for number in range(7, 0, -1) for sink in ("a", "b")]
    assert [item["ref"] for item in await _walk(reader.tickets, limit)] == expected


async def test_a_cursor_holds_while_rows_come_and_go(store, write, say) -> None:
    for number in (10, 20, 30, 40):
        await write(say.incident(number))
    page = await store.reader.incidents(limit=2)
    assert [int(item["id"]) for item in page.items] == [40, 30]
    await write(say.incident(50))
    await write(say.incident(25))
    await store.run(lambda tx: tx._db.execute("DELETE FROM incident WHERE id = ?", (say.incident(30).id,)))
    page = await store.reader.incidents(cursor=page.next, limit=9)
    assert [int(item["id"]) for item in page.items] == [25, 20, 10]


async def test_lists_are_narrowed_by_state_and_source(store, write, say) -> None:
    await write(say.incident(1))
    await write(say.incident(2, state=State.CLOSED, closed_ms=say.now), say.wish())
    closed = await store.reader.incidents(states=[State.CLOSED])
    assert [int(item["id"]) for item in closed.items] == [2]
    assert [int(item["id"]) for item in (await store.reader.incidents(source="r1")).items] == [1]
    assert (await store.reader.incidents(states=[State.CLOSED], source="r1")).items == []
    assert (await store.reader.operations(states=[OperationState.DEAD])).items == []


@pytest.mark.parametrize("limit", [0, -1, 10**30])
async def test_a_silly_limit_is_brought_into_bounds(store, write, say, limit: int) -> None:
    for number in (1, 2):
        await write(say.incident(number))
    page = await store.reader.incidents(limit=limit)
    assert len(page.items) == (1 if limit <= 0 else 2)


async def test_a_cursor_of_nobodys_making_finds_nothing(store) -> None:
    assert (await store.reader.operations(cursor="9" * 30)).items == []
    assert (await store.reader.tickets(cursor="///")).items == []
    assert await store.reader.incident("nobody") is None


async def test_counts_are_what_is_there(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish())
    await write(say.incident(2, state=State.RESOLVED))
    await write(say.incident(3, state=State.CLOSED, closed_ms=1), say.wish())
    await claim(limit=1)
    await store.run(lambda tx: tx.save_stations([Station(station="s1")]))
    await store.run(lambda tx: tx.quarantine(b"x", reason="malformed", source="", at_ms=1))
    assert await store.reader.counts() == {
        "incidents": {"open": 1, "resolved": 1},
        "impacts": {"3": 1},
        "muted": {},
        "operations": {"desk/inflight": 1, "desk/pending": 1},
        "quarantine": {"malformed": 1},
    }


async def test_reading_sees_what_is_committed_at_once(store, write, say) -> None:
    assert (await store.reader.incidents()).items == []
    for number in range(1, 20):
        await write(say.incident(number))
        assert len((await store.reader.incidents()).items) == number

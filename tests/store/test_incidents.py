"""The contract of every store: incidents, threads, tickets, stations, retention."""

import itertools
import json
import sqlite3
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.decision import OperationKind, Rank
from gateway.core.event import Attachment, Reference
from gateway.core.impact import Impact
from gateway.core.incident import Incident, State
from gateway.core.operation import Operation, OperationState
from gateway.core.reason import Muted, Reason
from gateway.core.station import IntervalFrom, Station, StationState
from gateway.core.ticket import Ticket, TicketField, TicketRef, TicketState
from gateway.store import rows
from gateway.store.api import Retention, StoreError

NUMBERS = itertools.count(1)
INSTANT = st.integers(0, 2**53)
MAYBE = st.none() | INSTANT
WORDS = st.text(max_size=20)
IDS = st.text("0123456789ABCDEFGHJKMNPQRSTVWXYZ", min_size=13, max_size=13)
incidents = st.builds(
    Incident,
    id=IDS, fingerprint=WORDS, condition=WORDS, source=WORDS, state=st.sampled_from(State),
    impact=st.sampled_from(Impact), first_seen_ms=INSTANT, last_seen_ms=INSTANT, raised_ms=INSTANT, object=WORDS,
    severity=WORDS, summary=WORDS, description=WORDS, labels=st.dictionaries(WORDS, WORDS, max_size=3), rule=WORDS,
    runbook=WORDS, team=WORDS, sinks=st.lists(WORDS, max_size=3).map(tuple), requester=WORDS, occurrences=INSTANT,
    opened_ms=MAYBE, cleared_ms=MAYBE, resolved_ms=MAYBE, closed_ms=MAYBE, hold_ms=INSTANT, clear_hold_ms=INSTANT,
    clear_after_ms=INSTANT, reopen_within_ms=INSTANT, counted=INSTANT, counted_from_ms=MAYBE, lapses_ms=MAYBE,
    impact_after=st.lists(st.tuples(INSTANT, st.sampled_from(Impact)), max_size=3).map(tuple),
    impact_owned=st.booleans(), needs_person=st.booleans(), muted=st.frozensets(st.sampled_from(Muted)),
    previous=IDS, version=INSTANT, due_ms=MAYBE,
)  # fmt: skip
tickets = st.builds(
    Ticket,
    incident=IDS, sink=WORDS, generation=st.integers(1, 9), state=st.none() | st.sampled_from(TicketState),
    ref=st.none() | st.builds(TicketRef, id=WORDS, url=WORDS, name=WORDS), impact=st.none() | st.sampled_from(Impact),
    owned=st.frozensets(st.sampled_from(TicketField)), written_ms=INSTANT,
)  # fmt: skip
stations = st.builds(
    Station,
    station=WORDS, site=WORDS, collector=WORDS, state=st.sampled_from(StationState), interval_s=st.floats(0, 1e6),
    interval_from=st.sampled_from(IntervalFrom), grace_s=st.floats(0, 1e6), seen_ms=INSTANT, beats=INSTANT,
    misses=INSTANT, back=INSTANT, down_since_ms=INSTANT, fault=WORDS, born=st.booleans(), will=st.booleans(),
    sequence=MAYBE, sent_ms=MAYBE, doubted=st.none() | st.tuples(INSTANT, INSTANT),
    gaps=st.lists(INSTANT, max_size=4).map(tuple),
)  # fmt: skip


def kept(row: tuple[object, ...]) -> tuple[object, ...]:
    """The row's values as SQLite gives them back."""
    db = sqlite3.connect(":memory:")
    try:
        return tuple(db.execute("SELECT ?", (value,)).fetchone()[0] for value in row)
    finally:
        db.close()


@given(incidents)
def test_any_incident_survives(value: Incident) -> None:
    assert rows.incident_of(kept(rows.incident_row(value))) == value


@given(incidents, st.integers(498, 503))
def test_a_label_that_the_description_begins_with_is_kept_once(value: Incident, length: int) -> None:
    said = "é" * 400 + "a" * 103
    long = replace(value, description=said, labels={"body": said[:length], "other": said[1:length], **value.labels})
    row = rows.incident_row(long)
    assert rows.incident_of(kept(row)) == long
    assert row[-1].replace(r"\u00e9", "é").count("é" * 400) == (1 if length > 500 or "body" in value.labels else 2)


@given(tickets)
def test_any_ticket_survives(value: Ticket) -> None:
    assert rows.ticket_of(kept(rows.ticket_row(value))) == value


@given(stations)
def test_any_station_survives_but_for_the_observed_clock(value: Station) -> None:
    assert rows.station_of(kept(rows.station_row(value))) == value


@given(st.builds(
    Operation, id=INSTANT, incident=IDS, sink=WORDS, kind=st.sampled_from(OperationKind), rank=st.sampled_from(Rank),
    impact=st.sampled_from(Impact), reason=WORDS, created_ms=INSTANT, next_ms=INSTANT,
    body=st.dictionaries(WORDS, WORDS, max_size=3), state=st.sampled_from(OperationState), attempts=INSTANT,
    crashes=INSTANT, looks=INSTANT, sent_ms=MAYBE, unknown_ms=MAYBE, error=WORDS,
))  # fmt: skip
def test_any_operation_survives(value: Operation) -> None:
    row = tuple(
        {"body": json.dumps(dict(value.body)), "impact": value.impact.rank}.get(name, getattr(value, name))
        for name in rows.OPERATION_COLUMNS.split(", ")
    )
    assert rows.operation_of(kept(row)) == value


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(), max_size=20))
async def test_text_that_utf_8_cannot_say_is_kept_escaped(store, say, text: str) -> None:
    number = next(NUMBERS)
    hostile = say.incident(
        number, source=text, object=text, fingerprint=f"{number}:{text}", summary=text, labels={text: text}
    )
    told = say.decision(hostile, entries=(say.entry(text),), known_as=(text,))
    await store.run(lambda tx: tx.write(told, now_ms=say.now))
    read = await store.run(lambda tx: tx.latest(f"{number}:{text}"))
    assert (read.id, read.summary, read.labels) == (hostile.id, text, {text: text})
    assert await store.run(lambda tx: tx.resolve(Reference(key=text))) == hostile.id


async def test_the_latest_is_the_open_one_else_the_last(store, write, say) -> None:
    mark = "1:x"
    assert await store.run(lambda tx: tx.latest(mark)) is None
    for number in (1, 2):
        await write(say.incident(number, fingerprint=mark, state=State.CLOSED, closed_ms=say.now))
    assert (await store.run(lambda tx: tx.latest(mark))).id == say.incident(2).id
    await write(say.incident(3, fingerprint=mark))
    assert (await store.run(lambda tx: tx.latest(mark))).id == say.incident(3).id


async def test_the_open_one_is_the_latest_even_if_the_clock_was_set_back_since(store, write, say) -> None:
    await write(say.incident(9, fingerprint="1:x", state=State.CLOSED, closed_ms=say.now))
    await write(say.incident(1, fingerprint="1:x"))
    assert (await store.run(lambda tx: tx.latest("1:x"))).id == say.incident(1).id


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["count", "say", "mute", "shift", "fail", "close", "due"]), max_size=8))
async def test_what_is_remembered_of_the_latest_is_what_is_stored(store, write, say, acts: list[str]) -> None:
    """One more occurrence rewrites a few columns, and the row is not read again: no other way may tell otherwise."""
    number = next(NUMBERS)
    await write(say.incident(number, labels={"a": "b"}))
    mark = say.incident(number).fingerprint

    def read(tx) -> Incident:
        tx.forget()
        return tx.latest(mark)

    def fail(tx) -> None:
        tx.write(say.decision(say.replace(now, occurrences=99)), now_ms=say.now)
        raise ValueError("undo it")

    for step, act in enumerate(acts):
        now = await store.run(lambda tx: tx.latest(mark))
        more = {"version": now.version + 1}
        match act:
            case "count":
                at_ms = say.now + step
                count = now.occurrences + 1
                await write(say.replace(now, occurrences=count, last_seen_ms=at_ms, raised_ms=at_ms, **more))
            case "say":
                await write(say.replace(now, summary=f"{step}", occurrences=now.occurrences + 1, **more))
            case "mute":
                await write(say.replace(now, muted=now.muted ^ {Muted.SILENCE}, **more))
            case "due":
                await write(say.replace(now, due_ms=say.now + step))
            case "shift":
                await store.run(lambda tx: tx.shift_deadlines(1000))
            case "fail":
                with pytest.raises(ValueError, match="undo"):
                    await store.run(fail)
            case "close":
                await write(say.replace(now, state=State.CLOSED, closed_ms=say.now, **more))
                await write(say.incident(next(NUMBERS), fingerprint=mark))
        remembered = await store.run(lambda tx: tx.latest(mark))
        assert remembered == await store.run(read)


async def test_one_open_incident_per_fingerprint_even_if_the_engine_were_wrong(store, write, say) -> None:
    await write(say.incident(1, fingerprint="1:x"))
    with pytest.raises(Exception, match="UNIQUE") as caught:
        await write(say.incident(2, fingerprint="1:x"))
    assert not isinstance(caught.value, StoreError)  # the disk is well: trying again would never help
    assert await store.run(lambda tx: tx.incident(say.incident(2).id)) is None
    await write(say.incident(1, fingerprint="1:x", state=State.CLOSED, closed_ms=say.now))
    await write(say.incident(2, fingerprint="1:x"))


async def test_a_reference_holds_only_with_its_second_key(store, write, say) -> None:
    await write(say.incident(1), known_as=("mid:<a>", "from:alice"))
    await write(say.incident(2), known_as=("mid:<a>", "from:bob"))

    async def resolve(key: str, also: str = "") -> str | None:
        return await store.run(lambda tx: tx.resolve(Reference(key=key, also=also)))

    assert await resolve("mid:<a>") == say.incident(2).id
    assert await resolve("mid:<a>", "from:alice") == say.incident(1).id
    assert await resolve("mid:<a>", "from:carol") is None
    assert await resolve("mid:<b>") is None


async def test_a_decision_is_written_whole(store, write, say, outbox) -> None:
    content = b"\x00\xff"
    await write(
        say.incident(1), say.wish(), say.wish("attach", number="0", name="a.png"), say.wish("comment", text="hi"),
        entries=(say.entry("one"), say.entry("two")),
        tickets=(Ticket(incident=say.incident(1).id, sink="desk", ref=TicketRef(id="7", url="u", name="T-7")),),
        known_as=("mid:<a>",), attachments=(Attachment(name="a.png", media_type="image/png", content=content),),
    )  # fmt: skip
    seen = await store.reader.incident(say.incident(1).id)
    assert [line["text"] for line in seen["timeline"]] == ["one", "two"]
    assert [(ticket["sink"], ticket["ref"]) for ticket in seen["tickets"]] == [("desk", "T-7")]
    assert [kind for _, kind, _ in await outbox()] == ["sync", "attach", "comment"]
    body = (await store.reader.operations()).items[1]["body"]
    kept_file = await store.run(lambda tx: tx.attachment(say.incident(1).id, body["sha256"]))
    assert kept_file == Attachment(name="a.png", media_type="image/png", content=content)
    assert await store.run(lambda tx: tx.attachment(say.incident(1).id, "else")) is None


async def test_a_ticket_belongs_to_one_incident_and_nobody_takes_it(store, write, say) -> None:
    await write(say.incident(1))
    await write(say.incident(2))
    mine = Ticket(incident=say.incident(1).id, sink="desk", ref=TicketRef(id="7"), written_ms=5)
    await store.run(lambda tx: tx.save_ticket(mine))
    await store.run(lambda tx: tx.save_ticket(say.replace(mine, generation=2)))
    with pytest.raises(Exception, match="UNIQUE"):
        await store.run(lambda tx: tx.save_ticket(say.replace(mine, incident=say.incident(2).id)))
    assert (await store.run(lambda tx: tx.ticket(mine.incident, "desk"))).generation == 2
    assert (await store.run(lambda tx: tx.ticket_at("desk", "7"))).incident == mine.incident
    assert await store.run(lambda tx: tx.ticket_at("other", "7")) is None
    assert await store.run(lambda tx: tx.ticket(say.incident(2).id, "desk")) == Ticket(
        incident=say.incident(2).id, sink="desk"
    )


async def test_what_is_due_comes_most_overdue_first(store, write, say) -> None:
    assert await store.run(lambda tx: tx.next_due_ms()) is None
    for number, due_ms in ((1, say.now + 5), (2, say.now), (3, None), (4, say.now + 9)):
        await write(say.incident(number, due_ms=due_ms))
    assert await store.run(lambda tx: tx.next_due_ms()) == say.now
    found = await store.run(lambda tx: tx.due(now_ms=say.now + 5, limit=9))
    assert [one.id for one in found] == [say.incident(2).id, say.incident(1).id]
    assert len(await store.run(lambda tx: tx.due(now_ms=say.now + 9, limit=2))) == 2


async def test_a_step_of_the_wall_clock_moves_every_instant_that_a_timer_acts_on(store, write, claim, say) -> None:
    told = say.incident(
        1, opened_ms=say.now, cleared_ms=say.now, resolved_ms=say.now, due_ms=say.now + 7, closed_ms=None
    )
    ticket = Ticket(incident=told.id, sink="desk", ref=TicketRef(id="7"), written_ms=say.now)
    await write(told, say.wish(), tickets=(ticket,))
    assert len(await claim()) == 1
    await store.run(lambda tx: tx.recover_operations(now_ms=say.now))
    await write(say.incident(2, state=State.CLOSED, closed_ms=say.now))
    await store.run(lambda tx: tx.shift_deadlines(1000))
    moved = await store.run(lambda tx: tx.incident(told.id))
    instants = ("opened_ms", "cleared_ms", "resolved_ms", "raised_ms", "first_seen_ms", "last_seen_ms")
    assert {getattr(moved, name) for name in instants} == {say.now + 1000}
    assert moved.due_ms == say.now + 1007
    assert (await store.run(lambda tx: tx.ticket(told.id, "desk"))).written_ms == say.now + 1000
    (operation,) = (await store.reader.operations()).items
    assert {operation[name] for name in ("next_ms", "created_ms", "sent_ms", "unknown_ms")} == {say.now + 1000}
    assert (await store.run(lambda tx: tx.incident(say.incident(2).id))).closed_ms == say.now


async def test_identities_and_unknown_conditions_are_remembered(store, say) -> None:
    assert await store.run(lambda tx: tx.upstream("a")) is None
    await store.run(lambda tx: tx.remember_upstream("a", "", at_ms=say.now))
    assert await store.run(lambda tx: tx.upstream("a")) == ""
    for _ in range(2):
        await store.run(lambda tx: tx.count_unknown("1.2.3", count=2, at_ms=say.now, sample="s"))
    (unknown,) = (await store.reader.unknown()).items
    assert (unknown["condition"], unknown["count"], unknown["sample"]) == ("1.2.3", 4, "s")


async def test_the_memory_keeps_bytes(store) -> None:
    assert await store.run(lambda tx: tx.get("k")) is None
    for value in (b"\x00", b"\xff" * 9):
        await store.run(lambda tx, value=value: tx.put("k", value))
        assert await store.run(lambda tx: tx.get("k")) == value


async def test_only_tickets_worth_looking_at_are_observable(store, write, say) -> None:
    for number, more in (
        (1, {}), (2, {"state": State.CLOSED, "closed_ms": say.now}), (3, {"state": State.CLOSED, "closed_ms": say.now - 9}),
    ):  # fmt: skip
        told = say.incident(number, **more)
        await write(told, tickets=(Ticket(incident=told.id, sink="desk", ref=TicketRef(id=str(number))),))
    await write(say.incident(4), tickets=(Ticket(incident=say.incident(4).id, sink="desk"),))
    found = await store.run(lambda tx: tx.observable("desk", closed_after_ms=say.now - 5))
    assert sorted(ticket.ref.id for ticket in found) == ["1", "2"]
    assert await store.run(lambda tx: tx.observable("other", closed_after_ms=0)) == []


async def test_retention_forgets_what_is_old_and_over_and_nothing_else(store, write, claim, say) -> None:
    old = {"state": State.CLOSED, "closed_ms": say.now - 10}
    await write(say.incident(1, **old), entries=(say.entry("x"),), known_as=("k",))
    await write(say.incident(2, **old), say.wish("comment", text="still to be said"))
    await write(say.incident(3, **old), say.wish())
    await claim()
    open_ticket = Ticket(incident=say.incident(4).id, sink="desk", ref=TicketRef(id="4"), state=TicketState.OPEN)
    await write(say.incident(4, **old), tickets=(open_ticket,))
    await write(say.incident(5, first_seen_ms=0))
    await write(say.incident(6, state=State.CLOSED, closed_ms=say.now))
    await store.run(lambda tx: tx.remember_upstream("old", "", at_ms=say.now - 10))
    await store.run(lambda tx: tx.remember_upstream("new", "", at_ms=say.now))
    await store.run(lambda tx: tx.quarantine(b"x", reason="malformed", source="r", at_ms=say.now - 10))

    async def prune() -> int:
        before = say.now - 5
        keep = Retention(closed_after_ms=before, upstream_after_ms=before, quarantined_after_ms=before)
        return await store.run(lambda tx: tx.prune(keep, limit=500))

    assert await prune() == 3
    assert await prune() == 0
    assert sorted(item["id"] for item in (await store.reader.incidents()).items) == [
        say.incident(number).id for number in (2, 3, 4, 5, 6)
    ]
    assert await store.run(lambda tx: tx.resolve(Reference(key="k"))) is None
    assert await store.run(lambda tx: (tx.upstream("old"), tx.upstream("new"))) == (None, "")


async def test_retention_bites_no_more_than_it_is_told(store, write, say) -> None:
    for number in range(5):
        await write(say.incident(number, state=State.CLOSED, closed_ms=1))
    keep = Retention(closed_after_ms=2)
    assert [await store.run(lambda tx: tx.prune(keep, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_of_a_long_timeline_the_first_and_the_latest_entries_stay(store, write, say) -> None:
    entries = tuple(say.entry(f"entry {number}") for number in range(30))
    await write(say.incident(1, version=30), entries=entries)
    await write(say.incident(2, version=30), entries=entries[:10])
    await store.run(lambda tx: tx.prune(Retention(timeline_rows=10), limit=500))
    told = (await store.reader.incident(say.incident(1).id))["timeline"]
    assert [entry["text"] for entry in told] == [f"entry {number}" for number in (*range(5), *range(25, 30))]
    assert len((await store.reader.incident(say.incident(2).id))["timeline"]) == 10


async def test_the_oldest_of_too_much_quarantine_goes_first(store) -> None:
    for number in range(5):
        await store.run(lambda tx, n=number: tx.quarantine(bytes(100), reason="malformed", source=f"r{n}", at_ms=n))
    assert await store.run(lambda tx: tx.prune(Retention(quarantine_bytes=250), limit=500)) == 3
    assert (await store.reader.counts())["quarantine"] == {"malformed": 2}


async def test_stations_are_stored_anew_each_time(store) -> None:
    await store.run(lambda tx: tx.save_stations([Station(station="s1"), Station(station="s2")]))
    await store.run(lambda tx: tx.save_stations([Station(station="s1", state=StationState.DOWN, gaps=(1, 2))]))
    found = {station.station: station for station in await store.run(lambda tx: tx.stations())}
    assert (found["s1"].state, found["s1"].gaps, found["s2"].state) == (StationState.DOWN, (1, 2), StationState.NEW)


async def test_reasons_of_the_timeline_are_words(store, write, say) -> None:
    await write(say.incident(1), entries=(say.entry("x"),))
    await store.run(lambda tx: tx.add_entry(say.incident(1).id, say.entry("y", at_ms=7)))
    seen = await store.reader.incident(say.incident(1).id)
    assert seen["timeline"][1] == {"at_ms": 7, "reason": Reason.NOTED.value, "text": "y"}


async def test_a_wish_to_attach_every_stored_file_becomes_an_operation_each(store, write, say) -> None:
    files = tuple(Attachment(name=f"{n}.png", media_type="image/png", content=bytes([n])) for n in range(2))
    await write(say.incident(1, state=State.PENDING), attachments=files)
    await write(say.incident(1, version=2), say.wish("attach"))
    found = (await store.reader.operations()).items
    assert [one["body"]["name"] for one in found] == ["0.png", "1.png"]
    one = await store.run(lambda tx: tx.attachment(say.incident(1).id, found[1]["body"]["sha256"]))
    assert one == files[1]


async def test_counts_of_periods_that_are_over_are_pruned_in_bites(store) -> None:
    def count(tx, until_ms: int) -> None:
        for number in range(until_ms, until_ms + 5):
            tx.tally("source_storm", f"s{number}", until_ms=until_ms)

    await store.run(lambda tx: count(tx, 1))
    await store.run(lambda tx: count(tx, 2))  # four of them are counted anew
    await store.run(lambda tx: tx.tally("begun", "s1", until_ms=60_000))  # of longer periods
    keep = Retention(tallies_after_ms=1)
    assert [await store.run(lambda tx: tx.prune(keep, limit=4)) for _ in range(2)] == [1, 0]
    assert await store.run(lambda tx: tx.tally("source_storm", "s2", until_ms=2)) == 2
    assert await store.run(lambda tx: tx.tally("source_storm", "s1", until_ms=2)) == 1
    assert await store.run(lambda tx: tx.prune(Retention(tallies_after_ms=2), limit=100)) == 6
    assert await store.run(lambda tx: tx.tally("begun", "s1", until_ms=60_000)) == 2

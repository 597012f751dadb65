"""Order, races, crashes and comments: what must hold whatever happens at the same time."""

import asyncio
import hashlib

import pytest
from structlog.testing import capture_logs

from gateway.core.reason import Failed
from gateway.core.ticket import Ticket, TicketRef
from gateway.plugin import Retry, UnknownOutcome


def ticketed(number: int = 1, ref: str = "X-1", sink: str = "desk") -> tuple[Ticket, ...]:
    return (Ticket(incident=f"{number:013d}", sink=sink, ref=TicketRef(id=ref, name=ref)),)


async def test_a_clear_before_the_create_means_no_ticket(bench, serve, say) -> None:
    await bench.wish(bench.incident(), "sync")
    await bench.wish(bench.incident(state=say.State.RESOLVED), "sync", "comment", body={"text": "cleared"})
    async with serve(bench.deliver()):
        await bench.empty()
    assert bench.sink.calls == []


async def test_a_raise_during_the_creates_call_leads_to_a_further_sync(bench, serve, say) -> None:
    gate = asyncio.Event()
    bench.sink.script("open", gate.wait)
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(impact=say.Impact.LOW), "sync")
        await bench.until(lambda: bench.sink.calls)
        await bench.wish(bench.incident(impact=say.Impact.HIGH), "sync", rank=say.Rank.PRIORITY)
        await bench.quiet()
        gate.set()
        await bench.empty()
        assert [method for method, _ in bench.sink.calls] == ["open", "update"]
        assert bench.sink.tickets["T-1"].impact is say.Impact.HIGH
        assert (await bench.ticket()).impact is say.Impact.HIGH


async def test_a_clear_during_the_creates_call_closes_the_ticket(bench, serve, say) -> None:
    gate = asyncio.Event()
    bench.sink.script("open", gate.wait)
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        await bench.until(lambda: bench.sink.calls)
        await bench.wish(bench.incident(state=say.State.RESOLVED), "sync", rank=say.Rank.CLOSE)
        gate.set()
        await bench.empty()
        assert bench.sink.tickets["T-1"].state is say.TicketState.RESOLVED


async def test_two_operations_of_one_ticket_are_never_under_way_at_once(bench, serve) -> None:
    async def slowly() -> None:
        await asyncio.sleep(0.005)

    for method in ("open", "update", "comment", "attach"):
        bench.sink.script(method, *[slowly] * 50)
    async with serve(bench.deliver()):
        for number in range(1, 4):
            for turn in range(4):
                await bench.wish(bench.incident(number), "sync", "comment", body={"text": str(turn)})
        await bench.empty()
    for together in bench.sink.together:
        assert len(set(together)) == len(together)
        assert not {f"{number:013d}" for number in range(1, 4)} & set(together) or len(together) <= 4
    assert max(len(together) for together in bench.sink.together) > 1  # other tickets did not wait


async def test_no_more_calls_at_once_than_allowed(bench, serve) -> None:
    gate = asyncio.Event()
    bench.sink.script("open", *[gate.wait] * 20)
    async with serve(bench.deliver()):
        for number in range(12):
            await bench.wish(bench.incident(number), "sync")
        await bench.until(lambda: len(bench.sink.under_way) == 4)
        await bench.quiet()
        assert len(bench.sink.under_way) == 4
        gate.set()
        await bench.empty()


async def test_a_comment_is_written_once_though_its_outcome_was_unknown(bench, serve) -> None:
    bench.sink.script("comment", ("after", UnknownOutcome("timeout")))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "comment", tickets=ticketed(), body={"text": "hello"})
        await bench.empty(turning=1)
    ((ref, comment),) = bench.sink.comments
    assert (ref, comment.text, comment.public, comment.mark) == ("X-1", "hello", False, f"TOC-{1:013d}-1")
    assert [method for method, _ in bench.sink.calls] == ["comment", "has_comment"]


async def test_a_comment_that_is_not_there_is_written_after_all(bench, serve) -> None:
    bench.sink.script("comment", UnknownOutcome("reset"))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "comment", tickets=ticketed(), body={"text": "hello", "public": "yes"})
        await bench.empty(turning=1)
    assert [comment.public for _, comment in bench.sink.comments] == [True]


async def test_a_sink_that_cannot_tell_gets_no_second_comment(bench, serve, say) -> None:
    bench.sink.script("comment", ("after", UnknownOutcome("timeout")))
    async with serve(bench.deliver(sink=say.Terse(bench.sink))):
        await bench.wish(bench.incident(), "comment", tickets=ticketed(), body={"text": "hello"})
        await bench.empty(turning=1)
    assert len(bench.sink.comments) == 1


async def test_links_and_files_reach_the_ticket(bench, serve, say) -> None:
    file = say.Attachment(name="a.png", media_type="image/png", content=b"png")
    await bench.wish(bench.incident(2), tickets=ticketed(2, "X-2"))
    bench.sink.script("attach", ("after", UnknownOutcome("timeout")))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync", attachments=(file,))
        await bench.wish(bench.incident(), "attach", body={"number": "0", "name": "a.png"}, attachments=(file,))
        await bench.wish(bench.incident(), "link", body={"incident": f"{2:013d}"})
        await bench.empty(turning=1)
    assert bench.sink.links == [("T-1", "X-2")]
    assert {name for _, name, _ in bench.sink.files} == {"a.png"}
    assert len({mark for _, _, mark in bench.sink.files}) == 1  # twice, with one mark: the sink keeps one
    assert hashlib.sha256(file.content).hexdigest()


async def test_a_sink_without_links_and_files_is_not_asked_for_them(bench, serve, say) -> None:
    file = say.Attachment(name="a.png", media_type="image/png", content=b"png")
    async with serve(bench.deliver(sink=say.Terse(bench.sink))):
        await bench.wish(bench.incident(), "sync")
        await bench.wish(bench.incident(), "attach", body={"number": "0", "name": "a.png"}, attachments=(file,))
        await bench.wish(bench.incident(), "link", body={"incident": f"{2:013d}"})
        await bench.empty()
    assert [method for method, _ in bench.sink.calls] == ["open"]


async def test_a_call_cut_short_by_a_stop_is_looked_for_by_the_next(bench, serve) -> None:
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.Event().wait()

    bench.sink.script("open", hang)
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        await began.wait()
    bench.sink.tickets["T-9"] = _draft(bench)  # it had arrived after all

    async def settled() -> bool:
        return await bench.states() == ["unknown"]

    await bench.until(settled)
    assert (await bench.outbox())[0]["crashes"] == 0  # a stop is not the operation's fault
    async with serve(bench.deliver()):
        await bench.empty(turning=1)
    assert [method for method, _ in bench.sink.calls] == ["open", "find", "update"]
    assert (await bench.ticket()).ref.id == "T-9"


def _draft(bench):
    from gateway.core.draft import draft

    incident = bench.incident()
    return draft(incident, Ticket(incident=incident.id, sink="desk"))


async def test_after_a_crash_what_was_in_flight_is_looked_for(bench, serve) -> None:
    await bench.wish(bench.incident(), "sync")
    await bench.store.run(lambda tx: tx.claim("desk", now_ms=bench.clock.now_ms(), limit=1))
    bench.sink.tickets["T-9"] = _draft(bench)
    assert await bench.store.run(lambda tx: tx.recover_operations(now_ms=bench.clock.now_ms())) == 1
    async with serve(bench.deliver()):
        await bench.empty(turning=1)
    assert [method for method, _ in bench.sink.calls] == ["find", "update"]
    assert list(bench.sink.tickets) == ["T-9"]


@pytest.mark.parametrize("turns", range(12))
async def test_wherever_a_stop_falls_nothing_stays_in_flight_and_nothing_happens_twice(
    bench, serve, turns: int
) -> None:
    async with serve(bench.deliver(unique_key=True)):
        for number in range(1, 4):
            await bench.wish(bench.incident(number), "sync")
        for _ in range(turns):
            await asyncio.sleep(0)

    async def landed() -> bool:
        return "inflight" not in await bench.states()

    await bench.until(landed)
    async with serve(bench.deliver(unique_key=True)):
        await bench.empty(turning=1)
    assert len({draft.key for draft in bench.sink.tickets.values()}) == len(bench.sink.tickets) == 3


async def test_resting_lets_calls_end_and_begins_none(bench, serve) -> None:
    gate = asyncio.Event()
    bench.sink.script("open", gate.wait)
    delivery = bench.deliver()
    async with serve(delivery):
        await bench.wish(bench.incident(1), "sync")
        await bench.until(lambda: bench.sink.calls)
        async with asyncio.TaskGroup() as tasks:
            resting = tasks.create_task(delivery.rest())
            await bench.quiet()
            assert not resting.done()
            await bench.wish(bench.incident(2), "sync")
            gate.set()
        await bench.quiet()
    assert len(bench.sink.calls) == 1
    assert await bench.states() == ["pending"]


async def test_how_calls_ended_and_what_is_next_is_one_work_of_the_store(bench, serve) -> None:
    gate = asyncio.Event()
    bench.sink.script("open", *[gate.wait] * 4)
    async with serve(bench.deliver()):
        for number in range(1, 9):
            await bench.wish(bench.incident(number), "sync")
        await bench.until(lambda: len(bench.sink.calls) == 4)
        works = bench.store.works
        gate.set()
        await bench.until(lambda: len(bench.sink.calls) == 8)
        await bench.quiet()
        assert bench.store.works - works <= 3  # how four ended and four more; how these ended
    assert await bench.states() == []


async def test_how_it_ended_is_written_down_though_the_disk_refuses_for_a_while(bench, serve) -> None:
    async def fill_disk() -> None:
        bench.store.refuses = True

    bench.sink.script("open", fill_disk)
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        await bench.until(lambda: bench.sink.tickets)
        for _ in range(5):
            await bench.clock.advance(1)
            await bench.quiet(3)
        assert await bench.states() == ["inflight"]
        bench.store.refuses = False
        await bench.empty(turning=1)
    assert len(bench.sink.calls) == 1
    assert (await bench.ticket()).ref.id == "T-1"


async def test_a_tracker_that_gives_another_incidents_ticket_gets_a_dead_operation_not_a_dead_daemon(
    bench, serve
) -> None:
    async def mix_up() -> None:
        bench.sink._number = iter([1])

    async with serve(bench.deliver()):
        await bench.wish(bench.incident(1), "sync")
        await bench.empty()
        bench.sink.script("open", mix_up)
        with capture_logs() as logs:
            await bench.wish(bench.incident(2), "sync")

            async def dead() -> bool:
                return await bench.states() == ["dead"]

            await bench.until(dead)
        assert "attempt.not_recorded" in [entry["event"] for entry in logs]
        assert ((await bench.ticket(1)).ref.id, (await bench.ticket(2)).ref) == ("T-1", None)
        bench.sink._number = iter([7])
        await bench.wish(bench.incident(3), "sync")
        await bench.until(lambda: "T-7" in bench.sink.tickets)


async def test_what_people_own_stays_as_they_left_it(bench, serve, say) -> None:
    owned = Ticket(
        incident=f"{1:013d}", sink="desk", ref=TicketRef(id="X-1"), impact=say.Impact.LOW,
        state=say.TicketState.OPEN, owned=frozenset({"priority"}),
    )  # fmt: skip
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync", tickets=(owned,))
        await bench.empty()
    assert "priority" in bench.sink.tickets["X-1"].keep
    after = await bench.ticket()
    assert (after.impact, after.owned) == (say.Impact.LOW, frozenset({"priority"}))


async def test_a_sleeping_delivery_asks_the_store_for_nothing(bench, serve) -> None:
    bench.sink.script("open", Retry("later", after_s=600, reason=Failed.SERVER_ERROR))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync", "comment", body={"text": "x"})
        await bench.until(lambda: bench.sink.calls)
        await bench.quiet()
        works = bench.store.works
        for _ in range(50):
            await bench.clock.advance(1)
            await asyncio.sleep(0.001)
        assert bench.store.works - works <= 2

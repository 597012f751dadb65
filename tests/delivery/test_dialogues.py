"""Dialogues with a tracker: what it answers, and what we do about it."""

import asyncio

import pytest
from structlog.testing import capture_logs

from gateway.core.operation import MAX_AGE_MS
from gateway.core.reason import Failed
from gateway.core.ticket import Ticket, TicketRef
from gateway.plugin import Reject, Retry, Unauthorized, UnknownOutcome


async def test_a_ticket_is_made_and_known_from_then_on(bench, serve, say) -> None:
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        await bench.empty()
        ticket = await bench.ticket()
        assert (ticket.ref.id, ticket.state, ticket.impact) == ("T-1", say.TicketState.OPEN, say.Impact.CRITICAL)
        assert ticket.written_ms == bench.clock.now_ms()
        await bench.wish(bench.incident(state=say.State.RESOLVED), "sync")
        await bench.empty()
        assert bench.sink.calls == [("open", ticket.incident), ("update", ticket.incident)]
        assert bench.sink.tickets["T-1"].state is say.TicketState.RESOLVED
        timeline = (await bench.store.reader.incident(ticket.incident))["timeline"]
        assert [(line["reason"], line["text"]) for line in timeline] == [("ticket_opened", "ticket T-1 opened in desk")]


async def test_what_surely_failed_is_tried_again_with_back_off(bench, serve) -> None:
    bench.sink.script("open", *[Retry("not now", reason=Failed.CONNECTION)] * 3)
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        for attempt, wait_s in ((1, 2), (2, 4), (3, 8)):
            await bench.until(lambda attempt=attempt: len(bench.sink.calls) == attempt)
            await bench.quiet()
            (waiting,) = await bench.outbox()
            assert waiting["next_ms"] == bench.clock.now_ms() + wait_s * 1000
            await bench.clock.advance(wait_s - 0.1)
            await bench.quiet()
            assert len(bench.sink.calls) == attempt
            await bench.clock.advance(0.1)
        await bench.empty()
        assert len(bench.sink.tickets) == 1


async def test_a_tracker_that_says_when_is_obeyed_by_every_call(bench, serve) -> None:
    bench.sink.script("open", Retry("slow", after_s=40, reason=Failed.RATE_LIMITED))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(1), "sync")
        await bench.until(lambda: bench.sink.calls)
        await bench.quiet()
        await bench.wish(bench.incident(2), "sync")
        await bench.clock.advance(39)
        await bench.quiet()
        assert len(bench.sink.calls) == 1
        await bench.empty(turning=1)
        assert len(bench.sink.tickets) == 2
        assert bench.deliveries["desk"].breaker.closed


async def test_a_tracker_that_says_only_too_fast_is_given_a_pause(bench, serve) -> None:
    bench.sink.script("open", Retry("slow", reason=Failed.RATE_LIMITED))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(1), "sync")
        await bench.until(lambda: bench.sink.calls)
        await bench.quiet()
        await bench.wish(bench.incident(2), "sync")
        await bench.clock.advance(4.5)
        await bench.quiet()
        assert len(bench.sink.calls) == 1
        await bench.empty(turning=1)


async def test_an_unknown_outcome_is_looked_for_and_what_is_found_is_adopted(bench, serve) -> None:
    bench.sink.script("open", ("after", UnknownOutcome("timeout")))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        await bench.empty(turning=0.5)
        assert [method for method, _ in bench.sink.calls] == ["open", "find", "update"]
        assert (await bench.ticket()).ref.id == "T-1"
        assert len(bench.sink.tickets) == 1


async def test_what_is_not_found_is_sent_again_when_patience_has_ended(bench, serve) -> None:
    bench.sink.script("open", UnknownOutcome("reset"))
    async with serve(bench.deliver()):
        began = bench.clock.monotonic_s()
        await bench.wish(bench.incident(), "sync")
        await bench.empty(turning=1)
        methods = [method for method, _ in bench.sink.calls]
        assert methods == ["open", "find", "find", "find", "find", "find", "open"]
        assert 60 <= bench.clock.monotonic_s() - began < 75  # a critical one is waited for a minute


async def test_with_a_unique_key_it_is_sent_again_at_once(bench, serve) -> None:
    bench.sink.script("open", UnknownOutcome("reset"))
    async with serve(bench.deliver(unique_key=True, search_lag_s=(0.1,))):
        await bench.wish(bench.incident(), "sync")
        await bench.empty(turning=0.1)
        assert [method for method, _ in bench.sink.calls] == ["open", "find", "open"]
        assert bench.clock.monotonic_s() < 5


@pytest.mark.parametrize(
    "error", [Retry("no search", reason=Failed.SERVER_ERROR), UnknownOutcome("?"), ValueError("bug")]
)
async def test_a_failed_search_is_unknown_and_never_not_there(bench, serve, error) -> None:
    bench.sink.script("open", ("after", UnknownOutcome("timeout")))
    bench.sink.script("find", *[error] * 3)
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        await bench.empty(turning=5)
        assert [method for method, _ in bench.sink.calls] == ["open", "find", "find", "find", "find", "update"]
        assert len(bench.sink.tickets) == 1


async def test_whatever_a_plugin_raises_means_that_nobody_knows(bench, serve) -> None:
    bench.sink.script("open", ("after", KeyError("a mistake")))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync")
        with capture_logs() as logs:
            await bench.empty(turning=1)
        assert len(bench.sink.tickets) == 1
        assert "attempt.crashed" in [entry["event"] for entry in logs]


async def test_mistakes_of_a_plugin_do_not_open_the_breaker(bench, serve) -> None:
    bench.sink.script("update", *[KeyError("a mistake")] * 20)
    async with serve(bench.deliver()):
        for number in range(6):
            await bench.wish(
                bench.incident(number),
                "sync",
                tickets=(Ticket(incident=f"{number:013d}", sink="desk", ref=TicketRef(id=f"X-{number}")),),
            )
        await bench.until(lambda: len(bench.sink.calls) >= 6)
        await bench.quiet()
        assert bench.deliveries["desk"].breaker.closed


async def test_a_silent_sink_has_an_unknown_outcome(bench, serve) -> None:
    bench.sink.script("open", asyncio.Event().wait)
    async with serve(bench.deliver(call_timeout_s=0.02)):
        await bench.wish(bench.incident(), "sync")

        async def unknown() -> bool:
            return await bench.states() == ["unknown"]

        await bench.until(unknown)


async def test_what_a_tracker_refuses_for_good_is_dead_and_visible(bench, serve) -> None:
    bench.sink.script("open", Reject("no such project"))
    async with serve(bench.deliver()):
        await bench.wish(bench.incident(), "sync", "comment", body={"text": "x"})
        with capture_logs() as logs:

            async def dead() -> bool:
                return (await bench.states())[:1] == ["dead"]

            await bench.until(dead)
        assert [entry["event"] for entry in logs] == ["operation.died"]
        operation = (await bench.outbox())[0]
        assert operation["error"] == "no such project"
        timeline = (await bench.store.reader.incident(f"{1:013d}"))["timeline"]
        assert timeline[-1]["text"] == "desk refused: no such project"
        works = bench.store.works
        await bench.clock.advance(30)
        await bench.quiet()
        assert bench.store.works - works < 5  # what a dead one blocks is not asked for all the time
        assert len(bench.sink.calls) == 1
        await bench.store.run(lambda tx: tx.requeue(operation["id"], now_ms=bench.clock.now_ms()))
        bench.deliveries["desk"].wake()
        await bench.empty(turning=0.1)
        assert (len(bench.sink.tickets), len(bench.sink.comments)) == (1, 1)


async def test_what_has_waited_for_a_week_is_given_up_aloud(bench, serve) -> None:
    bench.sink.script("open", Retry("down", reason=Failed.CLIENT_ERROR))
    await bench.wish(bench.incident(), "sync")
    await bench.clock.advance(MAX_AGE_MS / 1000 + 1)
    with capture_logs() as logs:
        async with serve(bench.deliver()):

            async def dead() -> bool:
                return await bench.states() == ["dead"]

            await bench.until(dead)
    assert "operation.died" in [entry["event"] for entry in logs]


async def test_refused_credentials_pause_the_whole_sink_and_a_probe_resumes_it(bench, serve) -> None:
    bench.sink.script("open", *[Unauthorized("bad token")] * 5)
    async with serve(bench.deliver()):
        with capture_logs() as logs:
            for number in range(6):
                await bench.wish(bench.incident(number), "sync")
            await bench.until(lambda: len(bench.sink.calls) >= 1)
            await bench.quiet()
            first = len(bench.sink.calls)
            assert first <= 4
            assert not bench.deliveries["desk"].breaker.closed
            await bench.clock.advance(59)
            await bench.quiet()
            assert len(bench.sink.calls) == first
            await bench.clock.advance(1)
            await bench.until(lambda: len(bench.sink.calls) == first + 1)  # one probe, not six
            await bench.quiet()
            assert len(bench.sink.calls) == first + 1
            await bench.empty(turning=10)
        assert len(bench.sink.tickets) == 6
        assert (bench.paused, bench.accepted) == (["desk"], ["desk"])
        assert bench.deliveries["desk"].breaker.closed
        assert {entry["event"] for entry in logs} >= {"sink.paused", "sink.resumed"}


async def test_a_dead_tracker_is_not_hammered(bench, serve) -> None:
    down = Retry("no route", reason=Failed.CONNECTION)
    bench.sink.script("open", *[down] * 1000)
    async with serve(bench.deliver()):
        for number in range(20):
            await bench.wish(bench.incident(number), "sync")
        await bench.until(lambda: not bench.deliveries["desk"].breaker.closed)
        await bench.quiet()
        opened = len(bench.sink.calls)
        assert opened <= 8
        for _ in range(60):
            await bench.clock.advance(10)
            await bench.quiet(2)
        assert len(bench.sink.calls) - opened <= 6  # probes at 30 s, 60, 120, 240, 300
        bench.sink._script["open"].clear()
        await bench.empty(turning=10)
        assert len(bench.sink.tickets) == 20


async def test_updates_that_end_in_doubt_open_the_breaker_too(bench, serve) -> None:
    bench.sink.script("update", *[UnknownOutcome("500")] * 1000)
    async with serve(bench.deliver()):
        ticket = Ticket(incident=f"{1:013d}", sink="desk", ref=TicketRef(id="X-1"))
        await bench.wish(bench.incident(), "sync", tickets=(ticket,))
        await bench.until(lambda: not bench.deliveries["desk"].breaker.closed, turning=1)
        assert len(bench.sink.calls) == 5


async def test_an_operation_that_calls_nobody_proves_nothing(bench, serve, say) -> None:
    down = Retry("no route", reason=Failed.CONNECTION)
    bench.sink.script("open", *[down] * 100)
    async with serve(bench.deliver()):
        for number in range(2, 8):
            await bench.wish(bench.incident(number), "sync")
        await bench.until(lambda: not bench.deliveries["desk"].breaker.closed)
        await bench.wish(bench.incident(1, state=say.State.RESOLVED), "sync")  # nobody was told: nothing to do
        for _ in range(6):
            await bench.clock.advance(5)
            await bench.quiet()
        assert not bench.deliveries["desk"].breaker.closed


async def test_when_the_budget_is_short_creates_go_before_comments_and_graver_before_lighter(bench, serve, say) -> None:
    delivery = bench.deliver(calls_per_s=1)
    for number in range(1, 4):
        ticket = Ticket(incident=f"{number:013d}", sink="desk", ref=TicketRef(id=f"X-{number}"))
        await bench.wish(
            bench.incident(number), "comment", rank=say.Rank.COMMENT, body={"text": "x"}, tickets=(ticket,)
        )
    for number, impact in ((4, say.Impact.LOW), (5, say.Impact.CRITICAL), (6, say.Impact.HIGH)):
        await bench.wish(bench.incident(number, impact=impact), "sync")
    async with serve(delivery):
        await bench.until(lambda: len(bench.sink.calls) >= 2)
        await bench.quiet()
        assert len(bench.sink.calls) == 2  # the burst
        await bench.empty(turning=0.25)
        assert 4 <= bench.clock.monotonic_s() <= 6
    assert [int(about.removeprefix("X-")) for _, about in bench.sink.calls] == [5, 6, 4, 1, 2, 3]


async def test_one_sinks_trouble_never_delays_another(bench, serve) -> None:
    slow = type(bench.sink)()
    slow.script("open", *[asyncio.Event().wait] * 10)
    async with serve(bench.deliver("slow", sink=slow), bench.deliver()):
        for number in range(6):
            await bench.wish(bench.incident(number), "sync", sink="slow")
            await bench.wish(bench.incident(number), "sync")
        await bench.until(lambda: len(bench.sink.tickets) == 6)
        assert (len(slow.calls), len(slow.tickets)) == (4, 0)

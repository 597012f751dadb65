"""Observation: what is looked at, what is told, and what a failure hides."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.pace import Breaker
from gateway.core.reason import Failed
from gateway.core.ticket import Observation, Ticket, TicketRef
from gateway.observe import STILL_WATCHED_MS, TICKETS_PER_CALL, SinkObservation
from gateway.plugin import Retry


class Told:
    """Remembers what was told to the engine."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []
        self.since: set[int] = set()

    async def __call__(self, sink: str, seen: Any, *, since_ms: int) -> None:
        self.seen += [(ticket.ref.id, observation.ref.id) for ticket, observation in seen]
        self.since.add(since_ms)


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def watching(bench, told):
    def make(**more: Any) -> SinkObservation:
        given = {"store": bench.store, "clock": bench.clock, "tell": told, "breaker": Breaker(), "every_s": 60, **more}
        return SinkObservation("desk", bench.sink, **given)

    return make


async def _tickets(bench, count: int, **more: Any) -> None:
    for number in range(1, count + 1):
        ref = TicketRef(id=f"X-{number}")
        await bench.wish(
            bench.incident(number, **more), tickets=(Ticket(incident=f"{number:013d}", sink="desk", ref=ref),)
        )


async def test_every_ticket_is_looked_at_in_chunks_and_told_with_the_time_of_asking(bench, watching, told) -> None:
    await _tickets(bench, TICKETS_PER_CALL + 5)
    await watching().poll()
    assert len(bench.sink.calls) == 2
    assert len(told.seen) == TICKETS_PER_CALL + 5
    assert told.since == {bench.clock.now_ms()}


async def test_tickets_of_what_is_long_closed_are_left_alone(bench, watching, told, say) -> None:
    now_ms = bench.clock.now_ms()
    await _tickets(bench, 1, state=say.State.CLOSED, closed_ms=now_ms - STILL_WATCHED_MS - 1)
    await watching().poll()
    assert bench.sink.calls == []
    await _tickets(bench, 1, state=say.State.CLOSED, closed_ms=now_ms - STILL_WATCHED_MS + 1)
    await watching().poll()
    assert told.seen == [("X-1", "X-1")]


async def test_moved_tickets_are_known_by_what_was_asked_and_strangers_are_not_told(bench, watching, told) -> None:
    await _tickets(bench, 1)

    async def observe(_refs: Any) -> list[Observation]:
        moved = Observation(ref=TicketRef(id="NEW-1"), asked="X-1")
        return [moved, Observation(ref=TicketRef(id="STRANGE"))]

    bench.sink.observe = observe
    await watching().poll()
    assert told.seen == [("X-1", "NEW-1")]


async def test_a_chunk_that_the_sink_cannot_read_hides_no_other(bench, watching, told) -> None:
    await _tickets(bench, TICKETS_PER_CALL + 5)
    bench.sink.script("observe", KeyError("a mistake"))
    with pytest.raises(KeyError):
        await watching().poll()
    assert len(told.seen) == 5


async def test_a_tracker_that_is_away_is_not_asked_for_the_rest(bench, watching, told) -> None:
    await _tickets(bench, TICKETS_PER_CALL + 5)
    bench.sink.script("observe", Retry("down", reason=Failed.CONNECTION))
    with pytest.raises(Retry):
        await watching().poll()
    assert (len(bench.sink.calls), told.seen) == (1, [])


async def test_a_tracker_that_takes_no_more_calls_is_not_polled_meanwhile(bench, serve, watching, told) -> None:
    await _tickets(bench, 1)
    bench.sink.script("observe", Retry("too fast", reason=Failed.RATE_LIMITED, after_s=100))
    async with serve(watching(breaker=(breaker := Breaker()))):
        await bench.clock.advance(60)
        await bench.until(lambda: len(bench.sink.calls) == 1)
        await bench.until(lambda: breaker.wait_s(now_s=60) == 100)  # delivery, too, leaves it in peace
        await bench.clock.advance(60)
        await bench.quiet()
        assert len(bench.sink.calls) == 1
        await bench.clock.advance(60)
        await bench.until(lambda: told.seen == [("X-1", "X-1")])


async def test_failures_are_logged_once_and_an_open_breaker_is_respected(bench, serve, watching, told) -> None:
    await _tickets(bench, 1)
    breaker = Breaker()
    bench.sink.script("observe", *[Retry("down", reason=Failed.CONNECTION)] * 3)
    with capture_logs() as logs:
        async with serve(watching(breaker=breaker)):
            for turn in range(1, 4):
                await bench.clock.advance(60)
                await bench.until(lambda turn=turn: len(bench.sink.calls) == turn)
                await bench.quiet()
            breaker.pause(30, now_s=0)
            await bench.clock.advance(60)
            await bench.quiet()
            assert len(bench.sink.calls) == 3
            breaker.succeeded()
            await bench.clock.advance(60)
            await bench.until(lambda: told.seen == [("X-1", "X-1")])
    assert [entry["event"] for entry in logs] == ["observation.failed"]

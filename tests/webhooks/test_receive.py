"""What the host makes of hints: remembered on disk, looked at within a budget, and nothing more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gateway.background import background
from gateway.core.decision import Decision
from gateway.core.impact import Impact
from gateway.core.incident import Incident, State
from gateway.core.pace import Breaker
from gateway.core.reason import Reason
from gateway.core.ticket import Observation, Ticket, TicketRef
from gateway.observe import SinkObservation
from gateway.plugin import Hint, Webhook, WebhookRefused, WebhookRequest
from gateway.store.api import StoreError
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.web.webhooks import Webhooks
from gateway.webhooks import GATHER_S, SinkWebhooks


class Told:
    """A sink whose webhooks say what a test wants."""

    def __init__(self) -> None:
        self.says: list[Hint] | Exception = []

    def hints(self, request: WebhookRequest) -> list[Hint]:
        if isinstance(self.says, Exception):
            raise self.says
        return self.says


@dataclass
class Bench:
    """The host's side, and what it looked at."""

    clock: ManualClock
    sink: Told
    webhooks: SinkWebhooks
    breaker: Breaker
    store: object
    looks: list[list[str]] = field(default_factory=list)
    fail: bool = False

    async def look(self, incidents) -> None:
        self.looks.append([incident.replace("I", "T") for incident in incidents])
        if self.fail:
            raise RuntimeError("the tracker is away")

    async def takes(self, *hints: tuple[str, str]) -> Webhook:
        """Receive one webhook with these (ticket, identity)."""
        self.sink.says = [Hint(ticket=ticket, identities=(identity,)) for ticket, identity in hints]
        return await self.webhooks.receive(request(self.clock))


def request(clock: ManualClock) -> WebhookRequest:
    return WebhookRequest(method="POST", headers={}, body=b"", now_ms=clock.now_ms())


@asynccontextmanager
async def bench(folder, *, tickets: int = 3, looks_per_s: float = 5.0) -> AsyncIterator[Bench]:
    async with open_sqlite(folder) as store:
        for number in range(tickets):
            await store.run(lambda tx, number=number: tx.write(_known(number), now_ms=1))
        clock, sink, breaker = ManualClock(), Told(), Breaker()
        made = Bench(clock, sink, None, breaker, store)
        made.webhooks = SinkWebhooks(
            "desk", sink, store=store, clock=clock, look=made.look, breaker=breaker, looks_per_s=looks_per_s
        )
        async with background(made.webhooks.run()):
            yield made


def _known(number: int) -> Decision:
    incident = Incident(
        id=f"I{number}", fingerprint=f"1:{number}", condition="c", source="s", state=State.OPEN, impact=Impact.LOW,
        first_seen_ms=1, last_seen_ms=1, raised_ms=1,
    )  # fmt: skip
    ticket = Ticket(incident=incident.id, sink="desk", ref=TicketRef(id=f"T{number}"))
    return Decision(reason=Reason.FIRST_RAISED, incident=incident, tickets=(ticket,))


async def test_one_look_for_many_hints_and_none_before_they_were_gathered(tmp_path) -> None:
    async with bench(tmp_path) as here:
        assert await here.takes(("T0", "a"), ("T1", "b"), ("T9", "c")) is Webhook.HEARD
        assert await here.takes(("T0", "d")) is Webhook.HEARD
        await here.clock.advance(GATHER_S / 2)
        assert here.looks == []
        await here.clock.advance(GATHER_S)
        assert here.looks == [["T0", "T1"]]
        await here.clock.advance(60)
        assert len(here.looks) == 1


async def test_outcomes_repeated_unconcerned_refused(tmp_path) -> None:
    async with bench(tmp_path) as here:
        assert await here.takes() is Webhook.UNCONCERNED
        assert await here.takes(("T9", "a")) is Webhook.UNCONCERNED
        assert await here.takes(("T0", "a")) is Webhook.HEARD, "a hint of no concern left no trace"
        assert await here.takes(("T0", "a")) is Webhook.REPEATED
        assert await here.takes(("T0", "a"), ("T1", "b")) is Webhook.HEARD
        here.sink.says = WebhookRefused(Webhook.STALE)
        assert await here.webhooks.receive(request(here.clock)) is Webhook.STALE
        deaf = SinkWebhooks(
            "desk", object(), store=here.store, clock=here.clock, look=here.look, breaker=here.breaker, looks_per_s=1
        )
        assert await deaf.receive(request(here.clock)) is Webhook.NOT_CONFIGURED


async def test_another_sinks_ticket_of_the_same_id_is_not_meant(tmp_path) -> None:
    async with bench(tmp_path) as here:
        other = SinkWebhooks(
            "other", here.sink, store=here.store, clock=here.clock, look=here.look, breaker=here.breaker, looks_per_s=1
        )
        here.sink.says = [Hint(ticket="T0", identities=("a",))]
        assert await other.receive(request(here.clock)) is Webhook.UNCONCERNED


async def test_looks_keep_to_their_budget(tmp_path) -> None:
    async with bench(tmp_path, tickets=40, looks_per_s=1.0) as here:
        for number in range(40):
            await here.takes((f"T{number}", f"a{number}"))
        await here.clock.advance(1)
        assert sum(map(len, here.looks)) <= 11, "ten seconds' worth at once"
        await here.clock.advance(10)
        assert 15 <= sum(map(len, here.looks)) <= 22
        await here.clock.advance(30)
        assert sorted(one for look in here.looks for one in look) == sorted(f"T{number}" for number in range(40))


async def test_a_paused_sink_is_not_called_and_a_failing_look_ends_nothing(tmp_path) -> None:
    async with bench(tmp_path) as here:
        here.breaker.pause(60, now_s=0)
        assert await here.takes(("T0", "a")) is Webhook.HEARD
        await here.clock.advance(5)
        assert here.looks == []
        here.breaker.succeeded()
        here.breaker.spare(60, now_s=here.clock.monotonic_s())
        assert await here.takes(("T0", "z")) is Webhook.HEARD
        await here.clock.advance(60)
        assert here.looks == []
        here.fail = True
        await here.takes(("T1", "b"))
        await here.clock.advance(5)
        here.fail = False
        await here.takes(("T2", "c"))
        await here.clock.advance(5)
        assert here.looks == [["T1"], ["T2"]]


async def test_what_was_answered_is_on_disk(tmp_path) -> None:
    async with bench(tmp_path) as here:
        await here.takes(("T0", "a"))
    async with bench(tmp_path, tickets=0) as here:
        assert await here.takes(("T0", "a")) is Webhook.REPEATED


async def test_a_store_that_refuses_is_no_acknowledgement(tmp_path) -> None:
    async with bench(tmp_path) as here:
        await here.store.run(lambda tx: tx._db.execute("DROP TABLE upstream"))
        with pytest.raises(StoreError):
            await here.takes(("T0", "a"))
        await here.clock.advance(5)
        assert here.looks == []


async def test_a_ticket_that_moved_meanwhile_is_looked_at_where_it_is_now(tmp_path) -> None:
    """The sweeper may have given the incident another ticket and closed this one: no person did."""
    asked, told = [], []

    class Tracker:
        async def observe(self, refs):
            asked.extend(ref.id for ref in refs)
            return [Observation(ref=ref) for ref in refs]

    async def tell(sink, seen, *, since_ms) -> None:
        told.extend((ticket.ref.id, since_ms) for ticket, _ in seen)

    async with bench(tmp_path) as here:
        observation = SinkObservation(
            "desk", Tracker(), store=here.store, clock=here.clock, tell=tell, breaker=here.breaker, every_s=60
        )
        moved = Ticket(incident="I0", sink="desk", ref=TicketRef(id="T77"))
        gone = Ticket(incident="I1", sink="desk")
        for ticket in (moved, gone):
            await here.store.run(lambda tx, ticket=ticket: tx.save_ticket(ticket))
        await observation.look(["I0", "I1", "I2"])
        assert asked == ["T77", "T2"]
        assert told == [("T77", here.clock.now_ms()), ("T2", here.clock.now_ms())]


# --- the route ---


def route(clock: ManualClock, **sinks) -> Webhooks:
    config = SimpleNamespace(sinks=dict.fromkeys(sinks), http=SimpleNamespace(body_max=1000))
    return Webhooks(SimpleNamespace(config=config, webhooks=sinks, clock=clock), body_timeout_s=0.01)


def asked(receive, **headers: str) -> Request:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": raw, "path_params": {"sink": "desk"}}
    return Request(scope, receive)


async def test_a_body_that_never_comes_does_not_hold_its_connection() -> None:
    async def silence():
        await asyncio.sleep(3600)

    with pytest.raises(HTTPException) as refused:
        await route(ManualClock(), desk=SimpleNamespace()).receive(asked(silence))
    assert refused.value.status_code == 408


async def test_a_client_that_leaves_is_no_error_of_ours() -> None:
    async def leaves():
        return {"type": "http.disconnect"}

    with pytest.raises(HTTPException) as refused:
        await route(ManualClock(), desk=SimpleNamespace()).receive(asked(leaves))
    assert refused.value.status_code == 408


async def test_a_header_that_comes_twice_is_seen_whole() -> None:
    seen = {}

    class Curious:
        async def receive(self, request: WebhookRequest) -> Webhook:
            seen.update(request.headers)
            return Webhook.UNCONCERNED

    async def empty():
        return {"type": "http.request", "body": b"", "more_body": False}

    twice = asked(empty)
    twice.scope["headers"] = [(b"x-signature", b"bad"), (b"x-signature", b"good")]
    answer = await route(ManualClock(), desk=Curious()).receive(twice)
    assert (answer.status_code, seen["x-signature"]) == (204, "bad, good")

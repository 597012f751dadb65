"""Trackers that misbehave: whatever they do, one trouble has one ticket, nothing is lost, and nobody else waits."""

import asyncio
import ssl
import time
from datetime import UTC, datetime

import httpx
import pytest
import trustme

from gateway.testing.clock import ManualClock
from tests.scenarios.test_trackers import DESKS, Desk
from tests.trackers._base import Fault, Kind

pytestmark = pytest.mark.tools
FAULTS = {
    "slow": Fault(kind=Kind.SLOW, seconds=20),
    "429 with Retry-After": Fault(kind=Kind.RATE_LIMITED, retry_after="7"),
    "429 without": Fault(kind=Kind.RATE_LIMITED),
    "500 before": Fault(kind=Kind.STATUS, status=500),
    "503 after": Fault(kind=Kind.STATUS, status=503, after=True),
    "reset before": Fault(kind=Kind.RESET),
    "reset after": Fault(kind=Kind.RESET, after=True),
    "timeout before": Fault(kind=Kind.TIMEOUT),
    "timeout after": Fault(kind=Kind.TIMEOUT, after=True),
    "a web page": Fault(kind=Kind.HTML),
    "wrong JSON": Fault(kind=Kind.WRONG_JSON, after=True),
}
COMMENTS = ("/comment", "/notes")


class Line(httpx.AsyncBaseTransport):
    """The way to the tracker, which may be cut."""

    def __init__(self, app) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.cut: Exception | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.cut is not None:
            raise self.cut
        return await self._inner.handle_async_request(request)


@pytest.fixture(params=DESKS)
def desk(request, monkeypatch) -> Desk:
    made = DESKS[request.param](ManualClock())
    monkeypatch.setenv("TRACKER_TOKEN", made.token)
    return made


@pytest.fixture
def line(desk) -> Line:
    return Line(desk.fake)


@pytest.fixture
def at(build, desk, line):
    """The house with that tracker as its only sink."""
    more = desk.config + '\n[tickets]\ndefault_sinks = ["desk"]\n'
    return build(more=more, transports={"desk": line}, clock=desk.fake.clock)


@pytest.fixture
def beside(build, desk, line):
    """The house with that tracker and, beside it, the local sink."""
    more = desk.config + "\n[daemon]\ndrain_s = 0.5\n"
    return build(more=more, transports={"desk": line}, clock=desk.fake.clock)


async def patiently(house, look, *, what: str, every_s: float = 20.0, most_s: float = 2400.0):
    """Let time pass until it is seen."""
    for _ in range(round(most_s / every_s)):
        for _ in range(4):
            if seen := await look():
                return seen
            await asyncio.sleep(0.005)  # for real threads and sockets
        await house.passes(seconds=every_s)
    raise AssertionError(f"not seen: {what}; there is: {await house.incidents()} {await house.get('/api/v1/outbox')}")


def ticketed(house, port: int):
    async def look() -> bool:
        return any(
            item["object"] == str(port) and any(ticket["ref"] for ticket in item["tickets"])
            for item in await house.incidents()
        )

    return look


async def idle(house) -> bool:
    return not (await house.get("/api/v1/outbox"))["items"]


async def outbox(house, state: str):
    return [one for one in (await house.get("/api/v1/outbox"))["items"] if one["state"] == state]


async def test_however_a_creation_goes_wrong_there_is_one_ticket(at, desk) -> None:
    async with at as house:
        for port, (name, fault) in enumerate(FAULTS.items(), start=1):
            desk.fake.break_next(Fault(**{**as_dict(fault), "on": desk.create}))
            await house.link("down", port=port)
            await patiently(house, ticketed(house, port), what=name)
            assert desk.fake.faults_left == 0, name
            assert sum(f"port {port} " in title for title, _ in desk.tickets()) == 1, name
        await patiently(house, lambda: idle(house), what="an empty outbox")
        assert len(desk.tickets()) == len(FAULTS)


def as_dict(fault: Fault) -> dict:
    return {name: getattr(fault, name) for name in Fault.__dataclass_fields__}


async def test_a_token_refused_in_mid_flight_pauses_the_sink_tells_once_and_is_cleared(at, desk) -> None:
    async with at as house:
        await house.link("down", port=1)
        await patiently(house, ticketed(house, 1), what="a ticket")
        await patiently(house, lambda: idle(house), what="an empty outbox")
        admits, desk.fake.admits = desk.fake.admits, lambda _request: False
        await house.link("down", port=2)
        await house.link("up", port=1)
        await house.sees(condition="sink_unauthorized", object="desk", state="open")
        calls = len(desk.fake.calls)
        await house.passes(seconds=30)
        assert len(desk.fake.calls) == calls, "a paused sink is left in peace"
        assert len(desk.tickets()) == 1
        desk.fake.admits = admits
        await patiently(house, ticketed(house, 2), what="the ticket that waited")
        await house.sees(condition="sink_unauthorized", state="resolved", occurrences=1)
        await patiently(house, lambda: idle(house), what="an empty outbox")
        assert sorted(done for title, done in desk.tickets() if "link down" in title) == [False, True]


async def test_a_rule_that_appears_overnight_makes_the_wish_dead_visible_and_repeatable(at, desk, tmp_path) -> None:
    desk.fake.break_next(*[Fault(kind=Kind.STATUS, status=400, on=desk.create)] * 9)
    async with at as house:
        await house.link("down", port=1)
        (dead,) = await patiently(house, lambda: outbox(house, "dead"), what="a dead operation", most_s=60)
        assert dead["error"]
        assert 'tocsin_outbox_operations{sink="desk",state="dead"} 1.0' in (await house.http.get("/metrics")).text
        page = (await house.http.get(f"/incidents/{dead['incident']}")).text
        assert "desk refused" in page
        await house.passes(hours=1)
        assert await outbox(house, "dead"), "it waits for a person"
        assert desk.tickets() == []
        desk.fake._faults.clear()
        admin = httpx.AsyncHTTPTransport(uds=str(tmp_path / "state" / "admin.sock"))
        async with httpx.AsyncClient(transport=admin, base_url="http://tocsin") as operator:
            (await operator.post(f"/api/v1/outbox/{dead['id']}/requeue")).raise_for_status()
        await patiently(house, ticketed(house, 1), what="the ticket")
        assert len(desk.tickets()) == 1


async def test_a_name_that_does_not_resolve_loses_nothing_and_delays_no_other(beside, desk, line) -> None:
    line.cut = httpx.ConnectError("[Errno -2] Name or service not known")
    async with beside as house:
        began_s = time.monotonic()
        await house.link("down", port=1)
        await at_the_local_desk(house, 1)
        assert time.monotonic() - began_s < 5
        await house.passes(minutes=10)
        assert desk.tickets() == []
        line.cut = None
        await patiently(house, lambda: idle(house), what="an empty outbox")
        assert len(desk.tickets()) == 1


async def test_a_tracker_that_hangs_delays_no_other(beside, desk) -> None:
    desk.fake.break_next(*[Fault(kind=Kind.SLOW, seconds=86_400)] * 4)
    async with beside as house:
        began_s = time.monotonic()
        for port in range(1, 7):
            await house.link("down", port=port)
        for port in range(1, 7):
            await at_the_local_desk(house, port)
        assert time.monotonic() - began_s < 10
        assert desk.tickets() == []


async def at_the_local_desk(house, port: int) -> None:
    async def look() -> bool:
        return any(
            item["object"] == str(port) and any(one["sink"] == "local" and one["ref"] for one in item["tickets"])
            for item in await house.incidents()
        )

    await house.eventually(look, what=f"the local ticket of port {port}")


async def test_when_calls_are_short_tickets_are_made_before_anything_is_said(at, desk) -> None:
    async with at as house:
        for port in (1, 2):
            await house.link("down", port=port)
            await patiently(house, ticketed(house, port), what="a ticket")
        await patiently(house, lambda: idle(house), what="an empty outbox")
        await house.passes(seconds=30)  # a poll falls due while the tracker takes no calls
        desk.fake.break_next(Fault(kind=Kind.RATE_LIMITED, retry_after="60", on=desk.create))
        await house.link("down", port=3)
        await house.eventually(lambda: _no_faults(desk), what="that the budget is spent")
        for _ in range(9):
            await house.link("down", port=1)
        await house.link("up", port=2)
        await house.link("down", port=4)
        await house.sees(object="4", state="open")
        await house.sees(object="1", occurrences=10)
        await house.sees(object="2", state="resolved")
        known = len(desk.fake.calls)
        await house.passes(seconds=55)
        assert len(desk.fake.calls) == known
        await patiently(house, lambda: idle(house), what="an empty outbox", every_s=0.25, most_s=120)
        lines = [call.line for call in desk.fake.calls[known:]]
        creations = [index for index, each in enumerate(lines) if _makes(desk, each)]
        comments = [index for index, each in enumerate(lines) if _says(each)]
        assert len(creations) == 2
        assert comments
        assert max(creations) < min(comments), lines


async def _no_faults(desk: Desk) -> bool:
    return desk.fake.faults_left == 0


def _makes(desk: Desk, line: str) -> bool:
    return line.startswith(desk.create) and line.endswith(("/tickets", "/issue", "/request", "/task"))


def _says(line: str) -> bool:
    return line.startswith("POST") and line.endswith(COMMENTS)


async def test_an_expired_certificate_is_told_by_its_name_and_delays_no_other(build, monkeypatch, tmp_path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    expired = authority.issue_cert("localhost", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    expired.configure_cert(context)
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("TRACKER_TOKEN", "a-token-of-the-noc")
    more = f"""
[sinks.desk]
type = "jira"
deployment = "datacenter"
project = "OPS"
token = "env:TRACKER_TOKEN"
site = "https://localhost:{port}"
ca_file = "{tmp_path / "ca.pem"}"
"""
    async with server, build(more=more) as house:
        await house.link("down", port=1)
        await at_the_local_desk(house, 1)

        async def told() -> bool:
            waiting = (await house.get("/api/v1/outbox"))["items"]
            return any(one["state"] == "pending" and "certificate" in one["error"] for one in waiting)

        await house.eventually(told, what="why the other waits")

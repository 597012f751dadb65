"""The base of the fakes fails in the same way in process and on a socket."""

import json

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.plugin import Reject, Retry, SinkError, Unauthorized, UnknownOutcome
from gateway.testing.clock import ManualClock
from sinks._http import Caller, Limits
from tests.trackers._base import Fault, Kind, Say, Tracker


class Pile(Tracker):
    """Takes things and counts them."""

    def routes(self) -> list[Route]:
        self.things: list[str] = []
        return [Route("/things", self.add, methods=["POST"])]

    async def add(self, request: Request) -> JSONResponse:
        thing = json.loads(await request.body())
        if not thing:
            raise Say(self.error(400, "an empty thing"))
        self.things.append(thing)
        return JSONResponse({"id": len(self.things)}, status_code=201)


@pytest.fixture(params=["in process", "on a socket"])
def pile(request, served):
    """A fake, and how to call it."""
    fake = Pile(ManualClock())
    inside = request.param == "in process"
    caller = Caller(
        "http://localhost" if inside else served(fake),
        headers={"Authorization": "Bearer secret"},
        tracker="Pile",
        clock=fake.clock,
        transport=httpx.ASGITransport(app=fake) if inside else None,
        limits=Limits(read_s=0.3),
    )
    return fake, caller


async def add(caller: Caller, thing: str) -> object:
    try:
        return (await caller.call("POST", "/things", writes=True, json=thing)).json
    except SinkError as error:
        return type(error)


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        (Fault(kind=Kind.STATUS, status=500), UnknownOutcome),
        (Fault(kind=Kind.RATE_LIMITED, retry_after="3"), Retry),
        (Fault(kind=Kind.UNAUTHORIZED), Unauthorized),
        (Fault(kind=Kind.FORBIDDEN), Unauthorized),
        (Fault(kind=Kind.STATUS, status=400, body={"no": 1}), Reject),
        (Fault(kind=Kind.HTML), UnknownOutcome),
        (Fault(kind=Kind.RESET), UnknownOutcome),
        (Fault(kind=Kind.TIMEOUT), UnknownOutcome),
    ],
    ids=lambda value: value.kind.value if isinstance(value, Fault) else "",
)
@pytest.mark.parametrize("after", [False, True])
async def test_a_fault_strikes_once_before_or_after_the_work(pile, fault, end, after) -> None:
    fake, caller = pile
    fake.break_next(Fault(**{name: getattr(fault, name) for name in fault.__slots__} | {"after": after}))
    async with caller:
        assert await add(caller, "one") is end
        assert fake.things == (["one"] if after else [])
        assert await add(caller, "two") == {"id": len(fake.things)}
    assert [call.json for call in fake.calls] == ["one", "two"]
    assert fake.faults_left == 0


async def test_a_fault_may_wait_for_its_call(pile) -> None:
    fake, caller = pile
    fake.break_next(Fault(kind=Kind.HTML, on="POST /others"))
    async with caller:
        assert await add(caller, "one") == {"id": 1}
        assert await add(caller, "") is Reject
    assert fake.faults_left == 1


def test_search_lags_behind() -> None:
    clock = ManualClock()
    fake = Pile(clock, search_lag_s=5)
    then = clock.now_ms()
    assert not fake.searchable(then)
    clock.follow(5000)
    assert fake.searchable(then)

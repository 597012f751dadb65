"""The referee sees fouls of both sides, and lets pass what the vendor's document allows."""

import httpx
import pytest

from tests.contract.referee import FAULT_HEADER, Referee

pytestmark = pytest.mark.shared
BASE = "https://api.hubapi.com"
TICKETS = "/crm/objects/2026-09/tickets"
TICKET = {
    "id": "1",
    "properties": {"subject": "x"},
    "createdAt": "2026-11-22T03:00:00.000Z",
    "updatedAt": "2026-11-22T03:00:00.000Z",
    "archived": False,
}


@pytest.fixture
def play(spec):
    """One call under the referee, answered as told."""

    async def run(method: str, path: str, answer: httpx.Response, *, signed: bool = True, **request) -> httpx.Response:
        inner = httpx.MockTransport(lambda _: answer)
        referee = Referee(inner, spec("hubspot-2026-09.json"), base_url=BASE, unlisted=("/files/",))
        headers = {"Authorization": "Bearer secret"} if signed else {}
        async with httpx.AsyncClient(base_url=BASE, transport=referee, headers=headers) as client:
            try:
                return await client.request(method, path, **request)
            except AssertionError:
                assert len(referee.fouls) == 1
                raise

    return run


async def test_what_the_document_describes_passes(play) -> None:
    body = {"properties": {"subject": "x"}}
    assert (await play("POST", TICKETS, httpx.Response(201, json=TICKET), json=body)).status_code == 201
    params = {"idProperty": "tocsin_incident_id", "properties": ["a", "b"]}
    assert (await play("GET", TICKETS + "/1", httpx.Response(200, json=TICKET), params=params)).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "request_", "foul"),
    [
        ("POST", TICKETS, {"json": {"properties": {"subject": 5}}}, "/properties/subject: 5 is not of type 'string'"),
        ("POST", TICKETS, {"json": {}}, "'properties' is a required property"),
        ("POST", TICKETS, {"json": {"properties": {}, "labels": []}}, "labels"),
        ("POST", TICKETS, {}, "MissingRequiredRequestBody"),
        ("POST", TICKETS, {"content": b"{"}, "breaks"),
        ("GET", TICKETS + "/1", {"params": {"idproperty": "x"}}, "idproperty"),
        ("PUT", TICKETS, {"json": {}}, "OperationNotFound"),
        ("GET", "/crm/objects/v3/tickets/1", {}, "PathNotFound"),
        ("GET", "/nowhere", {}, "PathNotFound"),
        ("GET", TICKETS + "/1", {"signed": False}, "Security"),
    ],
)
async def test_a_foul_of_the_sink_is_seen(play, method, path, request_, foul) -> None:
    with pytest.raises(AssertionError, match=foul):
        await play(method, path, httpx.Response(201, json=TICKET), **request_)


@pytest.mark.parametrize(
    ("answer", "foul"),
    [
        (httpx.Response(200, json={**TICKET, "id": 1}), "1 is not of type 'string'"),
        (httpx.Response(200, json={"id": "1"}), "required property"),
        (httpx.Response(200, json={**TICKET, "state": "open"}), "state"),
        (httpx.Response(200, html="<html>"), "text/html"),
        (httpx.Response(404, json={"error": "no"}), "required property"),
    ],
)
async def test_a_foul_of_the_fake_is_seen(play, answer, foul) -> None:
    with pytest.raises(AssertionError, match=foul):
        await play("GET", TICKETS + "/1", answer)


async def test_a_wrong_answer_on_purpose_is_no_foul(play) -> None:
    answer = httpx.Response(200, html="<html>", headers={FAULT_HEADER: "html"})
    assert (await play("GET", TICKETS + "/1", answer)).text == "<html>"


async def test_a_path_that_the_copy_lacks_passes_when_named(play) -> None:
    assert (await play("POST", "/files/2026-03/files", httpx.Response(201, json={}))).status_code == 201

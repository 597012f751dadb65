"""Every end of a call gets the verdict that keeps tickets single."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable

import httpx
import pytest
import trustme

from gateway.core.reason import Failed
from gateway.plugin import Reject, Retry, SinkError, Unauthorized, UnknownOutcome
from gateway.testing.clock import ManualClock
from sinks._http import Answer, Caller, Limits, Refused, base_url, path, retry_after_s

TOKEN = "pat-na1-3f9c-very-secret"


def caller(handler=None, *, url="https://tracker.example/api", **more) -> Caller:
    transport = handler if handler is None else httpx.MockTransport(handler)
    return Caller(
        url,
        headers={"Authorization": f"Bearer {TOKEN}"},
        tracker="Tracker",
        clock=ManualClock(),
        explain=lambda body: body.get("message", "") if isinstance(body, dict) else "",
        transport=transport,
        **more,
    )


async def ending(handler, *, writes: bool, **more) -> Answer | SinkError:
    """How one call ended."""
    async with caller(handler, **more) as calls:
        try:
            return await calls.call("POST" if writes else "GET", "/tickets", writes=writes)
        except SinkError as error:
            return error


def says(status: int, **more) -> Callable[[httpx.Request], httpx.Response]:
    return lambda _request: httpx.Response(status, **more)


def fails(error: type[httpx.TransportError]) -> Callable[[httpx.Request], httpx.Response]:
    def handler(request: httpx.Request) -> httpx.Response:
        raise error("boom", request=request)

    return handler


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError])
@pytest.mark.parametrize("writes", [True, False])
async def test_what_was_never_sent_may_be_sent_again(error, writes) -> None:
    end = await ending(fails(error), writes=writes)
    assert type(end) is Retry
    assert end.reason is Failed.CONNECTION


@pytest.mark.parametrize(
    "error", [httpx.ReadError, httpx.WriteError, httpx.ReadTimeout, httpx.WriteTimeout, httpx.RemoteProtocolError]
)
async def test_a_lost_answer_is_unknown_after_a_write_and_a_retry_after_a_read(error) -> None:
    assert type(await ending(fails(error), writes=True)) is UnknownOutcome
    read = await ending(fails(error), writes=False)
    assert type(read) is Retry
    assert read.reason in {Failed.TIMEOUT, Failed.CONNECTION}


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 524])
async def test_a_server_failure_is_unknown_after_a_write_even_when_it_says_retry_after(status) -> None:
    handler = says(status, headers={"Retry-After": "7"}, json={"message": "busy"})
    assert type(await ending(handler, writes=True)) is UnknownOutcome
    read = await ending(handler, writes=False)
    assert type(read) is Retry
    assert read.after_s == 7


@pytest.mark.parametrize(
    "answer",
    [
        {"html": "<html>Just a moment...</html>"},
        {"content": b'{"id": '},
        {"content": b"[" * 100_000},
        {"content": b"\xff\xfe{"},
        {"content": b"x" * 2000},
    ],
    ids=["html", "torn", "deep", "encoding", "large"],
)
async def test_a_success_that_cannot_be_read_is_unknown_after_a_write(answer) -> None:
    limits = Limits(answer_bytes=200_000 if answer.get("content", b"")[:1] == b"[" else 1000)
    assert type(await ending(says(200, **answer), writes=True, limits=limits)) is UnknownOutcome
    assert type(await ending(says(200, **answer), writes=False, limits=limits)) is Retry


@pytest.mark.parametrize(("status", "kind"), [(400, Reject), (404, Reject), (413, Reject), (422, Reject)])
@pytest.mark.parametrize("writes", [True, False])
async def test_a_refusal_is_told_in_the_trackers_words(status, kind, writes) -> None:
    end = await ending(says(status, json={"message": "Stage\n9 is \u202eunknown"}), writes=writes)
    assert type(end) is kind
    assert str(end) == f"Tracker answered {status}: Stage 9 is unknown"


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_pause_the_sink_and_are_not_told(status) -> None:
    end = await ending(says(status, json={"message": f"token {TOKEN} has expired"}), writes=True)
    assert type(end) is Unauthorized
    assert end.reason is Failed.AUTH_ERROR
    assert TOKEN not in str(end)
    assert "token *** has expired" in str(end)


async def test_a_rate_limit_says_how_long_to_wait() -> None:
    end = await ending(says(429, headers={"Retry-After": "12"}, html="<b>slow down</b>"), writes=True)
    assert type(end) is Retry
    assert (end.after_s, end.reason) == (12, Failed.RATE_LIMITED)


async def test_a_redirect_is_not_followed_and_shows_no_token() -> None:
    asked = []

    def handler(request: httpx.Request) -> httpx.Response:
        asked.append(request.url)
        return httpx.Response(307, headers={"Location": "https://login.example/sso?token=abc"})

    end = await ending(handler, writes=True)
    assert type(end) is Reject
    assert "https://login.example:" in str(end)
    assert "abc" not in str(end)
    assert len(asked) == 1


async def test_only_the_apis_own_404_means_not_there() -> None:
    async with caller(says(404, json={"message": "no such ticket"})) as calls:
        answer = await calls.call("GET", "/tickets/1", writes=False, missing_ok=True)
        assert answer.missing
    async with caller(says(404, html="<h1>Not Found</h1>")) as calls:
        with pytest.raises(Retry, match="proves nothing"):
            await calls.call("GET", "/tickets/1", writes=False, missing_ok=True)


async def test_an_empty_success_is_an_answer() -> None:
    answer = await ending(says(201), writes=True)
    assert isinstance(answer, Answer)
    assert answer.json is None


async def test_a_body_of_the_wrong_shape_is_unknown_after_a_write() -> None:
    wrote, read = await ending(says(200, json=[]), writes=True), await ending(says(200, json={}), writes=False)
    assert isinstance(wrote, Answer)
    assert isinstance(read, Answer)
    with pytest.raises(UnknownOutcome):
        wrote.read(lambda body: body["id"])
    with pytest.raises(Retry):
        read.read(lambda body: body["id"])


async def test_a_trackers_own_verdict_comes_first_and_sees_the_reason() -> None:
    seen: list[Refused] = []

    def judge(refused: Refused) -> SinkError | None:
        seen.append(refused)
        return Retry(refused.sentence, after_s=2) if refused.status == 423 else None

    handler = says(423, json={"message": "locked"})
    end = await ending(handler, writes=True, judge=judge)
    assert type(end) is Retry
    assert end.after_s == 2
    assert seen[0].sentence == "Tracker answered 423: locked"
    assert type(await ending(says(400), writes=True, judge=judge)) is Reject


async def test_each_answers_headers_are_shown_to_the_sink() -> None:
    seen = []
    await ending(
        says(500, headers={"X-RateLimit-Remaining": "3"}),
        writes=True,
        on_response=lambda status, headers: seen.append((status, headers["x-ratelimit-remaining"])),
    )
    assert seen == [(500, "3")]


async def test_no_cookie_is_kept_between_calls() -> None:
    sent = []

    def handler(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("cookie"))
        return httpx.Response(200, headers={"Set-Cookie": "session=1; Path=/"}, json={})

    async with caller(handler) as calls:
        await calls.call("GET", "/a", writes=False)
        await calls.call("GET", "/b", writes=False)
    assert sent == [None, None]


async def test_a_path_cannot_lead_to_another_host() -> None:
    async with caller(says(200, json={})) as calls:
        for wrong in ("//evil.example/x", "https://evil.example/x", "tickets"):
            with pytest.raises(ValueError, match="one slash"):
                await calls.call("GET", wrong, writes=False)


def test_segments_of_a_path_stay_segments() -> None:
    assert path("/t/{}/c/{}", "a/../b?x=1#y", "ü") == "/t/a%2F..%2Fb%3Fx%3D1%23y/c/%C3%BC"
    for wrong in ("", ".", ".."):
        with pytest.raises(Reject):
            path("/t/{}", wrong)


@pytest.mark.parametrize(
    "good", ["https://api.hubapi.com", "http://127.0.0.1:8080/x/", "http://localhost", "http://[::1]:1"]
)
def test_an_address_of_a_tracker_is_taken(good) -> None:
    assert base_url(good) == good.rstrip("/")


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "api.hubapi.com",
        "http://api.hubapi.com",
        "https://u:p@x.example",
        "https://x.example/?a=1",
        "https://",
        "ftp://x",
        "https://169.254.169.254/latest",
        "https://[fe80::1]/",
        "https://metadata.google.internal",
    ],
)
def test_an_address_that_would_leak_credentials_is_refused(bad) -> None:
    with pytest.raises(ValueError, match="write"):
        base_url(bad)


def test_a_header_that_cannot_be_sent_is_named_without_its_value() -> None:
    with pytest.raises(ValueError, match="Authorization") as caught:
        Caller("https://x.example", headers={"Authorization": f"{TOKEN}\n"}, tracker="T", clock=ManualClock())
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "30"}, 30),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "Sun, 22 Nov 2026 00:01:00 GMT"}, 60),
        ({"retry-after": "Sun, 22 Nov 2026 00:01:00 GMT", "date": "Sun, 22 Nov 2026 00:00:50 GMT"}, 10),
        ({"retry-after": "Sun, 22 Nov 2020 00:01:00 GMT"}, 0),
        ({"retry-after": "999999999"}, 86_400),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_understood(headers, seconds) -> None:
    assert retry_after_s(headers, now_ms=ManualClock().now_ms()) == seconds


# --- on a real socket ------------------------------------------------------------------------------

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def over_a_socket(serve: Handler, *, tls: ssl.SSLContext | None = None, **more) -> Answer | SinkError:
    """How a write ended at a server that treats its connections as told."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    async with server:
        port = server.sockets[0].getsockname()[1]
        scheme = "https" if tls else "http"
        return await ending(None, writes=True, url=f"{scheme}://127.0.0.1:{port}", **more)


async def test_a_reset_after_the_request_is_unknown() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
        )
        writer.transport.abort()

    assert type(await over_a_socket(serve)) is UnknownOutcome


async def test_a_close_without_an_answer_is_unknown() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    assert type(await over_a_socket(serve)) is UnknownOutcome


async def test_a_body_that_breaks_off_is_unknown_after_success_and_decided_after_refusal() -> None:
    def torn(status: str) -> Handler:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(f"HTTP/1.1 {status}\r\nContent-Length: 100\r\n\r\n{{".encode())
            await writer.drain()

        return serve

    assert type(await over_a_socket(torn("201 Created"))) is UnknownOutcome
    assert type(await over_a_socket(torn("400 Bad Request"))) is Reject


@pytest.mark.parametrize("limits", [Limits(read_s=0.05), Limits(total_s=0.05)], ids=["read", "total"])
async def test_a_silent_tracker_is_left_after_the_limit(limits) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()  # until the client has had enough

    assert type(await over_a_socket(serve, limits=limits)) is UnknownOutcome


async def test_a_tracker_that_trickles_is_left_after_the_total() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.01)

    assert type(await over_a_socket(serve, limits=Limits(read_s=5, total_s=0.1))) is UnknownOutcome


async def test_a_refused_connection_was_never_made() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening: refuses
        end = await ending(None, writes=True, url=f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert type(end) is Retry
    assert end.reason is Failed.CONNECTION


async def test_an_unknown_authority_is_refused_in_one_sentence_and_taken_when_named(tmp_path) -> None:
    authority = trustme.CA()
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    ca_file = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\n{"id": 1}')
        await writer.drain()

    end = await over_a_socket(serve, tls=tls)
    assert type(end) is Retry
    assert "certificate of 127.0.0.1 is not accepted" in str(end)
    assert "ca_file" in str(end)
    answer = await over_a_socket(serve, tls=tls, ca_file=ca_file)
    assert isinstance(answer, Answer)
    assert answer.json == {"id": 1}

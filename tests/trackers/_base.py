"""What all fake trackers share: an ASGI application with a memory, that fails as it is told.

A fake is used in process (`httpx.ASGITransport`, through `Host.transport`) or on a real socket (the ``served``
fixture of ``tests/contract/conftest.py``), and behaves the same on both. A subclass gives `routes`, and words for the
answers that each tracker puts in its own way.
"""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from enum import Enum
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Router

from gateway.plugin import Clock

FAULT_HEADER = "x-fake-fault"
"""On each answer that is wrong on purpose: the referee lets it pass."""
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class Kind(Enum):
    """How a call may go wrong."""

    STATUS = "status"
    """Answers ``status`` with ``body``."""
    RATE_LIMITED = "rate limited"
    """Answers 429 in the tracker's words; ``retry_after`` becomes a header if set."""
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    HTML = "html"
    """Answers 200 with a web page, as proxies and login walls do."""
    WRONG_JSON = "wrong json"
    """Answers 200 with JSON that has nothing of what was promised."""
    RESET = "reset"
    """The connection breaks instead of an answer."""
    TIMEOUT = "timeout"
    """No answer ever comes; in process that is told at once, without waiting."""
    SLOW = "slow"
    """Waits ``seconds`` of the tracker's clock, then works as usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One call gone wrong."""

    kind: Kind
    after: bool = False
    """Whether the work is done first, so that only the answer is lost."""
    status: int = 500
    body: Any = None
    """JSON for `Kind.STATUS`; the tracker's own words if None."""
    retry_after: str = ""
    seconds: float = 0.0
    on: str = ""
    """Only calls whose ``METHOD /path`` contains this are hit; others pass and do not use it up."""


@dataclass(slots=True, kw_only=True)
class Call:
    """One request as it came, and how it was answered."""

    method: str
    path: str
    query: list[tuple[str, str]]
    headers: dict[str, str]
    body: bytes
    status: int = 0
    """0: never answered."""

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else None

    @property
    def line(self) -> str:
        """``METHOD /path``."""
        return f"{self.method} {self.path}"


class Say(Exception):
    """Raised by an endpoint: this is the answer."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status_code)
        self.response = response


@dataclass(slots=True)
class _Sent:
    """An answer held back until it is known whether it may leave."""

    messages: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> None:
        self.messages.append(message)


class Tracker:
    """Base of the fakes.

    Args:
        clock: the tracker's idea of the time (``gateway.testing.clock.ManualClock`` in most tests).
        search_lag_s: how long its search does not know of a change.
    """

    def __init__(self, clock: Clock, *, search_lag_s: float = 0.0) -> None:
        self.clock = clock
        self.search_lag_s = search_lag_s
        self.calls: list[Call] = []
        self._faults: list[Fault] = []
        self._router = Router(routes=self.routes())

    # --- for subclasses ---

    def routes(self) -> list[BaseRoute]:
        """The API; endpoints are methods that take a `Request`."""
        raise NotImplementedError

    def error(self, status: int, message: str) -> Response:
        """An error answer in the tracker's words."""
        return JSONResponse({"message": message}, status_code=status)

    def rate_limited(self, fault: Fault) -> Response:
        """The tracker's 429."""
        return self.error(429, "You have reached your limit.")

    def admits(self, request: Request) -> bool:
        """Whether the request's credentials are good."""
        return True

    def searchable(self, changed_ms: int) -> bool:
        """Whether the search index knows by now of what changed at ``changed_ms``."""
        return self.clock.now_ms() - changed_ms >= self.search_lag_s * 1000

    # --- for tests ---

    def break_next(self, *faults: Fault) -> None:
        """Let the next calls go wrong, one after the other."""
        self._faults += faults

    @property
    def faults_left(self) -> int:
        return len(self._faults)

    def asked(self, method: str = "", part: str = "") -> list[Call]:
        """The calls with this method (any if empty) whose path contains ``part``."""
        return [call for call in self.calls if call.method == (method or call.method) and part in call.path]

    # --- ASGI ---

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        body = await _whole(receive)
        call = self._recorded(Request(scope), body)
        fault = self._next_fault(call)
        if fault is not None and fault.kind is Kind.SLOW:
            await self.clock.sleep(fault.seconds)
            fault = None
        held = _Sent()
        if fault is None or fault.after:
            await self._work(scope, body, held)
        if fault is not None and fault.kind in {Kind.RESET, Kind.TIMEOUT}:
            await _hang_up(receive, send, silent=fault.kind is Kind.TIMEOUT)
            return
        if fault is not None:
            held = _Sent()
            await self._false(fault)(scope, receive, held.send)
        call.status = held.messages[0]["status"]
        for message in held.messages:
            await send(message)

    def _recorded(self, request: Request, body: bytes) -> Call:
        self.calls.append(
            Call(
                method=request.method,
                path=request.url.path,
                query=request.query_params.multi_items(),
                headers=dict(request.headers),
                body=body,
            )
        )
        return self.calls[-1]

    async def _work(self, scope: Message, body: bytes, held: _Sent) -> None:
        """Do as the API would."""
        if not self.admits(Request(scope)):
            await self.error(401, "The credentials are not valid.")(scope, _again(body), held.send)
            return
        try:
            await self._router(dict(scope), _again(body), held.send)
        except Say as said:
            await said.response(scope, _again(body), held.send)

    def _next_fault(self, call: Call) -> Fault | None:
        for index, fault in enumerate(self._faults):
            if fault.on in call.line:
                return self._faults.pop(index)
        return None

    def _false(self, fault: Fault) -> Response:
        """The wrong answer, marked as wrong on purpose."""
        words: dict[Kind, Callable[[], Response]] = {
            Kind.RATE_LIMITED: lambda: self.rate_limited(fault),
            Kind.UNAUTHORIZED: lambda: self.error(401, "The credentials have expired."),
            Kind.FORBIDDEN: lambda: self.error(403, "This app lacks a scope."),
            Kind.HTML: lambda: HTMLResponse("<!doctype html><title>Just a moment...</title>"),
            Kind.WRONG_JSON: lambda: JSONResponse({"unexpected": ["shape"]}),
        }
        response = words.get(fault.kind, lambda: self._told(fault))()
        response.headers[FAULT_HEADER] = fault.kind.value
        if fault.retry_after:
            response.headers["retry-after"] = fault.retry_after
        return response

    def _told(self, fault: Fault) -> Response:
        if fault.body is None:
            return self.error(fault.status, "Something went wrong.")
        return JSONResponse(fault.body, status_code=fault.status)


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a multipart body."""

    filename: str
    media_type: str
    content: bytes


async def parts_of(request: Request) -> dict[str, Part]:
    """The parts of a ``multipart/form-data`` body, by their names."""
    head = f"Content-Type: {request.headers['content-type']}\r\n\r\n".encode()
    mail = BytesParser(policy=HTTP).parsebytes(head + await request.body())
    return {
        str(part.get_param("name", header="content-disposition")): Part(
            filename=part.get_filename() or "",
            media_type=part.get_content_type(),
            content=part.get_payload(decode=True),
        )
        for part in mail.iter_parts()
    }


async def _whole(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            return body


def _again(body: bytes) -> Receive:
    """A ``receive`` that gives the body once more."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _hang_up(receive: Receive, send: Send, *, silent: bool) -> None:
    """Break the connection (or say nothing until the client leaves), on a socket or in process.

    On a socket, uvicorn's ``send`` is a method of the object that owns the connection. In process there is no
    connection: httpx passes the application's exception on to the client.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None and silent:
        raise httpx.ReadTimeout("the fake never answers")
    if transport is None:
        raise httpx.ReadError("the fake broke the connection")
    if not silent:
        transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass

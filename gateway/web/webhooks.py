"""``POST /webhooks/{sink}``: where trackers tell that something happened to a ticket."""

import asyncio
from typing import TYPE_CHECKING

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway import metrics
from gateway.plugin import Webhook, WebhookRequest
from gateway.store.api import StoreError

if TYPE_CHECKING:
    from gateway.app import App

log = structlog.get_logger()

BODY_TIMEOUT_S = 10.0
"""Trackers wait five to seven seconds for an answer; who needs longer to ask holds a connection for nothing."""
SAID_AGAIN_S = 300.0
"""A refusal is logged once per sink, outcome and so many seconds."""
_TAKEN = frozenset({Webhook.HEARD, Webhook.REPEATED, Webhook.UNCONCERNED, Webhook.MALFORMED})
"""Acknowledged: sending it again would change nothing."""
_SAID = frozenset(Webhook) - {Webhook.HEARD, Webhook.REPEATED, Webhook.UNCONCERNED}
_CURES = {
    Webhook.OVERSIZED: "raise http.body_max, or let the tracker send less",
    Webhook.BAD_SIGNATURE: "compare webhook_secret (and webhook_url) with the tracker's settings",
    Webhook.NOT_CONFIGURED: "set the sink's webhook_secret, or remove the webhook in the tracker",
    Webhook.STALE: "check this machine's clock",
}


class _Refused(Exception):
    """The request was not even read to its end."""

    def __init__(self, outcome: Webhook) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class Webhooks:
    """Handler of the route. Whoever is refused learns nothing about why."""

    def __init__(self, app: "App", *, body_timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._app = app
        self._body_timeout_s = body_timeout_s
        self._said: dict[tuple[str, Webhook], tuple[float, int]] = {}

    async def receive(self, request: Request) -> Response:
        """204: taken, and on disk if it concerns us. 403: not believed. 404: no such sink, or none that hears."""
        name = request.path_params["sink"]
        sink = self._app.webhooks.get(name) if name in self._app.config.sinks else None
        if sink is None:
            return self._answer("", Webhook.NOT_CONFIGURED)  # a stranger's words are no label
        try:
            body = await self._body(request)
            outcome = await sink.receive(
                WebhookRequest(
                    method=request.method, headers=_headers(request), body=body, now_ms=self._app.clock.now_ms()
                )
            )
        except _Refused as refusal:
            outcome = refusal.outcome
        except StoreError:
            self._count(name, Webhook.NOT_STORED)
            raise
        return self._answer(name, outcome)

    async def _body(self, request: Request) -> bytes:
        """The whole body.

        Raises:
            _Refused: it is too long, or comes too slowly.
        """
        most, body = self._app.config.http.body_max, bytearray()
        declared = request.headers.get("content-length", "")
        if declared.isdecimal() and int(declared) > most:
            raise _Refused(Webhook.OVERSIZED)
        try:
            async with asyncio.timeout(self._body_timeout_s):
                async for chunk in request.stream():
                    body += chunk
                    if len(body) > most:
                        raise _Refused(Webhook.OVERSIZED)
        except (TimeoutError, ClientDisconnect):
            raise _Refused(Webhook.SLOW) from None
        return bytes(body)

    def _answer(self, sink: str, outcome: Webhook) -> Response:
        self._count(sink, outcome)
        if outcome in _TAKEN:
            return Response(status_code=204)
        match outcome:
            case Webhook.NOT_CONFIGURED:
                raise HTTPException(404, "there is no such webhook")
            case Webhook.OVERSIZED:
                raise HTTPException(413, f"the body has more than {self._app.config.http.body_max} bytes")
            case Webhook.SLOW:
                raise HTTPException(408, "the body did not come in time", {"Connection": "close"})
            case _:
                raise HTTPException(403, "this webhook is not accepted")

    def _count(self, sink: str, outcome: Webhook) -> None:
        metrics.WEBHOOKS.labels(sink, outcome).inc()
        if outcome not in _SAID:
            return
        now_s = self._app.clock.monotonic_s()
        said_s, count = self._said.get((sink, outcome), (None, 0))
        if said_s is not None and now_s - said_s < SAID_AGAIN_S:
            self._said[sink, outcome] = (said_s, count + 1)
            return
        self._said[sink, outcome] = (now_s, 0)
        log.warning("webhook.refused", sink=sink, outcome=outcome.value, more=count, cure=_CURES.get(outcome, ""))


def _headers(request: Request) -> dict[str, str]:
    """By name in lower case; one that came twice (RFC 9110 section 5.3) is joined, so no signature hides behind another."""
    joined: dict[str, str] = {}
    for name, value in request.headers.items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined

"""``/ping/KEY``: stations without MQTT say over HTTP that they live, as they would to Healthchecks.

``/ping/KEY`` is a beat, ``/start`` too (and says nothing of its health), ``/fail`` a fault, and ``/N`` what its exit code
says. The key is a secret that names the station; whoever guesses is slowed down and learns nothing. The answer comes when
what the ping changed is on disk.
"""

import asyncio
import hashlib
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response

from gateway import metrics
from gateway.core.event import Beat
from gateway.core.pace import Budget
from gateway.core.reason import Dropped
from gateway.core.text import clean
from gateway.plugin import Overloaded

if TYPE_CHECKING:
    from gateway.app import App


PING = "ping"
"""What rules see as the collector."""
LONGEST_TOLD = 10_000
"""Characters of a body that are kept."""
BODY_TIMEOUT_S = 10.0
PER_S, AT_ONCE = 1.0, 10.0
"""Pings of one station."""
GUESSES_PER_S, GUESSES_AT_ONCE = 5.0, 50.0
"""Wrong keys, of everybody together."""
MOST_EXIT_CODE = 255
_TOO_MANY = 429


class Pings:
    """Handler of the routes."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._guesses = Budget(per_s=GUESSES_PER_S, burst=GUESSES_AT_ONCE)
        self._budgets: dict[str, Budget] = {}

    async def receive(self, request: Request) -> Response:
        """200: taken, and on disk if it changed anything."""
        now_s = self._app.clock.monotonic_s()
        station = self._app.pinged_by.get(hashed(request.path_params["key"]))
        if station is None:
            self._bound(self._guesses, now_s)
            raise HTTPException(404, "there is no such ping")
        name, site = station
        metrics.INPUTS_RECEIVED.labels(PING).inc()
        try:
            self._bound(self._budgets.setdefault(name, Budget(per_s=PER_S, burst=AT_ONCE)), now_s)
            fault = self._fault(name, request.path_params.get("what", ""))
        except HTTPException as error:
            reason = Dropped.OVERLOAD if error.status_code == _TOO_MANY else Dropped.UNSUPPORTED
            metrics.INPUTS_DROPPED.labels(PING, reason).inc()
            raise
        if self._app.damage:
            metrics.INPUTS_DROPPED.labels(PING, Dropped.OVERLOAD).inc()
            raise HTTPException(503, "nothing can be stored now; ping again", {"Retry-After": "10"})
        beat = Beat(
            collector=PING,
            station=name,
            site=site,
            at_ms=self._app.clock.now_ms(),
            fault=fault,
            labels={"ping": request.path_params.get("what", "success")},
            description=await self._told(request),
        )
        stored = self._app.watch.heard(beat)
        if stored is not None:
            try:
                await stored
            except Overloaded as error:
                raise HTTPException(503, "it could not be stored; ping again", {"Retry-After": "10"}) from error
        return PlainTextResponse("OK")

    def _bound(self, budget: Budget, now_s: float) -> None:
        wait_s = budget.wait_s(now_s=now_s)
        if wait_s > 0:
            raise HTTPException(_TOO_MANY, "too many pings", {"Retry-After": str(max(1, round(wait_s)))})
        budget.spend(now_s=now_s)

    def _fault(self, name: str, what: str) -> str:
        match what:
            case "" | "0":
                return ""
            case "start":
                return self._app.watch.fault_of(name)  # that it begins says nothing of how it is
            case "fail":
                return "failed"
            case _ if what.isascii() and what.isdecimal() and len(what) <= 3 and int(what) <= MOST_EXIT_CODE:  # noqa: PLR2004
                return f"exit code {int(what)}" if int(what) else ""
        raise HTTPException(404, "a ping ends in nothing, start, fail, or an exit code from 0 to 255")

    async def _told(self, request: Request) -> str:
        """The body as text, cut; what comes too slowly is left out, since the ping itself counts."""
        most, body = min(self._app.config.http.body_max, 4 * LONGEST_TOLD), bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in request.stream():
                    body += chunk[: most - len(body)]
        except (TimeoutError, ClientDisconnect):
            pass
        return clean(body.decode("utf-8", "replace"))[:LONGEST_TOLD].strip()


def hashed(key: str) -> bytes:
    """By which keys are looked up, so that the time of a look-up tells nothing of them."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()

"""Metrics, liveness and readiness."""

from typing import TYPE_CHECKING

from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from gateway import metrics
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.operation import OperationState
from gateway.core.reason import Muted
from gateway.core.station import StationState
from gateway.store.api import StoreError

if TYPE_CHECKING:
    from gateway.app import App


async def healthz(_request: Request) -> Response:
    """200: the process lives and its loop turns."""
    return JSONResponse({"alive": True})


class Readiness:
    """200 if everything can hear and the store writes, else 503 with a sentence for each trouble."""

    def __init__(self, app: "App") -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        troubles = self._app.troubles()
        sinks = {name: delivery.breaker.closed for name, delivery in self._app.deliveries.items()}
        body = {"ready": not troubles, "troubles": troubles, "collectors": self._app.connected, "sinks": sinks}
        await JSONResponse(body, status_code=503 if troubles else 200)(scope, receive, send)


class Metrics:
    """Prometheus' view; OpenMetrics for those who accept it."""

    def __init__(self, app: "App") -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one scrape."""
        await self._refresh()
        encode, media_type = choose_encoder(Request(scope).headers.get("accept", ""))
        await Response(encode(REGISTRY), headers={"Content-Type": media_type})(scope, receive, send)

    async def _refresh(self) -> None:
        """Set the gauges of the watch, and those that are counted in the store."""
        for station in StationState:
            metrics.STATIONS.labels(station).set(self._app.watch.states.get(station, 0))
        try:
            counts = await self._app.store.reader.counts()
        except StoreError:
            return  # what is not counted there matters most now
        for state in State:
            if state is not State.CLOSED:
                metrics.INCIDENTS.labels(state).set(counts["incidents"].get(state, 0))
        for impact in Impact:
            metrics.INCIDENTS_OPEN.labels(impact).set(counts["impacts"].get(str(impact.rank), 0))
        for mark in Muted:
            number = sum(count for marks, count in counts["muted"].items() if mark in marks.split(","))
            metrics.INCIDENTS_MUTED.labels(mark).set(number)
        for sink in self._app.config.sinks:
            for waiting in OperationState:
                metrics.OUTBOX_OPERATIONS.labels(sink, waiting).set(counts["operations"].get(f"{sink}/{waiting}", 0))

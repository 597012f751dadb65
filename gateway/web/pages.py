"""Plain status pages for people: read only, escaped, and without a line of script."""

from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from gateway.core.incident import State
from gateway.core.text import clean, span, utc
from gateway.plugin import ShowsTickets

if TYPE_CHECKING:
    from gateway.app import App

MOST_ROWS = 100
_ALIVE = (State.PENDING, State.OPEN, State.RECOVERING)
_OVER = (State.RESOLVED, State.CLOSED)


class Pages:
    """Handlers of the pages."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._reader = app.store.reader

    async def overview(self, _request: Request) -> Response:
        """Incidents, stations, collectors, outbox."""
        return _render(
            "overview.html",
            now_ms=self._app.clock.now_ms(),
            troubles=self._app.troubles(),
            open=(await self._reader.incidents(states=_ALIVE, limit=MOST_ROWS)).items,
            over=(await self._reader.incidents(states=_OVER, limit=20)).items,
            stations=(await self._reader.stations(limit=MOST_ROWS)).items,
            operations=(await self._reader.operations(limit=MOST_ROWS)).items,
            counts=await self._reader.counts(),
            watched=sum(self._app.watch.states.values()),
            collectors={name: self._app.connected.get(name, False) for name in self._app.config.collectors},
            sinks={name: delivery.breaker.closed for name, delivery in self._app.deliveries.items()},
        )

    async def incident(self, request: Request) -> Response:
        """One incident with its timeline."""
        found = await self._reader.incident(request.path_params["id"])
        if found is None:
            raise HTTPException(404, "there is no such incident")
        return _render("incident.html", now_ms=self._app.clock.now_ms(), incident=found)

    async def ticket(self, request: Request) -> Response:
        """A ticket of a sink that keeps its tickets here."""
        for delivery in self._app.deliveries.values():
            if isinstance(delivery.sink, ShowsTickets):
                ticket = await delivery.sink.show(request.path_params["id"])
                if ticket is not None:
                    return _render("ticket.html", now_ms=self._app.clock.now_ms(), ticket=ticket)
        raise HTTPException(404, "there is no such ticket here")


async def style(_request: Request) -> Response:
    """The one style sheet."""
    return Response(_style(), media_type="text/css")


@cache
def _style() -> str:
    return resources.files("gateway.web").joinpath("templates/style.css").read_text(encoding="utf-8")


@cache
def _templates() -> Environment:
    templates = Environment(
        loader=PackageLoader("gateway.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters.update(utc=utc, span=span, clean=clean)
    return templates


def _render(name: str, **values: Any) -> Response:
    return HTMLResponse(_templates().get_template(name).render(**values))

"""The JSON API: lists are ``{"items": [...], "next": cursor or null}``; instants are RFC 3339 in UTC."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.decision import Verb
from gateway.core.ids import is_id
from gateway.core.incident import State
from gateway.core.operation import OperationState
from gateway.core.reason import Dropped
from gateway.core.station import StationVerb
from gateway.drill import DrillCut, DrillRuns, told
from gateway.plugin import Overloaded
from gateway.store.api import Page

if TYPE_CHECKING:
    from gateway.app import App

MOST_ITEMS = 1000
MOST_DIGITS = 18
"""No number of ours has more; Python takes long for long ones, and SQLite takes none above 2^63."""


class Api:
    """Handlers of ``/api/v1``."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._reader = app.store.reader

    async def incidents(self, request: Request) -> Response:
        """Incidents, newest first; ``state`` (comma-separated) and ``source`` narrow the list."""
        states = [State(word) for word in _words(request, "state", State)]
        source = request.query_params.get("source", "")
        return await _page(request, lambda **where: self._reader.incidents(states=states, source=source, **where))

    async def incident(self, request: Request) -> Response:
        """One incident with its timeline."""
        found = await self._reader.incident(request.path_params["id"])
        if found is None:
            raise HTTPException(404, f"there is no incident {request.path_params['id']}")
        return JSONResponse(public(found))

    async def command(self, request: Request) -> Response:
        """Close an incident, or lift its mutes."""
        verb = request.path_params["verb"]
        if verb not in list(Verb):
            raise HTTPException(404, f"an incident cannot {verb}; it can {' or '.join(Verb)}")
        incident_id = request.path_params["id"]
        if await self._app.engine.command(incident_id, Verb(verb), actor="an operator") is None:
            raise HTTPException(404, f"there is no incident {incident_id}")
        return await self.incident(request)

    async def drill(self, request: Request) -> Response:  # noqa: ARG002 - starlette gives it
        """Drill every collector; answered when it has ended."""
        try:
            return JSONResponse(told(await self._app.drills.drill()))
        except DrillRuns as error:
            raise HTTPException(409, str(error)) from None
        except DrillCut as error:
            raise HTTPException(503, str(error)) from None

    async def stations(self, request: Request) -> Response:
        """Stations by name."""
        return await _page(request, self._reader.stations)

    async def order(self, request: Request) -> Response:
        """Retire a station, let it sleep, or wake it."""
        name, verb = request.path_params["name"], request.path_params["verb"]
        if verb not in list(StationVerb):
            raise HTTPException(404, f"nobody can {verb} a station; one can {', '.join(StationVerb)}")
        try:
            found = await self._app.watch.command(name, StationVerb(verb))
        except Overloaded as error:
            raise HTTPException(503, str(error)) from error
        if not found:
            raise HTTPException(404, f"there is no station {name}")
        return JSONResponse({"id": name, "done": verb})

    async def tickets(self, request: Request) -> Response:
        """Tickets, newest incident first."""
        return await _page(request, self._reader.tickets)

    async def outbox(self, request: Request) -> Response:
        """Operations that wait, oldest first; ``state`` (comma-separated) narrows the list."""
        states = [OperationState(word) for word in _words(request, "state", OperationState)]
        return await _page(request, lambda **where: self._reader.operations(states=states, **where))

    async def operate(self, request: Request) -> Response:
        """Requeue or drop a dead operation."""
        given, verb = request.path_params["id"], request.path_params["verb"]
        if not _is_number(given):
            raise HTTPException(404, "the outbox has no such operation: its id is a number")
        number = int(given)
        now_ms = self._app.clock.now_ms()
        match verb:
            case "requeue":
                done = await self._app.store.run(lambda tx: tx.requeue(number, now_ms=now_ms))
            case "drop":
                done = await self._app.store.run(lambda tx: tx.drop(number))
            case _:
                raise HTTPException(404, f"an operation cannot {verb}; it can requeue or drop")
        if not done:
            raise HTTPException(404, f"the outbox has no dead operation {number}")
        self._app.wake_delivery()
        return JSONResponse({"id": number, "done": verb})

    async def unknown(self, request: Request) -> Response:
        """Conditions that no rule knows."""
        return await _page(request, self._reader.unknown)

    async def drops(self, request: Request) -> Response:
        """What was not kept, by source and reason, the latest first; ``reason`` (comma-separated) narrows the list."""
        reasons = _words(request, "reason", Dropped)
        found = [
            {
                "collector": name,
                "source": drops.source,
                "reason": drops.reason.value,
                "count": drops.count,
                "first_seen_ms": drops.first_seen_ms,
                "last_seen_ms": drops.last_seen_ms,
                "detail": drops.detail,
            }
            for name, ledger in self._app.drops.items()
            for drops in ledger
            if not reasons or drops.reason in reasons
        ]
        found.sort(key=lambda item: -cast("int", item["last_seen_ms"]))
        return await _page(request, _listed(found))


def _listed(items: list[dict[str, Any]]) -> Callable[..., Awaitable[Page]]:
    """Pages of what is in memory; the cursor is the place in the list, so what changes meanwhile may come twice."""

    async def read(*, cursor: str, limit: int) -> Page:
        begin = int(cursor or "0")
        end = begin + limit
        return Page(items=items[begin:end], next=str(end) if end < len(items) else None)

    return read


def public(item: Mapping[str, Any]) -> dict[str, Any]:
    """An item as programs get it: instants (``first_seen_ms``) become RFC 3339 (``first_seen``)."""
    return {
        name.removesuffix("_ms"): rfc3339(value) if name.endswith("_ms") else _public(value)
        for name, value in item.items()
    }


def rfc3339(at_ms: int | None) -> str | None:
    """``2026-11-22T03:00:05.123Z``."""
    if at_ms is None:
        return None
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _public(value: Any) -> Any:
    if isinstance(value, list):
        return [public(one) if isinstance(one, dict) else one for one in value]
    return value


async def _page(request: Request, read: Callable[..., Awaitable[Page]]) -> Response:
    page = await read(cursor=_cursor(request), limit=_limit(request))
    return JSONResponse({"items": [public(item) for item in page.items], "next": page.next})


def _cursor(request: Request) -> str:
    cursor = request.query_params.get("cursor", "")
    looks_right = _CURSORS.get(request.url.path.rpartition("/")[2], bool)
    if cursor and not looks_right(cursor):
        raise HTTPException(400, "cursor: take it from the answer's next")
    return cursor


def _is_ticket(text: str) -> bool:
    incident, _, sink = text.partition("/")
    return is_id(incident) and bool(sink)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= MOST_DIGITS


_CURSORS: Mapping[str, Callable[[str], bool]] = {
    "incidents": is_id,
    "tickets": _is_ticket,
    "outbox": _is_number,
    "drops": _is_number,
}
"""What the cursor of a list looks like; those left out go by name, which may be any text."""


def _limit(request: Request) -> int:
    given = request.query_params.get("limit", "100")
    if not _is_number(given) or not 1 <= int(given) <= MOST_ITEMS:
        raise HTTPException(400, f"limit: a number from 1 to {MOST_ITEMS}")
    return int(given)


def _words(request: Request, name: str, closed: type[State] | type[OperationState] | type[Dropped]) -> list[str]:
    given = [word for word in ",".join(request.query_params.getlist(name)).split(",") if word]
    wrong = [word for word in given if word not in list(closed)]
    if wrong:
        raise HTTPException(400, f"{name}: {wrong[0]} is none of {', '.join(closed)}")
    return given

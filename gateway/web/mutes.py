"""Silences and maintenance windows in the API: list, add, extend, end."""

import json
import secrets
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import PydanticCustomError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.config.mistakes import Source, mistakes_of
from gateway.config.rules import MatcherText
from gateway.config.types import Between, Duration
from gateway.core.ids import IdMaker
from gateway.core.mute import LONGEST_MS, Planned, Window
from gateway.core.reason import Muted
from gateway.plugin import PluginConfig
from gateway.web.api import public, rfc3339

if TYPE_CHECKING:
    from gateway.app import App

LARGEST = 65_536
FARTHEST_MS = 10 * LONGEST_MS
"""A window begins no farther from now."""
MOST_WINDOWS = 1000
"""Added ones that are not over: each is asked of each new incident."""
MOST_MATCHERS = 50


def _instant(text: str) -> str:
    if not text:
        return text
    try:
        zone = datetime.fromisoformat(text).tzinfo
    except ValueError:
        raise PydanticCustomError("instant", "must be a date and time such as 2026-12-01T22:00:00Z") from None
    if zone is None:
        raise PydanticCustomError("instant", "say the time zone, as in 2026-12-01T22:00:00Z")
    return text


class Wanted(PluginConfig):
    """The body of a new window."""

    kind: Literal[Muted.SILENCE, Muted.MAINTENANCE] = Muted.SILENCE
    match: tuple[MatcherText, ...] = Field(min_length=1, max_length=MOST_MATCHERS)
    lasts: Annotated[Duration, Between("1s", "366d")] = Field(alias="for")
    begins: Annotated[str, AfterValidator(_instant)] = Field(default="", alias="from")
    name: str = Field(default="", max_length=120)
    author: str = Field(default="", max_length=120)
    comment: str = Field(default="", max_length=500)


class Mutes:
    """Handlers of ``/api/v1/mutes``."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._new_id = IdMaker(secrets.randbits)

    async def listed(self, _request: Request) -> Response:
        """Those that are on or to come, and those that ended lately; by their beginning."""
        found = sorted(await self._app.engine.windows(), key=lambda one: (one.window.from_ms, one.window.id))
        return JSONResponse({"items": [self._item(one) for one in found], "next": None})

    async def add(self, request: Request) -> Response:
        """Begin or plan a window."""
        wanted = await _wanted(request)
        now_ms = self._app.clock.now_ms()
        others = [one.window for one in await self._app.engine.windows()]
        if sum(not one.planned and not one.is_over(now_ms) for one in others) >= MOST_WINDOWS:
            raise HTTPException(
                409, f"there are {MOST_WINDOWS} windows already; end some, or use fewer with wider matchers"
            )
        from_ms = round(datetime.fromisoformat(wanted.begins).timestamp() * 1000) if wanted.begins else now_ms
        if abs(from_ms - now_ms) > FARTHEST_MS:
            raise HTTPException(400, f"from: {wanted.begins} is more than ten years away")
        if from_ms + wanted.lasts <= now_ms:
            raise HTTPException(
                400,
                f"from: it would have ended at {rfc3339(from_ms + wanted.lasts)}; begin it later, or let it last longer",
            )
        window = Window(
            id=self._new_id(now_ms),
            kind=Muted(wanted.kind),
            match=wanted.match,
            from_ms=from_ms,
            until_ms=from_ms + int(wanted.lasts),
            name=wanted.name,
            author=wanted.author,
            comment=wanted.comment,
        )
        await self._app.engine.save_window(window)
        return JSONResponse(self._item(Planned.of(window)), status_code=201)

    async def change(self, request: Request) -> Response:
        """End a window now, or let it last longer."""
        window = await self._window(request.path_params["id"])
        now_ms = self._app.clock.now_ms()
        match request.path_params["verb"]:
            case "end":
                until_ms = max(window.from_ms, min(window.until_ms, now_ms))
            case "extend" if window.is_over(now_ms):
                raise HTTPException(409, f"{window.kind} {window.id} has ended; add another")
            case "extend":
                until_ms = window.until_ms + _by(request)
            case verb:
                raise HTTPException(404, f"a window cannot {verb}; it can end or extend")
        if until_ms - window.from_ms > LONGEST_MS:
            raise HTTPException(
                400, "a window lasts at most 366 days; what should always be quiet is a matter for a rule"
            )
        moved = replace(window, until_ms=until_ms)
        await self._app.engine.save_window(moved)
        return JSONResponse(self._item(Planned.of(moved)))

    async def _window(self, ident: str) -> Window:
        found = [one.window for one in await self._app.engine.windows() if one.window.id == ident]
        if not found:
            raise HTTPException(404, f"there is no silence or maintenance {ident}")
        return found[0]

    def _item(self, planned: Planned) -> dict[str, object]:
        window, now_ms = planned.window, self._app.clock.now_ms()
        state = "ended" if window.is_over(now_ms) else "on" if window.is_on(now_ms) else "planned"
        return public(
            {
                "id": window.id,
                "kind": window.kind.value,
                "state": state,
                "match": [*window.match],
                "from_ms": window.from_ms,
                "until_ms": window.until_ms,
                "name": window.name,
                "author": window.author,
                "comment": window.comment,
            }
        )


async def _wanted(request: Request) -> Wanted:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            raise HTTPException(413, f"the body has more than {LARGEST} bytes")
    try:
        data = json.loads(body)
        return Wanted.model_validate(data)
    except ValidationError as error:
        mistakes = mistakes_of(error, source=Source("", {}), prefix=(), data=data, model=Wanted)
        raise HTTPException(400, "; ".join(map(str, mistakes))) from None
    except (ValueError, RecursionError):
        raise HTTPException(400, 'the body must be JSON such as {"match": ["source = r1"], "for": "2h"}') from None


def _by(request: Request) -> int:
    try:
        by = Duration.parse(request.query_params.get("by", ""))
    except ValueError as error:
        raise HTTPException(400, f"by: {error}") from None
    if not 0 < by <= LONGEST_MS:
        raise HTTPException(400, "by: more than nothing, and at most 366 days")
    return int(by)

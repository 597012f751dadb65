"""The ASGI application: routes, who may do what, and how errors look."""

import hmac
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from gateway.store.api import StoreError
from gateway.web import api, health, mutes, pages
from gateway.web.backup import Backups
from gateway.web.openapi import document
from gateway.web.ping import Pings
from gateway.web.webhooks import Webhooks

if TYPE_CHECKING:
    from gateway.app import App

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Handler = Callable[[Request], Awaitable[Response]]


def site(app: "App", *, admin: bool) -> Starlette:
    """All faces of ``app``; with ``admin`` (the unix socket) commands need no token."""

    def command(handler: Handler) -> Handler:
        async def guarded(request: Request) -> Response:
            if not admin:
                _check_token(app, request)
            return await handler(request)

        return guarded

    faces, looks, windows = api.Api(app), pages.Pages(app), mutes.Mutes(app)
    routes = [
        Route("/metrics", health.Metrics(app), methods=["GET"]),
        Route("/healthz", health.healthz),
        Route("/readyz", health.Readiness(app), methods=["GET"]),
        Route("/api/v1/openapi.json", _openapi),
        Route("/api/v1/incidents", faces.incidents),
        Route("/api/v1/incidents/{id}", faces.incident),
        Route("/api/v1/incidents/{id}/{verb}", command(faces.command), methods=["POST"]),
        Route("/api/v1/mutes", windows.listed, methods=["GET"]),
        Route("/api/v1/mutes", command(windows.add), methods=["POST"]),
        Route("/api/v1/mutes/{id:path}/{verb}", command(windows.change), methods=["POST"]),
        Route("/api/v1/stations", faces.stations),
        Route("/api/v1/stations/{name}/{verb}", command(faces.order), methods=["POST"]),
        Route("/api/v1/tickets", faces.tickets),
        Route("/api/v1/outbox", faces.outbox),
        Route("/api/v1/outbox/{id}/{verb}", command(faces.operate), methods=["POST"]),
        Route("/api/v1/unknown", faces.unknown),
        Route("/api/v1/drops", faces.drops),
        Route("/api/v1/drill", command(faces.drill), methods=["POST"]),
        Route("/", looks.overview),
        Route("/incidents/{id}", looks.incident),
        Route("/tickets/{id}", looks.ticket),
        Route("/style.css", pages.style),
    ]
    if admin:
        routes.append(Route("/api/v1/backup", Backups(app).make, methods=["POST"]))
    else:
        pings = Pings(app).receive
        routes += [Route(path, pings, methods=["GET", "POST"]) for path in ("/ping/{key}", "/ping/{key}/{what}")]
        routes.append(Route("/webhooks/{sink}", Webhooks(app).receive, methods=["POST"]))
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=_hosts(app, admin=admin)), Middleware(_Headers)],
        exception_handlers={HTTPException: _http_error, StoreError: _store_error},
    )


async def _openapi(_request: Request) -> Response:
    return JSONResponse(document())


def _hosts(app: "App", *, admin: bool) -> list[str]:
    """On loopback only names of loopback are answered: a web page elsewhere cannot rebind its name to us."""
    http = app.config.http
    if admin or http.listen.host not in LOOPBACK:
        return ["*"]
    public = http.public_url.split("//")[-1].split("/")[0].rsplit(":", 1)[0]
    return [*LOOPBACK, "[::1]", *([public] if public else [])]


def _check_token(app: "App", request: Request) -> None:
    token = app.config.http.token
    if token is None:
        raise HTTPException(403, "commands are taken on the admin socket only: no http.token is configured")
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token.reveal()}".encode()):
        raise HTTPException(
            401, "a command needs the header Authorization: Bearer TOKEN", {"WWW-Authenticate": "Bearer"}
        )


class _Headers:
    """Adds the security headers to every answer."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def send_with_headers(message: Any) -> None:
            if message["type"] == "http.response.start":
                extra = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message = {**message, "headers": [*message["headers"], *extra]}
            await send(message)

        await self._app(scope, receive, send_with_headers)


async def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what this handler is registered for
    return JSONResponse({"error": error.detail}, status_code=error.status_code, headers=error.headers)


async def _store_error(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=503)

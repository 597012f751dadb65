"""The HTTP servers: one for people and scrapers on TCP, one for commands on a unix socket."""

import contextlib
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from starlette.types import ASGIApp

from gateway.background import background
from gateway.config.types import Endpoint
from gateway.web.connection import limited
from gateway.web.site import site

if TYPE_CHECKING:
    from gateway.app import App

ADMIN_SOCKET = "admin.sock"


class FacesError(Exception):
    """A face cannot be served; one sentence with place and cure."""


class _Server(uvicorn.Server):
    """A server that leaves signals to the daemon."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def serve_until_cancelled(self, listener: socket.socket) -> None:
        try:
            await self.serve(sockets=[listener])
        finally:
            self.force_exit = True
            if self.started:
                await self.shutdown(sockets=[listener])


@asynccontextmanager
async def serve_faces(app: "App") -> AsyncIterator[None]:
    """Serve until the block ends.

    Raises:
        FacesError: an address cannot be listened on.
    """
    http = app.config.http
    listeners = [(site(app, admin=True), _listen_unix(app.state_dir / ADMIN_SOCKET))]
    if http.enabled:
        listeners.append((site(app, admin=False), listen_tcp(http.listen)))
    servers = [(_server(faces, app), listener) for faces, listener in listeners]
    try:
        async with background(*(server.serve_until_cancelled(listener) for server, listener in servers)):
            yield
    finally:
        for _, listener in servers:
            listener.close()
        (app.state_dir / ADMIN_SOCKET).unlink(missing_ok=True)


def _server(faces: ASGIApp, app: "App") -> _Server:
    http = app.config.http
    return _Server(
        uvicorn.Config(
            faces,
            access_log=False,
            log_config=None,
            lifespan="off",
            server_header=False,
            http=limited(most=http.connections_max, patience_s=http.keep_alive_s),
            timeout_keep_alive=round(http.keep_alive_s),
            timeout_graceful_shutdown=2,
            ws="none",
        )
    )


def listen_tcp(endpoint: Endpoint) -> socket.socket:
    """A socket that listens at ``endpoint``.

    Raises:
        FacesError: it cannot.
    """
    family = socket.AF_INET6 if ":" in endpoint.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((endpoint.host, endpoint.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise FacesError(
            f"cannot listen for HTTP on {endpoint}: {error.strerror}; stop what listens there or change http.listen"
        ) from None
    listener.setblocking(False)
    return listener


def _listen_unix(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        path.unlink(missing_ok=True)
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise FacesError(
            f"cannot make the socket for commands {path}: {error.strerror or error}; "
            "give a state directory with a shorter path, or remove what is there"
        ) from None
    finally:
        os.umask(mask)
    listener.listen(16)
    listener.setblocking(False)
    return listener

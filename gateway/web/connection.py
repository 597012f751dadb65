"""One HTTP connection, bounded in number and patience.

What uvicorn leaves open: a connection on which no request was ever finished lasts for ever, and a hundred of them would
have every scrape answered 503. Here an idle one gives way to a newcomer.
"""

import asyncio
from collections import Counter
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Connection(H11Protocol):
    """uvicorn's connection with the limits of ``[http]``; made by `limited`."""

    most = 100
    patience_s = 5.0
    """For a request to be complete, from the connection's begin or from the answer before."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.idle_since_s = 0.0
        self._waiting: asyncio.TimerHandle | None = None
        self._let_in = False

    @property
    def idle(self) -> bool:
        """Whether no request is being answered."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is None or cycle.response_complete

    @property
    def peer(self) -> str:
        """The client's address; empty on a unix socket."""
        return self.client[0] if self.client else ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Serve the newcomer, if need be in place of an idle one, taken from the address that has most of them."""
        if len(self.connections) >= self.most and not self._make_room():
            transport.write(_BUSY)
            transport.close()
            return
        self._let_in = True
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it; who was not let in was never known."""
        self._wait_no_more()
        if self._let_in:
            super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what comes; time runs until it is a whole request."""
        if self not in self.connections or self.transport.is_closing():
            return
        super().data_received(data)
        if not self.idle:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        """Wait for the next request, but not for ever."""
        super().on_response_complete()
        if self.idle and not self.transport.is_closing():
            self._wait()

    def _make_room(self) -> bool:
        idle = [other for other in self.connections if isinstance(other, Connection) and other.idle]
        if not idle:
            return False
        of_peer = Counter(other.peer for other in idle)
        oldest = min(idle, key=lambda other: (-of_peer[other.peer], other.idle_since_s))
        oldest.hang_up()
        self.connections.discard(oldest)
        return True

    def _wait(self) -> None:
        self._wait_no_more()
        self.idle_since_s = self.loop.time()
        self._waiting = self.loop.call_later(self.patience_s, self.hang_up)

    def _wait_no_more(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def hang_up(self) -> None:
        """Close it."""
        self._wait_no_more()
        self.transport.close()


def limited(*, most: int, patience_s: float) -> type[Connection]:
    """The class of connections of one server."""
    return type("LimitedConnection", (Connection,), {"most": most, "patience_s": patience_s})

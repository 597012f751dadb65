"""Observation: looks at our tickets in their trackers, so that incident and ticket stay true to each other."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Protocol

import structlog

from gateway import metrics
from gateway.core.pace import Breaker
from gateway.core.reason import Failed
from gateway.core.ticket import Observation, Ticket
from gateway.plugin import Clock, Retry, Sink
from gateway.store.api import Store, StoreError

log = structlog.get_logger()

TICKETS_PER_CALL = 100
LOOK_TIMEOUT_S = 300.0
"""Longer than a sink's own timeouts for so many tickets."""
STILL_WATCHED_MS = 86_400_000
"""A closed incident's ticket is looked at for so long, in case a person reopens it."""


class _Tell(Protocol):
    def __call__(self, sink: str, seen: Sequence[tuple[Ticket, Observation]], *, since_ms: int) -> Awaitable[None]: ...


class SinkObservation:
    """Polls one sink; `run` serves until cancelled."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        store: Store,
        clock: Clock,
        tell: _Tell,
        breaker: Breaker,
        every_s: float,
    ) -> None:
        """Poll ``sink`` each ``every_s`` seconds, unless ``breaker`` (delivery's) spares the tracker."""
        self._name = name
        self._sink = sink
        self._store = store
        self._clock = clock
        self._tell = tell
        self._breaker = breaker
        self._every_s = every_s
        self._failing = False

    async def run(self) -> None:
        """Serve until cancelled; a poll that fails is made again at the next turn."""
        while True:
            await self._clock.sleep(self._every_s)
            if self._breaker.spares(now_s=self._clock.monotonic_s()):
                continue
            try:
                await self.poll()
            except Exception as error:  # noqa: BLE001 - a plugin may raise anything; looking again is always right
                if not self._failing:
                    log.warning("observation.failed", sink=self._name, why=str(error))
                self._failing = True
            else:
                self._failing = False

    async def poll(self) -> None:
        """Look once at every ticket worth looking at.

        Raises:
            SinkError: the tracker could not be asked.
            StoreError: the store could not be asked.
        """
        since_ms = self._clock.now_ms()
        watched = await self._store.run(
            lambda tx: tx.observable(self._name, closed_after_ms=since_ms - STILL_WATCHED_MS)
        )
        failure: Exception | None = None
        for start in range(0, len(watched), TICKETS_PER_CALL):
            try:
                await self._look_at(watched[start : start + TICKETS_PER_CALL], since_ms=since_ms)
            except (Retry, StoreError):
                raise  # the others would fare no better
            except Exception as error:  # noqa: BLE001 - one ticket that the sink cannot read hides no others
                failure = failure or error
        if failure is not None:
            raise failure

    async def look(self, incidents: Sequence[str]) -> None:
        """Look once at the tickets of these incidents, at most `TICKETS_PER_CALL`, wherever they are by now.

        Raises:
            SinkError: the tracker could not be asked.
            StoreError: the store could not be asked.
        """
        since_ms = self._clock.now_ms()
        tickets = await self._store.run(lambda tx: [tx.ticket(incident, self._name) for incident in incidents])
        await self._look_at([ticket for ticket in tickets if ticket.ref is not None], since_ms=since_ms)

    async def _look_at(self, tickets: Sequence[Ticket], *, since_ms: int) -> None:
        by_id = {ticket.ref.id: ticket for ticket in tickets if ticket.ref is not None}
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                seen = await self._sink.observe([ticket.ref for ticket in tickets if ticket.ref is not None])
        except Retry as error:
            if error.reason is Failed.RATE_LIMITED:
                self._breaker.spare(error.after_s, now_s=self._clock.monotonic_s())
            raise
        metrics.OBSERVATIONS.labels(self._name).inc(len(seen))
        pairs = [(by_id[asked], one) for one in seen if (asked := one.asked or one.ref.id) in by_id]
        if pairs:
            await self._tell(self._name, pairs, since_ms=since_ms)

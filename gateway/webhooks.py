"""Webhooks: a tracker's hint that something happened to a ticket; the ticket is looked at now, not at the next poll.

A hint is never believed: after its signature was verified the tracker is asked, as by a poll, so a forged or repeated one
can at most cause a look, and looks are counted against a budget.

Failure semantics: `SinkWebhooks.receive` returns when the delivery is remembered on disk. What is to be looked at is kept
in memory, since every ticket that it can name is looked at by the first poll after a start: a crash, a look that fails or
a paused sink delay what a person did until then, and lose nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from gateway.core.pace import Breaker, Budget
from gateway.core.reason import Webhook
from gateway.plugin import Clock, Hint, ReceivesWebhooks, Sink, WebhookRefused, WebhookRequest
from gateway.store.api import Store, Transaction

log = structlog.get_logger()

GATHER_S = 0.5
"""One act of a person makes several webhooks; one look serves for all."""
TICKETS_PER_LOOK = 100
MOST_WAITING = 1000
"""Tickets that wait for a look; beyond it the next poll finds what they would have told."""
BURST_S = 10.0
"""Looks of so many seconds may be made at once."""
IDLE_S = 3600.0


class SinkWebhooks:
    """Hears one sink's tracker; `run` serves until cancelled."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        *,
        store: Store,
        clock: Clock,
        look: Callable[[Sequence[str]], Awaitable[None]],
        breaker: Breaker,
        looks_per_s: float,
    ) -> None:
        """Hear the tracker of ``sink`` and ``look`` at tickets, unless ``breaker`` (delivery's) spares the tracker.

        Args:
            name: the sink's name.
            sink: verifies and reads webhooks, if it can.
            store: where deliveries are remembered.
            clock: the host's.
            look: looks at the tickets of these incidents (`SinkObservation.look`).
            breaker: spares the tracker while it is not to be called.
            looks_per_s: tickets that are looked at in a second, at most.
        """
        self._name = name
        self._sink = sink
        self._store = store
        self._clock = clock
        self._look = look
        self._breaker = breaker
        self._budget = Budget(per_s=looks_per_s, burst=max(1.0, BURST_S * looks_per_s))
        self._waiting: dict[str, None] = {}
        """Incidents whose ticket is to be looked at, in the order heard; where it is may have changed by then."""
        self._rung = asyncio.Event()
        self._failing = False

    async def receive(self, request: WebhookRequest) -> Webhook:
        """Take one webhook; what became of it. If that is `Webhook.HEARD` it is on disk.

        Raises:
            StoreError: the store refused; the tracker should send it again.
        """
        if not isinstance(self._sink, ReceivesWebhooks):
            return Webhook.NOT_CONFIGURED
        try:
            hints = self._sink.hints(request)
        except WebhookRefused as refusal:
            return refusal.reason
        outcome, incidents = await self._store.run(lambda tx: self._remember(tx, hints, now_ms=request.now_ms))
        for incident in incidents:
            if len(self._waiting) < MOST_WAITING:
                self._waiting[incident] = None
        if incidents:
            self._rung.set()
        return outcome

    def _remember(self, tx: Transaction, hints: Sequence[Hint], *, now_ms: int) -> tuple[Webhook, list[str]]:
        """The incidents whose tickets new hints name. What concerns none of ours leaves no trace: it costs a lookup."""
        outcome, incidents = Webhook.UNCONCERNED, []
        for hint in hints:
            ticket = tx.ticket_at(self._name, hint.ticket)
            if ticket is None:
                continue
            identities = [f"webhook/{self._name}/{identity}" for identity in hint.identities]
            if any(tx.upstream(identity) is not None for identity in identities):
                outcome = Webhook.REPEATED if outcome is Webhook.UNCONCERNED else outcome
                continue
            for identity in identities:
                tx.remember_upstream(identity, ticket.incident, at_ms=now_ms)
            outcome = Webhook.HEARD
            incidents.append(ticket.incident)
        return outcome, incidents

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            if not await self._clock.wait(self._rung, IDLE_S):
                continue
            await self._clock.sleep(max(GATHER_S, self._budget.wait_s(now_s=self._clock.monotonic_s())))
            await self._look_once()

    async def _look_once(self) -> None:
        """Look at as many tickets as the budget allows."""
        if self._breaker.spares(now_s=self._clock.monotonic_s()):
            self._waiting.clear()  # the poll after the pause sees it all
        now_s = self._clock.monotonic_s()
        chosen: list[str] = []
        while self._waiting and len(chosen) < TICKETS_PER_LOOK and self._budget.wait_s(now_s=now_s) == 0:
            chosen.append(next(iter(self._waiting)))
            del self._waiting[chosen[-1]]
            self._budget.spend(now_s=now_s)
        if not self._waiting:
            self._rung.clear()
        if not chosen:
            return
        try:
            await self._look(chosen)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; the next poll looks again
            if not self._failing:
                log.warning("webhook.look_failed", sink=self._name, why=str(error))
            self._failing = True
        else:
            self._failing = False

"""What is written into the outbox for one sink: how attempts ended, and what is taken next, together in one transaction.

Failure semantics: how a call ended is kept until the disk takes it, for the call has been made. What can't be written for
another reason is dead, and holds up nothing else.
"""

import asyncio
from dataclasses import replace
from functools import partial
from typing import Any

import structlog

from gateway.core.decision import Entry, OperationKind
from gateway.core.draft import NOBODY
from gateway.core.gather import is_parent
from gateway.core.operation import Operation, OperationState, dead, unknown
from gateway.core.sweep import planned
from gateway.core.text import one_line
from gateway.core.value import value
from gateway.delivery.calls import Result, Work
from gateway.plugin import Clock, SinkPlugin
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()


@value
class Booked:
    """What a transaction took."""

    claimed: tuple[Work, ...] = ()
    more: bool = True
    """There may be more that could be taken at once."""
    next_ms: int | None = None
    """If not: when there will be."""


class Booking:
    """One sink's entries in the outbox."""

    def __init__(self, name: str, plugin: SinkPlugin, *, store: Store, clock: Clock, finds_duplicates: bool) -> None:
        """``finds_duplicates``: what may be there twice is worth a sweep."""
        self._name = name
        self._plugin = plugin
        self._store = store
        self._clock = clock
        self._finds_duplicates = finds_duplicates
        self.ended: list[tuple[Work, Result]] = []
        """Attempts that nobody has written down yet."""
        self.open = 0
        """Operations that were taken and not written down since, those of ``ended`` among them."""

    @property
    def under_way(self) -> int:
        """Operations whose calls have not ended."""
        return self.open - len(self.ended)

    async def book(self, most: int) -> Booked:
        """Write down how attempts ended, and take at most ``most`` operations.

        Raises:
            StoreError: the disk refuses; nothing was taken, and what ended is kept for the next time.
        """
        ended, self.ended = self.ended, []
        booking = self._store.submit(lambda tx: self._book(tx, ended, most))
        try:
            booked = await asyncio.shield(booking)
        except StoreError:
            self.ended = ended + self.ended
            raise
        except asyncio.CancelledError:
            booking.add_done_callback(self._unclaim)
            raise
        except Exception:
            if not ended:
                raise
            await self._settle_each(ended)
            return Booked()
        self.open += len(booked.claimed) - len(ended)
        return booked

    def cut_short(self, operation: Operation) -> None:
        """We stop while the call is under way: nobody knows how it ends. That is no crash, and not the operation's fault."""
        self.open -= 1
        now_ms = self._clock.now_ms()
        if operation.state is OperationState.UNKNOWN:
            after = replace(operation, next_ms=now_ms)
        else:
            after = unknown(operation, "stopped during the call", now_ms=now_ms, lags_s=self._plugin.search_lag_s)
        self._leave(after, operation)

    def stop(self) -> None:
        """Write down what has ended; nothing is taken any more."""
        ended, self.ended = self.ended, []
        for work, result in ended:
            # Not awaited, for we are cancelled: the store closes after us, and finishes what waits.
            # If it refuses, the next start finds the operation in flight.
            self._store.submit(partial(self._settle, work=work, result=result)).add_done_callback(_heeded)

    # --- in the transaction -----------------------------------------------------------------------

    def _book(self, tx: Transaction, ended: list[tuple[Work, Result]], most: int) -> Booked:
        for work, result in ended:
            self._settle(tx, work=work, result=result)
        return self._claim(tx, most) if most else Booked()

    def _claim(self, tx: Transaction, most: int) -> Booked:
        claimed = []
        operations = tx.claim(self._name, now_ms=self._clock.now_ms(), limit=most)
        for operation in operations:
            incident = tx.incident(operation.incident)
            if incident is None:
                tx.settle(None, claimed=operation)
                continue
            other, attachment = None, None
            if operation.kind is OperationKind.LINK:
                other = tx.ticket(operation.body["incident"], self._name)
            if operation.kind is OperationKind.ATTACH:
                attachment = tx.attachment(incident.id, operation.body["sha256"])
            ticket = tx.ticket(incident.id, self._name)
            at = (self._clock.now_ms(), self._clock.monotonic_s())
            family = tx.family(incident.id) if is_parent(incident) else NOBODY
            claimed.append(Work(operation, incident, ticket, other, attachment, *at, family))
        if len(operations) == most:
            return Booked(claimed=tuple(claimed))
        return Booked(claimed=tuple(claimed), more=False, next_ms=tx.next_operation_ms(self._name))

    def _settle(self, tx: Transaction, *, work: Work, result: Result) -> None:
        if not tx.settle(result.operation, claimed=work.operation):
            return
        now_ms = self._clock.now_ms()
        if self._doubtful(work, result):
            tx.plan_sweep(
                planned(
                    incident=work.incident.id,
                    sink=self._name,
                    key=work.ticket.key,
                    since_ms=work.since_ms,
                    now_ms=now_ms,
                )
            )
        if result.ticket is not None:
            tx.save_ticket(result.ticket)
        if result.said is not None:
            reason, text = result.said
            tx.add_entry(work.incident.id, Entry(at_ms=now_ms, reason=reason, text=text))

    def _doubtful(self, work: Work, result: Result) -> bool:
        """Whether a second ticket may come to light one day: the creation is, or was, of unknown outcome."""
        after = result.operation
        return (
            self._finds_duplicates
            and work.operation.kind is OperationKind.SYNC
            and work.ticket.ref is None
            and OperationState.UNKNOWN in {work.operation.state, after.state if after else None}
        )

    # --- when it does not go as usual -------------------------------------------------------------

    async def _settle_each(self, ended: list[tuple[Work, Result]]) -> None:
        """Write down each by itself, so that one which cannot be holds up no other."""
        while ended:
            work, result = ended[0]
            try:
                await self._settle_alone(work, result)
            except StoreError:
                self.ended = ended + self.ended
                raise
            self.open -= 1
            del ended[0]

    async def _settle_alone(self, work: Work, result: Result) -> None:
        operation = work.operation
        try:
            await self._store.run(partial(self._settle, work=work, result=result))
        except StoreError:
            raise
        except Exception as error:
            log.exception("attempt.not_recorded", sink=self._name, operation=operation.id)
            lost = dead(operation, one_line(f"how it ended could not be written down: {error}", 500))
            await self._store.run(lambda tx: tx.settle(lost, claimed=operation))

    def _unclaim(self, booking: asyncio.Future[Booked]) -> None:
        """We stopped while operations were being taken: put them back, for nothing was sent."""
        if booking.cancelled() or booking.exception() is not None:
            return
        for work in booking.result().claimed:
            operation = work.operation
            before = replace(operation, next_ms=self._clock.now_ms())
            if operation.state is OperationState.INFLIGHT:
                before = replace(before, state=OperationState.PENDING, attempts=operation.attempts - 1)
            self._leave(before, operation)

    def _leave(self, operation: Operation, claimed: Operation) -> None:
        """Write it down as it goes on after us; see `stop`."""
        self._store.submit(lambda tx: tx.settle(operation, claimed=claimed)).add_done_callback(_heeded)


def _heeded(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()

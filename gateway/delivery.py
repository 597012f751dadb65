"""Delivery: takes operations from the outbox to the sinks, and writes down how each attempt ended.

Failure semantics: an operation's intent is on disk before its call. A call that surely changed nothing is tried again
with back-off; one whose outcome nobody knows is looked for before it is sent again; one that the tracker refuses for
good is dead, visible, and repeatable by a person. One sink's trouble never delays another's.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from gateway import metrics
from gateway.core.decision import Entry, OperationKind
from gateway.core.draft import draft
from gateway.core.event import Attachment
from gateway.core.incident import Incident
from gateway.core.operation import Operation, OperationState, dead, failed, not_found, unknown
from gateway.core.pace import Breaker, Budget
from gateway.core.reason import Failed, Reason
from gateway.core.sweep import planned
from gateway.core.text import one_line
from gateway.core.ticket import MARK_PREFIX, Comment, Ticket, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import (
    Attaches,
    Clock,
    FindsComments,
    FindsDuplicates,
    Links,
    Reject,
    Retry,
    Sink,
    SinkError,
    SinkPlugin,
    Unauthorized,
)
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

CALL_TIMEOUT_S = 90.0
"""Longer than a sink's own timeouts: whoever is still silent then has an unknown outcome."""
SETTLE_RETRY_S = 1.0
PAUSE_S = 60.0
"""First pause of a sink whose credentials are refused; it doubles, up to the breaker's longest."""
LONGEST_PAUSE_S = 3600.0
LONGEST_SLEEP_S = 60.0
CONCURRENT_CALLS = 4
SEARCH_MARGIN_MS = 120_000
"""A search begins this much before the first attempt: the tracker's clock is not ours."""
_TRACKER_TROUBLE = frozenset({Failed.CONNECTION, Failed.SERVER_ERROR, Failed.TIMEOUT, Failed.UNKNOWN_OUTCOME})


@dataclass(frozen=True, slots=True)
class _Work:
    """A claimed operation with what it is about."""

    operation: Operation
    incident: Incident
    ticket: Ticket
    other: Ticket | None = None
    attachment: Attachment | None = None


@dataclass(frozen=True, slots=True)
class _Result:
    """How an attempt ended: the operation as it goes on (None = done), the ticket if it changed, a timeline entry."""

    operation: Operation | None
    ticket: Ticket | None = None
    said: tuple[Reason, str] | None = None


class SinkDelivery:
    """Delivers to one sink; `run` serves until cancelled."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        plugin: SinkPlugin,
        *,
        store: Store,
        clock: Clock,
        page: str = "",
        chance: Callable[[], float] = random.random,
        paused: Callable[[str, str], None] = lambda _sink, _why: None,
        accepted: Callable[[str], None] = lambda _sink: None,
    ) -> None:
        """Deliver to ``sink``; ``page`` links to an incident (``{incident}``).

        ``paused(name, why)`` is told when its credentials are refused, ``accepted(name)`` when they are good again (and
        once after a start, since a restart forgets that they were not).
        """
        self.name = name
        self.sink = sink
        self.breaker = Breaker()
        self.progress = 0
        self._plugin = plugin
        self._store = store
        self._clock = clock
        self._page = page
        self._chance = chance
        self._tell_paused, self._tell_accepted = paused, accepted
        self._credentials_good: bool | None = None
        self._ending = False
        self._budget = Budget(per_s=plugin.calls_per_s, burst=max(1.0, 2 * plugin.calls_per_s))
        self._wake = asyncio.Event()
        self._active = 0
        self._resting = asyncio.Event()
        self._resting.set()
        metrics.SINK_UP.labels(name).set(1)

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled; calls under way then have an unknown outcome, settled after the next start."""
        async with asyncio.TaskGroup() as calls:
            while True:
                self._wake.clear()
                self.progress += 1
                wait_s = await self._round(calls)
                if wait_s > 0:
                    await self._clock.wait(self._wake, min(wait_s, LONGEST_SLEEP_S))

    async def rest(self) -> None:
        """Begin no more calls; return when none is under way."""
        self._ending = True
        await self._resting.wait()

    async def _round(self, calls: asyncio.TaskGroup) -> float:
        """Start what may be started now; seconds until there may be more."""
        now_s = self._clock.monotonic_s()
        free = CONCURRENT_CALLS - self._active if self.breaker.closed else 1 - self._active
        if free <= 0 or self._ending:
            return LONGEST_SLEEP_S  # a finished call wakes us
        wait_s = max(self.breaker.wait_s(now_s=now_s), self._budget.wait_s(now_s=now_s))
        if wait_s > 0:
            return wait_s
        self._resting.clear()  # what is being claimed is as good as under way
        try:
            claimed, next_ms = await self._store.run(
                lambda tx: self._claim(tx, min(free, 1 + int(self._budget.tokens)))
            )
        except StoreError:
            self._rest_if_idle()
            return SETTLE_RETRY_S
        self._active += len(claimed)
        self._rest_if_idle()
        for work in claimed:
            self._budget.spend(now_s=now_s)
            calls.create_task(self._attempt(work), name=f"{self.name}-{work.operation.id}")
        if claimed:
            return 0.0
        return LONGEST_SLEEP_S if next_ms is None else max(0.05, (next_ms - self._clock.now_ms()) / 1000)

    def _claim(self, tx: Transaction, limit: int) -> tuple[list[_Work], int | None]:
        claimed = []
        for operation in tx.claim(self.name, now_ms=self._clock.now_ms(), limit=limit):
            incident = tx.incident(operation.incident)
            if incident is None:
                tx.settle(None, claimed=operation)
                continue
            other, attachment = None, None
            if operation.kind is OperationKind.LINK:
                other = tx.ticket(operation.body["incident"], self.name)
            if operation.kind is OperationKind.ATTACH:
                attachment = tx.attachment(incident.id, operation.body["sha256"])
            claimed.append(_Work(operation, incident, tx.ticket(incident.id, self.name), other, attachment))
        return claimed, tx.next_operation_ms(self.name)

    # --- one attempt ------------------------------------------------------------------------------

    async def _attempt(self, work: _Work) -> None:
        operation = work.operation
        metrics.ATTEMPTS.labels(self.name, operation.kind).inc()
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                with metrics.CALL_SECONDS.labels(self.name).time():
                    result = await self._deliver(work)
        except asyncio.CancelledError:
            self._cut_short(operation)
            raise
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is judged here, so that nothing happens twice
            result = self._judge(operation, error)
        else:
            self._came_through()
        try:
            await self._settle(work, result)
        finally:
            self._active -= 1
            self._rest_if_idle()
            self._wake.set()

    def _rest_if_idle(self) -> None:
        if self._active == 0:
            self._resting.set()

    def _cut_short(self, operation: Operation) -> None:
        """We stop while the call is under way: nobody knows how it ends. That is no crash, and not the operation's fault."""
        now_ms = self._clock.now_ms()
        if operation.state is OperationState.UNKNOWN:
            after = replace(operation, next_ms=now_ms)
        else:
            after = unknown(operation, "stopped during the call", now_ms=now_ms, lags_s=self._plugin.search_lag_s)
        # Not awaited, for we are cancelled: the store closes after us, and finishes what waits.
        # If it refuses, the next start finds the operation in flight.
        self._store.submit(lambda tx: tx.settle(after, claimed=operation)).add_done_callback(_heeded)

    async def _deliver(self, work: _Work) -> _Result:
        if work.operation.state is OperationState.UNKNOWN:
            return await self._look(work)
        match work.operation.kind:
            case OperationKind.SYNC:
                return await self._sync(work)
            case OperationKind.COMMENT:
                if work.ticket.ref is not None:
                    await self.sink.comment(work.ticket.ref, self._comment(work))
            case OperationKind.LINK:
                if isinstance(self.sink, Links) and work.ticket.ref and work.other and work.other.ref:
                    await self.sink.link(work.ticket.ref, work.other.ref)
            case OperationKind.ATTACH:
                if isinstance(self.sink, Attaches) and work.ticket.ref and work.attachment:
                    await self.sink.attach(work.ticket.ref, work.attachment, mark=_mark(work))
        return _Result(None)

    async def _sync(self, work: _Work) -> _Result:
        wanted = draft(work.incident, work.ticket, page=self._page)
        if work.ticket.ref is not None:
            await self.sink.update(work.ticket.ref, wanted)
            return _Result(None, self._written(work.ticket, work.ticket.ref, wanted))
        if not work.incident.wants_ticket:
            return _Result(None)  # it cleared, or was muted, before anybody was told
        ref = await self.sink.open(wanted)
        return self._opened(work, ref, wanted, "opened")

    def _opened(self, work: _Work, ref: TicketRef, wanted: TicketDraft, how: str) -> _Result:
        now_ms = self._clock.now_ms()
        metrics.TICKETS_OPENED.labels(self.name).inc()
        metrics.TICKET_SECONDS.labels(self.name).observe(max(0, now_ms - work.incident.first_seen_ms) / 1000)
        name = ref.name or ref.id
        log.info("ticket.opened", sink=self.name, incident=work.incident.id, ticket=name, how=how)
        return _Result(
            None, self._written(work.ticket, ref, wanted), (Reason.FIRST_RAISED, f"ticket {name} {how} in {self.name}")
        )

    def _written(self, ticket: Ticket, ref: TicketRef, wanted: TicketDraft) -> Ticket:
        """The ticket's row after ``wanted`` was written; what a person owns stays as the person left it."""
        keeps = wanted.keep
        owned = ticket.owned if wanted.state is not TicketState.OPEN else ticket.owned - {TicketField.STATE}
        return replace(
            ticket,
            ref=ref,
            state=ticket.state if TicketField.STATE in keeps else wanted.state,
            impact=ticket.impact if TicketField.PRIORITY in keeps else wanted.impact,
            owned=owned,
            written_ms=self._clock.now_ms(),
        )

    async def _look(self, work: _Work) -> _Result:
        """After an unknown outcome: did it happen?"""
        operation, ticket = work.operation, work.ticket
        again = replace(operation, state=OperationState.PENDING, next_ms=self._clock.now_ms(), unknown_ms=None, looks=0)
        if operation.kind is OperationKind.COMMENT and ticket.ref is not None:
            if not isinstance(self.sink, FindsComments):
                return _Result(None)  # this sink cannot tell: better no comment than two
            there = await self.sink.has_comment(ticket.ref, _mark(work))
            return _Result(None if there else again)
        if operation.kind is not OperationKind.SYNC or ticket.ref is not None:
            return _Result(again)  # twice = once
        since_ms = (operation.sent_ms or operation.created_ms) - SEARCH_MARGIN_MS
        ref = await self.sink.find(ticket.key, since_ms=since_ms)
        if ref is None:
            return _Result(
                not_found(
                    operation,
                    impact=operation.impact,
                    now_ms=self._clock.now_ms(),
                    unique_key=self._plugin.unique_key,
                    lags_s=self._plugin.search_lag_s,
                )
            )
        found = self._opened(work, ref, draft(work.incident, ticket, page=self._page), "found")
        # How it looks is not known: the next attempt makes it look right.
        return replace(found, operation=again)

    def _comment(self, work: _Work) -> Comment:
        return Comment(
            mark=_mark(work), text=work.operation.body["text"], public=work.operation.body.get("public") == "yes"
        )

    # --- how it ended -----------------------------------------------------------------------------

    def _judge(self, operation: Operation, error: Exception) -> _Result:
        """What becomes of an operation whose attempt raised."""
        now_ms = self._clock.now_ms()
        reason = error.reason if isinstance(error, SinkError) else Failed.UNKNOWN_OUTCOME
        said = one_line(str(error) or type(error).__name__, 500)
        metrics.ATTEMPTS_FAILED.labels(self.name, reason).inc()
        if not isinstance(error, SinkError | TimeoutError):
            log.error("attempt.crashed", sink=self.name, operation=operation.id, exc_info=error)
        self._note_trouble(error, reason, said)
        if isinstance(error, Reject):
            log.error("operation.died", sink=self.name, operation=operation.id, incident=operation.incident, why=said)
            return _Result(dead(operation, said), said=(Reason.UNCHANGED, f"{self.name} refused: {said}"))
        if operation.state is OperationState.UNKNOWN:
            # The search failed: that is unknown, never "not there".
            looks = operation.looks + 1
            lags = self._plugin.search_lag_s
            wait_ms = round(1000 * lags[min(looks, len(lags) - 1)])
            return _Result(replace(operation, looks=looks, next_ms=now_ms + max(1000, wait_ms), error=said))
        if isinstance(error, Retry):
            after_ms = None if error.after_s is None else round(error.after_s * 1000)
            return _Result(failed(operation, reason, said, now_ms=now_ms, after_ms=after_ms, chance=self._chance()))
        return _Result(unknown(operation, said, now_ms=now_ms, lags_s=self._plugin.search_lag_s))

    def _note_trouble(self, error: Exception, reason: Failed, said: str) -> None:
        now_s = self._clock.monotonic_s()
        was_closed = self.breaker.closed
        if isinstance(error, Unauthorized):
            self.breaker.pause(PAUSE_S * 2**self.breaker.opened, now_s=now_s)
            if self._credentials_good is not False:
                self._credentials_good = False
                self._tell_paused(self.name, said)
        elif reason is Failed.RATE_LIMITED and isinstance(error, Retry) and error.after_s is not None:
            self._budget.pause(min(error.after_s, LONGEST_PAUSE_S), now_s=now_s)
        elif reason in _TRACKER_TROUBLE:
            self.breaker.failed(now_s=now_s)
        if was_closed and not self.breaker.closed:
            metrics.SINK_UP.labels(self.name).set(0)
            log.error("sink.paused", sink=self.name, reason=reason.value, why=said)

    def _came_through(self) -> None:
        if not self.breaker.closed:
            metrics.SINK_UP.labels(self.name).set(1)
            log.info("sink.resumed", sink=self.name)
        self.breaker.succeeded()
        if not self._credentials_good:
            self._credentials_good = True
            self._tell_accepted(self.name)

    async def _settle(self, work: _Work, result: _Result) -> None:
        """Write down how it ended, however long the disk refuses: the call has been made."""

        def write(tx: Transaction) -> None:
            if not tx.settle(result.operation, claimed=work.operation):
                return
            if self._doubtful(work, result):
                since_ms = (work.operation.sent_ms or work.operation.created_ms) - SEARCH_MARGIN_MS
                tx.plan_sweep(
                    planned(
                        incident=work.incident.id,
                        sink=self.name,
                        key=work.ticket.key,
                        since_ms=since_ms,
                        now_ms=self._clock.now_ms(),
                    )
                )
            if result.ticket is not None:
                tx.save_ticket(result.ticket)
            if result.said is not None:
                reason, text = result.said
                tx.add_entry(work.incident.id, Entry(at_ms=self._clock.now_ms(), reason=reason, text=text))

        while True:
            try:
                return await self._store.run(write)
            except StoreError:
                await self._clock.sleep(SETTLE_RETRY_S)

    def _doubtful(self, work: _Work, result: _Result) -> bool:
        """Whether a second ticket may come to light one day: the creation is, or was, of unknown outcome."""
        after = result.operation
        return (
            isinstance(self.sink, FindsDuplicates)
            and work.operation.kind is OperationKind.SYNC
            and work.ticket.ref is None
            and OperationState.UNKNOWN in {work.operation.state, after.state if after else None}
        )


def _heeded(done: asyncio.Future[bool]) -> None:
    if not done.cancelled():
        done.exception()


def _mark(work: _Work) -> str:
    return f"{MARK_PREFIX}{work.ticket.key}-{work.operation.id}"

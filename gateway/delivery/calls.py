"""What one attempt does at the tracker: send an operation, or look whether it happened."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from gateway import metrics
from gateway.core.decision import OperationKind
from gateway.core.draft import NOBODY, draft
from gateway.core.event import Attachment
from gateway.core.family import Family
from gateway.core.incident import Incident
from gateway.core.operation import Operation, OperationState, moved, not_found, resent, unknown
from gateway.core.reason import Reason
from gateway.core.ticket import MARK_PREFIX, Comment, Ticket, TicketDraft, TicketField, TicketRef, TicketState
from gateway.dry import is_dry
from gateway.plugin import Attaches, Clock, FindsComments, Links, Sink, SinkPlugin

log = structlog.get_logger()

SEARCH_MARGIN_MS = 120_000
"""A search begins this much before the first attempt: the tracker's clock is not ours."""

LEAST_STEP_MS = 1_000
"""Less is no step of the wall clock, but rounding."""


@dataclass(frozen=True, slots=True)
class Work:
    """A claimed operation with what it is about."""

    operation: Operation
    incident: Incident
    ticket: Ticket
    other: Ticket | None = None
    attachment: Attachment | None = None
    claimed_ms: int = 0
    claimed_s: float = 0.0
    """When it was claimed, by the wall and by the monotonic clock."""
    family: Family = NOBODY
    """The incident's children."""

    def after(self, clock: Clock) -> Operation:
        """The operation when its call has ended: if the wall clock was set meanwhile, its instants moved with it."""
        stepped_ms = clock.now_ms() - self.claimed_ms - round(1000 * (clock.monotonic_s() - self.claimed_s))
        return moved(self.operation, stepped_ms) if abs(stepped_ms) >= LEAST_STEP_MS else self.operation

    @property
    def mark(self) -> str:
        """By what a comment or a file of this operation is found again."""
        return f"{MARK_PREFIX}{self.ticket.key}-{self.operation.id}"

    @property
    def since_ms(self) -> int:
        """From when a search looks for what it made."""
        return (self.operation.sent_ms or self.operation.created_ms) - SEARCH_MARGIN_MS


@dataclass(frozen=True, slots=True)
class Result:
    """How an attempt ended: the operation as it goes on (None = done), the ticket if it changed, a timeline entry."""

    operation: Operation | None
    ticket: Ticket | None = None
    said: tuple[Reason, str] | None = None
    asked: bool = True
    """Whether the tracker was called at all: only then does it prove that it answers."""


class Calls:
    """Makes the calls of one sink; raises what the sink raises."""

    def __init__(
        self, name: str, sink: Sink, plugin: SinkPlugin, *, clock: Clock, page: str, chance: Callable[[], float]
    ) -> None:
        self._name = name
        self._sink = sink
        self._plugin = plugin
        self._clock = clock
        self._page = page
        self._chance = chance

    async def make(self, work: Work) -> Result:
        """Send the operation, or look for it if nobody knows how it ended."""
        if work.operation.state is OperationState.UNKNOWN:
            return await self._look(work)
        match work.operation.kind:
            case OperationKind.SYNC:
                return await self._sync(work)
            case OperationKind.COMMENT if work.ticket.ref:
                await self._sink.comment(work.ticket.ref, self._comment(work))
            case OperationKind.LINK if (
                isinstance(self._sink, Links) and work.ticket.ref and work.other and work.other.ref
            ):
                await self._sink.link(work.ticket.ref, work.other.ref)
            case OperationKind.ATTACH if isinstance(self._sink, Attaches) and work.ticket.ref and work.attachment:
                await self._sink.attach(work.ticket.ref, work.attachment, mark=work.mark)
            case _:
                return Result(None, asked=False)  # no ticket to say it on, or a sink that cannot
        return Result(None)

    async def _sync(self, work: Work) -> Result:
        wanted = draft(work.incident, work.ticket, page=self._page, family=work.family)
        if work.ticket.ref is not None:
            await self._sink.update(work.ticket.ref, wanted)
            return Result(None, self._written(work.ticket, work.ticket.ref, wanted))
        if not work.incident.wants_ticket:
            return self._not_wanted(work.operation)
        ref = await self._sink.open(wanted)
        return self._opened(work, ref, wanted, "opened")

    def _not_wanted(self, operation: Operation) -> Result:
        """It cleared, or was muted, before anybody was told; unless an earlier attempt made a ticket that we have not seen."""
        if operation.attempts <= 1 or not self._plugin.unique_key:
            return Result(None, asked=False)
        said = "sent before, and not wanted any more"
        lags_s = self._plugin.search_lag_s
        return Result(unknown(operation, said, now_ms=self._clock.now_ms(), lags_s=lags_s), asked=False)

    def _opened(self, work: Work, ref: TicketRef, wanted: TicketDraft, how: str) -> Result:
        name = ref.name or ref.id
        if not is_dry(ref):
            now_ms = self._clock.now_ms()
            metrics.TICKETS_OPENED.labels(self._name).inc()
            metrics.TICKET_SECONDS.labels(self._name).observe(max(0, now_ms - work.incident.first_seen_ms) / 1000)
            log.info("ticket.opened", sink=self._name, incident=work.incident.id, ticket=name, how=how)
        return Result(
            None,
            self._written(work.ticket, ref, wanted),
            (Reason.TICKET_OPENED, f"ticket {name} {how} in {self._name}"),
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

    async def _look(self, work: Work) -> Result:
        """After an unknown outcome: did it happen?"""
        operation, ticket = work.operation, work.ticket
        if operation.kind is OperationKind.COMMENT and ticket.ref is not None:
            if not isinstance(self._sink, FindsComments):
                return Result(None, asked=False)  # this sink cannot tell: better no comment than two
            there = await self._sink.has_comment(ticket.ref, work.mark)
            return Result(None if there else self._again(work))
        if operation.kind is not OperationKind.SYNC or ticket.ref is not None:
            return Result(self._again(work), asked=False)  # twice = once
        ref = await self._sink.find(ticket.key, since_ms=work.since_ms)
        if ref is None:
            wanted = work.incident.wants_ticket
            after = not_found(
                work.after(self._clock),
                impact=operation.impact,
                now_ms=self._clock.now_ms(),
                # A unique key makes up for a search that lags only if the create is sent again.
                unique_key=self._plugin.unique_key and wanted,
                lags_s=self._plugin.search_lag_s,
                chance=self._chance(),
            )
            return Result(after if wanted or after.state is OperationState.UNKNOWN else None)
        found = self._opened(work, ref, draft(work.incident, ticket, page=self._page, family=work.family), "found")
        # How it looks is not known: the next attempt makes it look right.
        return replace(found, operation=self._again(work))

    def _again(self, work: Work) -> Operation:
        return resent(work.after(self._clock), now_ms=self._clock.now_ms(), chance=self._chance())

    def _comment(self, work: Work) -> Comment:
        return Comment(
            mark=work.mark, text=work.operation.body["text"], public=work.operation.body.get("public") == "yes"
        )

"""The sink on the desk: calls are transactions in the desk's own thread, so the event loop never waits for a disk."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TypeVar

from gateway.core.event import Attachment
from gateway.core.reason import Failed
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketRef
from gateway.plugin import Finding, Host, Reject, Retry, TicketRemark, TicketView
from sinks.local.config import LocalConfig
from sinks.local.desk import Desk, NoSuchTicket
from sinks.local.thread import DeskThread
from sinks.local.ticket import TOCSIN, Change, Ticket, name_of

T = TypeVar("T")
BIGGEST = 2**63 - 1
"""The largest number SQLite can hold."""


class LocalSink:
    """Implements `gateway.plugin.Sink` with comments that are found again, links, files, a page and a set-up check."""

    def __init__(self, thread: DeskThread, config: LocalConfig, *, page_url: str = "") -> None:
        self._thread, self._config, self._page_url = thread, config, page_url

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:  # noqa: ARG002 -- the key is unique for ever
        """The ticket with this key."""
        number = await self.ask(lambda desk: desk.number_of(key))
        return None if number is None else self._ref(number)

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Put the ticket on the desk, or return the one with this key."""

        def place(desk: Desk) -> int:
            number = desk.place(draft)
            if self._config.keep_closed_days:
                desk.prune(closed_days=self._config.keep_closed_days)
            return number

        return self._ref(await self.ask(place))

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Make the ticket look like ``draft``, except what people own."""
        number = _number(ref)
        await self.ask(lambda desk: desk.revise(number, draft))

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Add the comment, once by its mark."""
        number = _number(ref)
        await self.ask(
            lambda desk: desk.remark(number, comment.text, who=TOCSIN, mark=comment.mark, public=comment.public)
        )

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        """Whether the comment with this mark is there."""
        number = _number(ref)
        return await self.ask(lambda desk: desk.has_remark(number, mark))

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        """Relate two tickets."""
        first, second = _number(ref), _number(other)
        await self.ask(lambda desk: desk.relate(first, second))

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        """Keep the file, once by its mark."""
        number, size = _number(ref), len(attachment.content)
        if size > self._config.attachment_limit_bytes:
            raise Reject(
                f"{attachment.name} has {size} bytes, more than attachment_limit_bytes"
                f" ({self._config.attachment_limit_bytes}) of the local desk"
            )
        await self.ask(lambda desk: desk.attach(number, attachment, mark=mark))

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        """What stands on the desk now."""
        numbers = {ref.id: number for ref in refs if (number := _parse(ref.id)) is not None}
        tickets = {ticket.number: ticket for ticket in await self.ask(lambda desk: desk.take(numbers.values()))}
        return [self._observation(ref, tickets.get(numbers.get(ref.id, 0))) for ref in refs]

    async def show(self, ref: str) -> TicketView | None:
        """The ticket as the status page shows it: what was said and what changed, in the order of time."""
        number = _parse(ref)
        ticket = None if number is None else await self.ask(lambda desk: desk.get(number))
        if ticket is None:
            return None
        said = [TicketRemark(at_ms=each.at_ms, who=each.author, text=each.text) for each in ticket.remarks]
        changed = [TicketRemark(at_ms=each.at_ms, who=each.who, text=_told(each)) for each in ticket.history]
        return TicketView(
            name=ticket.name,
            title=ticket.title,
            description=ticket.description,
            impact=ticket.impact,
            state=ticket.state,
            remarks=tuple(sorted(changed + said, key=lambda each: each.at_ms)),
        )

    async def check(self, *, apply: bool) -> list[Finding]:  # noqa: ARG002 -- the file is made when it is first opened
        """Whether the file is whole."""
        faults = await self.ask(lambda desk: desk.faults())
        if faults:
            cure = "stop the daemon, restore the file from a backup or move it away, and start again"
            return [Finding(ok=False, what=f"{self._config.file} is damaged ({faults[0]}): {cure}")]
        return [Finding(ok=True, what=f"{self._config.file} is whole and writable")]

    async def ask(self, call: Callable[[Desk], T]) -> T:
        """Do something with the desk in its thread; pages and the command line use this too.

        Raises:
            Reject: the ticket is not there.
            Retry: the file is locked, full or damaged. Nothing happened: every call is undone as a whole, and repeating
                any of them is harmless.
        """
        try:
            return await self._thread.ask(call)
        except NoSuchTicket as error:
            raise Reject(str(error)) from error
        except sqlite3.Error as error:
            raise Retry(
                f"the local desk's file {self._config.file} cannot be used now: {error}", reason=Failed.SERVER_ERROR
            ) from error

    def _ref(self, number: int) -> TicketRef:
        return TicketRef(
            id=str(number), url=f"{self._page_url}{number}" if self._page_url else "", name=name_of(number)
        )

    def _observation(self, ref: TicketRef, ticket: Ticket | None) -> Observation:
        if ticket is None:
            return Observation(ref=ref, exists=False)
        return Observation(
            ref=self._ref(ticket.number),
            state=ticket.state,
            wont_fix=ticket.wont_fix,
            impact=ticket.impact,
            owner=ticket.owner,
            labels=frozenset(f"{name}={value}" for name, value in ticket.labels.items()),
        )


@asynccontextmanager
async def build(config: LocalConfig, host: Host) -> AsyncIterator[LocalSink]:
    """Open the desk's file and its thread; close both at the end."""
    page_url = config.page_url or (f"{host.public_url}/tickets/" if host.public_url else "")
    worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"sink-{host.name}")
    try:
        desk = await asyncio.get_running_loop().run_in_executor(
            worker,
            lambda: Desk(host.state_dir / config.file, now_ms=host.clock.now_ms, busy_timeout_s=config.busy_timeout_s),
        )
        try:
            yield LocalSink(DeskThread(desk, worker), config, page_url=page_url)
        finally:
            worker.submit(desk.shut)  # in its thread: a call that was cancelled may still be running there
    finally:
        await asyncio.to_thread(worker.shutdown)


def _told(change: Change) -> str:
    """A line of history in words."""
    if change.before:
        return f"{change.what}: {change.before} → {change.after}"
    return f"{change.what}: {change.after}" if change.after else change.what


def _parse(id_: str) -> int | None:
    """The number in a ref's id; None if it is none of ours."""
    number = int(id_) if id_.isascii() and id_.isdigit() and len(id_) < len(str(BIGGEST)) else None
    return number or None


def _number(ref: TicketRef) -> int:
    number = _parse(ref.id)
    if number is None:
        raise Reject(f"{ref.id!r} is no ticket number of the local desk")
    return number

"""A dry sink: it records the calls that it would make, and makes none.

One recorder for two uses: a sink in shadow (``shadow = true``) records in a running daemon, beside the tracker that people
use; a rehearsal (``tocsin test``, ``replay``, ``simulate``) records on virtual time.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.text import one_line
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketRef, TicketState
from gateway.plugin import Clock, Host, Retry, SinkPlugin

DRY = "dry:"
"""How the id of a ticket begins that was never made."""
LONGEST_SHOWN = 300


class CallKind(StrEnum):
    """What a sink can be asked to do to a ticket."""

    OPEN = "open"
    UPDATE = "update"
    COMMENT = "comment"
    ATTACH = "attach"
    LINK = "link"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call that would have been made."""

    at_ms: int
    sink: str
    kind: CallKind
    ticket: str
    """What people call the ticket."""
    text: str
    """The title, the comment, the file's name, or the other ticket."""
    impact: Impact | None = None
    """Of a ticket that would be opened or updated."""
    state: TicketState | None = None

    def __str__(self) -> str:
        """``jira open P2 open: [P2] link down ...``, as the ``calls`` of a test are written."""
        words = [self.sink, self.kind, self.impact.short if self.impact else "", self.state or ""]
        return f"{' '.join(filter(None, words))}: {one_line(self.text, LONGEST_SHOWN)}"


Record = Callable[[Call], None]


class DrySink:
    """Implements `gateway.plugin.Sink`, `Attaches` and `Links`: everything succeeds, and nothing happens."""

    def __init__(self, name: str, *, clock: Clock, record: Record) -> None:
        """Record each call of the sink ``name`` by ``record``."""
        self.name = name
        self.last: Call | None = None
        """The latest call. No method ever waits, so that right after one it is that one's."""
        self._clock = clock
        self._record = record

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:  # noqa: ARG002 - the protocol's
        """Say that nobody asked the tracker: what was sent before the shadow fell stays unknown."""
        raise Retry("this sink is in shadow: its tracker is not asked")

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Record that a ticket would be opened."""
        ref = TicketRef(id=f"{DRY}{draft.key}", name=f"shadow-{draft.mark}")
        self._note(CallKind.OPEN, ref, draft.title, draft)
        return ref

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Record that the ticket would be made to look like ``draft``."""
        self._note(CallKind.UPDATE, ref, draft.title, draft)

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Record that a remark would be added."""
        self._note(CallKind.COMMENT, ref, comment.text)

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:  # noqa: ARG002 - the protocol's
        """Nobody has touched what was never made."""
        return []

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:  # noqa: ARG002
        """Record that a file would be added."""
        self._note(CallKind.ATTACH, ref, attachment.name)

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        """Record that two tickets would be related."""
        self._note(CallKind.LINK, ref, other.name or other.id)

    def _note(self, kind: CallKind, ref: TicketRef, text: str, draft: TicketDraft | None = None) -> None:
        self.last = Call(
            at_ms=self._clock.now_ms(),
            sink=self.name,
            kind=kind,
            ticket=ref.name or ref.id,
            text=text,
            impact=draft.impact if draft else None,
            state=draft.state if draft else None,
        )
        self._record(self.last)


def dry(plugin: SinkPlugin, record: Record) -> SinkPlugin:
    """The same plugin, but for what it builds: its sink records what it would do."""

    @asynccontextmanager
    async def build(_config: Any, host: Host) -> AsyncIterator[DrySink]:
        yield DrySink(host.name, clock=host.clock, record=record)

    return replace(plugin, build=build)


def is_dry(ref: TicketRef | None) -> bool:
    """Whether the ticket was never made."""
    return ref is not None and ref.id.startswith(DRY)

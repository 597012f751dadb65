"""What a sink, or a collector, may be able to do besides: small protocols of their own, found by `isinstance`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.reason import Webhook
from gateway.core.ticket import TicketRef, TicketState


@runtime_checkable
class Rereads(Protocol):
    """A collector that reads files of its own besides the configuration."""

    async def reread(self) -> None:
        """Read them again: somebody asked for a reload. What cannot be read is told, and changes nothing."""
        ...


@runtime_checkable
class FindsComments(Protocol):
    """A sink that can tell whether a comment was written, so that none is written twice."""

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        """Whether the ticket has a comment that contains ``mark``."""
        ...


@runtime_checkable
class FindsDuplicates(Protocol):
    """A sink whose tracker has no unique key: long after an unknown outcome the host looks for a second ticket."""

    async def find_all(self, key: str, *, since_ms: int) -> list[TicketRef]:
        """Every ticket that *we* surely made for ``key`` at or after ``since_ms``, closed ones too, oldest first.

        A ticket that a person made, copied or merely named after ours must not be among them: it would be closed.
        A search that failed, or was cut short, raises.
        """
        ...

    async def mark_duplicate(self, ref: TicketRef, *, of: TicketRef) -> None:
        """Link ``ref`` to ``of`` in the tracker's way of saying "is a duplicate of". Twice = once."""
        ...


@runtime_checkable
class Links(Protocol):
    """A sink whose tickets can be linked to each other, or to a page."""

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        """Relate two tickets of this sink. Twice = once."""
        ...


@runtime_checkable
class Attaches(Protocol):
    """A sink whose tickets take files."""

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        """Add the file, unless one with this ``mark`` (a short name prefix) is there already."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketRemark:
    """One line of a ticket's history, for `ShowsTickets`."""

    at_ms: int
    who: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketView:
    """A ticket as our own page shows it."""

    name: str
    title: str
    description: str
    impact: Impact
    state: TicketState
    remarks: tuple[TicketRemark, ...] = ()


@runtime_checkable
class ShowsTickets(Protocol):
    """A sink that keeps its tickets here, so that our own page shows them."""

    async def show(self, ref: str) -> TicketView | None:
        """The ticket whose ref has this id; None if there is none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One webhook as it came in; nothing of it is verified yet."""

    method: str
    headers: Mapping[str, str]
    """By name in lower case; values of a name that came twice are joined by ``, ``."""
    body: bytes
    now_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hint:
    """Something may have happened to a ticket: the host looks at it, by `Sink.observe`, and believes only that."""

    ticket: str
    """Id of the ticket, as in `TicketRef.id`; it need not be one of ours."""
    identities: tuple[str, ...]
    """By what a repeated delivery of this hint is known: one that is known already is enough."""


class WebhookRefused(Exception):
    """Raised by `ReceivesWebhooks.hints`; the sender is never told which ``reason`` it was."""

    def __init__(self, reason: Webhook) -> None:
        super().__init__(reason.value)
        self.reason = reason


@runtime_checkable
class ReceivesWebhooks(Protocol):
    """A sink whose tracker sends webhooks, so that what people do is known before the next poll."""

    def hints(self, request: WebhookRequest) -> list[Hint]:
        """Which tickets to look at. Pure: no I/O, no clock; the signature is verified before anything is parsed.

        Raises:
            WebhookRefused: it is not signed, not by our tracker, too old, or we have no secret to tell.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a set-up check looked at."""

    ok: bool
    what: str
    """One sentence; for a failure it names the place and the cure."""
    applied: bool = False
    """Whether ``--apply`` mended it just now."""


@runtime_checkable
class Checks(Protocol):
    """A sink that can verify its own set-up (``tocsin setup SINK --check|--apply``)."""

    async def check(self, *, apply: bool) -> list[Finding]:
        """Verify credentials, place, fields and statuses; with ``apply`` create what the API lets us create."""
        ...

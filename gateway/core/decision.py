"""The values around a decision: what can change an incident, and what was decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from gateway.core.event import Attachment, Event, no_labels
from gateway.core.incident import Incident
from gateway.core.mute import Mute
from gateway.core.reason import Reason
from gateway.core.rules import Verdict
from gateway.core.ticket import Observation, Ticket
from gateway.core.value import value

# --- inputs ----------------------------------------------------------------------------------------


@value
class Heard:
    """An event with its verdict; ``count`` equal ones in a row are folded into one."""

    event: Event
    verdict: Verdict
    count: int = 1
    first_ms: int
    last_ms: int
    follow_up: bool = False
    """One of the event's references held: it belongs to the incident, whatever its fingerprint."""
    cleared_ms: int | None = None
    """Of a raise: when it was over, for a newer clear has overtaken it (`gateway.core.overtaken`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A deadline of the incident has come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """The incident belongs to a greater one, which has begun only now."""

    mute: Mute


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowBegan:
    """Silences or maintenance windows that match the incident have begun."""

    mutes: tuple[Mute, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What muted the incident may be over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A ticket was looked at in its tracker."""

    ticket: Ticket
    observation: Observation
    succeeded: bool = False
    """Another incident came after this one with the same fingerprint: this one stays closed."""


class Verb(StrEnum):
    """What an operator may command of an incident."""

    CLOSE = "close"
    UNMUTE = "unmute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An operator's command."""

    verb: Verb
    actor: str


Input = Heard | Due | Join | WindowBegan | Look | Seen | Command


# --- what is decided -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of an incident's timeline."""

    at_ms: int
    reason: Reason
    text: str


class OperationKind(StrEnum):
    """What the outbox can carry."""

    SYNC = "sync"
    """Make the ticket look like the incident; a newer one supersedes an older, unsent one."""
    COMMENT = "comment"
    LINK = "link"
    ATTACH = "attach"


class Rank(IntEnum):
    """What goes first when a rate budget is short."""

    CREATE = 0
    REOPEN = 1
    CLOSE = 2
    PRIORITY = 3
    COMMENT = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Something that should happen at a tracker; becomes an operation in the outbox."""

    kind: OperationKind
    sink: str
    rank: Rank
    reason: Reason
    body: Mapping[str, str] = field(default_factory=no_labels)
    """Comment: ``text``. Attach: ``number`` in the decision's files and ``name``; empty for every stored file. Link:
    ``incident``."""


@value
class Decision:
    """What one input means for one incident."""

    reason: Reason
    incident: Incident | None
    """The incident as it is now; the very same value if nothing changed."""
    entries: tuple[Entry, ...] = ()
    wishes: tuple[Wish, ...] = ()
    tickets: tuple[Ticket, ...] = ()
    """Tickets whose row changed."""
    known_as: tuple[str, ...] = ()
    """New thread keys of the incident."""
    attachments: tuple[Attachment, ...] = ()
    began: bool = False
    """Whether ``incident`` is a new one."""

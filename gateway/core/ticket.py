"""The ticket as we want it (draft), where it is (ref), and what was seen of it (observation)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.core.event import no_labels
from gateway.core.impact import Impact

MARK_PREFIX = "TOC-"


class TicketState(StrEnum):
    """A ticket's state in our words; each sink maps it to its tracker's status or stage."""

    OPEN = "open"
    RESOLVED = "resolved"
    CLOSED = "closed"

    @property
    def done(self) -> bool:
        """Whether nobody needs to work on it any more."""
        return self is not TicketState.OPEN


class TicketField(StrEnum):
    """What a person may take over: after creation we leave these alone once somebody else changed them."""

    STATE = "state"
    PRIORITY = "priority"
    OWNER = "owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketRef:
    """Where a ticket is."""

    id: str
    """The tracker's own stable id, the one its API takes."""
    url: str = ""
    """Where a person opens it."""
    name: str = ""
    """What people call it (``OPS-24``); the id where the tracker has no other name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What we know of an incident's ticket in one sink: unique per (incident, sink)."""

    incident: str
    sink: str
    ref: TicketRef | None = None
    """Where it is; None while it is not made yet."""
    generation: int = 1
    """2 after a person deleted the first one."""
    state: TicketState | None = None
    """As we last wrote it, or as a person left it and we accepted."""
    impact: Impact | None = None
    """The impact that its priority stood for when we last wrote or accepted it."""
    owned: frozenset[TicketField] = frozenset()
    """What a person took over."""
    written_ms: int = 0
    """When our last write was known to have happened: what was seen before says nothing."""

    @property
    def key(self) -> str:
        """Our idempotency key for it."""
        return self.incident if self.generation == 1 else f"{self.incident}-{self.generation}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDraft:
    """How the ticket should look now: a pure function of the incident, never a delta."""

    key: str
    """Our idempotency key, unique per ticket we ever want: the incident's id, with a suffix if it was deleted once."""
    title: str
    """One line, at most 250 characters, already with impact (``[P1]``) and mark (``[TOC-...]``)."""
    description: str
    """Plain text; sinks escape it into their tracker's form and never treat it as markup."""
    impact: Impact
    state: TicketState
    fingerprint: str
    source: str
    condition: str
    object: str = ""
    occurrences: int = 1
    first_seen_ms: int = 0
    last_seen_ms: int = 0
    labels: Mapping[str, str] = field(default_factory=no_labels)
    team: str = ""
    """The team that should own it; each sink maps it to an owner, assignee or component by configuration."""
    runbook: str = ""
    """Link from the rule, or empty."""
    keep: frozenset[TicketField] = frozenset()
    """Fields that a person owns now: an update leaves them alone."""

    @property
    def mark(self) -> str:
        """``TOC-<key>``: how a person, or a search after an unknown outcome, finds the ticket."""
        return MARK_PREFIX + self.key


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One remark on a ticket, written once."""

    mark: str
    """Unique (``TOC-<key>-7``); sinks write it into the comment, so that after an unknown outcome it is found again."""
    text: str
    """Plain text, untrusted."""
    public: bool = False
    """Whether the requester may read it, where the tracker knows the difference; otherwise internal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What was seen of a ticket in its tracker, by a poll or a webhook."""

    ref: TicketRef
    """Where it is *now*: another id or url than asked for means that it was moved or merged."""
    asked: str = ""
    """The id that was asked for, when it differs from ``ref.id`` (moved or merged)."""
    exists: bool = True
    """False: a person deleted it."""
    state: TicketState = TicketState.OPEN
    wont_fix: bool = False
    """Done with a resolution that means nobody will repair it."""
    impact: Impact | None = None
    """The impact its priority stands for, by the sink's configured mapping; None if unmapped."""
    owner: str = ""
    labels: frozenset[str] = field(default_factory=frozenset)

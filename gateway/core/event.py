"""What collectors observe: events, beats, and how they name the incident they belong to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from gateway.core.value import changer, value

OURSELVES = "tocsin"
"""The collector of events about the daemon itself (inputs lost, a sink refused)."""
_NO_LABELS: Mapping[str, str] = MappingProxyType({})


def no_labels() -> Mapping[str, str]:
    """The one empty, immutable mapping that stands for "no labels"."""
    return _NO_LABELS


class EventKind(StrEnum):
    """What an event says about a trouble."""

    RAISE = "raise"
    CLEAR = "clear"
    NOTE = "note"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A thread key by which an event names the incident it follows.

    It holds if one incident is known under ``key`` and, where ``also`` is set, under ``also`` too. So a subject token
    counts only for a participant (``also="from:alice@example.com"``), and a recycled ``References`` header only with
    the same subject (``also="subject:..."``).
    """

    key: str
    also: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file that came with an event; it is stored by the SHA-256 of its content, never by its name."""

    name: str
    """Cleaned for display: a base name without control or bidirectional characters, at most 120 characters."""
    media_type: str
    content: bytes


@value
class Event:
    """One observation, immutable."""

    collector: str
    """Name of the collector instance that made it."""
    source: str
    """The device, station, service or sender it is about."""
    condition: str
    """What is wrong, as the collector knows it: a notification's name or OID, ``station_down``, ``mail``."""
    kind: EventKind
    at_ms: int
    """When it happened, by our clock (epoch milliseconds)."""
    object: str = ""
    severity: str = ""
    """What the device claims; never part of the identity."""
    summary: str = ""
    """One line for people."""
    description: str = ""
    """The whole text: varbinds, payload or mail body. Untrusted: never markup."""
    labels: Mapping[str, str] = field(default_factory=no_labels)
    """What rules match on: varbinds by name, payload members, mail headers."""
    identity: str = ""
    """Upstream identity of an acknowledged input; a second event with the same one is folded as a retransmission."""
    references: tuple[Reference, ...] = ()
    """Incidents it may belong to, most trusted first. The first that holds makes the event a follow-up."""
    known_as: tuple[str, ...] = ()
    """Thread keys under which its incident is known from now on (``mid:<...>``, ``from:...``, ``subject:...``)."""
    requester: str = ""
    """Mail address of the person who asks; empty for machines."""
    attachments: tuple[Attachment, ...] = ()
    once: bool = False
    """Its source says it only as it begins, not while it lasts: no cap makes a number of it."""


event_changed = changer(Event)
"""An event with other values of some fields."""


class BeatKind(StrEnum):
    """What a station's message says of its life."""

    BEAT = "beat"
    """A live heartbeat."""
    BIRTH = "birth"
    """It came online and said so."""
    WILL = "will"
    """Its last will: a fast hint that it is down."""
    LEAVE = "leave"
    """It went on purpose (retired or asleep): silence is not an outage."""


@value
class Beat:
    """One sign of life, or of its end, from a station."""

    collector: str
    station: str
    """Identity, from the topic (which the broker's ACL protects), never from the payload."""
    at_ms: int
    """When we received it, by our clock."""
    kind: BeatKind = BeatKind.BEAT
    site: str = ""
    retained: bool = False
    """Replayed by the broker from its memory: no proof of life."""
    fault: str = ""
    """Empty if the station says it is well, else what it says is wrong (``fault``, ``low_battery``)."""
    interval_s: float | None = None
    """Announced interval, if the payload has one; infinite: it owes no beats, somebody else tells when it goes."""
    sent_ms: int | None = None
    """The payload's own timestamp: used to find replays and skew, never for deadlines."""
    sequence: int | None = None
    session: int | None = None
    """Of a birth, which connection it began; of a will, which one ended. Counts modulo 256."""
    labels: Mapping[str, str] = field(default_factory=no_labels)
    """Everything else the payload said, flattened, for rules."""
    description: str = ""

"""What stands on the desk: tickets with their remarks, files and history, as values."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.impact import Impact
from gateway.core.ticket import TicketState

TOCSIN = "tocsin"
"""The author of what the daemon itself does; people sign with their own name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """One comment."""

    at_ms: int
    author: str
    text: str
    """Plain text, untrusted: a page escapes it."""
    mark: str = ""
    """The daemon's own mark (``TOC-...-7``); empty for what people write."""
    public: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One line of a ticket's history, append-only."""

    at_ms: int
    who: str
    what: str
    """``opened``, ``link``, ``file``, or the name of the field that changed."""
    before: str = ""
    after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One attached file; its content is read by `sinks.local.desk.Desk.content`."""

    mark: str
    name: str
    media_type: str
    size: int
    """Bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """One ticket as it stands now."""

    number: int
    key: str
    title: str
    description: str
    impact: Impact
    state: TicketState
    wont_fix: bool
    owner: str
    source: str
    condition: str
    object: str
    fingerprint: str
    runbook: str
    occurrences: int
    first_seen_ms: int
    last_seen_ms: int
    created_ms: int
    changed_ms: int
    labels: Mapping[str, str]
    remarks: tuple[Remark, ...] = ()
    """Oldest first; only `sinks.local.desk.Desk.get` fills these four."""
    history: tuple[Change, ...] = ()
    files: tuple[File, ...] = ()
    links: tuple[int, ...] = ()
    """Numbers of related tickets."""

    @property
    def name(self) -> str:
        """``T-7``: what people call it."""
        return name_of(self.number)


def name_of(number: int) -> str:
    """What people call ticket ``number``."""
    return f"T-{number}"


def storable(text: str) -> str:
    """``text`` as SQLite can keep it: no NUL, and lone surrogates (from broken mail) replaced."""
    try:
        text.encode()  # nearly any can be, and to make it anew takes four times as long
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode()
    return text.replace("\0", "")

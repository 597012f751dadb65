"""The public API for collectors and sinks: all that a plugin may use besides `gateway.core`.

A plugin is one frozen value (`CollectorPlugin` or `SinkPlugin`) at an entry point (``tocsin.collectors`` or
``tocsin.sinks``). Retry, rate, order, metrics of calls, and logs of attempts belong to the host; a plugin speaks its
protocol and says truthfully how each call ended.

Failure semantics:
    * A collector that raises is restarted with back-off. What it did not acknowledge comes again from upstream.
    * A sink method that returns has happened. `Reject` means it never will. `Retry` means it has not happened and may.
      `UnknownOutcome` means nobody knows: the host asks `Sink.find` before it tries again. Any other exception
      counts as `UnknownOutcome`, since nothing may happen twice.
"""

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, runtime_checkable

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

from gateway.core.event import Attachment, Beat, Event
from gateway.core.impact import Impact
from gateway.core.reason import Dropped, Failed, Reason, Webhook
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketRef, TicketState

__all__ = [
    "Attaches",
    "Checks",
    "Clock",
    "Collector",
    "CollectorPlugin",
    "Finding",
    "FindsComments",
    "FindsDuplicates",
    "Hint",
    "Host",
    "Impact",
    "Intake",
    "Keep",
    "Links",
    "Overloaded",
    "PluginConfig",
    "Receipt",
    "ReceivesWebhooks",
    "Reject",
    "Retry",
    "Secret",
    "ShowsTickets",
    "Sink",
    "SinkError",
    "SinkPlugin",
    "TicketRemark",
    "TicketState",
    "TicketView",
    "Unauthorized",
    "UnknownOutcome",
    "Webhook",
    "WebhookRefused",
    "WebhookRequest",
]


# --- configuration -------------------------------------------------------------------------------


class PluginConfig(BaseModel):
    """Base of a plugin's configuration model: frozen, strict about unknown keys, each field with a description."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, validate_default=True, hide_input_in_errors=True
    )


class Secret:
    """A secret given by reference: ``env:NAME``, ``file:/path`` or ``credential:NAME`` (systemd).

    The value is read when the configuration is loaded and shown by nothing but `reveal`.
    """

    __slots__ = ("_value", "reference")

    def __init__(self, value: str, *, reference: str = "given in code") -> None:
        self._value = value
        self.reference = reference

    @classmethod
    def from_reference(cls, reference: str) -> Self:
        """Read the secret that ``reference`` names.

        Raises:
            ValueError: it is not a reference, or what it names is missing or empty; the text says the cure.
        """
        scheme, _, rest = reference.partition(":")
        match scheme:
            case "env":
                value = os.environ.get(rest, "")
                missing = f"the environment variable {rest} is not set"
            case "file":
                value, missing = _read(Path(rest)), f"the file {rest} cannot be read or is empty"
            case "credential":
                folder = os.environ.get("CREDENTIALS_DIRECTORY", "")
                value = _read(Path(folder) / rest) if folder else ""
                missing = f"systemd passed no credential named {rest} (LoadCredential={rest}:/path)"
            case _:
                raise ValueError(
                    "a secret is given by reference, never by value: write env:NAME, file:/path or credential:NAME"
                )
        if not value:
            raise ValueError(missing)
        return cls(value, reference=reference)

    def reveal(self) -> str:
        """The secret itself: call it where it is used, and keep no copy."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({self.reference})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self.reference)

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def load(given: object) -> Secret:
            if isinstance(given, Secret):
                return given
            try:
                return Secret.from_reference(str(given))
            except ValueError as error:
                raise PydanticCustomError("secret", "{why}", {"why": str(error)}) from None

        return core_schema.no_info_plain_validator_function(
            load, serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.reference)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "pattern": "^(env|file|credential):.+", "examples": ["env:TOKEN"]}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


# --- what the host gives -------------------------------------------------------------------------


class Clock(Protocol):
    """Time as the host tells it; tests pass one that they turn by hand (`gateway.testing.clock`)."""

    def now_ms(self) -> int:
        """Wall time, epoch milliseconds (UTC), immune to steps while the process runs."""
        ...

    def monotonic_s(self) -> float:
        """Monotonic seconds, for intervals within this process."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after ``seconds`` of this clock."""
        ...

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for ``event``, at most ``seconds`` of this clock; whether it was set."""
        ...


class Keep(Protocol):
    """A plugin's small durable memory (an engine id, a cursor): bytes by key, private to the plugin instance."""

    async def get(self, key: str) -> bytes | None:
        """What was stored under ``key``; None if nothing was."""
        ...

    async def put(self, key: str, value: bytes) -> None:
        """Store ``value``; returns when it is on disk."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """What the host gives to each plugin instance."""

    name: str
    """The instance's name in the configuration (``snmp``, ``jira-dc``)."""
    clock: Clock
    keep: Keep
    state_dir: Path
    """Where a plugin that needs its own file puts it (only the local sink does)."""
    public_url: str = ""
    """Where people reach the daemon's own pages, without a slash at the end; empty if there are none."""
    sockets: Mapping[str, Sequence[int]] = field(default_factory=dict)
    """File descriptors handed over by systemd, by ``FileDescriptorName``."""
    transport: Any = None
    """An `httpx.AsyncBaseTransport` to use in place of the network's; None outside tests."""


# --- collectors ----------------------------------------------------------------------------------


class Overloaded(Exception):
    """Raised by `Intake.emit` and `Intake.beat` when too much waits: do not acknowledge, let upstream repeat."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that an input's effect is on disk."""

    incident: str
    """Public id of the incident it touched, or empty."""
    reason: Reason


class Intake(Protocol):
    """Where collectors put what they heard. Call from the event loop's thread only."""

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        """Take an event that upstream wants acknowledged; the future is done when its effect is on disk.

        Raises (from the future):
            Overloaded: too much waits; do not acknowledge.
        """
        ...

    def offer(self, event: Event) -> bool:
        """Take an event that cannot be acknowledged; False = overloaded, already counted as dropped."""
        ...

    def beat(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Take a sign of life. None: nothing to wait for; else await it before acknowledging (an edge is stored)."""
        ...

    def received(self, count: int = 1) -> None:
        """Count inputs as they arrive, before decoding: received = kept + folded + dropped."""
        ...

    def dropped(self, reason: Dropped, count: int = 1, *, source: str = "", detail: str = "") -> None:
        """Count inputs that were not kept; logged once per source, reason and interval."""
        ...

    def quarantine(self, raw: bytes, *, reason: Dropped, source: str = "") -> asyncio.Future[Receipt]:
        """Keep what cannot be parsed but must be acknowledged (counted as dropped); done when it is on disk."""
        ...

    def connected(self, up: bool, *, detail: str = "") -> None:
        """Tell whether this collector can hear now: while it cannot, nobody's silence is held against them."""
        ...


class Collector(Protocol):
    """Hears one kind of input."""

    async def run(self, intake: Intake) -> None:
        """Serve until cancelled; raising means: restart me with back-off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorPlugin:
    """A collector at the entry point ``tocsin.collectors``."""

    name: str
    config: type[PluginConfig]
    build: Callable[[Any, Host], AbstractAsyncContextManager[Collector]]
    """``build(config, host)``: opens sockets on entry (so that a failure is told at start), closes them on exit."""


# --- sinks ---------------------------------------------------------------------------------------


class SinkError(Exception):
    """Base of what a sink may raise; ``reason`` is a word of the closed list."""

    reason: Failed = Failed.CLIENT_ERROR

    def __init__(self, message: str, *, reason: Failed | None = None) -> None:
        super().__init__(message)
        if reason is not None:
            self.reason = reason


class Reject(SinkError):
    """The tracker says it never can: the operation is dead at once, visible, and repeatable by a person."""


class Retry(SinkError):
    """It has *not* happened (refused, not connected, rate limited) and may be tried again, ``after_s`` if given."""

    reason = Failed.SERVER_ERROR

    def __init__(self, message: str, *, after_s: float | None = None, reason: Failed | None = None) -> None:
        super().__init__(message, reason=reason)
        self.after_s = after_s


class Unauthorized(Retry):
    """The tracker refuses our credentials: the whole sink pauses and says so; operations wait."""

    reason = Failed.AUTH_ERROR


class UnknownOutcome(SinkError):
    """It may or may not have happened (timeout, reset, 5xx): the host looks before it tries again."""

    reason = Failed.UNKNOWN_OUTCOME


class Sink(Protocol):
    """Keeps tickets in one tracker. Never called twice at once for one incident."""

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        """The ticket made for ``key`` (see `TicketDraft.key`), at or after ``since_ms``; None if surely none is seen.

        A search that failed is unknown, never "not there": it raises.
        """
        ...

    async def open(self, draft: TicketDraft) -> TicketRef:
        """Create the ticket. If the tracker says that one with this key exists, return that one."""
        ...

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        """Make the ticket look like ``draft``, state included, except fields in ``draft.keep``. Twice = once."""
        ...

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        """Add a comment that contains ``comment.mark``."""
        ...

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        """What these tickets look like now; one that is gone is an observation with ``exists=False``."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkPlugin:
    """A sink at the entry point ``tocsin.sinks``."""

    name: str
    config: type[PluginConfig]
    build: Callable[[Any, Host], AbstractAsyncContextManager[Sink]]
    """``build(config, host)``: never touches the network."""
    unique_key: bool = False
    """The tracker refuses a second ticket with the same key, so that a create may be repeated at once."""
    search_lag_s: tuple[float, ...] = (2, 5, 15, 30, 60, 120)
    """When to look, in seconds after an unknown outcome, until the impact's patience ends."""
    calls_per_s: float = 5.0
    """Sustained budget of calls per credential; the host spends it on creates first."""

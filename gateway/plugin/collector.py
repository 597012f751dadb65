"""Collectors: what they hear goes into an intake, and what is acknowledged is on disk."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gateway.core.event import Beat, Event
from gateway.core.reason import Dropped, Reason
from gateway.core.told import Told
from gateway.plugin.config import PluginConfig
from gateway.plugin.host import Host


class Overloaded(Exception):
    """Raised by `Intake.emit` and `Intake.beat` when too much waits: do not acknowledge, let upstream repeat."""


class EntryRefused(ValueError):
    """Raised by `Intake.know`: the entry cannot be used; one sentence, and ``reason``, the word to count it by."""

    def __init__(self, sentence: str, *, reason: Dropped = Dropped.MALFORMED) -> None:
        super().__init__(sentence)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proof that an input's effect is on disk."""

    incident: str
    """Public id of the incident it touched, or empty."""
    reason: Reason


class Prepared(Protocol):
    """An event that comes many times: looked at once, and then merely counted where that comes to the same."""

    def count(self, at_ms: int) -> bool:
        """Offer it by counting one more, if that is all that would come of it; False: nothing was done, call `offer`."""
        ...

    def offer(self, at_ms: int, value: str = "") -> bool:
        """The same as `Intake.offer` of the event with this ``at_ms``, and this value of the label that varies."""
        ...

    def emit(self, at_ms: int, value: str = "", *, identity: str = "") -> asyncio.Future[Receipt]:
        """The same as `Intake.emit` of the event with these, and this upstream identity."""
        ...


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

    def prepare(self, event: Event, *, varying: str = "") -> Prepared:
        """Look at an event that will be offered or emitted many times; this alone does neither.

        ``varying`` is the name of a label that has another value from time to time, such as a counter of seconds.
        """
        ...

    def beat(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Take a sign of life. None: nothing to wait for; else await it before acknowledging (an edge is stored)."""
        ...

    def know(self, told: Told) -> asyncio.Future[Receipt]:
        """Take an entry of the inventory, or that it is taken back; done when that is on disk: acknowledge after that.

        Raises:
            EntryRefused: it cannot be used, and what was known before still holds; quarantine or count it.

        Raises (from the future):
            Overloaded: the disk refuses; do not acknowledge.
        """
        ...

    def received(self, count: int = 1) -> None:
        """Count inputs as they arrive, before decoding: received = kept + folded + dropped."""
        ...

    def dropped(self, reason: Dropped, count: int = 1, *, source: str = "", detail: str = "") -> None:
        """Count inputs that were not kept; logged once per source, reason and interval."""
        ...

    def quarantine(self, raw: bytes, *, reason: Dropped, source: str = "", detail: str = "") -> asyncio.Future[Receipt]:
        """Keep what cannot be parsed but must be acknowledged (counted as dropped); done when it is on disk."""
        ...

    def connected(self, up: bool, *, detail: str = "", proven: bool = False) -> None:
        """Tell whether this collector can hear now: while it cannot, nobody's silence is held against them.

        ``proven``: something of our own that goes the same way comes back regularly (a canary). Then a fleet that falls
        silent is one that is silent; without it, we may be deaf.
        """
        ...


class Collector(Protocol):
    """Hears one kind of input."""

    async def run(self, intake: Intake) -> None:
        """Serve until cancelled; raising means: restart me with back-off."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one datagram means to a collector, for ``tocsin explain``. Nothing in it is secret."""

    facts: tuple[tuple[str, str], ...]
    """What it says, in order: a name and a value each."""
    event: Event | None = None
    """What it becomes, or would if it were not dropped; None if it cannot be read."""
    dropped: Dropped | None = None
    """Why it would be dropped."""
    why: str = ""
    """The same in words, with the cure."""


Reader = Callable[[bytes, str, int], Reading]
"""``read(datagram, address, at_ms)``: what a datagram from this address means. Raises nothing."""


class CannotDrill(Exception):
    """Raised by a collector's drill: this configuration cannot be drilled, or nobody listens; one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillCall:
    """What a drill asks of a collector's plugin: cry, or be well again, as equipment would, by the real way."""

    mark: str
    """Stands somewhere in what is sent, so that it is known again."""
    station: str
    """For plugins of stations: who beats and falls silent. It carries no mark: stations are remembered for ever."""
    well: bool = False
    """Send what clears; for a station: let it beat again."""
    beats: int = 10
    """So many beats settle a station, and bring it back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorPlugin:
    """A collector at the entry point ``tocsin.collectors``."""

    name: str
    config: type[PluginConfig]
    build: Callable[[Any, Host], AbstractAsyncContextManager[Collector]]
    """``build(config, host)``: opens sockets on entry (so that a failure is told at start), closes them on exit."""
    reader: Callable[[Any, str, Path], Reader] | None = None
    """``reader(config, name, state_dir)``: reads datagrams without any socket, for ``tocsin explain``; None if this
    collector hears no datagrams."""
    drill: Callable[[Any, Host, DrillCall], Awaitable[None]] | None = None
    """``drill(config, host, call)``: sends to our own sockets, or to our broker, what ``call`` asks for."""
    beats: bool = True
    """Whether stations may beat by it: while it is deaf, nobody's silence counts."""

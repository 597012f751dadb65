"""The intake of one collector: counts what arrives, and hands it to the engine or the watch."""

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from gateway import metrics
from gateway.core.drops import DropLedger
from gateway.core.event import Beat, Event
from gateway.core.reason import Dropped
from gateway.core.told import Told
from gateway.plugin import Clock, Overloaded, Prepared, Receipt

log = structlog.get_logger()

SAY_EVERY_S = 60.0
"""A drop is logged once per source and reason in this time."""
SAY_MOST = 100
"""Lines about drops in the same time, of one collector: addresses can be forged, so that each drop has a source of its own."""


class _Engine(Protocol):
    def emit(self, event: Event) -> asyncio.Future[Receipt]: ...
    def offer(self, event: Event) -> bool: ...
    def prepare(
        self, event: Event, *, varying: str = "", refused: Callable[[], asyncio.Future[Receipt] | None]
    ) -> Prepared: ...
    def quarantine(self, raw: bytes, *, reason: Dropped, source: str) -> asyncio.Future[Receipt]: ...


class Lines:
    """So many lines of log in a time; counts those that were held back."""

    def __init__(self, most: int, every_s: float) -> None:
        self._most, self._every_s = most, every_s
        self._began_s, self._written = float("-inf"), 0
        self.held = 0

    def spend(self, now_s: float) -> bool:
        """Whether one more line may be written."""
        if now_s - self._began_s >= self._every_s:
            self._began_s, self._written = now_s, 0
        self._written += 1
        if self._written > self._most:
            self.held += 1
        return self._written <= self._most

    def take_held(self) -> int:
        """How many were held back since the last call."""
        held, self.held = self.held, 0
        return held


class OwnEvents:
    """What the daemon itself has to say (a station's end, a sink refused, inputs lost): inputs too, and counted as such."""

    def __init__(self, engine: _Engine) -> None:
        self._engine = engine

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        """Hand over an event that must reach the disk."""
        metrics.INPUTS_RECEIVED.labels(event.collector).inc()
        return self._engine.emit(event)

    def offer(self, event: Event) -> bool:
        """Hand over an event; False = overloaded, counted."""
        metrics.INPUTS_RECEIVED.labels(event.collector).inc()
        return self._engine.offer(event)


class CollectorIntake:
    """Implements `gateway.plugin.Intake` for one collector instance."""

    def __init__(
        self,
        name: str,
        *,
        engine: _Engine,
        watch: Callable[[Beat], asyncio.Future[Receipt] | None],
        know: Callable[[Told], asyncio.Future[Receipt]],
        connected: Callable[[str, bool, bool], None],
        clock: Clock,
        refusal: Callable[[], str] = lambda: "",
        drops: DropLedger | None = None,
    ) -> None:
        """Serve the collector ``name``; while ``refusal`` says why, nothing is taken that would have to be acknowledged.

        ``drops`` remembers who sent what was not kept.
        """
        self._name = name
        self._engine = engine
        self._watch = watch
        self._know = know
        self._tell_connected = connected
        self._refusal = refusal
        self._clock = clock
        self._up: bool | None = None
        self._proven = False
        self._drops = DropLedger() if drops is None else drops
        self._lines = Lines(SAY_MOST, SAY_EVERY_S)
        self._received = metrics.INPUTS_RECEIVED.labels(name)
        self._kept = metrics.INPUTS_KEPT.labels(name)
        self._dropped = {reason: metrics.INPUTS_DROPPED.labels(name, reason) for reason in Dropped}
        metrics.INPUTS_FOLDED.labels(name)

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        """Hand an event to the engine; the future is done when its effect is on disk."""
        return self._refused() or self._engine.emit(event)

    def offer(self, event: Event) -> bool:
        """Hand over an event that nobody can repeat; False = overloaded, counted."""
        return self._engine.offer(event)

    def prepare(self, event: Event, *, varying: str = "") -> Prepared:
        """Look at an event that will be handed over many times, with other values of the label ``varying``."""
        return self._engine.prepare(event, varying=varying, refused=self._refused)

    def beat(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Hand a sign of life to the watch, which counts it."""
        return self._refused() or self._watch(beat)

    def received(self, count: int = 1) -> None:
        """Count inputs as they arrive."""
        self._received.inc(count)

    def dropped(self, reason: Dropped, count: int = 1, *, source: str = "", detail: str = "") -> None:
        """Count inputs that were not kept; say so once per source, reason and interval."""
        self._dropped[reason].inc(count)
        if reason is Dropped.DUPLICATE:
            return  # folding a retransmission is our duty, not a trouble
        now_s = self._clock.monotonic_s()
        told = self._drops.add(source, reason, count, now_ms=self._clock.now_ms(), detail=detail)
        if now_s - told.said_s < SAY_EVERY_S:
            told.unsaid += count
            return
        unsaid, told.said_s, told.unsaid = told.unsaid, now_s, 0
        if not self._lines.spend(now_s):
            return  # counted all the same
        if self._lines.held:
            log.warning("drops.unlogged", collector=self._name, lines=self._lines.take_held())
        log.warning(
            "input.dropped",
            collector=self._name, reason=reason.value, source=source, count=count + unsaid, detail=detail,
        )  # fmt: skip

    def know(self, told: Told) -> asyncio.Future[Receipt]:
        """Hand over an entry of the inventory."""
        if refused := self._refused():
            return refused
        stored = self._know(told)
        stored.add_done_callback(self._count_known)
        return stored

    def _count_known(self, stored: asyncio.Future[Receipt]) -> None:
        if stored.cancelled() or stored.exception() is not None:
            self.dropped(Dropped.OVERLOAD, detail="the disk refuses")
        else:
            self._kept.inc()

    def quarantine(self, raw: bytes, *, reason: Dropped, source: str = "", detail: str = "") -> asyncio.Future[Receipt]:
        """Keep what cannot be parsed but must be acknowledged."""
        if refused := self._refused():
            return refused
        self.dropped(reason, source=source, detail=f"{detail}; kept in quarantine" if detail else "kept in quarantine")
        return self._engine.quarantine(raw, reason=reason, source=source)

    def _refused(self) -> asyncio.Future[Receipt] | None:
        why = self._refusal()
        if not why:
            return None
        self.dropped(Dropped.OVERLOAD, detail=why)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        future.set_exception(Overloaded(why))
        return future

    def connected(self, up: bool, *, detail: str = "", proven: bool = False) -> None:
        """Tell whether this collector can hear; logged on change."""
        if (up, proven) == (self._up, self._proven):
            return
        changed, self._up, self._proven = up is not self._up, up, proven
        self._tell_connected(self._name, up, proven)
        if not changed:
            return
        metrics.COLLECTOR_CONNECTED.labels(self._name).set(up)
        say = log.info if up else log.warning
        say("collector.connected" if up else "collector.disconnected", collector=self._name, detail=detail)

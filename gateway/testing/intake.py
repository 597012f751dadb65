"""An intake that remembers what a collector put into it."""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

from gateway.core.event import Beat, Event
from gateway.core.judge import with_label
from gateway.core.reason import Dropped, Reason
from gateway.core.told import Told
from gateway.plugin import Overloaded, Prepared, Receipt


class RecordingIntake:
    """Keeps every call for a test to look at; ``hold=True`` leaves receipts open until `release`."""

    def __init__(self, *, hold: bool = False) -> None:
        self.events: list[Event] = []
        self.beats: list[Beat] = []
        self.told: list[Told] = []
        self.quarantined: list[tuple[bytes, Dropped]] = []
        self.inputs = 0
        self.drops: Counter[Dropped] = Counter()
        self.link_up: bool | None = None
        self.proven = False
        self.overloaded = False
        self._hold = hold
        self._waiting: list[asyncio.Future[Receipt]] = []
        self._arrived = asyncio.Event()

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        """Record the event; its receipt is ready at once unless held."""
        self.events.append(event)
        return self._receipt()

    def offer(self, event: Event) -> bool:
        """Record the event unless overloaded."""
        if self.overloaded:
            self.drops[Dropped.OVERLOAD] += 1
            return False
        self.events.append(event)
        self._arrived.set()
        return True

    def prepare(self, event: Event, *, varying: str = "") -> Prepared:
        """Record each time that it is offered."""
        return _Prepared(self, event, varying)

    def beat(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Record the beat; a faulty one has something to wait for."""
        self.beats.append(beat)
        self._arrived.set()
        return self._receipt() if beat.fault else None

    def received(self, count: int = 1) -> None:
        """Count inputs."""
        self.inputs += count
        self._arrived.set()

    def dropped(self, reason: Dropped, count: int = 1, *, source: str = "", detail: str = "") -> None:
        """Count drops by reason."""
        self.drops[reason] += count
        self._arrived.set()

    def know(self, told: Told) -> asyncio.Future[Receipt]:
        """Record an entry of the inventory, unexamined."""
        self.told.append(told)
        return self._receipt()

    def quarantine(self, raw: bytes, *, reason: Dropped, source: str = "", detail: str = "") -> asyncio.Future[Receipt]:
        """Record what could not be parsed."""
        self.quarantined.append((raw, reason))
        self.drops[reason] += 1
        return self._receipt()

    def connected(self, up: bool, *, detail: str = "", proven: bool = False) -> None:
        """Record whether the collector can hear."""
        self.link_up, self.proven = up, proven
        self._arrived.set()

    def release(self, error: Exception | None = None) -> None:
        """Settle every receipt that was held, with ``error`` if given."""
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            if future.done():
                continue
            if error is None:
                future.set_result(Receipt(incident="T0000000000000", reason=Reason.FIRST_RAISED))
            else:
                future.set_exception(error)

    async def wait(self, *, within_s: float = 5.0) -> None:
        """Return at the next call of the collector.

        Raises:
            TimeoutError: nothing came in time.
        """
        async with asyncio.timeout(within_s):
            await self._arrived.wait()
        self._arrived.clear()

    def _receipt(self) -> asyncio.Future[Receipt]:
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._arrived.set()
        if self.overloaded:
            self.release(Overloaded("told to be"))
        elif not self._hold:
            self.release()
        return future


@dataclass(frozen=True, slots=True)
class _Prepared:
    intake: RecordingIntake
    event: Event
    varying: str

    def count(self, at_ms: int) -> bool:
        """Nothing is a mere number here: each is recorded."""
        return False

    def offer(self, at_ms: int, value: str = "") -> bool:
        return self.intake.offer(self._said(at_ms, value))

    def emit(self, at_ms: int, value: str = "", *, identity: str = "") -> asyncio.Future[Receipt]:
        return self.intake.emit(replace(self._said(at_ms, value), identity=identity or self.event.identity))

    def _said(self, at_ms: int, value: str) -> Event:
        labels = self.event.labels
        told = with_label(labels, self.varying, value) if self.varying else labels
        return replace(self.event, at_ms=at_ms, labels=told)

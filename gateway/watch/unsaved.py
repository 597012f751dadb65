"""Stations that differ from the disk, and their way to it: what changed soon, what only beat in turn."""

from collections.abc import Container, Iterable, Iterator, Mapping
from itertools import islice

import structlog

from gateway.core.station import Station, only_beat
from gateway.plugin import Clock
from gateway.store.api import Store, StoreError

log = structlog.get_logger()

FLUSH_S = 5.0
FLUSH_MOST = 500
"""Stations stored in one transaction, so that a commit stays short, and the turn of the event loop that gathers them, too."""
BEATEN_MOST = 10_000
"""Stored in one flush of those that only beat: a million stations that all beat would keep the disk busy for nothing."""
PARTS = 64
"""Names are kept in so many parts: one dictionary or set of a million would now and then be made anew, for longer than a turn
of the event loop may last."""


class Unsaved:
    """Which stations must be stored; `run` serves until cancelled."""

    def __init__(self, *, store: Store, clock: Clock, stations: Mapping[str, Station], telling: Container[str]) -> None:
        """Store ``stations``, but those whose last edge is under way (``telling``): these are stored by it."""
        self._store, self._clock, self._stations, self._telling = store, clock, stations, telling
        self._changed: tuple[set[str], ...] = tuple(set() for _ in range(PARTS))
        """By name, as `_beaten`."""
        self._beaten: tuple[dict[str, None], ...] = tuple({} for _ in range(PARTS))
        """They differ from the disk in nothing but their last beats; those of a part that wait longest first."""
        self._part = 0
        """Whose turn it is to be stored."""

    def add(self, before: Station | None, after: Station) -> None:
        """A station is not what it was."""
        if before is not None and only_beat(before, after):
            self._beaten[hash(after.station) % PARTS][after.station] = None
        else:
            self._changed[hash(after.station) % PARTS].add(after.station)

    def changed(self, names: Iterable[str]) -> None:
        """These are to be stored soon."""
        for name in names:
            self._changed[hash(name) % PARTS].add(name)

    def clear(self) -> None:
        """Take all for saved."""
        for part in self._changed:
            part.clear()
        for others in self._beaten:
            others.clear()

    async def flush(self) -> None:
        """Store what changed, and some of what only beat.

        Raises:
            StoreError: the disk refused; it stays to be stored.
        """
        early: list[str] = []
        try:
            for names in self._batches():
                early += [name for name in names if name in self._telling]
                for name in names:
                    self._beaten[hash(name) % PARTS].pop(name, None)
                ready = [name for name in names if name in self._stations and name not in self._telling]
                stations = [self._stations[name] for name in ready]
                try:
                    await self._store.run(lambda tx, stations=stations: tx.save_stations(stations))  # type: ignore[misc]
                except StoreError:
                    self.changed(names)
                    raise
        finally:
            self.changed(early)

    def _batches(self) -> Iterator[list[str]]:
        """What changed until nothing is left of it, then some of what only beat; each is to be taken for saved, or given back."""
        while names := self._some_changed():
            yield names
        left = BEATEN_MOST
        while names := self._longest(min(FLUSH_MOST, left)):
            left -= len(names)
            yield names

    def _some_changed(self) -> list[str]:
        names: list[str] = []
        for part in self._changed:
            while part and len(names) < FLUSH_MOST:
                names.append(part.pop())
        return names

    def _longest(self, most: int) -> list[str]:
        """Some of those that only beat; each part has its turn."""
        found: list[str] = []
        for _ in range(PARTS):
            part = self._beaten[self._part]
            found += islice(part, most - len(found))
            if len(found) == most:
                break
            self._part = (self._part + 1) % PARTS
        return found

    async def run(self) -> None:
        """Serve until cancelled."""
        delayed = False
        while True:
            await self._clock.sleep(FLUSH_S)
            try:
                await self.flush()
            except StoreError as error:
                if not delayed:
                    log.warning("stations.delayed", why=str(error))
                delayed = True
            else:
                delayed = False

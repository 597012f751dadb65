"""The watch over stations: beats come in from every collector, silence becomes an event.

One observed clock for all deadlines: it advances only while we can hear, so an outage of ours costs nobody (promise 4):
neither a collector that is deaf, nor a process that was suspended, or so busy that it did not look.
Per beat nothing is written; what changed is stored every few seconds, and edges (down, fault, back) go through the
engine as events. An edge is told first and its station stored next, before the beat is acknowledged: whenever we die,
the beat comes again and finds the station as it was, so that the edge is told again and never missed.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import structlog

from gateway.core.event import Beat, Event
from gateway.core.heartbeat import expect, expired, heard, resumed
from gateway.core.pace import Budget
from gateway.core.reason import Dropped
from gateway.core.station import STATION_DOWN, STATION_FAULT, Policy, Signal, Station, StationState
from gateway.core.wheel import Wheel
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store, StoreError

log = structlog.get_logger()

TICK_S = 1.0
STILL_S = 5.0
"""A pulse that comes later than this proves that we stood still: what was sent meanwhile still waits to be read."""
FLUSH_S = 5.0
FLUSH_MOST = 5_000
"""Stations stored in one transaction, so that a commit stays short."""
DUE_MOST = 1_000
"""Stations looked at before the loop gets its turn."""


class _Engine(Protocol):
    def emit(self, event: Event) -> asyncio.Future[Receipt]: ...


class Watch:
    """Keeps every station; `run` serves until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        engine: _Engine,
        clock: Clock,
        policy: Policy,
        terms: Mapping[str, tuple[Policy, str]] | None = None,
        most_stations: int = 1_000_000,
        discover_per_min: int = 100,
        count: Callable[[str, Dropped | None], None] = lambda _collector, _reason: None,
    ) -> None:
        """Watch by ``policy``; ``terms`` holds listed stations by name, each with its own policy and site.

        Args:
            store: where stations last.
            engine: takes edges as events.
            clock: the host's.
            policy: what unlisted stations owe.
            terms: listed stations by name.
            most_stations: stations watched at once.
            discover_per_min: unlisted stations taken up in a minute; 0: none.
            count: told of each beat's collector, and why it was not kept (None: it was).
        """
        self._store = store
        self._engine = engine
        self._clock = clock
        self._policy = policy
        self._terms = dict(terms or {})
        self._most_stations = most_stations
        self._discovery = Budget(per_s=max(discover_per_min, 1) / 60, burst=discover_per_min)
        self._count = count
        self._stations: dict[str, Station] = {}
        self._changed: set[str] = set()
        self._telling: dict[str, asyncio.Future[Receipt]] = {}
        """Stations whose last edge is not on disk yet: a flush must not be faster than the event."""
        self._wheel = Wheel(tick_s=TICK_S)
        self._deaf: set[str] = set()
        self._observed_s = 0.0
        self._ticked_s = clock.monotonic_s()
        self._ticked = asyncio.Event()

    async def load(self) -> None:
        """Take up every station again, each with its whole time before it; call before the first beat."""
        self._ticked_s = self._clock.monotonic_s()
        for station in await self._store.run(lambda tx: tx.stations()):
            self._keep(resumed(station, self._policy_of(station.station), observed_s=self._observed_s))
        self._changed.clear()  # a restart alone writes nothing
        for name, (policy, site) in self._terms.items():
            if name not in self._stations:
                self._keep(expect(name, policy, observed_s=self._observed_s, site=site))

    def heard(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Take a beat; the future, if any, is done when what it changed for people is on disk."""
        before = self._stations.get(beat.station)
        if before is None and not self._may_discover(beat.station):
            self._count(beat.collector, Dropped.OVERLOAD)
            return None
        self._count(beat.collector, None)
        observed_s = self._observed_now()
        after, signals = heard(before, beat, self._policy_of(beat.station), observed_s=observed_s)
        if before is None and after.beats == 0 and not signals:
            return None  # only the broker spoke of it
        self._keep(after)
        if not signals:
            return self._telling.get(beat.station)  # what it rests on must be on disk first
        told = [self._engine.emit(self._event(after, signal, beat)) for signal in signals]
        stored = self._stored(_all(told), after)
        stored.add_done_callback(lambda done: self._undo(done, before, after, signals))
        stored.add_done_callback(partial(self._told, name=after.station))
        return stored

    def connected(self, collector: str, up: bool) -> None:
        """A collector can hear, or cannot: while one is deaf the observed clock stands still."""
        self._advance()
        if up:
            self._deaf.discard(collector)
        else:
            self._deaf.add(collector)

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick_for_ever(), name="watch-tick")
            tasks.create_task(self._expire_for_ever(), name="watch-expire")
            tasks.create_task(self._flush_for_ever(), name="watch-flush")

    async def flush(self) -> None:
        """Store what changed.

        Raises:
            StoreError: the disk refused; it stays to be stored.
        """
        early: set[str] = set()
        try:
            while self._changed:
                names = {self._changed.pop() for _ in range(min(FLUSH_MOST, len(self._changed)))}
                early |= names & self._telling.keys()
                stations = [self._stations[name] for name in names - early if name in self._stations]
                try:
                    await self._store.run(lambda tx, stations=stations: tx.save_stations(stations))  # type: ignore[misc]
                except StoreError:
                    self._changed |= names
                    raise
        finally:
            self._changed |= early

    # --- inside -----------------------------------------------------------------------------------

    def _may_discover(self, name: str) -> bool:
        """Whether a station never heard before is taken up now: a flood of topics must not fill the memory."""
        if len(self._stations) >= self._most_stations:
            return False
        if name in self._terms:
            return True
        now_s = self._clock.monotonic_s()
        if self._discovery.wait_s(now_s=now_s) > 0:
            return False
        self._discovery.spend(now_s=now_s)
        return True

    def _policy_of(self, name: str) -> Policy:
        own = self._terms.get(name)
        return own[0] if own else self._policy

    def _keep(self, station: Station) -> None:
        self._stations[station.station] = station
        self._changed.add(station.station)
        self._wheel.schedule(station.station, station.deadline_s)

    def _stored(self, told: asyncio.Future[Receipt], after: Station) -> asyncio.Future[Receipt]:
        """A future that is done as ``told`` is, but when the station's new state is on disk too."""
        stored: asyncio.Future[Receipt] = told.get_loop().create_future()
        self._telling[after.station] = stored

        def store(told: asyncio.Future[Receipt]) -> None:
            if told.cancelled() or told.exception() is not None:
                finish(told)
            else:
                self._store.submit(lambda tx: tx.save_stations([after])).add_done_callback(finish)

        def finish(done: asyncio.Future[Any]) -> None:
            if stored.done():
                return  # whoever waited has gone
            if done.cancelled():
                stored.cancel()
            elif (error := done.exception()) is not None:
                stored.set_exception(Overloaded(str(error)))
            else:
                stored.set_result(told.result())

        told.add_done_callback(store)
        return stored

    def _told(self, done: asyncio.Future[Receipt], name: str) -> None:
        if self._telling.get(name) is done:
            del self._telling[name]
        self._changed.add(name)  # it may have beaten again meanwhile

    def _undo(
        self, done: asyncio.Future[Receipt], before: Station | None, after: Station, signals: tuple[Signal, ...]
    ) -> None:
        """The edge did not reach the disk: forget it, so that the same beat, repeated, or the next one says it again."""
        if done.cancelled() or done.exception() is None:
            return
        now = self._stations.get(after.station)
        if now is after and before is None:
            del self._stations[after.station]
            self._wheel.cancel(after.station)
        elif now is after and before is not None:
            self._keep(before)
        elif now is not None:
            self._keep(_without(now, before or Station(station=after.station), after, signals))

    async def _tick_for_ever(self) -> None:
        """Look at the time, and wait for nothing else: only so a tick that is late proves that we stood still."""
        while True:
            await self._clock.sleep(TICK_S)
            self._advance()
            self._ticked.set()

    async def _expire_for_ever(self) -> None:
        while True:
            await self._ticked.wait()
            self._ticked.clear()
            await self._expire()

    def _advance(self) -> None:
        """Move the observed clock by the time that has passed while we could hear."""
        self._observed_s = self._observed_now()
        self._ticked_s = self._clock.monotonic_s()

    def _observed_now(self) -> float:
        passed_s = self._clock.monotonic_s() - self._ticked_s
        if self._deaf or passed_s > STILL_S:
            return self._observed_s
        return self._observed_s + passed_s

    async def _expire(self) -> None:
        while (next_s := self._wheel.next_s()) is not None and next_s <= self._observed_s:
            waiting = []
            for name in self._wheel.due(self._observed_s, limit=DUE_MOST):
                station = self._stations[name]
                now_ms = self._clock.now_ms()
                after, signals = expired(station, self._policy_of(name), observed_s=self._observed_s, now_ms=now_ms)
                self._keep(after)
                waiting += [
                    (station, after, signal, self._stored(self._engine.emit(self._event(after, signal)), after))
                    for signal in signals
                ]
            for before, after, signal, future in waiting:
                future.add_done_callback(partial(self._told, name=after.station))
                try:
                    await future
                except Exception as error:  # noqa: BLE001 - overload or a full disk: it stays due
                    log.debug("station.delayed", station=before.station, why=str(error))
                    now = self._stations.get(after.station, after)
                    if now is after:
                        self._keep(replace(before, deadline_s=self._observed_s + TICK_S))
                    else:  # a beat came meanwhile
                        self._keep(_without(now, before, after, (signal,)))
            await asyncio.sleep(0)

    async def _flush_for_ever(self) -> None:
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

    def _event(self, station: Station, signal: Signal, beat: Beat | None = None) -> Event:
        return Event(
            collector=station.collector or "watch",
            source=station.station,
            condition=signal.condition,
            kind=signal.kind,
            at_ms=beat.at_ms if beat else self._clock.now_ms(),
            summary=signal.summary,
            description=beat.description if beat else "",
            labels={**(beat.labels if beat else {}), **signal.labels},
        )


def _all(told: list[asyncio.Future[Receipt]]) -> asyncio.Future[Receipt]:
    """Done when all are, with the last one's receipt; fails if one of them does."""
    if len(told) == 1:
        return told[0]
    both: asyncio.Future[Receipt] = told[0].get_loop().create_future()

    def one_more(_: asyncio.Future[Receipt]) -> None:
        if both.done() or not all(future.done() for future in told):
            return
        errors = [future.exception() for future in told if not future.cancelled()]
        error = next((error for error in errors if error is not None), None)
        if error is not None:
            both.set_exception(error)
        elif len(errors) < len(told):
            both.cancel()
        else:
            both.set_result(told[-1].result())

    for future in told:
        future.add_done_callback(one_more)
    return both


def _without(now: Station, before: Station, after: Station, signals: tuple[Signal, ...]) -> Station:
    """The station as it is now, but for what ``signals`` said of it, unless that has changed again since."""
    conditions = {signal.condition for signal in signals}
    down = StationState.DOWN
    if STATION_DOWN in conditions and (now.state is down) is (after.state is down):
        now = replace(now, state=before.state, back=before.back, down_since_ms=before.down_since_ms)
    if STATION_FAULT in conditions and bool(now.fault) is bool(after.fault):
        now = replace(now, fault=before.fault)
    return now

"""Edges (down, fault, back) on their way to the disk: the event first, then the station.

Before a silence, which no beat would repeat, `Silence` stores that it is about to be told.
"""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

from gateway.core.event import Beat, Event
from gateway.core.station import EVENT_MISSING, EXPECTED, STATION_DOWN, STATION_FAULT, Signal, Station, StationState
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store


class Emitter(Protocol):
    """What takes edges as events."""

    def emit(self, event: Event) -> asyncio.Future[Receipt]: ...  # noqa: D102


class Edges:
    """Tells edges, and knows whose last one is not on disk yet."""

    def __init__(self, *, store: Store, engine: Emitter, clock: Clock, told: Callable[[str], None]) -> None:
        """Tell ``engine``, then store the station; ``told`` is called with its name when it has been tried."""
        self._store = store
        self._engine = engine
        self._clock = clock
        self._told = told
        self.telling: dict[str, asyncio.Future[Receipt]] = {}
        """Stations whose last edge is not on disk yet: a flush must not be faster than the event."""

    def tell(self, after: Station, signals: tuple[Signal, ...], beat: Beat | None = None) -> asyncio.Future[Receipt]:
        """Tell what ``signals`` say of ``after``; the future is done when both are on disk, or fails."""
        told = _all([self._engine.emit(self._event(after, signal, beat)) for signal in signals])
        stored: asyncio.Future[Receipt] = told.get_loop().create_future()
        self.telling[after.station] = stored

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

    def settles(self, stored: asyncio.Future[Receipt], name: str) -> None:
        """Let what `tell` gave be forgotten when it is done, after whatever else waits for it."""
        stored.add_done_callback(partial(self._done, name=name))

    def _done(self, done: asyncio.Future[Receipt], name: str) -> None:
        if self.telling.get(name) is done:
            del self.telling[name]
        self._told(name)

    def _event(self, station: Station, signal: Signal, beat: Beat | None) -> Event:
        return Event(
            collector=station.collector or "watch",
            source=station.station.removeprefix(EXPECTED),
            condition=signal.condition,
            kind=signal.kind,
            at_ms=beat.at_ms if beat else self._clock.now_ms(),
            summary=signal.summary,
            description=beat.description if beat else "",
            labels={**(beat.labels if beat else {}), **signal.labels},
            once=True,
        )


_SILENCE = frozenset({STATION_DOWN, EVENT_MISSING})


def without(now: Station, before: Station, after: Station, signals: tuple[Signal, ...]) -> Station:
    """The station as it is now, but for what ``signals`` said of it, unless that has changed again since."""
    conditions = {signal.condition for signal in signals}
    down = StationState.DOWN
    if conditions & _SILENCE and (now.state is down) is (after.state is down):
        now = replace(now, told=before.told)
        if before.state is not after.state:
            now = replace(
                now, state=before.state, back=before.back, covered=before.covered, down_since_ms=before.down_since_ms
            )
    if STATION_FAULT in conditions and bool(now.fault) is bool(after.fault):
        now = replace(now, fault=before.fault)
    for name in conditions - {*_SILENCE, STATION_FAULT}:
        if (name in now.crossed) is (name in after.crossed):
            others = tuple(one for one in now.crossed if one != name)
            now = replace(now, crossed=(*others, name) if name in before.crossed else others)
    return now


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

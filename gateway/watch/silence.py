"""Who is silent for too long: what is due is looked at each second, and told when the disk knows that it will be."""

from dataclasses import replace

import structlog

from gateway.core.heartbeat import expired, telling
from gateway.core.sites import Group, Verdict
from gateway.core.station import Signal, Station, StationState
from gateway.store.api import Store, StoreError
from gateway.watch.keeper import TICK_S, Keeper
from gateway.watch.neighbours import Neighbours
from gateway.watch.observed import ObservedClock
from gateway.watch.turn import LOOKS_MOST, Turn

log = structlog.get_logger()

FALL_LOOKS = 3
TELL_LOOKS = 5
"""To let a station fall, and to tell of it, takes as long as so many looks."""

Falling = tuple[Station, Station, tuple[Signal, ...]]
"""A station of which it is about to be told that it is down, what it is then, and what is told."""


class Silence:
    """Takes deadlines that have come; `run` serves until cancelled."""

    def __init__(
        self, *, store: Store, keeper: Keeper, observed: ObservedClock, neighbours: Neighbours, turn: Turn
    ) -> None:
        """Look at each station together with its ``neighbours``."""
        self._store = store
        self._keeper = keeper
        self._observed = observed
        self._neighbours = neighbours
        self._turn = turn

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._observed.ticked.wait()
            self._observed.ticked.clear()
            await self._neighbours.end_outages()
            await self._expire()

    async def _expire(self) -> None:
        """Take what is due; the clock may move on meanwhile."""
        wheel = self._keeper.wheel
        while (next_s := wheel.next_s()) is not None and next_s <= (observed_s := self._observed.now_s()):
            verdicts: dict[Group, Verdict] = {}
            falling = []
            for name in wheel.due(observed_s, limit=LOOKS_MOST):
                if (fall := await self._look(name, observed_s, verdicts)) is not None:
                    falling.append(fall)
                await self._turn.took()
            if falling:
                await self._tell(falling)
            await self._turn.ends()

    async def _look(self, name: str, observed_s: float, verdicts: dict[Group, Verdict]) -> Falling | None:
        """What becomes of a station whose deadline has come; it is kept, but if it falls, only as about to be told."""
        station = self._keeper.stations.get(name)
        if station is None:
            return None  # it was forgotten while we told an outage
        policy, now_ms = self._keeper.policy_of(station), self._observed.now_ms()
        after, signals = expired(station, policy, observed_s=observed_s, now_ms=now_ms)
        if after.state is StationState.DOWN and signals:
            await self._turn.took(FALL_LOOKS)
            judged = await self._neighbours.together(station, (after, signals), verdicts)
            if self._keeper.stations.get(name) is not station:
                return None  # a beat came meanwhile
            after, signals = judged or (self._later(station), ())
        if not signals:
            self._keeper.keep(after)
            return None
        before = telling(station)
        self._keeper.keep(before)
        return before, after, signals

    async def _tell(self, falling: list[Falling]) -> None:
        """Tell who is down; what the disk refuses stays due."""
        try:
            await self._store.run(lambda tx: tx.save_stations([before for before, _, _ in falling]))
        except StoreError as error:
            for before, _, _ in falling:
                self._delay(before, error)
            return
        waiting = []
        for before, after, signals in falling:
            if self._keeper.stations.get(after.station) is before:  # no beat came meanwhile
                waiting.append((before, self._keeper.tell(before, after, signals)))
                await self._turn.took(TELL_LOOKS)
        for before, stored in waiting:
            try:
                await stored
            except Exception as error:  # noqa: BLE001 - overload or a full disk
                self._delay(before, error)

    def _delay(self, before: Station, error: Exception) -> None:
        log.debug("station.delayed", station=before.station, why=str(error))
        if self._keeper.stations.get(before.station) is before:  # else a beat came meanwhile
            self._keeper.keep(self._later(before))

    def _later(self, station: Station) -> Station:
        """The station when it is to be looked at again."""
        return replace(station, deadline_s=self._observed.now_s() + TICK_S)

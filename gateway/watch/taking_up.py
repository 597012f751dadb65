"""Who is under watch: those on the disk, those that are listed, and those that are heard for the first time."""

from collections.abc import Iterable
from dataclasses import replace

from gateway.core.heartbeat import awaited, expect, resumed, retired
from gateway.core.pace import Budget
from gateway.core.sites import live
from gateway.core.station import EXPECTED, Station, StationState
from gateway.core.terms import Terms
from gateway.plugin import Clock
from gateway.watch.keeper import Keeper
from gateway.watch.neighbours import Neighbours
from gateway.watch.observed import ObservedClock


class TakingUp:
    """Brings stations under watch, and lets go those that were only ever expected."""

    def __init__(self, *, clock: Clock, keeper: Keeper, observed: ObservedClock, neighbours: Neighbours) -> None:
        """Take up what the terms of ``keeper`` allow."""
        self._clock = clock
        self._keeper = keeper
        self._observed = observed
        self._neighbours = neighbours
        self._discovery = _discovery(keeper.terms)

    def may_discover(self, name: str) -> bool:
        """Whether a station never heard before is taken up now: a flood of topics must not fill the memory."""
        terms = self._keeper.terms
        if len(self._keeper.stations) >= terms.most_stations:
            return False
        if name in terms.listed:
            return True
        now_s = self._clock.monotonic_s()
        if self._discovery.wait_s(now_s=now_s) > 0:
            return False
        self._discovery.spend(now_s=now_s)
        return True

    def again(self, stations: Iterable[Station], *, away_ms: int) -> None:
        """Take up stations as the process before left them, ``away_ms`` ago, each with its whole time before it."""
        for station in stations:
            if station.station.startswith(EXPECTED) and station.station not in self._keeper.terms.listed:
                self._withdraw(station)
                continue
            resumed_one = self._resumed(station, away_ms=away_ms)
            self._keeper.keep(resumed_one)
            self._neighbours.uncover(resumed_one)
            if resumed_one.collector and live(resumed_one):
                self._observed.feed.feeds(resumed_one.collector)

    def listed(self) -> None:
        """Expect those that are listed and were never heard."""
        observed_s, now_ms = self._observed.now_s(), self._clock.now_ms()
        for name, (policy, site) in self._keeper.terms.listed.items():
            station = self._keeper.stations.get(name)
            if policy.slots:
                if station is None or station.state is StationState.RETIRED:
                    self._keeper.keep(awaited(name, policy, observed_s=observed_s, now_ms=now_ms))
            elif station is None:
                self._keeper.keep(expect(name, policy, observed_s=observed_s, site=site))

    def hold_to(self, terms: Terms) -> None:
        """Take new terms: they hold for each station from its next beat on, schedules at once."""
        keeper, before = self._keeper, self._keeper.terms
        stations = keeper.stations
        keeper.hold_to(terms)
        if terms.discover_per_min != before.discover_per_min:  # else what was spent stays spent
            self._discovery = _discovery(terms)
        for name in before.listed.keys() - terms.listed.keys():
            station = stations.get(name)
            if station is not None and name.startswith(EXPECTED):
                self._withdraw(station)
            elif station is not None and station.seen_ms == 0:  # it was only ever expected
                keeper.forget(station)
        for station in [one for one in stations.values() if one.covered]:
            self._neighbours.uncover(station)  # its site may be in another region now
        for station in list(stations.values()):
            if str(before.policy_of(station).schedule) != str(terms.policy_of(station).schedule):
                keeper.keep(self._resumed(replace(station, expected_ms=0)))
        self.listed()

    def _resumed(self, station: Station, *, away_ms: int = 0) -> Station:
        policy, observed_s = self._keeper.policy_of(station), self._observed.now_s()
        return resumed(station, policy, observed_s=observed_s, now_ms=self._clock.now_ms(), away_ms=away_ms)

    def _withdraw(self, station: Station) -> None:
        """An event is expected no longer: that it is missing is over."""
        after, signals = retired(station)
        if signals:
            self._keeper.tell(station, after, signals)
        else:
            self._keeper.keep(after)


def _discovery(terms: Terms) -> Budget:
    return Budget(per_s=max(terms.discover_per_min, 1) / 60, burst=terms.discover_per_min)

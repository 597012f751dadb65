"""Every station as it is now, and what must know when one changes: its site, its deadline, the disk, people."""

import asyncio

from gateway.core.event import Beat
from gateway.core.sites import Sites
from gateway.core.station import Policy, Signal, Station
from gateway.core.terms import Terms
from gateway.core.wheel import Wheel
from gateway.plugin import Clock, Receipt
from gateway.store.api import Store
from gateway.watch.edges import Edges, Emitter, without
from gateway.watch.unsaved import Unsaved

TICK_S = 1.0
"""Deadlines are looked at so often."""


class Keeper:
    """Keeps stations; what becomes of one is decided elsewhere."""

    def __init__(self, *, store: Store, engine: Emitter, clock: Clock, terms: Terms) -> None:
        """Keep none yet, by ``terms``; edges go to ``engine`` first and to ``store`` next."""
        self.terms = terms
        self.stations: dict[str, Station] = {}
        """By name; changed by `keep` and `forget` only."""
        self.sites = Sites(terms.region_of)
        self.wheel = Wheel(tick_s=TICK_S)
        self.edges = Edges(store=store, engine=engine, clock=clock, told=self._told)
        self.unsaved = Unsaved(store=store, clock=clock, stations=self.stations, telling=self.edges.telling)

    def hold_to(self, terms: Terms) -> None:
        """Take new terms: a site may be in another region now."""
        self.terms, self.sites = terms, Sites(terms.region_of)
        for station in self.stations.values():
            self.sites.moved(None, station)

    def policy_of(self, station: Station) -> Policy:
        """What it owes."""
        return self.terms.policy_of(station)

    def keep(self, station: Station) -> None:
        """The station is so from now on."""
        before = self.stations.get(station.station)
        self.stations[station.station] = station
        if (
            before is None
            or before.state is not station.state
            or before.interval_s != station.interval_s
            or before.site != station.site
            or before.covered is not station.covered
            or before.beats == 0
        ):
            self.sites.moved(before, station)
        self.unsaved.add(before, station)
        self.wheel.schedule(station.station, station.deadline_s)

    def forget(self, station: Station) -> None:
        """There is no such station."""
        self.sites.moved(station, None)
        del self.stations[station.station]
        self.wheel.cancel(station.station)

    def tell(
        self, before: Station | None, after: Station, signals: tuple[Signal, ...], beat: Beat | None = None
    ) -> asyncio.Future[Receipt]:
        """Keep what a station has become, and tell people what there is to say of it.

        Returns:
            Done when both are on disk. If it fails, the station is as if nothing had been said.
        """
        self.keep(after)
        stored = self.edges.tell(after, signals, beat)
        stored.add_done_callback(lambda done: self._undo(done, before, after, signals))
        self.edges.settles(stored, after.station)
        return stored

    def _undo(
        self, done: asyncio.Future[Receipt], before: Station | None, after: Station, signals: tuple[Signal, ...]
    ) -> None:
        """The edge did not reach the disk: forget it, so that the same beat, repeated, or the next one says it again."""
        if done.cancelled() or done.exception() is None:
            return
        now = self.stations.get(after.station)
        if now is after and before is None:
            self.forget(after)
        elif now is after and before is not None:
            self.keep(before)
        elif now is not None:
            self.keep(without(now, before or Station(station=after.station), after, signals))

    def _told(self, name: str) -> None:
        self.unsaved.changed([name])

"""What silent stations have in common: an outage covers them when it begins, and gives them time when it ends."""

from gateway.core.heartbeat import covered, outlived
from gateway.core.sites import FLEET, Group, Level, Named, Overdue, Verdict, age_s, live, named, overdue
from gateway.core.station import Change, Station, stands_alone
from gateway.watch.keeper import Keeper
from gateway.watch.observed import ObservedClock
from gateway.watch.outages import Outages
from gateway.watch.turn import Turn

PATIENCE = 1.5
"""While its neighbours are suspected, a station goes down only when it is silent for this many intervals and its grace."""
SCHEDULE_PATIENCE_S = 300.0
"""One that beats at fixed times, when it is silent for so long beyond its grace."""


class Neighbours:
    """Looks at a station that would go down together with those around it."""

    def __init__(self, *, keeper: Keeper, observed: ObservedClock, outages: Outages, turn: Turn) -> None:
        """Begin and end ``outages``; all looks are within ``turn``."""
        self._keeper = keeper
        self._observed = observed
        self._outages = outages
        self._turn = turn

    async def together(self, station: Station, alone: Change, verdicts: dict[Group, Verdict]) -> Change | None:
        """A station that would go down: ``alone``, covered by an outage, or not yet (None) because one is suspected.

        ``verdicts`` are those of this look: many stations of a site are due at once.
        """
        down, _ = alone
        groups = [] if stands_alone(station.station) else list(self._keeper.sites.groups(down.site))
        if self._outages.cover(groups):
            return covered(down, told=station.told), ()
        if not live(station):
            return alone  # its neighbours' silence says nothing of one that never lived
        for group in groups:
            verdict = verdicts.get(group)
            if verdict is None:
                verdict = verdicts[group] = await self._judged(group)
            if verdict is Verdict.DOWN:
                members = await self._turn.through(named(self._keeper.sites.members(group)))
                begun = await self._outages.begin(group, station.collector, members)
                return (covered(down, told=station.told), ()) if begun else None
            impatient = self._impatient(station)
            if verdict is Verdict.SUSPECTED and group.level is not Level.FLEET and not impatient:
                return None
        return alone

    async def end_outages(self) -> None:
        """Tell which groups are back; who is still missing then has its whole time to come back, too."""
        feed = self._observed.feed
        for group in self._outages:
            if feed.trusted and not (group == FLEET and feed.quiet):
                over = await self._turn.through(self._keeper.sites.over(group, self._overdue_now()))
                if over and await self._outages.end(group, await self._missing(group)):
                    await self._uncover_all(group)

    async def _missing(self, group: Group) -> Named:
        return await self._turn.through(named(self._keeper.sites.missing(group)))

    async def _uncover_all(self, group: Group) -> None:
        for names in self._keeper.sites.missing(group):
            for name in names:
                if (station := self._keeper.stations.get(name)) is not None:
                    self.uncover(station)
                await self._turn.took()

    def uncover(self, station: Station) -> None:
        """Give a covered station its time to come back, if no outage covers it any more."""
        if station.covered and not self._outages.cover(self._keeper.sites.groups(station.site)):
            policy, now_ms = self._keeper.policy_of(station), self._observed.now_ms()
            self._keeper.keep(outlived(station, policy, observed_s=self._observed.now_s(), now_ms=now_ms))

    def _overdue_now(self) -> Overdue:
        stations, observed_s = self._keeper.stations, self._observed.now_s()
        return lambda name: overdue(stations[name], observed_s=observed_s)

    def _impatient(self, station: Station) -> bool:
        """Whether it has been silent for so long that it goes down, whatever its neighbours do."""
        if station.expected_ms:
            waited_s = (self._observed.now_ms() - station.expected_ms) / 1000
            return waited_s >= station.grace_s + SCHEDULE_PATIENCE_S
        return age_s(station, observed_s=self._observed.now_s()) >= PATIENCE * station.interval_s + station.grace_s

    async def _judged(self, group: Group) -> Verdict:
        if group == FLEET and self._observed.feed.quiet:
            return Verdict.DOWN
        return await self._turn.through(self._keeper.sites.judge(group, self._overdue_now()))

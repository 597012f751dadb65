"""Keeps every station: takes beats, looks at the time, and stores what changed.

One observed clock for all deadlines (`gateway.core.feed`): an outage of ours costs nobody (promise 4). Per beat nothing
is written; what changed is stored every few seconds (`unsaved`), edges at once.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from gateway.core.event import Beat, BeatKind
from gateway.core.feed import STILL_S, Feed
from gateway.core.heartbeat import (
    awaited,
    covered,
    expect,
    expired,
    heard,
    ordered,
    outlived,
    resighted,
    resumed,
    retired,
    telling,
)
from gateway.core.pace import Budget
from gateway.core.reason import Dropped
from gateway.core.sites import FLEET, Group, Level, Overdue, Sites, Verdict, age_s, live, overdue
from gateway.core.station import EXPECTED, Policy, Signal, Station, StationState, StationVerb, stands_alone
from gateway.core.wheel import Wheel
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store, StoreError
from gateway.watch.edges import Edges, Emitter, without
from gateway.watch.outages import Outages
from gateway.watch.turn import LOOKS_MOST, Turn
from gateway.watch.unsaved import Unsaved

log = structlog.get_logger()

TICK_S = 1.0
LOAD_MOST = 10_000
"""Stations taken up at once: what a million leave behind on their way here would stay in the memory."""
TELL_LOOKS = 5
"""To tell of a station takes as long as so many looks."""
PATIENCE = 1.5
"""While its neighbours are suspected, a station goes down only when it is silent for this many intervals and its grace."""
SCHEDULE_PATIENCE_S = 300.0
"""One that beats at fixed times, when it is silent for so long beyond its grace."""


class Watch:
    """Keeps every station; `run` serves until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Emitter,
        clock: Clock,
        policy: Policy,
        terms: Mapping[str, tuple[Policy, str]] | None = None,
        by_site: Mapping[str, Policy] | None = None,
        region_of: Callable[[str], str] = lambda _site: "",
        node: str = "tocsin",
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
            by_site: what unlisted stations of these sites owe.
            region_of: the region of a site; empty if there is none.
            node: the source of what is told of the whole fleet.
            most_stations: stations watched at once.
            discover_per_min: unlisted stations taken up in a minute; 0: none.
            count: told of each beat's collector, and why it was not kept (None: it was).
        """
        self._store = store
        self._clock = clock
        self._count = count
        self._stations: dict[str, Station] = {}
        self._edges = Edges(store=store, engine=engine, clock=clock, told=self._told)
        self._unsaved = Unsaved(store=store, clock=clock, stations=self._stations, telling=self._edges.telling)
        self._outages = Outages(store=store, engine=engine, clock=clock, node=node)
        self._discover_per_min = -1
        self._set(policy, terms, by_site, region_of, most_stations, discover_per_min)
        self._feed = Feed(now_s=clock.monotonic_s())
        self._doubted = False
        self._sighted_ms = clock.now_ms()
        """When we last knew that we hear."""
        self._wheel = Wheel(tick_s=TICK_S)
        self._ticked = asyncio.Event()
        self._turn = Turn()

    def _set(
        self,
        policy: Policy,
        terms: Mapping[str, tuple[Policy, str]] | None,
        by_site: Mapping[str, Policy] | None,
        region_of: Callable[[str], str],
        most_stations: int,
        discover_per_min: int,
    ) -> None:
        self._policy = policy
        self._terms = dict(terms or {})
        self._by_site = dict(by_site or {})
        self._most_stations = most_stations
        if discover_per_min != self._discover_per_min:  # else what was spent stays spent
            self._discover_per_min = discover_per_min
            self._discovery = Budget(per_s=max(discover_per_min, 1) / 60, burst=discover_per_min)
        self._sites = Sites(region_of)

    def reset(
        self,
        *,
        policy: Policy,
        terms: Mapping[str, tuple[Policy, str]],
        region_of: Callable[[str], str],
        most_stations: int,
        discover_per_min: int,
        by_site: Mapping[str, Policy] | None = None,
    ) -> None:
        """Take new terms: they hold for each station from its next beat on, schedules at once.

        The arguments are those of the class.
        """
        gone = self._terms.keys() - terms.keys()
        scheduled = {name: self._policy_of(station).schedule for name, station in self._stations.items()}
        self._set(policy, terms, by_site, region_of, most_stations, discover_per_min)
        for known in self._stations.values():
            self._sites.moved(None, known)
        for name in gone:
            station = self._stations.get(name)
            if station is not None and name.startswith(EXPECTED):
                self._withdraw(station)
            elif station is not None and station.seen_ms == 0:  # it was only ever expected
                self._forget(station)
        for station in [one for one in self._stations.values() if one.covered]:
            self._uncover(station)  # its site may be in another region now
        for name, schedule in scheduled.items():
            station = self._stations.get(name)
            if station is not None and str(schedule) != str(self._policy_of(station).schedule):
                self._keep(self._resumed(replace(station, expected_ms=0)))
        self._expect_listed()

    def fault_of(self, name: str) -> str:
        """What the station said last that is wrong with it; empty if it is well or unknown."""
        station = self._stations.get(name)
        return station.fault if station else ""

    @property
    def states(self) -> Mapping[StationState, int]:
        """How many stations are in each state."""
        return self._sites.states

    @property
    def unknown(self) -> int:
        """Stations of which we cannot say now whether they live."""
        return 0 if self._feed.trusted else self._sites.live

    @property
    def stands_still(self) -> bool:
        """Whether no deadline comes nearer now: a collector is deaf, the fleet still comes back, or it is doubted."""
        return not self._feed.trusted

    @property
    def doubted(self) -> bool:
        """Whether far too few beats come for a feed that nothing proves."""
        return self._feed.doubted

    async def load(self, *, away_ms: int = 0) -> None:
        """Take up every station again, each with its whole time before it; call before the first beat.

        ``away_ms``: how long there was no daemon.
        """
        await self._outages.load()
        self._sighted_ms = self._clock.now_ms() - away_ms
        self._feed.look(self._clock.monotonic_s())
        last = ""
        while found := await self._store.run(lambda tx, last=last: tx.stations(after=last, most=LOAD_MOST)):  # type: ignore[misc]
            for station in found:
                self._take_up(station, away_ms=away_ms)
            last = found[-1].station
        self._unsaved.clear()  # a restart alone writes nothing
        self._expect_listed()
        self._expect()

    def heard(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Take a beat; the future, if any, is done when what it changed for people is on disk."""
        before = self._stations.get(beat.station)
        if beat.station.startswith(EXPECTED):
            self._count(beat.collector, Dropped.DENIED_SOURCE)
            return None
        if before is None and not self._may_discover(beat.station):
            self._count(beat.collector, Dropped.OVERLOAD)
            return None
        self._count(beat.collector, None)
        now_s = self._clock.monotonic_s()
        policy = self._policy_for(beat.station, beat.site or (before.site if before else ""))
        after, signals = heard(before, beat, policy, observed_s=self._feed.observed_s(now_s))
        if before is None and after.beats == 0 and not signals:
            return None  # only the broker spoke of it
        if before is None or after.beats != before.beats:
            was_live = self._feed.warming_up and before is not None and live(before)
            self._feed.heard(beat.station, beat.collector, was_live=was_live, now_s=now_s)
        self._keep(after)
        if not signals:
            return self._edges.telling.get(beat.station)  # what it rests on must be on disk first
        stored = self._edges.tell(after, signals, beat)
        stored.add_done_callback(lambda done: self._undo(done, before, after, signals))
        self._edges.settles(stored, after.station)
        return stored

    def met(self, name: str, *, collector: str, at_ms: int) -> None:
        """An expected event has come, and is on disk; it is no beat of the fleet's, and counted as what it is."""
        before = self._stations.get(EXPECTED + name)
        if before is None:  # a reload has just taken it away
            return
        beat = Beat(collector=collector, station=before.station, at_ms=at_ms)
        after, signals = heard(before, beat, self._policy_of(before), observed_s=self._observed_now())
        self._keep(after)
        if signals:
            stored = self._edges.tell(after, signals)
            stored.add_done_callback(lambda done: self._undo(done, before, after, signals))
            self._edges.settles(stored, after.station)
        elif after.expected_ms != before.expected_ms:  # once in a slot: no crash forgets that it came
            self._store.submit(lambda tx: tx.save_stations([after])).add_done_callback(_left_to_the_flush)

    def dismiss(self, name: str) -> None:
        """Let a station sleep, as if it had said that it leaves; nobody is told."""
        station = self._stations.get(name)
        if station is None:
            return
        leave = Beat(collector=station.collector, station=name, at_ms=self._clock.now_ms(), kind=BeatKind.LEAVE)
        after, _ = heard(station, leave, self._policy_of(station), observed_s=self._observed_now())
        self._keep(after)

    async def command(self, name: str, verb: StationVerb) -> bool:
        """Do what a person wants with a station; returns when it is on disk. False: there is no such station.

        Raises:
            Overloaded: the disk refuses; nothing has changed.
        """
        before = self._stations.get(name)
        if before is None:
            return False
        now_ms, policy = self._clock.now_ms(), self._policy_of(before)
        after, signals = ordered(before, verb, policy, observed_s=self._observed_now(), now_ms=now_ms)
        self._keep(after)
        if signals:
            stored = self._edges.tell(after, signals)
            stored.add_done_callback(lambda done: self._undo(done, before, after, signals))
            self._edges.settles(stored, name)
            await stored
            return True
        try:
            await self._store.run(lambda tx: tx.save_stations([after]))
        except StoreError as error:
            if self._stations.get(name) is after:
                self._keep(before)
            raise Overloaded(str(error)) from error
        return True

    def connected(self, collector: str, up: bool, proven: bool = False) -> None:
        """A collector can hear, or cannot: while one is deaf the observed clock stands still.

        ``proven``: a round trip shows that what is sent to us arrives.
        """
        self._expect()
        self._feed.connected(collector, up=up, proven=proven, now_s=self._clock.monotonic_s())

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._tick_for_ever(), name="watch-tick")
            tasks.create_task(self._expire_for_ever(), name="watch-expire")
            tasks.create_task(self._unsaved.run(), name="watch-flush")

    async def flush(self) -> None:
        """Store what changed, and some of what only beat.

        Raises:
            StoreError: the disk refused; it stays to be stored.
        """
        await self._unsaved.flush()

    # --- inside -----------------------------------------------------------------------------------

    def _take_up(self, station: Station, *, away_ms: int) -> None:
        if station.station.startswith(EXPECTED) and station.station not in self._terms:
            self._withdraw(station)
            return
        again = self._resumed(station, away_ms=away_ms)
        self._keep(again)
        self._uncover(again)
        if again.collector and live(again):
            self._feed.feeds(again.collector)

    def _expect_listed(self) -> None:
        now_ms = self._clock.now_ms()
        for name, (policy, site) in self._terms.items():
            station = self._stations.get(name)
            if policy.slots:
                if station is None or station.state is StationState.RETIRED:
                    self._keep(awaited(name, policy, observed_s=self._observed_now(), now_ms=now_ms))
            elif station is None:
                self._keep(expect(name, policy, observed_s=self._observed_now(), site=site))

    def _withdraw(self, station: Station) -> None:
        """An event is expected no longer: that it is missing is over."""
        after, signals = retired(station)
        self._keep(after)
        if signals:
            stored = self._edges.tell(after, signals)
            stored.add_done_callback(lambda done: self._undo(done, station, after, signals))
            self._edges.settles(stored, after.station)

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

    def _policy_of(self, station: Station) -> Policy:
        return self._policy_for(station.station, station.site)

    def _policy_for(self, name: str, site: str) -> Policy:
        own = self._terms.get(name)
        return own[0] if own else self._by_site.get(site, self._policy)

    def _resumed(self, station: Station, *, away_ms: int = 0) -> Station:
        policy, now_ms = self._policy_of(station), self._clock.now_ms()
        return resumed(station, policy, observed_s=self._observed_now(), now_ms=now_ms, away_ms=away_ms)

    def _outlived(self, station: Station) -> Station:
        policy, now_ms = self._policy_of(station), self._clock.now_ms()
        return outlived(station, policy, observed_s=self._observed_now(), now_ms=now_ms)

    def _told(self, name: str) -> None:
        self._unsaved.changed([name])

    def _keep(self, station: Station) -> None:
        before = self._stations.get(station.station)
        self._stations[station.station] = station
        if (
            before is None
            or before.state is not station.state
            or before.interval_s != station.interval_s
            or before.site != station.site
            or before.covered is not station.covered
            or before.beats == 0
        ):
            self._sites.moved(before, station)
        self._unsaved.add(before, station)
        self._wheel.schedule(station.station, station.deadline_s)

    def _forget(self, station: Station) -> None:
        self._sites.moved(station, None)
        del self._stations[station.station]
        self._wheel.cancel(station.station)

    def _undo(
        self,
        done: asyncio.Future[Receipt],
        before: Station | None,
        after: Station,
        signals: tuple[Signal, ...],
    ) -> None:
        """The edge did not reach the disk: forget it, so that the same beat, repeated, or the next one says it again."""
        if done.cancelled() or done.exception() is None:
            return
        now = self._stations.get(after.station)
        if now is after and before is None:
            self._forget(after)
        elif now is after and before is not None:
            self._keep(before)
        elif now is not None:
            self._keep(without(now, before or Station(station=after.station), after, signals))

    # --- time -------------------------------------------------------------------------------------

    def _observed_now(self) -> float:
        return self._feed.observed_s(self._clock.monotonic_s())

    def _expect(self) -> None:
        """Say how many beats are due."""
        self._feed.live, self._feed.per_s = self._sites.live, self._sites.per_s

    async def _tick_for_ever(self) -> None:
        """Look at the time, and wait for nothing else: only so a tick that is late proves that we stood still."""
        while True:
            await self._clock.sleep(TICK_S)
            self._expect()
            self._feed.look(self._clock.monotonic_s())
            if self._feed.doubted is not self._doubted:
                self._doubted = self._feed.doubted
                log.warning("feed.doubted" if self._doubted else "feed.believed", stations=self._sites.live)
            self._resight()
            self._ticked.set()

    def _resight(self) -> None:
        """When we hear again, tell it to those that beat at fixed times: for them the observed clock is late."""
        if not self._feed.trusted:
            return
        now_ms = self._clock.now_ms()
        away_ms, self._sighted_ms = now_ms - self._sighted_ms, now_ms
        if away_ms <= STILL_S * 1000:
            return
        observed_s = self._observed_now()
        for station in [one for one in self._stations.values() if one.expected_ms]:
            policy = self._policy_of(station)
            again = resighted(station, policy, observed_s=observed_s, now_ms=now_ms, away_ms=away_ms)
            if again is not station:
                self._keep(again)

    async def _expire_for_ever(self) -> None:
        await self._outages.retell()
        while True:
            await self._ticked.wait()
            self._ticked.clear()
            await self._end_outages()
            await self._expire()

    async def _expire(self) -> None:
        """Take what is due; the clock may move on meanwhile."""
        while (next_s := self._wheel.next_s()) is not None and next_s <= self._observed_now():
            observed_s, now_ms = self._observed_now(), self._clock.now_ms()
            verdicts: dict[Group, Verdict] = {}
            falling = []
            for name in self._wheel.due(observed_s, limit=LOOKS_MOST):
                station = self._stations.get(name)
                if station is None:
                    continue  # it was forgotten while we told an outage
                after, signals = expired(station, self._policy_of(station), observed_s=observed_s, now_ms=now_ms)
                if after.state is StationState.DOWN and signals:
                    after, signals = await self._together(station, after, signals, verdicts)
                    if self._stations.get(name) is not station:
                        continue  # a beat came meanwhile
                if signals:
                    falling.append((telling(station), after, signals))
                self._keep(falling[-1][0] if signals else after)
                await self._turn.took()
            if falling:
                await self._tell_silence(falling)
            await self._turn.ends()

    async def _tell_silence(self, falling: list[tuple[Station, Station, tuple[Signal, ...]]]) -> None:
        """Tell who is down; what the disk refuses stays due."""
        try:
            await self._store.run(lambda tx: tx.save_stations([before for before, _, _ in falling]))
        except StoreError as error:
            for before, _, _ in falling:
                self._delay(before, before, (), error)
            return
        waiting = []
        for before, after, signals in falling:
            if self._stations.get(after.station) is before:  # no beat came meanwhile
                self._keep(after)
                waiting.append((before, after, signals, self._edges.tell(after, signals)))
                await self._turn.took(TELL_LOOKS)
        for before, after, signals, stored in waiting:
            self._edges.settles(stored, after.station)
            try:
                await stored
            except Exception as error:  # noqa: BLE001 - overload or a full disk
                self._delay(before, after, signals, error)

    def _delay(self, before: Station, after: Station, signals: tuple[Signal, ...], error: Exception) -> None:
        log.debug("station.delayed", station=before.station, why=str(error))
        now = self._stations.get(after.station, after)
        if now is after:
            self._keep(replace(before, deadline_s=self._observed_now() + TICK_S))
        else:  # a beat came meanwhile
            self._keep(without(now, before, after, signals))

    # --- what stations have in common ---------------------------------------------------------------

    def _overdue_now(self) -> Overdue:
        observed_s = self._observed_now()
        return lambda name: overdue(self._stations[name], observed_s=observed_s)

    async def _together(
        self, station: Station, after: Station, signals: tuple[Signal, ...], verdicts: dict[Group, Verdict]
    ) -> tuple[Station, tuple[Signal, ...]]:
        """A station that would go down: alone, covered by an outage, or not yet because one is suspected.

        ``verdicts`` are those of this look: many stations of a site are due at once.
        """
        groups = [] if stands_alone(station.station) else list(self._sites.groups(after.site))
        if self._outages.cover(groups):
            return covered(after, told=station.told), ()
        if not live(station):
            return after, signals  # its neighbours' silence says nothing of one that never lived
        later = replace(station, deadline_s=self._observed_now() + TICK_S)
        for group in groups:
            verdict = verdicts.get(group)
            if verdict is None:
                verdict = verdicts[group] = await self._judged(group)
            if verdict is Verdict.DOWN:
                begun = await self._outages.begin(group, station.collector, self._sites)
                return (covered(after, told=station.told), ()) if begun else (later, ())
            impatient = self._impatient(station)
            if verdict is Verdict.SUSPECTED and group.level is not Level.FLEET and not impatient:
                return later, ()
        return after, signals

    def _impatient(self, station: Station) -> bool:
        """Whether it has been silent for so long that it goes down, whatever its neighbours do."""
        if station.expected_ms:
            waited_s = (self._clock.now_ms() - station.expected_ms) / 1000
            return waited_s >= station.grace_s + SCHEDULE_PATIENCE_S
        return age_s(station, observed_s=self._observed_now()) >= PATIENCE * station.interval_s + station.grace_s

    async def _judged(self, group: Group) -> Verdict:
        if group == FLEET and self._feed.quiet:
            return Verdict.DOWN
        return await self._turn.through(self._sites.judge(group, self._overdue_now()))

    async def _end_outages(self) -> None:
        """Tell which groups are back; who is still missing then has its whole time to come back, too."""
        for group in self._outages:
            if self._feed.trusted and not (group == FLEET and self._feed.quiet):
                over = await self._turn.through(self._sites.over(group, self._overdue_now()))
                if not over or not await self._outages.end(group, self._sites):
                    continue
                for name in self._sites.missing(group):
                    if (station := self._stations.get(name)) is not None:
                        self._uncover(station)
                    await self._turn.took()

    def _uncover(self, station: Station) -> None:
        """Give a covered station its time to come back, if no outage covers it any more."""
        if station.covered and not self._outages.cover(self._sites.groups(station.site)):
            self._keep(self._outlived(station))


def _left_to_the_flush(done: asyncio.Future[None]) -> None:
    """What the disk refuses now is stored with the rest."""
    if not done.cancelled():
        done.exception()

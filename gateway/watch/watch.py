"""The watch: takes beats and what people want with stations, and serves whatever looks at the time.

One observed clock for all deadlines (`gateway.core.feed`): an outage of ours costs nobody (promise 4). Per beat nothing
is written; what changed is stored every few seconds (`unsaved`), edges at once.
"""

import asyncio
from collections.abc import Callable, Mapping

from gateway.core.event import Beat
from gateway.core.heartbeat import heard, ordered
from gateway.core.reason import Dropped
from gateway.core.sites import live
from gateway.core.station import EXPECTED, Change, Station, StationState, StationVerb
from gateway.core.terms import Terms
from gateway.plugin import Clock, Overloaded, Receipt
from gateway.store.api import Store, StoreError
from gateway.watch.edges import Emitter
from gateway.watch.keeper import Keeper
from gateway.watch.neighbours import Neighbours
from gateway.watch.observed import ObservedClock
from gateway.watch.outages import Outages
from gateway.watch.silence import Silence
from gateway.watch.taking_up import TakingUp
from gateway.watch.turn import Turn

LOAD_MOST = 10_000
"""Stations taken up at once: what a million leave behind on their way here would stay in the memory."""


class Watch:
    """Watches every station; `run` serves until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        engine: Emitter,
        clock: Clock,
        terms: Terms,
        node: str = "tocsin",
        count: Callable[[str, Dropped | None], None] = lambda _collector, _reason: None,
    ) -> None:
        """Watch by ``terms``.

        Args:
            store: where stations last.
            engine: takes edges as events.
            clock: the host's.
            terms: what stations owe.
            node: the source of what is told of the whole fleet.
            count: told of each beat's collector, and why it was not kept (None: it was).
        """
        turn = Turn()
        self._store = store
        self._clock = clock
        self._count = count
        self._keeper = keeper = Keeper(store=store, engine=engine, clock=clock, terms=terms)
        self._stations: Mapping[str, Station] = keeper.stations
        self._observed = observed = ObservedClock(clock=clock, keeper=keeper)
        self._outages = Outages(store=store, engine=engine, clock=clock, node=node)
        neighbours = Neighbours(keeper=keeper, observed=observed, outages=self._outages, turn=turn)
        self._silence = Silence(store=store, keeper=keeper, observed=observed, neighbours=neighbours, turn=turn)
        self._taking_up = TakingUp(clock=clock, keeper=keeper, observed=observed, neighbours=neighbours)

    def reset(self, terms: Terms) -> None:
        """Take new terms: they hold for each station from its next beat on, schedules at once."""
        self._taking_up.hold_to(terms)

    def fault_of(self, name: str) -> str:
        """What the station said last that is wrong with it; empty if it is well or unknown."""
        station = self._stations.get(name)
        return station.fault if station else ""

    @property
    def states(self) -> Mapping[StationState, int]:
        """How many stations are in each state."""
        return self._keeper.sites.states

    @property
    def unknown(self) -> int:
        """Stations of which we cannot say now whether they live."""
        return self._keeper.sites.live if self.stands_still else 0

    @property
    def stands_still(self) -> bool:
        """Whether no deadline comes nearer now: a collector is deaf, the fleet still comes back, or it is doubted."""
        return not self._observed.feed.trusted

    @property
    def doubted(self) -> bool:
        """Whether far too few beats come for a feed that nothing proves."""
        return self._observed.feed.doubted

    async def load(self, *, away_ms: int = 0) -> None:
        """Take up every station again, each with its whole time before it; call before the first beat.

        ``away_ms``: how long there was no daemon.
        """
        await self._outages.load()
        self._observed.starts(away_ms=away_ms)
        last = ""
        while found := await self._store.run(lambda tx, last=last: tx.stations(after=last, most=LOAD_MOST)):  # type: ignore[misc]
            self._taking_up.again(found, away_ms=away_ms)
            last = found[-1].station
        self._keeper.unsaved.clear()  # a restart alone writes nothing
        self._taking_up.listed()
        self._observed.expect()

    def heard(self, beat: Beat) -> asyncio.Future[Receipt] | None:
        """Take a beat; the future, if any, is done when what it changed for people is on disk."""
        before = self._stations.get(beat.station)
        if beat.station.startswith(EXPECTED):
            self._count(beat.collector, Dropped.DENIED_SOURCE)
            return None
        if before is None and not self._taking_up.may_discover(beat.station):
            self._count(beat.collector, Dropped.OVERLOAD)
            return None
        self._count(beat.collector, None)
        keeper, feed = self._keeper, self._observed.feed
        now_s = self._clock.monotonic_s()
        policy = keeper.terms.policy_for(beat.station, beat.site or (before.site if before else ""))
        after, signals = heard(before, beat, policy, observed_s=feed.observed_s(now_s))
        if before is None and after.beats == 0 and not signals:
            return None  # only the broker spoke of it
        if before is None or after.beats != before.beats:
            was_live = feed.warming_up and before is not None and live(before)
            feed.heard(beat.station, beat.collector, was_live=was_live, now_s=now_s)
        if signals:
            return keeper.tell(before, after, signals, beat)
        keeper.keep(after)
        return keeper.edges.telling.get(beat.station)  # what it rests on must be on disk first

    def met(self, name: str, *, collector: str, at_ms: int) -> None:
        """An expected event has come, and is on disk; it is no beat of the fleet's, and counted as what it is."""
        before = self._stations.get(EXPECTED + name)
        if before is None:  # a reload has just taken it away
            return
        beat = Beat(collector=collector, station=before.station, at_ms=at_ms)
        policy, observed_s = self._keeper.policy_of(before), self._observed.now_s()
        after, signals = heard(before, beat, policy, observed_s=observed_s)
        if signals:
            self._keeper.tell(before, after, signals)
            return
        self._keeper.keep(after)
        if after.expected_ms != before.expected_ms:  # once in a slot: no crash forgets that it came
            self._store.submit(lambda tx: tx.save_stations([after])).add_done_callback(_left_to_the_flush)

    def dismiss(self, name: str) -> None:
        """Let a station sleep, as if it had said that it leaves; nobody is told."""
        station = self._stations.get(name)
        if station is not None:
            after, _ = self._ordered(station, StationVerb.SLEEP)
            self._keeper.keep(after)

    async def command(self, name: str, verb: StationVerb) -> bool:
        """Do what a person wants with a station; returns when it is on disk. False: there is no such station.

        Raises:
            Overloaded: the disk refuses; nothing has changed.
        """
        before = self._stations.get(name)
        if before is None:
            return False
        after, signals = self._ordered(before, verb)
        if signals:
            await self._keeper.tell(before, after, signals)
            return True
        self._keeper.keep(after)
        try:
            await self._store.run(lambda tx: tx.save_stations([after]))
        except StoreError as error:
            if self._stations.get(name) is after:
                self._keeper.keep(before)
            raise Overloaded(str(error)) from error
        return True

    def connected(self, collector: str, up: bool, proven: bool = False) -> None:
        """A collector can hear, or cannot: while one is deaf the observed clock stands still.

        ``proven``: a round trip shows that what is sent to us arrives.
        """
        self._observed.expect()
        self._observed.feed.connected(collector, up=up, proven=proven, now_s=self._clock.monotonic_s())

    async def run(self) -> None:
        """Serve until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._observed.run(), name="watch-tick")
            tasks.create_task(self._expire_for_ever(), name="watch-expire")
            tasks.create_task(self._keeper.unsaved.run(), name="watch-flush")

    async def flush(self) -> None:
        """Store what changed, and some of what only beat.

        Raises:
            StoreError: the disk refused; it stays to be stored.
        """
        await self._keeper.unsaved.flush()

    async def _expire_for_ever(self) -> None:
        await self._outages.retell()
        await self._silence.run()

    def _ordered(self, station: Station, verb: StationVerb) -> Change:
        policy, observed_s = self._keeper.policy_of(station), self._observed.now_s()
        return ordered(station, verb, policy, observed_s=observed_s, now_ms=self._clock.now_ms())


def _left_to_the_flush(done: asyncio.Future[None]) -> None:
    """What the disk refuses now is stored with the rest."""
    if not done.cancelled():
        done.exception()

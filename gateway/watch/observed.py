"""The observed clock at work: it is wound each second, and tells those whom it stood still for when we hear again."""

import asyncio

import structlog

from gateway.core.feed import STILL_S, Feed
from gateway.core.heartbeat import resighted
from gateway.plugin import Clock
from gateway.watch.keeper import TICK_S, Keeper

log = structlog.get_logger()


class ObservedClock:
    """Time as stations' deadlines know it; `run` serves until cancelled."""

    def __init__(self, *, clock: Clock, keeper: Keeper) -> None:
        """Follow ``clock`` while the feed of the stations that ``keeper`` keeps can be believed."""
        self._clock = clock
        self._keeper = keeper
        self.feed = Feed(now_s=clock.monotonic_s())
        self.ticked = asyncio.Event()
        """Set each second, for whoever looks at deadlines."""
        self._doubted = False
        self._sighted_ms = clock.now_ms()
        """When we last knew that we hear."""

    def now_s(self) -> float:
        """The observed clock."""
        return self.feed.observed_s(self._clock.monotonic_s())

    def now_ms(self) -> int:
        """Wall time."""
        return self._clock.now_ms()

    def starts(self, *, away_ms: int) -> None:
        """Nothing was heard for so long; what the time until now took is nobody's."""
        self._sighted_ms = self._clock.now_ms() - away_ms
        self.feed.look(self._clock.monotonic_s())

    def expect(self) -> None:
        """Say how many beats are due."""
        sites = self._keeper.sites
        self.feed.live, self.feed.per_s = sites.live, sites.per_s

    async def run(self) -> None:
        """Look at the time, and wait for nothing else: only so a tick that is late proves that we stood still."""
        while True:
            await self._clock.sleep(TICK_S)
            self.expect()
            self.feed.look(self._clock.monotonic_s())
            if self.feed.doubted is not self._doubted:
                self._doubted = self.feed.doubted
                log.warning("feed.doubted" if self._doubted else "feed.believed", stations=self.feed.live)
            self._resight()
            self.ticked.set()

    def _resight(self) -> None:
        """When we hear again, tell it to those that beat at fixed times: for them the observed clock is late."""
        if not self.feed.trusted:
            return
        now_ms = self._clock.now_ms()
        away_ms, self._sighted_ms = now_ms - self._sighted_ms, now_ms
        if away_ms <= STILL_S * 1000:
            return
        observed_s = self.now_s()
        for station in [one for one in self._keeper.stations.values() if one.expected_ms]:
            policy = self._keeper.policy_of(station)
            again = resighted(station, policy, observed_s=observed_s, now_ms=now_ms, away_ms=away_ms)
            if again is not station:
                self._keeper.keep(again)

"""A fleet on virtual time: stations that beat, a broker between them and us, and the product's own watch, engine and store."""

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.blind import BlindWatch
from gateway.core.blind import Said
from gateway.core.event import OURSELVES, Beat, BeatKind, Event
from gateway.core.ids import IdMaker
from gateway.core.impact import Impact
from gateway.core.judge import Inventory, Judge
from gateway.core.rules import Rulebook, Setting
from gateway.core.station import Policy
from gateway.core.terms import Terms
from gateway.engine import Engine
from gateway.intake import OwnEvents
from gateway.plugin import Receipt
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock, turns
from gateway.watch import Watch

INTERVAL_S = 60.0
JITTER = 0.05
POLICY = Policy(default_interval_s=INTERVAL_S, grace_s=30.0)
SETTLED_S = 240
"""By then every station has beaten three times: the story begins."""
TURNS = 8


@dataclass(slots=True, kw_only=True)
class Peer:
    """A station as it really is."""

    name: str
    site: str
    alive: bool = True
    wired: bool = True
    """It reaches the broker."""
    retains: bool = False
    """The broker remembers its last beat."""
    beats: int = 0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of a story: an incident of each trouble, by what it is about."""

    incidents: list[tuple[str, str, float]] = field(default_factory=list)
    """Condition, source, and seconds since the story began."""

    def of(self, *conditions: str) -> dict[str, float]:
        """When each source of these conditions was told of, first."""
        found: dict[str, float] = {}
        for condition, source, at_s in self.incidents:
            if condition in conditions:
                found.setdefault(source, at_s)
        return found


class Told:
    """The engine as the watch sees it; knows when all that was told is on disk."""

    def __init__(self, engine: Engine) -> None:
        self._own = OwnEvents(engine)
        self.count = self.waiting = 0

    def emit(self, event: Event) -> "asyncio.Future[Receipt]":
        self.count += 1
        self.waiting += 1
        future = self._own.emit(event)
        future.add_done_callback(self._done)
        return future

    def _done(self, done: "asyncio.Future[Receipt]") -> None:
        self.waiting -= 1
        done.exception()


class World:
    """Ten thousand stations at two hundred sites, unless told otherwise. `run` lets time pass."""

    def __init__(
        self,
        folder: Path,
        *,
        stations: int,
        sites: int,
        seed: int,
        proven: bool,
        jitter: float,
        length_s: int,
        regions: int,
    ) -> None:
        self.random = random.Random(seed)
        self.folder, self.proven, self._jitter, self._seed = folder, proven, jitter, seed
        self.length_s = length_s
        """How long the story is."""
        self._regions = {
            f"site-{number:03}": f"region-{number * regions // sites}" for number in range(sites if regions else 0)
        }
        self.clock = ManualClock()
        self.peers = [Peer(name=f"s{number:05}", site=f"site-{number % sites:03}") for number in range(stations)]
        self.by_site: dict[str, list[Peer]] = defaultdict(list)
        for peer in self.peers:
            self.by_site[peer.site].append(peer)
        self.linked = self.open = True
        """We are connected to the broker; and what it sends arrives."""
        self._due: dict[int, list[Peer]] = defaultdict(list)
        for peer in self.peers:
            self._due[int(self.random.uniform(0, INTERVAL_S))].append(peer)
        self.second = 0
        self._began_ms = 0

    # --- our side ---------------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def daemon(self) -> AsyncIterator[None]:
        """Another process on the same store."""
        async with open_sqlite(self.folder) as self.store:
            rules = Rulebook([], defaults=Setting(impact=Impact.MEDIUM, sinks=("desk",), reopen_within_ms=7_200_000))
            engine = Engine(
                self.store,
                judge=Judge(rules, Inventory({})),
                clock=self.clock,
                new_id=IdMaker(random.Random(self._seed).getrandbits),
            )
            self.told = Told(engine)
            self.watch = Watch(
                store=self.store,
                engine=self.told,
                clock=self.clock,
                terms=Terms(
                    policy=POLICY,
                    region_of=lambda site: self._regions.get(site, ""),
                    discover_per_min=10_000_000,
                ),
                node="gateway",
            )
            blind = BlindWatch(
                store=self.store,
                engine=self.told,
                clock=self.clock,
                after_s=60,
                deaf=lambda: () if self.linked else ("mqtt",),
                doubted=lambda: self.watch.doubted,
                unknown=lambda: self.watch.unknown,
                event=self._about_us,
            )
            await self.watch.load()
            await blind.load()
            self.watch.connected("mqtt", False)
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(one.run()) for one in (engine, self.watch, blind)]
                self.link(up=True)
                yield
                await self._settle()
                await self.watch.flush()
                await blind.flush()
                for task in running:
                    task.cancel()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The daemon, and by way of `again` the next."""
        async with contextlib.AsyncExitStack() as self._stack:
            await self._stack.enter_async_context(self.daemon())
            yield

    async def again(self, after_s: int) -> None:
        """End the daemon, and begin another later; meanwhile the fleet beats unheard."""
        await self._stack.aclose()
        for _ in range(after_s):
            for _peer in self._beating():
                pass
            self.clock._elapsed_s += 1
        await self._stack.enter_async_context(self.daemon())

    def link(self, *, up: bool) -> None:
        """Our connection to the broker."""
        self.linked = up
        self.watch.connected("mqtt", up, proven=up and self.proven)

    def _about_us(self, condition: str, said: Said) -> Event:
        return Event(
            collector=OURSELVES,
            source="gateway",
            condition=condition,
            kind=said.kind,
            at_ms=self.clock.now_ms(),
            summary=said.summary,
        )

    # --- time -------------------------------------------------------------------------------------

    def began(self) -> None:
        """The story begins now."""
        self._began_ms = self.clock.now_ms()

    async def run(self, seconds: int) -> None:
        """Let the fleet beat, and time pass."""
        for _ in range(seconds):
            for peer in self._beating():
                self.hear(peer)
            await self.clock.advance(1, settle=TURNS)
            await self._settle()

    def beats_next(self, peer: Peer) -> bool:
        """Whether the station is about to beat."""
        return peer in self._due[self.second]

    def _beating(self) -> Iterator[Peer]:
        self.second += 1
        for peer in self._due.pop(self.second - 1, ()):
            gap_s = INTERVAL_S * (1 + self.random.uniform(-self._jitter, self._jitter))
            self._due[self.second - 1 + max(1, round(gap_s))].append(peer)
            if peer.alive:
                peer.beats += 1
                yield peer

    def hear(self, peer: Peer, kind: BeatKind = BeatKind.BEAT, *, retained: bool = False) -> None:
        """Deliver a message of a station, if there is a way to us."""
        if not (self.linked and self.open and (peer.wired or retained or kind is BeatKind.WILL)):
            return
        self.watch.heard(
            Beat(
                collector="mqtt",
                station=peer.name,
                site=peer.site,
                at_ms=self.clock.now_ms(),
                kind=kind,
                retained=retained,
                sequence=peer.beats,
            )
        )

    async def _settle(self) -> None:
        """Wait, in real time, until everything that was told is on disk: virtual time does not run ahead of it."""
        seen = -1
        while self.told.waiting or seen != self.told.count:
            seen = self.told.count
            await self.store.run(lambda _tx: None)  # behind all that was asked of the disk before
            await turns(3)

    def sites_of(self, region: str) -> list[str]:
        """The sites in a region."""
        return [site for site, its in self._regions.items() if its == region]

    # --- what is seen -----------------------------------------------------------------------------

    async def outcome(self) -> Outcome:
        """All incidents that the story brought."""
        outcome, cursor = Outcome(), ""
        while True:
            page = await self.store.reader.incidents(limit=1000, cursor=cursor)
            for item in page.items:
                at_s = (item["first_seen_ms"] - self._began_ms) / 1000
                outcome.incidents.append((item["condition"], item["source"], at_s))
            if not page.next:
                return outcome
            cursor = page.next

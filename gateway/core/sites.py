"""Decide when many silent stations are one trouble: their site's, their region's, or the whole fleet's.

A station that is about to go down is looked at together with its neighbours. At least half of a site's stations (and no
fewer than three) overdue: the site is down. At least half of a region's sites (and no fewer than three) hit in this way:
the region; and so the fleet. The widest that holds is told once, as an *outage*; stations that it covers raise nothing
of their own unless they outlive it.

A group that looks bad but isn't down yet is *suspected*: whoever decides waits a little, so that the first of many
silent stations is not told alone. A site's silence as such proves nothing: stations that beat by the same minute are
silent together for most of it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from gateway.core.station import Station, StationState, stands_alone

OVERDUE = 1.08
"""A beat this many intervals old is overdue."""
FEWEST = 3
"""Fewer stations are no site, fewer sites no region."""
DOWN = 0.5
SUSPECTED = 0.2
"""Parts of a group that must be overdue."""
MOST_MEMBERS = 300
"""Stations looked at, of one site: more would tell nothing new."""
MOST_SITES = 100
"""Sites looked at, of a region or the fleet."""
MOST_LOOKED = 1_500
"""Stations looked at, of all these sites together."""


class Level(StrEnum):
    """How far an outage reaches, widest first."""

    FLEET = "fleet"
    REGION = "region"
    SITE = "site"


CONDITIONS: Mapping[Level, str] = {
    Level.FLEET: "fleet_silence",
    Level.REGION: "region_down",
    Level.SITE: "site_down",
}


@dataclass(frozen=True, slots=True, order=True)
class Group:
    """Stations that may go down together."""

    level: Level
    name: str = ""


FLEET = Group(Level.FLEET)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A group that is down, as it was told."""

    group: Group
    collector: str
    """By which its stations used to come."""
    since_ms: int
    stations: int
    """Stations that were missing, at the most."""
    told: bool = False
    """Its beginning is on disk."""

    def as_dict(self) -> dict[str, Any]:
        """For the store."""
        return {**asdict(self), "group": [self.group.level.value, self.group.name]}

    @classmethod
    def from_dict(cls, kept: Mapping[str, Any]) -> "Outage":
        """What `as_dict` gave."""
        level, name = kept["group"]
        return cls(**{**kept, "group": Group(Level(level), name)})


class Verdict(StrEnum):
    """What a look at a group says."""

    FINE = "fine"
    SUSPECTED = "suspected"
    DOWN = "down"


Overdue = Callable[[str], bool]
"""Whether the station of this name is overdue."""


def live(station: Station) -> bool:
    """Whether the station is one whose silence would be news."""
    lives = station.beats > 0 and station.state in (StationState.UP, StationState.LATE)
    return lives and not stands_alone(station.station)


def overdue(station: Station, *, observed_s: float) -> bool:
    """Whether it owes a beat already, or its last will was told; at fixed times, when its grace has passed, too."""
    if station.expected_ms:
        return station.will or station.state is StationState.LATE or observed_s >= station.deadline_s
    return station.will or age_s(station, observed_s=observed_s) > OVERDUE * station.interval_s


def age_s(station: Station, *, observed_s: float) -> float:
    """How long it has been silent."""
    return observed_s - station.counted_s


class Sites:
    """Which live stations stand where, and which are covered by an outage."""

    def __init__(self, region_of: Callable[[str], str] = lambda _site: "") -> None:
        """Take the region of a site from ``region_of`` (empty: none)."""
        self._region_of = region_of
        self._stations: dict[str, dict[str, None]] = {}
        """Live stations by site."""
        self._sites: dict[str, dict[str, None]] = {}
        """Sites by region."""
        self._missing: dict[Group, set[str]] = {}
        """Covered stations of each group that has some."""
        self.states: Counter[StationState] = Counter()
        """Stations in each state, live or not."""
        self.live = 0
        """Live stations."""
        self.per_s = 0.0
        """Beats that they owe together in a second."""

    def groups(self, site: str) -> Iterator[Group]:
        """The groups of a station at ``site``, widest first."""
        yield FLEET
        if site:  # what stands nowhere shares its trouble with the fleet only
            if region := self._region_of(site):
                yield Group(Level.REGION, region)
            yield Group(Level.SITE, site)

    def moved(self, before: Station | None, after: Station | None) -> None:
        """A station has changed, has come, or has gone: keep account of it."""
        if before is not None:
            self.states[before.state] -= 1
            if live(before):
                self._leaves(before)
            if before.covered:
                for group in self.groups(before.site):
                    self._missing.get(group, set()).discard(before.station)
        if after is not None:
            self.states[after.state] += 1
            if live(after):
                self._joins(after)
            if after.covered:
                for group in self.groups(after.site):
                    self._missing.setdefault(group, set()).add(after.station)

    def judge(self, group: Group, is_overdue: Overdue) -> Generator[int, None, Verdict]:
        """Whether ``group`` is down.

        Whoever asks may do something else between two sites: told is how many stations were looked at since.
        """
        if group.level is Level.SITE:
            owing, of = self._count(group.name, is_overdue, most=MOST_MEMBERS)
            yield of
        else:
            sites = _some(self._stations if group.level is Level.FLEET else self._sites.get(group.name, {}), MOST_SITES)
            each = MOST_LOOKED // max(1, len(sites))
            owing = of = 0
            for site in filter(None, sites):
                overdue, looked = self._count(site, is_overdue, most=each)
                owing += looked > 0 and overdue >= DOWN * looked
                of += 1
                yield looked
        if owing < FEWEST or owing < SUSPECTED * of:
            return Verdict.FINE
        return Verdict.DOWN if owing >= DOWN * of else Verdict.SUSPECTED

    def over(self, group: Group, is_overdue: Overdue) -> bool:
        """Whether an outage of ``group`` has ended: fewer than half of its stations are still missing."""
        missing = len(self._missing.get(group, ()))
        if missing >= DOWN * (missing + self._live_in(group)):
            return missing == 0
        names = list(islice(self._names(group), MOST_MEMBERS))
        late = sum(map(is_overdue, names)) * (self._live_in(group) / len(names) if names else 0)
        return missing + late < DOWN * (missing + self._live_in(group))

    def members(self, group: Group) -> list[str]:
        """The stations of a group that are live or missing."""
        return [*self._names(group), *self._missing.get(group, ())]

    def missing(self, group: Group) -> frozenset[str]:
        """Its stations that are covered."""
        return frozenset(self._missing.get(group, ()))

    # --- inside -----------------------------------------------------------------------------------

    def _joins(self, station: Station) -> None:
        site = station.site
        if site not in self._stations:
            self._stations[site] = {}
            if region := self._region_of(site):
                self._sites.setdefault(region, {})[site] = None
        self._stations[site][station.station] = None
        self.live += 1
        self.per_s += 1 / station.interval_s

    def _leaves(self, station: Station) -> None:
        site = station.site
        self._stations[site].pop(station.station, None)
        if not self._stations[site]:
            del self._stations[site]
            if region := self._region_of(site):
                self._sites[region].pop(site, None)
        self.live -= 1
        self.per_s = max(0.0, self.per_s - 1 / station.interval_s) if self.live else 0.0

    def _count(self, site: str, is_overdue: Overdue, *, most: int) -> tuple[int, int]:
        names = _some(self._stations.get(site, {}), min(most, MOST_MEMBERS))
        return sum(map(is_overdue, names)), len(names)

    def _names(self, group: Group) -> Iterator[str]:
        match group.level:
            case Level.SITE:
                yield from self._stations.get(group.name, {})
            case Level.REGION:
                for site in self._sites.get(group.name, {}):
                    yield from self._stations.get(site, {})
            case Level.FLEET:
                for names in self._stations.values():
                    yield from names

    def _live_in(self, group: Group) -> int:
        if group.level is Level.FLEET:
            return self.live
        sites = [group.name] if group.level is Level.SITE else list(self._sites.get(group.name, {}))
        return sum(len(self._stations.get(site, ())) for site in sites)


def _some(names: Collection[str], most: int) -> list[str]:
    """At most so many of them, from all over: what came one after the other may have a trouble in common."""
    return list(islice(names, 0, None, max(1, -(-len(names) // most))))

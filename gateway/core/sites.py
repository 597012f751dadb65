"""Decide when many silent stations are one trouble: their site's, their region's, or the whole fleet's.

A station that is about to go down is looked at together with its neighbours. At least half of a site's stations (and no
fewer than three) overdue: the site is down. At least half of a region's sites (and no fewer than three) hit in this way:
the region; and so the fleet. The widest that holds is told once, as an *outage*; stations that it covers raise nothing
of their own unless they outlive it. It ends by the same measure: when fewer than half of the site's stations are still
out, or fewer than half of the sites.

A group that looks bad but isn't down yet is *suspected*: whoever decides waits a little, so that the first of many
silent stations is not told alone. A site's silence as such proves nothing: stations that beat by the same minute are
silent together for most of it.
"""

from collections import Counter
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
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
NAMED_MOST = 200
"""Stations named of those in an outage; the rest are a number."""
NAMES_IN_A_LOOK = 10
"""To put so many names in order takes as long as one look."""


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


@dataclass(frozen=True, slots=True)
class Named:
    """Stations as they are told: how many, and the first of their names."""

    count: int = 0
    names: tuple[str, ...] = ()


def named(batches: Iterable[list[str]]) -> Generator[int, None, Named]:
    """Count what `Sites.members` or `Sites.missing` gives, and put the first names in order.

    Whoever asks may do something else between two batches: told is how many looks at a station each was worth.
    """
    count = 0
    first: list[str] = []
    for names in batches:
        count += len(names)
        if len(first) == NAMED_MOST:
            names = [name for name in names if name < first[-1]]  # noqa: PLW2901 - the rest is only counted
        if names:
            first = sorted([*first, *names])[:NAMED_MOST]
        yield 1 + len(names) // NAMES_IN_A_LOOK
    return Named(count, tuple(first))


class Sites:
    """Which live stations stand where, and which are covered by an outage."""

    def __init__(self, region_of: Callable[[str], str] = lambda _site: "") -> None:
        """Take the region of a site from ``region_of`` (empty: none)."""
        self._region_of = region_of
        self._places: dict[str, _Place] = {}
        """By site, those that have a live or covered station."""
        self._sites: dict[str, dict[str, None]] = {}
        """Of these by region."""
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
        for station, by in ((before, -1), (after, 1)):
            if station is not None:
                self.states[station.state] += by
                if live(station):
                    self.live += by
                    self.per_s = max(0.0, self.per_s + by / station.interval_s) if self.live else 0.0
        if before is not None and after is not None and _standing(before) == _standing(after):
            return
        if before is not None:
            self._leaves(before)
        if after is not None:
            self._joins(after)

    def judge(self, group: Group, is_overdue: Overdue) -> Generator[int, None, Verdict]:
        """Whether ``group`` is down.

        Whoever asks may do something else between two sites: told is how many stations were looked at since.
        """
        owing = of = 0
        if group.level is Level.SITE:
            owing, of = self._overdue(group.name, is_overdue, most=MOST_MEMBERS)
            yield of
        else:
            sites, each = self._some_sites(group)
            for site in filter(None, sites):
                overdue, looked = self._overdue(site, is_overdue, most=each)
                owing += looked > 0 and overdue >= DOWN * looked
                of += looked > 0
                yield looked
        if owing < FEWEST or owing < SUSPECTED * of:
            return Verdict.FINE
        return Verdict.DOWN if owing >= DOWN * of else Verdict.SUSPECTED

    def over(self, group: Group, is_overdue: Overdue) -> Generator[int, None, bool]:
        """Whether an outage of ``group`` has ended: fewer than half of it are still out, as told by `judge`.

        What is covered is out, and what owes a beat. What stands nowhere is one more site.
        """
        out: float = 0
        of = 0
        if group.level is Level.SITE:
            out, of = self._out(group.name, is_overdue, most=MOST_MEMBERS)
            yield min(of, MOST_MEMBERS)
        else:
            sites, each = self._some_sites(group)
            for site in sites:
                part, whole = self._out(site, is_overdue, most=each)
                out += whole > 0 and part >= DOWN * whole
                of += whole > 0  # it may have gone while others had their turn
                yield min(whole, each)
        return out < DOWN * of or not of

    def members(self, group: Group) -> Iterator[list[str]]:
        """The stations of a group that are live or missing, some at a time: it may change between two."""
        return self._batches(group, lambda place: [*place.live, *place.covered])

    def missing(self, group: Group) -> Iterator[list[str]]:
        """Its stations that are covered, some at a time."""
        return self._batches(group, lambda place: list(place.covered))

    # --- inside -----------------------------------------------------------------------------------

    def _joins(self, station: Station) -> None:
        lives = live(station)
        if not lives and not station.covered:
            return
        place = self._places.get(station.site)
        if place is None:
            place = self._places[station.site] = _Place()
            if region := self._region_of(station.site):
                self._sites.setdefault(region, {})[station.site] = None
        if station.covered:
            place.covered.add(station.station)
        if lives:
            place.live[station.station] = None

    def _leaves(self, station: Station) -> None:
        place = self._places.get(station.site)
        if place is None:
            return
        place.covered.discard(station.station)
        place.live.pop(station.station, None)
        if not place.live and not place.covered:
            del self._places[station.site]
            if region := self._region_of(station.site):
                self._sites[region].pop(station.site, None)

    def _overdue(self, site: str, is_overdue: Overdue, *, most: int) -> tuple[int, int]:
        """How many live stations of a site are overdue, of how many that were looked at."""
        place = self._places.get(site)
        names = _some(place.live, min(most, MOST_MEMBERS)) if place else []
        return sum(map(is_overdue, names)), len(names)

    def _out(self, site: str, is_overdue: Overdue, *, most: int) -> tuple[float, int]:
        """How many stations of a site are covered or overdue, as far as some of them tell, of how many."""
        place = self._places.get(site)
        if place is None:
            return 0, 0
        overdue, looked = self._overdue(site, is_overdue, most=most)
        late = overdue * len(place.live) / looked if looked else 0
        return len(place.covered) + late, len(place.covered) + len(place.live)

    def _some_sites(self, group: Group) -> tuple[list[str], int]:
        """Sites from all over a region or the fleet, and how many stations of each to look at."""
        sites = _some(self._places if group.level is Level.FLEET else self._sites.get(group.name, {}), MOST_SITES)
        return sites, MOST_LOOKED // max(1, len(sites))

    def _batches(self, group: Group, of: "Callable[[_Place], list[str]]") -> Iterator[list[str]]:
        match group.level:
            case Level.SITE:
                sites = [group.name]
            case Level.REGION:
                sites = list(self._sites.get(group.name, ()))
            case Level.FLEET:
                sites = list(self._places)
        for site in sites:
            if (place := self._places.get(site)) is not None:
                names = of(place)
                for first in range(0, len(names), MOST_MEMBERS):
                    yield names[first : first + MOST_MEMBERS]


@dataclass(slots=True)
class _Place:
    """What stands at one site."""

    live: dict[str, None] = field(default_factory=dict)
    """In the order in which they came."""
    covered: set[str] = field(default_factory=set)


def _standing(station: Station) -> tuple[str, bool, bool]:
    return station.site, live(station), station.covered


def _some(names: Collection[str], most: int) -> list[str]:
    """At most so many of them, from all over: what came one after the other may have a trouble in common."""
    return list(islice(names, 0, None, max(1, -(-len(names) // most))))

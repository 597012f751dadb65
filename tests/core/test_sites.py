"""Many silent stations are one trouble; one silent station among many that speak is its own."""

from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.sites import (
    FLEET,
    MOST_LOOKED,
    MOST_MEMBERS,
    MOST_SITES,
    NAMED_MOST,
    NAMES_IN_A_LOOK,
    Group,
    Level,
    Named,
    Outage,
    Sites,
    Verdict,
    live,
    named,
    overdue,
)
from gateway.core.station import Station, StationState

SITE, REGION = Group(Level.SITE, "lyon"), Group(Level.REGION, "rhone")
NOW_S = 1000.0
T = TypeVar("T")


def told(looking: Generator[int, None, T]) -> T:
    while True:
        try:
            next(looking)
        except StopIteration as done:
            return done.value


def flat(batches: Iterable[list[str]]) -> list[str]:
    return [name for names in batches for name in names]


class Bench:
    """Sites in the region ``rhone``, unless their name begins with x."""

    def __init__(self) -> None:
        self.sites = Sites(lambda site: "" if site.startswith("x") else "rhone")
        self.stations: dict[str, Station] = {}

    def put(self, site: str, silent: int, of: int, *, covered: int = 0, first: int = 0) -> None:
        """A site with ``of`` stations, the first of which are silent, and the very first of these covered."""
        for number in range(first, first + of):
            rank = number - first
            self.keep(
                Station(
                    station=f"{site}-{number}",
                    site=site,
                    state=StationState.DOWN if rank < covered else StationState.UP,
                    covered=rank < covered,
                    beats=9,
                    counted_s=NOW_S - (100 if rank < silent else 10),
                )
            )

    def keep(self, station: Station | None, name: str = "") -> None:
        name = station.station if station else name
        self.sites.moved(self.stations.get(name), station)
        if station:
            self.stations[name] = station
        else:
            del self.stations[name]

    def overdue(self, name: str) -> bool:
        return overdue(self.stations[name], observed_s=NOW_S)

    def judge(self, group: Group) -> Verdict:
        return told(self.sites.judge(group, self.overdue))

    def over(self, group: Group) -> bool:
        return told(self.sites.over(group, self.overdue))


def test_half_of_a_site_and_no_fewer_than_three_are_the_site() -> None:
    for silent, of, verdict in (
        (2, 2, "fine"),
        (3, 3, "down"),
        (3, 6, "down"),
        (3, 7, "suspected"),
        (3, 16, "fine"),
        (1, 50, "fine"),
    ):
        bench = Bench()
        bench.put("lyon", silent, of)
        assert bench.judge(SITE) == verdict, (silent, of)


def test_half_of_the_sites_and_no_fewer_than_three_are_the_region() -> None:
    bench = Bench()
    bench.put("a", 2, 2)
    bench.put("b", 3, 4)
    assert bench.judge(REGION) is Verdict.FINE
    bench.put("c", 1, 1)
    assert bench.judge(REGION) is Verdict.DOWN
    for name in "defg":
        bench.put(name, 1, 4)
    assert bench.judge(REGION) is Verdict.SUSPECTED
    assert bench.judge(Group(Level.REGION, "nowhere")) is Verdict.FINE


def test_half_of_all_sites_are_the_fleet_and_what_stands_nowhere_is_no_site() -> None:
    bench = Bench()
    for name in ("a", "xb", "xc"):
        bench.put(name, 4, 4)
    bench.put("", 0, 50)
    assert bench.judge(FLEET) is Verdict.DOWN
    assert list(bench.sites.groups("")) == [FLEET]
    assert list(bench.sites.groups("xb")) == [FLEET, Group(Level.SITE, "xb")]
    assert list(bench.sites.groups("a")) == [FLEET, REGION, Group(Level.SITE, "a")]


def test_a_look_at_many_sites_looks_all_over_them_and_at_no_more_stations_than_a_turn_bears() -> None:
    bench, looked = Bench(), []
    for number in range(900):
        bench.put(f"site-{number:03}", 4 if number < 300 else 0, 4)
    bench.put("site-000", 0, 60, first=4)

    def overdue(name: str) -> bool:
        looked.append(name)
        return bench.overdue(name)

    assert told(bench.sites.judge(FLEET, overdue)) is Verdict.SUSPECTED  # a third, though it came first
    assert len(looked) <= MOST_LOOKED
    assert len({name.rpartition("-")[0] for name in looked}) >= MOST_SITES // 2


def test_a_last_will_counts_as_silence() -> None:
    station = Station(station="s", beats=3, state=StationState.UP, counted_s=NOW_S)
    assert not overdue(station, observed_s=NOW_S)
    station.will = True
    assert overdue(station, observed_s=NOW_S)


def test_only_a_station_that_lived_is_live() -> None:
    def station(**facts):
        return Station(station="s", **facts)

    assert live(station(beats=1, state=StationState.LATE))
    assert not live(station(beats=0, state=StationState.UP))
    assert not live(station(beats=5, state=StationState.DOWN))


def test_an_outage_is_over_when_fewer_than_half_are_missing() -> None:
    bench = Bench()
    bench.put("lyon", 0, 10, covered=5)
    assert not bench.over(SITE)
    bench.keep(Station(station="lyon-0", site="lyon", beats=9, state=StationState.UP, counted_s=NOW_S))
    assert bench.over(SITE)
    assert sorted(flat(bench.sites.missing(SITE))) == ["lyon-1", "lyon-2", "lyon-3", "lyon-4"]
    assert len(flat(bench.sites.members(SITE))) == 10


def test_who_is_late_keeps_its_place() -> None:
    bench = Bench()
    bench.put("lyon", 0, 4)
    before = flat(bench.sites.members(SITE))
    bench.keep(replace(bench.stations["lyon-0"], state=StationState.LATE))
    assert flat(bench.sites.members(SITE)) == before


@given(st.permutations([f"st-{number:03}" for number in range(2 * NAMED_MOST)]), st.integers(0, 2 * NAMED_MOST))
def test_of_those_in_an_outage_all_are_counted_and_the_first_are_named(names: list[str], count: int) -> None:
    batches = [names[first : min(first + 150, count)] for first in range(0, count, 150)]
    assert told(named(batches)) == Named(count, tuple(sorted(names[:count])[:NAMED_MOST]))


def test_the_stations_of_a_great_site_are_given_some_at_a_time_while_others_go() -> None:
    bench = Bench()
    for name in ("lyon", "xa", "xb"):
        bench.put(name, 0, 2 * MOST_MEMBERS if name == "lyon" else 1)
    batches = bench.sites.members(FLEET)
    assert len(next(batches)) == MOST_MEMBERS
    bench.keep(None, "xa-0")
    assert flat(batches)[MOST_MEMBERS:] == ["xb-0"]
    looks = list(named(bench.sites.members(FLEET)))
    assert max(looks) <= 1 + MOST_MEMBERS // NAMES_IN_A_LOOK


def test_who_is_silent_and_not_yet_covered_is_no_sign_of_an_end() -> None:
    bench = Bench()
    bench.put("lyon", 6, 10, covered=1)
    assert not bench.over(SITE)


def test_an_outage_of_stations_that_are_gone_is_over() -> None:
    bench = Bench()
    assert bench.over(SITE)
    bench.put("lyon", 0, 2, covered=2)
    assert (bench.over(SITE), bench.over(FLEET), bench.over(REGION)) == (False, False, False)
    bench.keep(None, "lyon-0")
    bench.keep(None, "lyon-1")
    assert (bench.over(SITE), bench.over(FLEET), bench.over(REGION)) == (True, True, True)


def test_an_outage_of_a_region_or_the_fleet_is_over_when_fewer_than_half_of_its_sites_are_out() -> None:
    bench = Bench()
    bench.put("lyon", 3, 3, covered=3)
    bench.put("vienne", 2, 4)
    bench.put("x", 0, 3)
    assert (bench.over(REGION), bench.over(FLEET)) == (False, False)
    bench.put("vienne", 0, 4)
    assert (bench.over(REGION), bench.over(FLEET)) == (False, True)
    bench.put("lyon", 1, 3)
    assert bench.over(REGION)
    assert sorted(flat(bench.sites.members(REGION))) == [
        *(f"lyon-{n}" for n in range(3)),
        *(f"vienne-{n}" for n in range(4)),
    ]
    assert len(flat(bench.sites.members(FLEET))) == 10
    for number in range(3):
        bench.keep(None, f"x-{number}")
    assert len(flat(bench.sites.members(FLEET))) == 7


@given(
    st.lists(st.tuples(st.integers(1, 12), st.integers(0, 100)), min_size=3, max_size=110),
    st.integers(0, 100),
)
def test_what_has_just_been_judged_down_is_not_over_however_much_of_it_is_covered(sites, covered_percent) -> None:
    bench = Bench()
    for number, (size, silent_percent) in enumerate(sites):
        bench.put(f"s{number}", round(size * silent_percent / 100), size)
    if bench.judge(FLEET) is not Verdict.DOWN:
        return
    assert not bench.over(FLEET)
    for number, (size, silent_percent) in enumerate(sites):  # those that are silent are covered one by one
        silent = round(size * silent_percent / 100)
        bench.put(f"s{number}", silent, size, covered=silent * covered_percent // 100)
    assert not bench.over(FLEET)


def test_a_site_that_goes_while_others_are_looked_at_is_not_out() -> None:
    bench = Bench()
    for site in ("lyon", "vienne", "x"):
        bench.put(site, 0, 1)
    looking = bench.sites.over(FLEET, bench.overdue)
    next(looking)
    bench.keep(None, "vienne-0")
    bench.keep(None, "x-0")
    assert told(looking)


def test_of_a_fleet_that_stands_nowhere_the_outage_is_over_when_fewer_than_half_are_out() -> None:
    bench = Bench()
    bench.put("", 6, 10, covered=5)
    assert not bench.over(FLEET)
    bench.put("", 4, 10, covered=3)
    assert bench.over(FLEET)


def test_an_outage_reads_back_as_it_was_stored() -> None:
    outage = Outage(group=REGION, collector="mqtt", since_ms=5, stations=7)
    assert Outage.from_dict(outage.as_dict()) == outage


states = st.sampled_from([StationState.UP, StationState.LATE, StationState.DOWN, StationState.SLEEPING])


@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "p", "q"]), states, st.booleans(), st.integers(5, 90)),
        max_size=40,
    )
)
def test_the_account_is_that_of_the_stations_whatever_way_they_came(steps) -> None:
    bench = Bench()
    for name, site, state, covered, interval in steps:
        bench.keep(
            Station(
                station=name,
                site=site,
                state=state,
                covered=covered and state is StationState.DOWN,
                beats=1,
                interval_s=float(interval),
            )
        )
    alive = [station for station in bench.stations.values() if live(station)]
    assert bench.sites.live == len(alive)
    assert +bench.sites.states == Counter(station.state for station in bench.stations.values())
    assert abs(bench.sites.per_s - sum(1 / station.interval_s for station in alive)) < 1e-9
    for site in ("p", "q"):
        group = Group(Level.SITE, site)
        here = {station.station for station in bench.stations.values() if station.site == site}
        assert set(flat(bench.sites.members(group))) == here & (
            {station.station for station in alive} | {s.station for s in bench.stations.values() if s.covered}
        )
    assert set(flat(bench.sites.missing(FLEET))) == {
        station.station for station in bench.stations.values() if station.covered
    }
    for name in list(bench.stations):
        bench.keep(None, name)
    assert (bench.sites.live, bench.sites.per_s, flat(bench.sites.members(FLEET))) == (0, 0.0, [])
    assert not +bench.sites.states

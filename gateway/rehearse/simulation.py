"""A fleet for a day: stations that beat, sites that go dark, ports that flap, on virtual time.

The same scenario and seed always tell the same day.
"""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import Field

from gateway.config import Config
from gateway.config.locate import Path
from gateway.config.types import Between, Duration, Name, duration
from gateway.core.event import Beat, Event, EventKind
from gateway.dry import Call
from gateway.plugin import PluginConfig
from gateway.rehearse.loop import rehearse
from gateway.rehearse.stage import START_MS, Stage, staged

DAY_S = 86_400
HOUR_MS = 3_600_000
ROOM = 1_000_000
"""Stations that may be discovered in a minute: a simulation begins in the middle of a life."""
LINK_DOWN, LINK_UP = "linkDown", "linkUp"

Span = Annotated[Duration, Between("1s", "31d")]


class OutageConfig(PluginConfig):
    """Stations that fall silent for a while: those of a site, one by name, or so many by chance."""

    at: Duration
    """When, from the beginning."""
    lasts: Span = duration("30m")
    """How long."""
    site: Name | None = None
    """All stations of this site (``site-1``)."""
    station: Name | None = None
    """This one (``site-1-007``)."""
    stations: int = Field(default=0, ge=0, le=1_000_000)
    """So many, by chance."""


class FlappingConfig(PluginConfig):
    """A port that goes down and comes back, again and again."""

    at: Duration
    """When, from the beginning."""
    lasts: Span = duration("30m")
    """How long."""
    every: Span = duration("20s")
    """How often it goes down; it is back after half of that."""
    router: Name = "router-1"
    """Whose port."""
    port: int = Field(default=1, ge=1)
    """Which."""


class ScenarioConfig(PluginConfig):
    """A fleet, and what befalls it."""

    lasts: Annotated[Duration, Between("1m", "31d")] = duration("1d")
    """How long it is watched."""
    sites: int = Field(default=5, ge=1, le=10_000)
    """Sites, named ``site-1`` and so on."""
    stations: int = Field(default=20, ge=0, le=10_000)
    """Stations of each site, named ``site-1-001`` and so on."""
    interval: Annotated[Duration, Between("1s", "1d")] = duration("1m")
    """How often a station beats."""
    seed: int = 1
    """The same number tells the same day."""
    outage: tuple[OutageConfig, ...] = Field(default=(), max_length=10_000)
    """What falls silent."""
    flapping: tuple[FlappingConfig, ...] = Field(default=(), max_length=10_000)
    """What flaps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """What came of one hour."""

    number: int
    """From 0."""
    began: Counter[str]
    """Incidents, by condition."""
    tickets: Counter[str]
    """Tickets opened, by sink."""
    calls: int
    """All calls to trackers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """What came of a simulation."""

    heard: int
    """Beats and traps."""
    hours: Sequence[Hour]
    incidents: Sequence[dict[str, Any]]
    calls: Sequence[Call]


def misplaced(scenario: ScenarioConfig) -> Iterator[tuple[Path, str]]:
    """What befalls nobody, or nobody would see: where it stands, and a sentence with the cure."""
    sites = {f"site-{number}" for number in range(1, scenario.sites + 1)}
    for number, outage in enumerate(scenario.outage):
        at: Path = ("outage", number)
        if outage.at >= scenario.lasts:
            yield (*at, "at"), _too_late(outage.at, scenario.lasts)
        if outage.site is None and outage.station is None and not outage.stations:
            yield at, 'falls silent nowhere: add site = "site-1", station = "site-1-001" or stations = 3'
        if outage.site is not None and outage.site not in sites:
            yield (*at, "site"), f'there is no site "{outage.site}"; they are site-1 to site-{scenario.sites}'
        if outage.station is not None and not _stands(outage.station, scenario, sites):
            yield (
                (*at, "station"),
                f'there is no station "{outage.station}"; each site has {scenario.stations}, named as in site-1-001',
            )
    for number, port in enumerate(scenario.flapping):
        if port.at >= scenario.lasts:
            yield ("flapping", number, "at"), _too_late(port.at, scenario.lasts)


def _too_late(at: Duration, lasts: Duration) -> str:
    return f"{at} is after the end; let it be earlier, or the scenario last longer than {lasts}"


def _stands(station: str, scenario: ScenarioConfig, sites: set[str]) -> bool:
    site, _, number = station.rpartition("-")
    return site in sites and any(number == f"{one:03}" for one in range(1, scenario.stations + 1))


def with_chance(scenario: ScenarioConfig, *, outages: int, dark_sites: int, flapping: int) -> ScenarioConfig:
    """The scenario with so many more troubles, at times that its seed chooses."""
    chance = random.Random(scenario.seed)  # noqa: S311 - a story, no secret
    whole_s = scenario.lasts / 1000

    def when() -> Duration:
        return Duration.parse(round(chance.uniform(0.05, 0.85) * whole_s))

    silent = [OutageConfig(at=when(), stations=1) for _ in range(outages)]
    dark = [OutageConfig(at=when(), site=f"site-{chance.randint(1, scenario.sites)}") for _ in range(dark_sites)]
    ports = [FlappingConfig(at=when(), router=f"router-{number}") for number in range(1, flapping + 1)]
    return scenario.model_copy(
        update={"outage": (*scenario.outage, *silent, *dark), "flapping": (*scenario.flapping, *ports)}
    )


def simulated(config: Config, scenario: ScenarioConfig) -> Day:
    """Play the scenario under ``config``."""
    return rehearse(_play(config, scenario))


async def _play(config: Config, scenario: ScenarioConfig) -> Day:
    stations = config.stations.model_copy(update={"discover_per_min": ROOM})
    async with staged(replace(config, station=(), stations=stations), watch=bool(scenario.stations)) as stage:
        collector = next((name for name, one in config.collectors.items() if one.plugin.name == "mqtt"), "mqtt")
        traps = next((name for name, one in config.collectors.items() if one.plugin.name == "snmp"), "snmp")
        fleet = _Fleet(scenario)
        heard = 0
        for second in range(round(scenario.lasts / 1000)):
            due: list[Beat | Event] = [*fleet.beats(second, collector), *fleet.traps(second, traps)]
            if due:
                await stage.until(second)
                heard += _tell(stage, due)
        await stage.until(scenario.lasts / 1000)
        await stage.settle()
        incidents = await stage.incidents()
        return Day(heard=heard, hours=_hours(scenario, incidents, stage.calls), incidents=incidents, calls=stage.calls)


def _tell(stage: Stage, due: Sequence[Beat | Event]) -> int:
    now_ms = stage.clock.now_ms()
    for one in due:
        if isinstance(one, Beat):
            stage.beat(replace(one, at_ms=now_ms))
        else:
            stage.hear(replace(one, at_ms=now_ms))
    return len(due)


class _Fleet:
    """Says who speaks in which second."""

    def __init__(self, scenario: ScenarioConfig) -> None:
        chance = random.Random(scenario.seed)  # noqa: S311 - a story, no secret
        self._scenario = scenario
        self._interval_s = max(1, round(scenario.interval / 1000))
        names = [
            (f"site-{site}-{number:03}", f"site-{site}")
            for site in range(1, scenario.sites + 1)
            for number in range(1, scenario.stations + 1)
        ]
        self._by_offset: dict[int, list[tuple[str, str]]] = {}
        for one in names:
            self._by_offset.setdefault(chance.randrange(self._interval_s), []).append(one)
        self._silent: dict[str, list[tuple[float, float]]] = {}
        for outage in scenario.outage:
            chosen = [name for name, site in names if outage.station == name or outage.site == site]
            chosen += [name for name, _ in chance.sample(names, min(outage.stations, len(names)))]
            for name in chosen:
                self._silent.setdefault(name, []).append((outage.at / 1000, (outage.at + outage.lasts) / 1000))

    def beats(self, second: int, collector: str) -> Iterator[Beat]:
        """Beats of this second."""
        for name, site in self._by_offset.get(second % self._interval_s, ()):
            if not any(begin <= second < end for begin, end in self._silent.get(name, ())):
                interval_s = float(self._interval_s)
                yield Beat(collector=collector, station=name, site=site, at_ms=START_MS, interval_s=interval_s)

    def traps(self, second: int, collector: str) -> Iterator[Event]:
        """Traps of this second."""
        for one in self._scenario.flapping:
            since_s = second - one.at // 1000
            if not 0 <= since_s < one.lasts // 1000:
                continue
            turn_s, every_s = since_s % max(2, one.every // 1000), max(2, one.every // 1000)
            if turn_s in (0, every_s // 2):
                yield Event(
                    collector=collector,
                    source=one.router,
                    condition=LINK_UP if turn_s else LINK_DOWN,
                    kind=EventKind.RAISE,
                    at_ms=START_MS,
                    labels={"ifIndex": str(one.port)},
                )


def _hours(scenario: ScenarioConfig, incidents: Sequence[dict[str, Any]], calls: Sequence[Call]) -> list[Hour]:
    count = -(-scenario.lasts // HOUR_MS)
    hours = [Hour(number=n, began=Counter(), tickets=Counter(), calls=0) for n in range(count)]
    for incident in incidents:
        hours[_hour(incident["first_seen_ms"], count)].began[incident["condition"]] += 1
    for call in calls:
        number = _hour(call.at_ms, count)
        hours[number] = replace(hours[number], calls=hours[number].calls + 1)
        if call.kind == "open":
            hours[number].tickets[call.sink] += 1
    return hours


def _hour(at_ms: int, count: int) -> int:
    return min(max(0, (at_ms - START_MS) // HOUR_MS), count - 1)

"""What is wrong only when seen together: names that nothing bears, names borne twice, two listeners on one port."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from gateway.config.cases import CaseConfig, ExpectedCall
from gateway.config.expect import ExpectConfig
from gateway.config.inventory import SiteConfig, SourceConfig, StationConfig
from gateway.config.locate import Path
from gateway.config.mistakes import Mistake, Source, did_you_mean, key_text
from gateway.config.models import DrillConfig, StationsConfig, TicketsConfig
from gateway.config.rules import RuleConfig
from gateway.config.types import Endpoint
from gateway.plugin import CollectorPlugin, PluginConfig, SinkPlugin
from gateway.plugins import Plugins

P = TypeVar("P", CollectorPlugin, SinkPlugin)
ANY = ("0.0.0.0", "::")  # noqa: S104 compared with, not bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance(Generic[P]):
    """A ``[collectors.NAME]`` or ``[sinks.NAME]``; without ``config`` if that has mistakes of its own."""

    name: str
    plugin: P
    config: PluginConfig | None
    enabled: bool
    path: Path
    shadow: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """A valid ``[[rule]]`` or ``[[test]]``, or an entry of the inventory, and where it stands."""

    value: PluginConfig
    source: Source
    path: Path
    key: str
    """How sentences name it: ``rule "link_down"``."""

    @property
    def line(self) -> int:
        """Where it begins."""
        return self.source.lines.get(self.path, 0)

    @property
    def place(self) -> tuple[str, int]:
        """File and line."""
        return self.source.name, self.line

    def mistake(self, field: str | Path, text: str) -> Mistake:
        """A mistake in one of its fields."""
        inside: Path = (field,) if isinstance(field, str) else field
        return named(self.source.mistake((*self.path, *inside), text), self.path, self.key)


def named(mistake: Mistake, path: Path, key: str) -> Mistake:
    """The mistake with ``rule[3].match`` told as ``rule "link_down": match``; unchanged without ``key``."""
    if not key:
        return mistake
    field = mistake.key.removeprefix(key_text(path)).removeprefix(".")
    return replace(mistake, key=f"{key}: {field}" if field else key)


def mistakes(
    *,
    main: Source,
    tickets: TicketsConfig,
    drill: DrillConfig,
    stations: StationsConfig,
    collectors: Sequence[Instance[CollectorPlugin]],
    names: Mapping[str, Collection[str]],
    entries: Mapping[str, Sequence[Entry]],
    plugins: Plugins,
) -> Iterator[Mistake]:
    """All that does not fit together.

    Args:
        main: the configuration file itself.
        tickets: its section.
        drill: its section.
        stations: its section.
        collectors: those whose plugin is known.
        names: what the file calls its ``collectors`` and ``sinks``, right or wrong.
        entries: all that is valid, by kind.
        plugins: what is installed.
    """
    for name in sorted(set(names["collectors"]) & set(names["sinks"])):
        yield main.mistake(("sinks", name), f"the name is taken by collectors.{name}; choose another")
    for index, name in enumerate(tickets.default_sinks or ()):
        if name not in names["sinks"]:
            yield main.mistake(("tickets", "default_sinks", index), _no_sink(name, names["sinks"]))
    for index, name in enumerate(drill.sinks or ()):
        if name not in names["sinks"]:
            yield main.mistake(("drill", "sinks", index), _no_sink(name, names["sinks"]))
    yield from _profiles(main, stations, entries)
    for entry in (*entries["rule"], *entries["expect"]):
        yield from _rule(entry, names["sinks"], {*names["collectors"], *plugins.collectors})
    for entry in entries["test"]:
        yield from _test(entry, names["sinks"], names["collectors"])
    for found in entries.values():
        yield from _twice(found)
    yield from _astray([*entries["site"], *entries["station"], *entries["source"]])
    yield from _ports(main, collectors)


def _no_sink(name: str, known: Collection[str]) -> str:
    if not known:
        return f'there is no sink "{name}"; add [sinks.{name}]'
    return f'there is no sink "{name}"; {did_you_mean(name, known)}'


def _profiles(main: Source, stations: StationsConfig, entries: Mapping[str, Sequence[Entry]]) -> Iterator[Mistake]:
    profiles = [str(getattr(entry.value, "name", "")) for entry in entries["profile"]]
    if stations.profile and stations.profile not in profiles:
        yield main.mistake(("stations", "profile"), no_profile(stations.profile, profiles))
    for entry in [*entries["site"], *entries["station"]]:
        name = str(getattr(entry.value, "profile", ""))
        if name and name not in profiles:
            yield entry.mistake("profile", no_profile(name, profiles))


def no_profile(name: str, known: Collection[str]) -> str:
    """The sentence about a profile that nothing bears."""
    if not known:
        return f'there is no profile "{name}"; add [[profile]] with that name'
    return f'there is no profile "{name}"; {did_you_mean(name, known)}'


def _rule(entry: Entry, sinks: Collection[str], collectors: Collection[str]) -> Iterator[Mistake]:
    rule = entry.value
    if not isinstance(rule, RuleConfig | ExpectConfig):
        return
    if rule.collector and rule.collector not in collectors:
        yield entry.mistake("collector", _no_collector(rule.collector, collectors))
    if isinstance(rule, ExpectConfig):
        return
    for name in rule.sinks or ():
        if name not in sinks:
            yield entry.mistake("sinks", _no_sink(name, sinks))
    if rule.drop and rule.proceed:
        yield entry.mistake("continue", "a rule that drops ends the search; remove continue or drop")


def _no_collector(name: str, known: Collection[str]) -> str:
    return f'there is no collector "{name}"; {did_you_mean(name, known)}'


def _test(entry: Entry, sinks: Collection[str], collectors: Collection[str]) -> Iterator[Mistake]:
    """Names in a test that nothing bears: such a test could only fail, or worse, hold for no reason."""
    case = entry.value
    if not isinstance(case, CaseConfig):
        return
    for number, step in enumerate(case.step):
        at: Path = ("step", number)
        if step.collector and step.collector not in collectors:
            yield entry.mistake((*at, "collector"), _no_collector(step.collector, collectors))
        if step.sink and step.sink not in sinks:
            yield entry.mistake((*at, "sink"), _no_sink(step.sink, sinks))
        for index, written in enumerate(step.calls or ()):
            name = ExpectedCall.parse(written).sink
            if name not in sinks:
                yield entry.mistake((*at, "calls", index), _no_sink(name, sinks))
        for index, expected in enumerate(step.expect):
            for name in expected.tickets or ():
                if name not in sinks:
                    yield entry.mistake((*at, "expect", index, "tickets", name), _no_sink(name, sinks))


def _twice(entries: Sequence[Entry]) -> Iterator[Mistake]:
    first: dict[str, Entry] = {}
    for entry in entries:
        name = str(getattr(entry.value, "name", ""))
        earlier = first.setdefault(name, entry)
        if earlier is not entry:
            place = f"{earlier.source.name}:{earlier.line}"
            yield entry.mistake("name", f"the name is taken by {place}; choose another")


def _astray(entries: Sequence[Entry]) -> Iterator[Mistake]:
    """What rests on itself, sites that are said to lie in two regions, and keys of two stations."""
    lies: dict[str, tuple[str, Entry]] = {}
    keys: dict[str, Entry] = {}
    for entry in entries:
        known = entry.value
        if not isinstance(known, SiteConfig | StationConfig | SourceConfig):
            continue
        if known.name in known.depends_on:
            yield entry.mistake("depends_on", "names the entry itself; remove it")
        if isinstance(known, StationConfig) and known.ping_key is not None:
            first = keys.setdefault(known.ping_key.reveal(), entry)
            if first is not entry:
                place = f"{first.source.name}:{first.line}"
                yield entry.mistake("ping_key", f"is that of {place}, too; give each station one of its own")
        site = known.name if isinstance(known, SiteConfig) else known.site
        if not site or not known.region:
            continue
        region, other = lies.setdefault(site, (known.region, entry))
        if region != known.region:
            place = f"{other.source.name}:{other.line}"
            yield entry.mistake("region", f'the site "{site}" lies in "{region}" by {place}; correct one of the two')


def _ports(main: Source, collectors: Sequence[Instance[CollectorPlugin]]) -> Iterator[Mistake]:
    """Two enabled collectors of one type that would listen on one port."""
    taken: list[tuple[Instance[CollectorPlugin], Endpoint]] = []
    for collector in collectors:
        for endpoint in _endpoints(collector):
            for other, its in taken:
                meets = endpoint.host == its.host or (
                    endpoint.v6 == its.v6 and (endpoint.host in ANY or its.host in ANY)
                )
                if other.plugin is collector.plugin and endpoint.port == its.port and endpoint.port and meets:
                    text = f"{endpoint} is taken by collectors.{other.name}; choose another port"
                    yield main.mistake((*collector.path, "listen"), text)
            taken.append((collector, endpoint))


def _endpoints(collector: Instance[CollectorPlugin]) -> Iterator[Endpoint]:
    """What the collector's option ``listen`` says, if it has one in the usual form."""
    listen = getattr(collector.config, "listen", ()) if collector.enabled else ()
    for item in [listen] if isinstance(listen, str) else listen if isinstance(listen, list | tuple) else ():
        try:
            yield Endpoint.parse(item)
        except ValueError:
            continue

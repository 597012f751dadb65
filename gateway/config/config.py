"""A whole configuration, checked: what `load` gives and the daemon is built from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path

from pydantic import BaseModel

from gateway.config.cases import Case
from gateway.config.expect import ExpectConfig
from gateway.config.gather import GroupConfig, StormConfig
from gateway.config.inhibit import InhibitConfig, InhibitionConfig
from gateway.config.inventory import InventoryConfig, ProfileConfig, SiteConfig, SourceConfig, StationConfig
from gateway.config.maintenance import MaintenanceConfig, Series
from gateway.config.models import (
    DaemonConfig,
    DefaultsConfig,
    DrillConfig,
    EngineConfig,
    FlappingConfig,
    HttpConfig,
    JournalConfig,
    RetentionConfig,
    StationsConfig,
    TicketsConfig,
)
from gateway.config.threshold import ThresholdConfig
from gateway.core.flap import FlapLimits
from gateway.core.rules import Rule, Rulebook, Setting
from gateway.plugin import CollectorPlugin, PluginConfig, Secret, SinkPlugin


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorInstance:
    """One ``[collectors.NAME]``."""

    name: str
    plugin: CollectorPlugin
    config: PluginConfig


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkInstance:
    """One ``[sinks.NAME]``."""

    name: str
    plugin: SinkPlugin
    config: PluginConfig
    shadow: bool = False
    """Whether it records the calls that it would make, and makes none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """A configuration without mistakes."""

    path: Path
    """The file it came from; the shipped one for the quick start."""
    files: tuple[Path, ...]
    """Every file that was read: the configuration, what it includes, rule packs."""
    daemon: DaemonConfig
    http: HttpConfig
    engine: EngineConfig
    retention: RetentionConfig
    journal: JournalConfig
    drill: DrillConfig
    tickets: TicketsConfig
    defaults: DefaultsConfig
    flapping: FlappingConfig
    inhibition: InhibitionConfig
    storm: StormConfig
    stations: StationsConfig
    inventory: InventoryConfig
    threshold: tuple[ThresholdConfig, ...]
    expect: tuple[ExpectConfig, ...]
    profile: tuple[ProfileConfig, ...]
    site: tuple[SiteConfig, ...]
    station: tuple[StationConfig, ...]
    source: tuple[SourceConfig, ...]
    collectors: Mapping[str, CollectorInstance]
    """Enabled collectors by instance name."""
    sinks: Mapping[str, SinkInstance]
    """Enabled sinks by instance name."""
    maintenance: tuple[MaintenanceConfig, ...]
    group: tuple[GroupConfig, ...]
    inhibit: tuple[InhibitConfig, ...]
    series: tuple[Series, ...]
    """The windows that `maintenance` plans."""
    rules: tuple[Rule, ...]
    """In order of precedence: the configuration's own, those of included files, those of rule packs."""
    places: Mapping[str, tuple[str, int]]
    """File and line of each rule, by its name."""
    tests: tuple[Case, ...]
    """In the order of the files."""

    @property
    def default_sinks(self) -> tuple[str, ...]:
        """The sinks of incidents whose rule names none."""
        chosen = self.tickets.default_sinks
        return tuple(self.sinks) if chosen is None else self._enabled(chosen)

    @property
    def drilled_sinks(self) -> tuple[str, ...]:
        """The sinks that a drill goes through."""
        chosen = self.drill.sinks
        return self.default_sinks if chosen is None else self._enabled(chosen)

    @property
    def default_setting(self) -> Setting:
        """What holds where no rule says otherwise."""
        return Setting(
            impact=self.defaults.impact,
            team=self.defaults.team,
            sinks=self.default_sinks,
            hold_ms=int(self.defaults.hold),
            clear_hold_ms=int(self.defaults.clear_hold),
            reopen_within_ms=int(self.defaults.reopen_within),
            flap=self.flap_limits,
        )

    @property
    def flap_limits(self) -> FlapLimits:
        """When an incident flaps."""
        flapping = self.flapping
        return FlapLimits(
            first=flapping.first,
            most=flapping.most,
            half_life_ms=int(flapping.half_life),
            above=flapping.above if flapping.enabled else inf,
            below=flapping.below,
            line_every=flapping.line_every,
        )

    def rulebook(self) -> Rulebook:
        """The rules, compiled; sinks that are disabled are left out of what they set."""
        return Rulebook(
            [self._reaching_enabled(rule) for rule in self.rules],
            defaults=self.default_setting,
            types=self._types,
        )

    def with_entries(
        self, *, site: tuple[SiteConfig, ...], station: tuple[StationConfig, ...], source: tuple[SourceConfig, ...]
    ) -> "Config":
        """This, with more entries of the inventory behind its own."""
        if not (site or station or source):
            return self
        return replace(
            self, site=(*self.site, *site), station=(*self.station, *station), source=(*self.source, *source)
        )

    def expectations(self) -> Rulebook | None:
        """The events that are expected, as rules that set nothing; None if none is."""
        if not self.expect:
            return None
        return Rulebook([entry.compiled() for entry in self.expect], defaults=Setting(), types=self._types)

    def secrets(self) -> frozenset[str]:
        """The values of all secrets, so that logs can leave them out."""
        models: list[BaseModel] = [self.http, *(station for station in self.station if station.ping_key)]
        models += [instance.config for instance in self.collectors.values()]
        models += [instance.config for instance in self.sinks.values()]
        return frozenset(secret.reveal() for model in models for secret in _secrets(model))

    @property
    def _types(self) -> dict[str, str]:
        return {name: instance.plugin.name for name, instance in self.collectors.items()}

    def _enabled(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name for name in names if name in self.sinks)

    def _reaching_enabled(self, rule: Rule) -> Rule:
        sinks = rule.setting.sinks
        return rule if sinks is None else replace(rule, setting=replace(rule.setting, sinks=self._enabled(sinks)))


def _secrets(value: object) -> Iterator[Secret]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _secrets(getattr(value, name))
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, list | tuple | set | frozenset):
        for item in value:
            yield from _secrets(item)

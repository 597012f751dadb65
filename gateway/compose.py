"""From a configuration to the core's values: what `gateway.app` builds the services from."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypedDict

from gateway.config import Config
from gateway.config.inventory import Importance, KnownConfig, SourceConfig, StationConfig
from gateway.config.maintenance import Calendars
from gateway.config.models import StationsConfig
from gateway.core.gather import Caps, Gatherings
from gateway.core.inhibit import Inhibitions
from gateway.core.inventory import Inventory, Known
from gateway.core.judge import Judge
from gateway.core.station import Policy
from gateway.engine import EngineLimits
from gateway.engine.around import Plan

_STEPS = {Importance.NORMAL: 0, Importance.HIGH: 1, Importance.CRITICAL: 2}


def judge_of(config: Config) -> Judge:
    """Rules and inventory."""
    return Judge(config.rulebook(), inventory_of(config))


def inventory_of(config: Config) -> Inventory:
    """What is known of sites, stations and other sources; of a source named twice, the station's entry holds."""
    sites = {entry.name: _known(entry) for entry in config.site}
    placed: tuple[StationConfig | SourceConfig, ...] = (*config.station, *config.source)
    for one in placed:  # a site that only they speak of lies where they say
        if one.site and one.region:
            place = sites.get(one.site, Known())
            sites[one.site] = replace(place, labels={**place.labels, "region": one.region})
    sources, networks = {}, []
    for entry in config.source:
        if entry.network is None:
            sources[entry.name] = _known(entry, entry.site)
        else:
            networks.append((entry.network, _known(entry, entry.site)))
    for station in config.station:
        known = _known(station, station.site)
        other = sources.get(station.name)
        depends_on = known.depends_on or (other.depends_on if other else ())
        sources[station.name] = replace(known.over(other), depends_on=depends_on) if other else known
    return Inventory(sources, networks, sites=sites)


def _known(entry: KnownConfig, site: str = "") -> Known:
    said = {"site": site, "region": entry.region, "contract": entry.contract, "owner": entry.owner}
    return Known(
        steps=None if entry.importance is None else _STEPS[entry.importance],
        team=entry.team,
        labels={**entry.labels, **{name: text for name, text in said.items() if text}},
        depends_on=entry.depends_on,
    )


def plan_of(config: Config) -> Plan:
    """The configured maintenance windows."""
    return Calendars(config.series).at


def over(config: Config, *, now_ms: int) -> list[str]:
    """The names of configured maintenance that has no window to come."""
    return [series.name for series in config.series if series.is_over(now_ms)]


def inhibitions_of(config: Config, judge: Judge) -> Inhibitions:
    """What mutes what."""
    rules = tuple(entry.compiled() for entry in config.inhibit)
    return Inhibitions(rules, frozenset(config.inhibition.down), judge.inventory)


def gatherings_of(config: Config) -> Gatherings:
    """Groups and storms."""
    return Gatherings(
        groups=tuple(entry.compiled() for entry in config.group),
        rates=config.storm.rates(),
        period_ms=int(config.storm.period),
        caps=Caps(source_new_per_min=config.engine.source_new_per_min, open_max=config.engine.open_max),
        ourselves=config.daemon.node_name,
    )


def limits_of(config: Config) -> EngineLimits:
    """How much the engine takes at once."""
    engine = config.engine
    return EngineLimits(
        lazy_s=engine.lazy_ms / 1000,
        repeat_s=engine.repeat_ms / 1000,
        batch_max=engine.batch_max,
        pending_max=engine.pending_max,
        bytes_max=engine.pending_bytes,
        release_per_min=engine.release_per_min,
    )


def public_url_of(config: Config) -> str:
    """Where people reach our pages, without a slash at the end; empty if there are none."""
    http = config.http
    return (http.public_url or (f"http://{http.listen}" if http.enabled else "")).rstrip("/")


def page_of(config: Config) -> str:
    """Link to an incident's page, ``{incident}`` being its id; empty if there is none."""
    if config.tickets.page_url:
        return config.tickets.page_url
    public = public_url_of(config)
    return f"{public}/incidents/{{incident}}" if public else ""


def policy_of(stations: StationsConfig, own: StationConfig | None = None) -> Policy:
    """What stations owe; ``own`` is the entry of one that is known by name."""
    interval = own.interval if own else None
    grace = own.grace if own and own.grace is not None else stations.grace
    appear = own.must_appear_within if own else None
    return Policy(
        interval_s=None if interval is None else interval / 1000,
        default_interval_s=stations.interval / 1000,
        grace_s=None if grace is None else grace / 1000,
        will_hold_s=stations.will_hold / 1000,
        recovery_beats=stations.recovery_beats,
        settle_beats=stations.new_beats,
        must_appear_s=None if appear is None else appear / 1000,
    )


class WatchTerms(TypedDict):
    """What the watch holds stations to."""

    policy: Policy
    terms: Mapping[str, tuple[Policy, str]]
    region_of: Callable[[str], str]
    most_stations: int
    discover_per_min: int


def watch_terms_of(config: Config, inventory: Inventory) -> WatchTerms:
    """What the watch holds stations to."""
    return WatchTerms(
        policy=policy_of(config.stations),
        terms=terms_of(config),
        region_of=inventory.region,
        most_stations=config.stations.stations_max,
        discover_per_min=config.stations.discover_per_min,
    )


def pinged_by(config: Config) -> dict[bytes, tuple[str, str]]:
    """Name and site of each station that may ping, by what its key hashes to."""
    return {
        hashlib.sha256(entry.ping_key.reveal().encode()).digest(): (entry.name, entry.site)
        for entry in config.station
        if entry.ping_key is not None
    }


def terms_of(config: Config) -> Mapping[str, tuple[Policy, str]]:
    """Policy and site of each listed station, by name."""
    return {entry.name: (policy_of(config.stations, entry), entry.site) for entry in config.station}

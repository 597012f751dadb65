"""From a configuration to the core's values: what `gateway.app` builds the services from."""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

from gateway.config import Config
from gateway.config.expect import ExpectConfig
from gateway.config.inventory import Importance, KnownConfig, ProfileConfig, SourceConfig, StationConfig
from gateway.config.maintenance import Calendars
from gateway.config.models import StationsConfig
from gateway.config.schedule import Calendar, calendar
from gateway.config.types import Duration
from gateway.core.gather import Caps, Gatherings
from gateway.core.inhibit import Inhibitions
from gateway.core.inventory import Inventory, Known
from gateway.core.judge import Judge
from gateway.core.station import EXPECTED, Policy, Threshold
from gateway.core.terms import Terms
from gateway.engine import EngineLimits
from gateway.engine.around import Plan

_STEPS = {Importance.NORMAL: 0, Importance.HIGH: 1, Importance.CRITICAL: 2}


_USUAL = ProfileConfig(name="default")
"""What holds where there is no profile; examined once, since each listed station asks."""


def judge_of(config: Config) -> Judge:
    """Rules and inventory."""
    return Judge(config.rulebook(), inventory_of(config), config.expectations())


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
        overtake_ms=engine.overtake_ms,
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


def policy_of(
    stations: StationsConfig,
    own: StationConfig | None = None,
    profile: ProfileConfig | None = None,
    thresholds: tuple[Threshold, ...] = (),
) -> Policy:
    """What stations owe; ``own`` is the entry of one that is known by name, ``profile`` that of its profile."""
    interval = own.interval if own else None
    grace = _first(own.grace if own else None, profile.grace if profile else None, stations.grace)
    appear = own.must_appear_within if own else None
    usual = profile.interval if profile and isinstance(profile.interval, Duration) else None
    limits = profile or _USUAL
    return Policy(
        schedule=None if interval is not None else _schedule_of(own, profile),
        interval_s=_seconds(interval),
        default_interval_s=(usual or stations.interval) / 1000,
        learns=usual is None,
        learn_gaps=limits.learn_beats,
        least_interval_s=limits.interval_least / 1000,
        most_interval_s=limits.interval_most / 1000,
        grace_s=_seconds(grace),
        will_hold_s=stations.will_hold / 1000,
        recovery_beats=stations.recovery_beats,
        settle_beats=stations.new_beats,
        must_appear_s=_seconds(appear),
        skew_s=stations.clock_skew / 1000,
        thresholds=thresholds,
    )


def _schedule_of(*entries: StationConfig | ProfileConfig | None) -> Calendar | None:
    """What the first that has one says."""
    for entry in entries:
        if entry is not None and entry.schedule:
            return calendar(entry.schedule, entry.zone)
    return None


def _expecting(entry: ExpectConfig) -> Policy:
    """What stands for an expected event owes one in each slot."""
    return Policy(schedule=calendar(entry.schedule, entry.zone), slots=True, grace_s=entry.grace / 1000)


def _first(*given: Duration | None) -> Duration | None:
    return next((one for one in given if one is not None), None)


def _seconds(given: Duration | None) -> float | None:
    return None if given is None else given / 1000


def watch_terms_of(config: Config, inventory: Inventory) -> Terms:
    """What the watch holds stations to."""
    profiles, thresholds = {entry.name: entry for entry in config.profile}, thresholds_of(config)
    policies = {name: policy_of(config.stations, None, profile, thresholds) for name, profile in profiles.items()}
    return Terms(
        policy=policy_of(config.stations, None, profiles.get(config.stations.profile), thresholds),
        listed=terms_of(config),
        by_site={entry.name: policies[entry.profile] for entry in config.site if entry.profile},
        region_of=inventory.region,
        most_stations=config.stations.stations_max,
        discover_per_min=config.stations.discover_per_min,
    )


def thresholds_of(config: Config) -> tuple[Threshold, ...]:
    """Bounds of what stations tell."""
    return tuple(entry.compiled() for entry in config.threshold)


def terms_of(config: Config) -> Mapping[str, tuple[Policy, str]]:
    """Policy and site of each listed station, by name."""
    profiles, thresholds = {entry.name: entry for entry in config.profile}, thresholds_of(config)
    of_site = {entry.name: entry.profile for entry in config.site}

    def terms(entry: StationConfig) -> tuple[Policy, str]:
        name = entry.profile or of_site.get(entry.site, "") or config.stations.profile
        return policy_of(config.stations, entry, profiles.get(name), thresholds), entry.site

    listed = {entry.name: terms(entry) for entry in config.station}
    return listed | {EXPECTED + entry.name: (_expecting(entry), "") for entry in config.expect}


def pinged_by(config: Config) -> dict[bytes, tuple[str, str]]:
    """Name and site of each station that may ping, by what its key hashes to."""
    return {
        hashlib.sha256(entry.ping_key.reveal().encode()).digest(): (entry.name, entry.site)
        for entry in config.station
        if entry.ping_key is not None
    }

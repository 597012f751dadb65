"""From a configuration to the core's values: what `gateway.app` builds the services from."""

from collections.abc import Mapping

from gateway.config import Config
from gateway.config.models import Importance, StationConfig, StationsConfig
from gateway.core.judge import Inventory, Judge, Known
from gateway.core.station import Policy
from gateway.engine import EngineLimits

_STEPS = {Importance.NORMAL: 0, Importance.HIGH: 1, Importance.CRITICAL: 2}


def judge_of(config: Config) -> Judge:
    """Rules and inventory."""
    sources, networks = {}, []
    for entry in config.source:
        labels = {**entry.labels, **({"site": entry.site} if entry.site else {})}
        known = Known(steps=_STEPS[entry.importance], team=entry.team, labels=labels)
        if entry.network is None:
            sources[entry.name] = known
        else:
            networks.append((entry.network, known))
    return Judge(config.rulebook(), Inventory(sources, networks))


def limits_of(config: Config) -> EngineLimits:
    """How much the engine takes at once."""
    engine = config.engine
    return EngineLimits(
        lazy_s=engine.lazy_ms / 1000,
        batch_max=engine.batch_max,
        pending_max=engine.pending_max,
        bytes_max=engine.pending_bytes,
        source_new_per_min=engine.source_new_per_min,
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


def terms_of(config: Config) -> Mapping[str, tuple[Policy, str]]:
    """Policy and site of each listed station, by name."""
    return {entry.name: (policy_of(config.stations, entry), entry.site) for entry in config.station}

"""What silence makes of a station: late, then down, told alone or covered by the outage of its site."""

from dataclasses import replace

from gateway.core.heartbeat.owed import scheduled
from gateway.core.heartbeat.signals import down_signal
from gateway.core.station import NEVER, Change, Policy, Station, StationState

PRESENCE_BACK_S = 300.0
"""How long after an outage of its site a station that owes no beats has to come back."""


def expired(station: Station, policy: Policy, *, observed_s: float, now_ms: int) -> Change:
    """Take the passing of the station's deadline; before it, nothing changes.

    Args:
        station: as it is now.
        policy: its terms.
        observed_s: the observed clock.
        now_ms: wall time, for people.
    """
    if observed_s < station.deadline_s:
        return station, ()
    if station.state is StationState.DOWN:
        if not station.covered:
            return replace(station, back=0, deadline_s=NEVER), ()  # it did not come back after all
        alone = replace(station, back=0, covered=False, told=True, deadline_s=NEVER)
        return alone, (down_signal(alone, policy, now_ms=now_ms),)
    if station.state is StationState.NEW and policy.must_appear_s is None:
        return replace(station, deadline_s=NEVER), ()
    if station.state is StationState.UP and not station.will:
        more = policy.misses - 1  # of what is due at fixed times, one is enough
        wait_s = max(policy.confirm_s, more * station.interval_s if station.interval_s < NEVER else 0.0)
        return replace(station, state=StationState.LATE, misses=1, deadline_s=station.deadline_s + wait_s), ()
    misses = station.misses if station.will else policy.misses
    down = replace(
        station, state=StationState.DOWN, misses=misses, back=0, told=True, down_since_ms=now_ms, deadline_s=NEVER
    )
    return down, (down_signal(down, policy, now_ms=now_ms),)


def telling(station: Station) -> Station:
    """A station of which it is about to be told that it is down."""
    return replace(station, told=True)


def covered(station: Station, *, told: bool = False) -> Station:
    """A station that is down, when the outage of its site tells so; it waits for a beat, or for `outlived`.

    ``told``: it may have been told alone before.
    """
    return replace(station, covered=True, told=told, back=0, deadline_s=NEVER)


def outlived(station: Station, policy: Policy, *, observed_s: float, now_ms: int) -> Station:
    """A covered station when the outage is over: it has its whole interval and grace to come back, too."""
    if policy.schedule is not None:
        return scheduled(station, policy.schedule, policy, observed_s=observed_s, now_ms=now_ms)
    owed_s = station.interval_s + station.grace_s
    return replace(station, deadline_s=observed_s + (owed_s if owed_s < NEVER else PRESENCE_BACK_S))

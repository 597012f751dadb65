"""From when on a station owes beats: it is listed, it was known before a restart, or we hear again."""

from dataclasses import replace

from gateway.core.heartbeat.owed import interval_of, scheduled
from gateway.core.station import NEVER, IntervalFrom, Policy, Station, StationState

FORGIVEN_MS = 60_000
"""Having heard nothing for longer, we don't know what was due meanwhile; who gets no answer tries again for so long."""


def expect(name: str, policy: Policy, *, observed_s: float, site: str = "") -> Station:
    """A listed station that was never heard: it has ``policy.must_appear_s`` to appear (for ever, if that is None)."""
    interval_s, source = interval_of(None, policy, announced=None, gaps=())
    return Station(
        station=name,
        site=site,
        interval_s=interval_s,
        interval_from=source,
        grace_s=policy.grace(interval_s),
        deadline_s=NEVER if policy.must_appear_s is None else observed_s + policy.must_appear_s,
    )


def awaited(name: str, policy: Policy, *, observed_s: float, now_ms: int) -> Station:
    """What stands for an expected event, before the first one: it must come from the next slot on, for this one is begun."""
    station = replace(expect(name, policy, observed_s=observed_s), state=StationState.UP)
    return resighted(station, policy, observed_s=observed_s, now_ms=now_ms, away_ms=0)


def resumed(station: Station, policy: Policy, *, observed_s: float, now_ms: int, away_ms: int = 0) -> Station:
    """The station as we take it up again after a restart: with its whole interval and grace before it.

    What is new and listed but was never heard gets its whole time to appear. A schedule's times stay what they are,
    but for what may have come in the ``away_ms`` in which we heard nothing (`resighted`).
    """
    if (station.interval_from is IntervalFrom.SCHEDULE) is not (policy.schedule is not None):
        interval_s, source = interval_of(None, policy, announced=None, gaps=())
        station = replace(
            station, interval_s=interval_s, interval_from=source, grace_s=policy.grace(interval_s), expected_ms=0
        )
    owed_s = station.interval_s + station.grace_s
    if station.state is StationState.NEW and station.beats == 0:
        owed_s = NEVER if policy.must_appear_s is None else policy.must_appear_s
    quiet = station.state in (StationState.DOWN, StationState.SLEEPING, StationState.RETIRED)
    station = replace(
        station,
        state=StationState.UP if station.state is StationState.LATE else station.state,
        misses=station.misses if quiet else 0,
        back=0,
        will=False,
        counted_s=observed_s,
        deadline_s=NEVER if quiet else observed_s + owed_s,
    )
    return resighted(station, policy, observed_s=observed_s, now_ms=now_ms, away_ms=away_ms)


def resighted(station: Station, policy: Policy, *, observed_s: float, now_ms: int, away_ms: int) -> Station:
    """A station that beats at fixed times, when we hear again after ``away_ms``; others are as they were.

    What was due meanwhile may have come unheard, so it is no longer waited for. What is still to come is due when it is
    due, although the observed clock stood still.
    """
    schedule = policy.schedule
    owes = station.beats > 0 or policy.slots
    if schedule is None or not owes or station.state not in (StationState.NEW, StationState.UP):
        return station
    expected_ms = station.expected_ms
    if not expected_ms or (away_ms > FORGIVEN_MS and (policy.slots or expected_ms <= now_ms)):
        return scheduled(station, schedule, policy, observed_s=observed_s, now_ms=now_ms)
    left_s = (expected_ms - now_ms) / 1000 + policy.grace(station.interval_s)
    return replace(station, deadline_s=observed_s + max(left_s, FORGIVEN_MS / 1000 if away_ms else 0.0))

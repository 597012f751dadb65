"""When the next beat is owed: after an interval that is configured, announced, learned or usual, or at a fixed time."""

import math
from dataclasses import replace

from gateway.core.station import NEVER, IntervalFrom, Policy, Schedule, Station, StationState

EARLY_MS = 60_000
"""A beat so long before its time counts for it: clocks differ; of times that come often, a quarter of what is between."""


# --- intervals -----------------------------------------------------------------------------------


def interval_of(
    station: Station | None, policy: Policy, *, announced: float | None, gaps: tuple[int, ...]
) -> tuple[float, IntervalFrom]:
    """Effective interval in seconds: configured, else announced (now or before), else learned, else the default.

    That of a schedule is endless.
    """
    if policy.interval_s is not None:
        return policy.interval_s, IntervalFrom.CONFIGURED
    if policy.schedule is not None:
        return math.inf, IntervalFrom.SCHEDULE
    if announced == math.inf and (station is None or station.beats == 0 or station.interval_s == math.inf):
        return (
            math.inf,
            IntervalFrom.ANNOUNCED,
        )  # of one that beats, somebody else's word of its presence changes nothing
    if announced is not None and 0 < announced < math.inf:
        return policy.clamp(announced), IntervalFrom.ANNOUNCED
    if station is not None and station.interval_from is IntervalFrom.ANNOUNCED and station.interval_s < math.inf:
        return station.interval_s, IntervalFrom.ANNOUNCED
    return _usual_interval(policy, gaps)


def _usual_interval(policy: Policy, gaps: tuple[int, ...]) -> tuple[float, IntervalFrom]:
    """What is learned, else the default."""
    middle_s = policy.clamp(sorted(gaps)[(len(gaps) - 1) // 2]) if gaps else 0.0  # of two, the lower
    if len(gaps) >= policy.learn_gaps:
        return middle_s, IntervalFrom.LEARNED
    # Too few gaps to shorten the default; but two that are longer show that it would alarm without cause.
    longer_s = middle_s if len(gaps) > 1 else 0.0
    return max(policy.default_interval_s, longer_s), IntervalFrom.DEFAULT


def gaps_with(station: Station, policy: Policy, *, observed_s: float) -> tuple[tuple[int, ...], float]:
    """The last gaps between beats, with the one that ends now, as long as the interval must be learned; and its end.

    Beats closer than the least interval are one: some stations say everything three times. Gaps are whole seconds,
    since small integers cost no memory. The silence of an outage is no gap; but what comes back shows its pace, so that
    a station which has become slower is learned anew.
    """
    given = policy.interval_s is not None or policy.schedule is not None or not policy.learns
    if given or station.interval_from is IntervalFrom.ANNOUNCED:
        return (), observed_s
    if station.beats == 0 or station.state is StationState.SLEEPING:
        return station.gaps, observed_s
    if station.state is StationState.DOWN and station.seen_ms < station.down_since_ms:
        return station.gaps, observed_s
    gap_s = observed_s - station.counted_s
    if gap_s < policy.least_interval_s:
        return station.gaps, station.counted_s
    return (*station.gaps, round(min(gap_s, policy.most_interval_s)))[-policy.learn_gaps :], observed_s


# --- schedules -----------------------------------------------------------------------------------


def next_due_ms(station: Station, schedule: Schedule, *, slots: bool, now_ms: int) -> int:
    """When the next beat is due after one at ``now_ms``; 0 if never again. ``slots``: its times end slots."""
    return (_next_slot_ms if slots else _next_ms)(station, schedule, now_ms=now_ms)


def _next_ms(station: Station, schedule: Schedule, *, now_ms: int) -> int:
    """When a beat is due at the times themselves."""
    if station.expected_ms - EARLY_MS > now_ms and station.interval_from is IntervalFrom.SCHEDULE:
        return station.expected_ms  # the beat came between two times, and changes nothing
    due_ms = schedule.after(now_ms)
    if due_ms is None:
        return 0
    early_ms = due_ms - now_ms
    if early_ms <= EARLY_MS:
        following_ms = schedule.after(due_ms)
        if following_ms is not None and early_ms <= (following_ms - due_ms) / 4:
            return following_ms
    return due_ms


def _next_slot_ms(station: Station, schedule: Schedule, *, now_ms: int) -> int:
    """The end of the next slot in which none has come, after a beat at ``now_ms``; 0 if there is none.

    What comes within the grace of a slot that is over is that one's.
    """
    end_ms = schedule.after(now_ms)
    late = 0 < station.expected_ms <= now_ms and station.state is not StationState.DOWN
    if end_ms is not None and not late:
        end_ms = schedule.after(end_ms)
    return max(end_ms or 0, station.expected_ms)


def scheduled(station: Station, schedule: Schedule, policy: Policy, *, observed_s: float, now_ms: int) -> Station:
    """The station with its next time before it, whatever was due until now."""
    expected_ms = schedule.after(now_ms)
    if policy.slots and expected_ms is not None:
        expected_ms = schedule.after(expected_ms)  # in the slot that is begun one may have come unheard
    if expected_ms is None:
        return replace(station, expected_ms=0, deadline_s=NEVER)
    left_s = (expected_ms - now_ms) / 1000 + policy.grace(station.interval_s)
    return replace(station, expected_ms=expected_ms, deadline_s=observed_s + left_s)

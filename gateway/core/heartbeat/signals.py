"""What is told of a station's silence, its fault and its return, in words."""

import math

from gateway.core.event import EventKind
from gateway.core.station import EVENT_MISSING, EXPECTED, STATION_DOWN, Policy, Signal, Station


def down_signal(station: Station, policy: Policy, *, now_ms: int) -> Signal:
    """That it is down, why, and what it owed."""
    schedule = policy.schedule if station.expected_ms else None
    due = f"interval {span(station.interval_s)}" if schedule is None else f"schedule {schedule}"
    terms = f"{due}, grace {span(station.grace_s)}"
    heard = f"last heard {span((now_ms - station.seen_ms) / 1000)} ago ({terms})"
    if policy.slots and schedule is not None:
        cause, words = "silence", f"has not come by {schedule.local(station.expected_ms)}"
        words += f"; {heard}" if station.beats else f", and never before ({terms})"
    elif station.beats == 0:
        cause, words = "never_appeared", "was expected and has never been heard"
    elif station.will:
        cause, words = "will", f"lost its connection and has not come back; {heard}"
    else:
        cause, words = "silence", f"is silent; {heard}"
        if schedule is not None:
            words = f"is silent; a beat was due at {schedule.local(station.expected_ms)}; {heard}"
    return signal_of(station, EventKind.RAISE, STATION_DOWN, words, cause=cause)


def signal_of(station: Station, kind: EventKind, condition: str, words: str, *, cause: str) -> Signal:
    """``words`` about a station, or the expected event that it stands for; ``cause`` is a label (see `Signal`)."""
    labels = {
        "cause": cause,
        "interval_s": f"{station.interval_s:g}",
        "interval_from": station.interval_from.value,
    }
    if station.site:
        labels["site"] = station.site
    who = f"Station {station.station}"
    if station.station.startswith(EXPECTED):
        who, condition = f"Event {station.station.removeprefix(EXPECTED)}", EVENT_MISSING
    return Signal(kind=kind, condition=condition, summary=f"{who} {words}", labels=labels)


def span(seconds: float) -> str:
    """A duration as people say it: ``90 s``, ``12 min``, ``3 h 20 min``, ``5 days``."""
    if seconds == math.inf:
        return "none"
    seconds = max(0.0, seconds)
    if seconds < 120:  # noqa: PLR2004 - up to two of the smaller unit
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:  # noqa: PLR2004
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:  # noqa: PLR2004
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{hours // 24} days"

"""Decide when what a living station tells of itself is too much, too little, or too late by its own clock.

Thresholds have hysteresis: one is crossed by the value that raises, and is over by the value that clears. What a beat does
not tell, or tells as something that is no number, changes nothing. That a clock is wrong is believed when several beats in
their usual distance say so: a backlog that comes at once is only late.
"""

from collections.abc import Iterator
from dataclasses import replace

from gateway.core.event import Beat, EventKind
from gateway.core.station import STATION_CLOCK, Change, Policy, Signal, Station, Threshold
from gateway.core.text import span

SKEWED_BEATS = 3
"""So many beats in a row must be off before the clock is."""
_APART_S = 60.0
"""Beats of a station with a longer interval, or none, count as apart at half of this."""


def measured(station: Station, beat: Beat, policy: Policy, *, seen_ms: int) -> Change:
    """Take what a sign of life tells besides; ``seen_ms`` is when the one before it came."""
    told: list[tuple[str, EventKind, str]] = []
    if policy.skew_s or STATION_CLOCK in station.crossed:
        station = _clocked(station, beat, policy, seen_ms=seen_ms, told=told)
    told += _thresholds(station, beat, policy.thresholds)
    if not told:
        return station, ()
    names = dict.fromkeys(station.crossed)
    for name, kind, _ in told:
        if kind is EventKind.RAISE:
            names[name] = None
        else:
            names.pop(name, None)
    station = replace(station, crossed=tuple(names))
    return station, tuple(_signal(station, name, kind, words) for name, kind, words in told)


def forgotten(station: Station) -> Change:
    """The station when it is taken out of service: nothing that it told is wrong any more."""
    words = "was taken out of service"
    signals = tuple(_signal(station, name, EventKind.CLEAR, words, cause="retired") for name in station.crossed)
    return replace(station, crossed=(), skewed=0), signals


def _thresholds(
    station: Station, beat: Beat, thresholds: tuple[Threshold, ...]
) -> Iterator[tuple[str, EventKind, str]]:
    """What is crossed now and what is over, each with the words for it."""
    known = {STATION_CLOCK}
    for threshold in thresholds:
        if _may_be_about(threshold, station):
            known.add(threshold.name)
        text = beat.labels.get(threshold.field, "")
        if not _is_number(text) or not _is_about(threshold, station, beat):
            continue
        tells = f"tells {threshold.field} = {text}"
        crossed = threshold.name in station.crossed
        if not crossed and threshold.raises.match(beat.labels.__getitem__) is not None:
            yield threshold.name, EventKind.RAISE, f"{tells} ({threshold.raises})"
        elif crossed and _is_over(threshold, beat):
            yield threshold.name, EventKind.CLEAR, f"{tells}; {threshold.name} is over"
    for name in station.crossed:
        if name not in known:
            yield name, EventKind.CLEAR, f"is not watched for {name} any more"


def _is_about(threshold: Threshold, station: Station, beat: Beat) -> bool:
    own = {"station": station.station, "site": station.site, "collector": beat.collector}
    return all(
        matcher.match(lambda name: own.get(name) or beat.labels.get(name, "")) is not None
        for matcher in threshold.matchers
    )


def _may_be_about(threshold: Threshold, station: Station) -> bool:
    """Whether some beat of the station can be what the threshold is about: another may tell other labels."""
    own = {"station": station.station, "site": station.site}
    return all(matcher.match(own.__getitem__) is not None for matcher in threshold.matchers if own.get(matcher.field))


def _is_over(threshold: Threshold, beat: Beat) -> bool:
    if threshold.clears is None:
        return threshold.raises.match(beat.labels.__getitem__) is None
    return threshold.clears.match(beat.labels.__getitem__) is not None


def _is_number(text: str) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return number == number  # noqa: PLR0124 - not a number is no number


def _clocked(
    station: Station, beat: Beat, policy: Policy, *, seen_ms: int, told: list[tuple[str, EventKind, str]]
) -> Station:
    """Compare the beat's own timestamp with ours."""
    if not policy.skew_s:
        told.append((STATION_CLOCK, EventKind.CLEAR, "is not watched for its clock any more"))
    elif beat.sent_ms is not None:
        off_ms = beat.sent_ms - beat.at_ms
        if STATION_CLOCK not in station.crossed:
            return _doubted(station, off_ms, policy, passed_ms=beat.at_ms - seen_ms, told=told)
        if abs(off_ms) < policy.skew_s * 500:
            told.append((STATION_CLOCK, EventKind.CLEAR, "has a clock that is right again"))
    return station


def _doubted(
    station: Station, off_ms: int, policy: Policy, *, passed_ms: int, told: list[tuple[str, EventKind, str]]
) -> Station:
    """Count the beats in a row by which its clock seems wrong."""
    if abs(off_ms) <= policy.skew_s * 1000:
        return replace(station, skewed=0) if station.skewed else station
    if passed_ms < min(station.interval_s, _APART_S) * 500:
        return station
    if station.skewed + 1 < SKEWED_BEATS:
        return replace(station, skewed=station.skewed + 1)
    where = "ahead" if off_ms > 0 else "behind"
    told.append((STATION_CLOCK, EventKind.RAISE, f"has a clock that is {span(abs(off_ms))} {where}"))
    return replace(station, skewed=0)


def _signal(station: Station, name: str, kind: EventKind, words: str, *, cause: str = "") -> Signal:
    labels = {"cause": cause or ("clock" if name == STATION_CLOCK else "threshold")}
    if station.site:
        labels["site"] = station.site
    return Signal(kind=kind, condition=name, summary=f"Station {station.station} {words}", labels=labels)

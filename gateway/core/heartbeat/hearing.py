"""What a station's message changes: a beat, a birth, a last will, a farewell, or what the broker remembers."""

import math
from dataclasses import replace

from gateway.core.event import Beat, BeatKind, EventKind
from gateway.core.heartbeat.leaving import left
from gateway.core.heartbeat.life import looks_replayed, of_an_earlier_life, repeats
from gateway.core.heartbeat.owed import gaps_with, interval_of, next_due_ms
from gateway.core.heartbeat.signals import signal_of, span
from gateway.core.measure import measured
from gateway.core.station import NEVER, STATION_DOWN, STATION_FAULT, Change, Policy, Signal, Station, StationState


def heard(station: Station | None, beat: Beat, policy: Policy, *, observed_s: float) -> Change:
    """Take a station's message; ``station`` is None for one never heard of.

    A station that has only left, or of which only the broker spoke (a retained message, a last will), comes back with
    ``beats == 0`` and no deadline: the caller need not keep it.
    """
    if station is None:
        station = Station(station=beat.station, site=beat.site, collector=beat.collector)
    if beat.retained:
        return _remembered(station, beat, policy, observed_s=observed_s), ()
    signals: tuple[Signal, ...] = ()
    if beat.kind in (BeatKind.WILL, BeatKind.LEAVE) and of_an_earlier_life(station, beat):
        return station, ()
    if beat.kind is BeatKind.WILL:
        station = _willed(station, policy, observed_s=observed_s)
    elif beat.kind is BeatKind.LEAVE:
        station, signals = left(station, beat)
    elif repeats(station, beat):
        return station, ()
    elif looks_replayed(station, beat):
        station = replace(station, doubted=(beat.sent_ms or 0, beat.at_ms))
    else:
        seen_ms = station.seen_ms
        station, signals = _alive(station, beat, policy, observed_s=observed_s)
        if policy.thresholds or policy.skew_s or station.crossed:
            station, more = measured(station, beat, policy, seen_ms=seen_ms)
            signals += more
        return (station, signals) if beat.fault == station.fault else _judged(station, beat, signals)
    # No sign of life, yet a fault told is a fault told; that it is over only a living station can say.
    return _judged(station, beat, signals) if beat.fault else (station, signals)


def _alive(station: Station, beat: Beat, policy: Policy, *, observed_s: float) -> Change:
    birth = beat.kind is BeatKind.BIRTH
    beats = station.beats + 1
    endless = birth and beat.interval_s == math.inf
    state, back = _next_state(station, policy, beats=beats, birth=birth, endless=endless)
    gaps, counted_s = gaps_with(station, policy, observed_s=observed_s)
    interval_s, source = interval_of(station, policy, announced=beat.interval_s, gaps=gaps)
    grace_s = policy.grace(interval_s)
    expected_ms, owed_s = 0, interval_s
    if policy.schedule is not None:
        expected_ms = next_due_ms(station, policy.schedule, slots=policy.slots, now_ms=beat.at_ms)
        owed_s = (expected_ms - beat.at_ms) / 1000 if expected_ms else NEVER
    down = state is StationState.DOWN
    alive = Station(  # spelled out: `replace` takes four times as long, and this is where beats spend their time
        station=station.station,
        site=beat.site or station.site,
        collector=beat.collector,
        state=state,
        interval_s=interval_s,
        interval_from=source,
        grace_s=grace_s,
        seen_ms=beat.at_ms,
        expected_ms=expected_ms,
        deadline_s=observed_s + owed_s + grace_s,
        beats=beats,
        misses=station.misses if down else 0,
        back=back,
        down_since_ms=station.down_since_ms if down else 0,
        covered=station.covered if down else False,
        told=station.told if down else False,
        fault=station.fault,
        crossed=station.crossed,
        skewed=station.skewed,
        born=station.born or birth,
        will=False,
        session=station.session if beat.session is None else beat.session,
        sequence=station.sequence if beat.sequence is None else beat.sequence,
        sent_ms=station.sent_ms if beat.sent_ms is None else min(beat.sent_ms, beat.at_ms),
        doubted=None,
        gaps=gaps,
        counted_s=counted_s,
    )
    if down or not station.told:
        return alive, ()
    away = f"back after {span((beat.at_ms - station.down_since_ms) / 1000)}{'' if policy.slots else ' down'}"
    words = away if station.state is StationState.DOWN else "heard, and is not down"
    return alive, (signal_of(alive, EventKind.CLEAR, STATION_DOWN, f"is {words}", cause="beat"),)


def _next_state(
    station: Station, policy: Policy, *, beats: int, birth: bool, endless: bool
) -> tuple[StationState, int]:
    """The state after a sign of life, and how far a station that was down has come back."""
    if station.state is StationState.DOWN:
        if endless or policy.schedule is not None:
            return StationState.UP, 0  # no beat will confirm it, or not soon
        back = station.back + (max(1, policy.recovery_beats - 1) if birth else 1)
        return (StationState.UP, 0) if back >= policy.recovery_beats else (StationState.DOWN, back)
    listed = policy.must_appear_s is not None or policy.schedule is not None
    settled = beats >= policy.settle_beats or listed or endless
    return (StationState.UP if settled else StationState.NEW), 0


def _judged(station: Station, beat: Beat, signals: tuple[Signal, ...]) -> Change:
    """Compare what the station says of itself with what we know: raise once, clear once, after ``signals``."""
    if bool(beat.fault) is bool(station.fault):
        return replace(station, fault=beat.fault), signals
    if beat.fault:
        signal = signal_of(station, EventKind.RAISE, STATION_FAULT, f"reports a fault: {beat.fault}", cause="fault")
    else:
        signal = signal_of(station, EventKind.CLEAR, STATION_FAULT, "reports that it is well again", cause="beat")
    return replace(station, fault=beat.fault), (*signals, signal)


def _willed(station: Station, policy: Policy, *, observed_s: float) -> Station:
    """A last will is a hint: connections break and come back, so a fresh beat within the hold cancels it."""
    if station.state not in (StationState.NEW, StationState.UP, StationState.LATE) or station.beats == 0:
        return station
    hold_s = policy.will_hold_s if station.born else policy.will_hold_intervals * station.interval_s
    return replace(station, will=True, deadline_s=min(station.deadline_s, observed_s + hold_s))


def _remembered(station: Station, beat: Beat, policy: Policy, *, observed_s: float) -> Station:
    """The broker's memory proves no life, raises nothing and clears nothing; its bad news are hints all the same."""
    match beat.kind:
        case BeatKind.BIRTH:
            return station if station.born else replace(station, born=True)
        case BeatKind.WILL:
            return _willed(station, policy, observed_s=observed_s)
        case BeatKind.LEAVE if station.state in (StationState.UP, StationState.LATE):
            return replace(left(station, beat)[0], told=station.told)
        case _:
            return station

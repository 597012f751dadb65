"""Decide when a station's silence becomes an event, and when its voice ends it.

A station owes a beat every ``interval``. ``grace`` later it is *late*; when that is confirmed, *down*: a raise. Beats
bring it back: a clear. Three things are no sign of life: what the broker replays from its memory (retained), what we
have already heard (same sequence and timestamp), and what was sent long before the last beat we accepted.

Deadlines are on the observed clock (see `Station`); timestamps in payloads serve only to find replays, since devices'
clocks are wrong more often than they are right.

The caller keeps the returned station once the signals are on disk; then a beat that upstream repeats because we did
not acknowledge it finds the old station and says the same again. No beat repeats a silence: before it is told, the
caller stores the old station as `telling`, so that its next beat clears what may have been told.
"""

import math
from dataclasses import replace

from gateway.core.event import Beat, BeatKind, EventKind
from gateway.core.measure import forgotten, measured
from gateway.core.station import (
    EVENT_MISSING,
    EXPECTED,
    NEVER,
    STATION_DOWN,
    STATION_FAULT,
    IntervalFrom,
    Policy,
    Schedule,
    Signal,
    Station,
    StationState,
    StationVerb,
)

__all__ = [
    "NEVER",
    "STATION_DOWN",
    "STATION_FAULT",
    "IntervalFrom",
    "Policy",
    "Signal",
    "Station",
    "StationState",
    "awaited",
    "covered",
    "expect",
    "expired",
    "heard",
    "ordered",
    "outlived",
    "resighted",
    "resumed",
    "retired",
    "telling",
]

PRESENCE_BACK_S = 300.0
"""How long after an outage of its site a station that owes no beats has to come back."""
EARLY_MS = 60_000
"""A beat so long before its time counts for it: clocks differ; of times that come often, a quarter of what is between."""
FORGIVEN_MS = 60_000
"""Having heard nothing for longer, we don't know what was due meanwhile; who gets no answer tries again for so long."""

Heard = tuple[Station, tuple[Signal, ...]]


# --- what comes in -------------------------------------------------------------------------------


def heard(station: Station | None, beat: Beat, policy: Policy, *, observed_s: float) -> Heard:
    """Take a station's message; ``station`` is None for one never heard of.

    A station that has only left, or of which only the broker spoke (a retained message, a last will), comes back with
    ``beats == 0`` and no deadline: the caller need not keep it.
    """
    if station is None:
        station = Station(station=beat.station, site=beat.site, collector=beat.collector)
    if beat.retained:
        return _remembered(station, beat, policy, observed_s=observed_s), ()
    signals: tuple[Signal, ...] = ()
    if beat.kind in (BeatKind.WILL, BeatKind.LEAVE) and _of_an_earlier_life(station, beat):
        return station, ()
    if beat.kind is BeatKind.WILL:
        station = _willed(station, policy, observed_s=observed_s)
    elif beat.kind is BeatKind.LEAVE:
        station, signals = _left(station, beat)
    elif _repeats(station, beat):
        return station, ()
    elif _looks_replayed(station, beat):
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


def expired(station: Station, policy: Policy, *, observed_s: float, now_ms: int) -> Heard:
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
        return alone, (_down_signal(alone, policy, now_ms=now_ms),)
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
    return down, (_down_signal(down, policy, now_ms=now_ms),)


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
        return _scheduled(station, policy.schedule, policy, observed_s=observed_s, now_ms=now_ms)
    owed_s = station.interval_s + station.grace_s
    return replace(station, deadline_s=observed_s + (owed_s if owed_s < NEVER else PRESENCE_BACK_S))


def expect(name: str, policy: Policy, *, observed_s: float, site: str = "") -> Station:
    """A listed station that was never heard: it has ``policy.must_appear_s`` to appear (for ever, if that is None)."""
    interval_s, source = _interval(None, policy, announced=None, gaps=())
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
        interval_s, source = _interval(None, policy, announced=None, gaps=())
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
        return _scheduled(station, schedule, policy, observed_s=observed_s, now_ms=now_ms)
    left_s = (expected_ms - now_ms) / 1000 + policy.grace(station.interval_s)
    return replace(station, deadline_s=observed_s + max(left_s, FORGIVEN_MS / 1000 if away_ms else 0.0))


def retired(station: Station) -> Heard:
    """The station was taken out of service: whatever was wrong with it is over. A beat would discover it anew."""
    signals = []
    if station.told:
        signals.append(_signal(station, EventKind.CLEAR, STATION_DOWN, "was taken out of service", cause="retired"))
    if station.fault:
        signals.append(_signal(station, EventKind.CLEAR, STATION_FAULT, "was taken out of service", cause="retired"))
    station, more = forgotten(station)
    gone = replace(
        station,
        state=StationState.RETIRED,
        fault="",
        will=False,
        covered=False,
        told=False,
        beats=0,
        gaps=(),
        expected_ms=0,
        deadline_s=NEVER,
    )
    return gone, (*signals, *more)


def ordered(station: Station, verb: StationVerb, policy: Policy, *, observed_s: float, now_ms: int) -> Heard:
    """Take a person's word about the station."""
    match verb:
        case StationVerb.RETIRE:
            return retired(station)
        case StationVerb.SLEEP:
            leave = Beat(collector=station.collector, station=station.station, at_ms=now_ms, kind=BeatKind.LEAVE)
            return _left(station, leave)
    if station.state not in (StationState.SLEEPING, StationState.RETIRED):
        return station, ()
    awake = StationState.UP if station.beats or policy.slots else StationState.NEW
    awake_again = replace(station, state=awake, expected_ms=0)
    return resumed(awake_again, policy, observed_s=observed_s, now_ms=now_ms), ()


# --- is it a sign of life ------------------------------------------------------------------------


def _of_an_earlier_life(station: Station, beat: Beat) -> bool:
    """Whether it tells the end of a connection older than the one that the last birth began: it came late.

    Sparkplug counts connections modulo 256. An end of a younger one than we know of is believed: its birth was lost.
    """
    if station.session is None or beat.session is None:
        return False
    return 0 < (station.session - beat.session) % 256 < 128  # noqa: PLR2004 - half of the circle is the past


def _repeats(station: Station, beat: Beat) -> bool:
    """Whether this is the beat we accepted last, delivered again.

    It says the same of its health, too: two beats in one second may differ in nothing else.
    """
    if beat.sequence is None and beat.sent_ms is None:
        return False
    sent_ms = None if beat.sent_ms is None else min(beat.sent_ms, beat.at_ms)
    same = beat.sequence == station.sequence and sent_ms == station.sent_ms
    return same and station.beats > 0 and beat.fault == station.fault


def _looks_replayed(station: Station, beat: Beat) -> bool:
    """Whether it was sent more than an interval before the last beat that we accepted.

    A device whose clock was set back looks the same at first; but its clock then runs at our pace, which a replayed
    backlog does not. So the second such beat is believed, if both clocks advanced alike between the two.
    """
    if beat.sent_ms is None or station.sent_ms is None:
        return False
    interval_ms = station.interval_s * 1000
    if beat.sent_ms >= station.sent_ms - interval_ms:
        return False
    if station.doubted is None:
        return True
    sent_ms, at_ms = station.doubted
    theirs, ours = beat.sent_ms - sent_ms, beat.at_ms - at_ms
    return theirs < interval_ms / 2 or abs(theirs - ours) > interval_ms / 2


# --- what it changes -----------------------------------------------------------------------------


def _alive(station: Station, beat: Beat, policy: Policy, *, observed_s: float) -> Heard:
    birth = beat.kind is BeatKind.BIRTH
    beats = station.beats + 1
    endless = birth and beat.interval_s == math.inf
    state, back = _next_state(station, policy, beats=beats, birth=birth, endless=endless)
    gaps, counted_s = _gaps(station, policy, observed_s=observed_s)
    interval_s, source = _interval(station, policy, announced=beat.interval_s, gaps=gaps)
    grace_s = policy.grace(interval_s)
    expected_ms, owed_s = 0, interval_s
    if policy.schedule is not None:
        next_ms = _next_slot_ms if policy.slots else _next_ms
        expected_ms = next_ms(station, policy.schedule, now_ms=beat.at_ms)
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
    away = f"back after {_span((beat.at_ms - station.down_since_ms) / 1000)}{'' if policy.slots else ' down'}"
    words = away if station.state is StationState.DOWN else "heard, and is not down"
    return alive, (_signal(alive, EventKind.CLEAR, STATION_DOWN, f"is {words}", cause="beat"),)


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


def _judged(station: Station, beat: Beat, signals: tuple[Signal, ...]) -> Heard:
    """Compare what the station says of itself with what we know: raise once, clear once, after ``signals``."""
    if bool(beat.fault) is bool(station.fault):
        return replace(station, fault=beat.fault), signals
    if beat.fault:
        signal = _signal(station, EventKind.RAISE, STATION_FAULT, f"reports a fault: {beat.fault}", cause="fault")
    else:
        signal = _signal(station, EventKind.CLEAR, STATION_FAULT, "reports that it is well again", cause="beat")
    return replace(station, fault=beat.fault), (*signals, signal)


def _willed(station: Station, policy: Policy, *, observed_s: float) -> Station:
    """A last will is a hint: connections break and come back, so a fresh beat within the hold cancels it."""
    if station.state not in (StationState.NEW, StationState.UP, StationState.LATE) or station.beats == 0:
        return station
    hold_s = policy.will_hold_s if station.born else policy.will_hold_intervals * station.interval_s
    return replace(station, will=True, deadline_s=min(station.deadline_s, observed_s + hold_s))


def _left(station: Station, beat: Beat) -> Heard:
    """It went on purpose: silence is no outage from now on, and one that was open is over."""
    if station.state is StationState.RETIRED:
        return station, ()
    asleep = replace(
        station,
        state=StationState.SLEEPING,
        site=beat.site or station.site,
        will=False,
        misses=0,
        back=0,
        down_since_ms=0,
        covered=False,
        told=False,
        deadline_s=NEVER,
    )
    if not station.told:
        return asleep, ()
    return asleep, (_signal(asleep, EventKind.CLEAR, STATION_DOWN, "says that it left on purpose", cause="leave"),)


def _remembered(station: Station, beat: Beat, policy: Policy, *, observed_s: float) -> Station:
    """The broker's memory proves no life, raises nothing and clears nothing; its bad news are hints all the same."""
    match beat.kind:
        case BeatKind.BIRTH:
            return station if station.born else replace(station, born=True)
        case BeatKind.WILL:
            return _willed(station, policy, observed_s=observed_s)
        case BeatKind.LEAVE if station.state in (StationState.UP, StationState.LATE):
            return replace(_left(station, beat)[0], told=station.told)
        case _:
            return station


# --- schedules -----------------------------------------------------------------------------------


def _next_ms(station: Station, schedule: Schedule, *, now_ms: int) -> int:
    """When the next beat is due after one at ``now_ms``; 0 if never again."""
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


def _scheduled(station: Station, schedule: Schedule, policy: Policy, *, observed_s: float, now_ms: int) -> Station:
    """The station with its next time before it, whatever was due until now."""
    expected_ms = schedule.after(now_ms)
    if policy.slots and expected_ms is not None:
        expected_ms = schedule.after(expected_ms)  # in the slot that is begun one may have come unheard
    if expected_ms is None:
        return replace(station, expected_ms=0, deadline_s=NEVER)
    left_s = (expected_ms - now_ms) / 1000 + policy.grace(station.interval_s)
    return replace(station, expected_ms=expected_ms, deadline_s=observed_s + left_s)


# --- intervals -----------------------------------------------------------------------------------


def _gaps(station: Station, policy: Policy, *, observed_s: float) -> tuple[tuple[int, ...], float]:
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


def _interval(
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


# --- words ---------------------------------------------------------------------------------------


def _down_signal(station: Station, policy: Policy, *, now_ms: int) -> Signal:
    schedule = policy.schedule if station.expected_ms else None
    due = f"interval {_span(station.interval_s)}" if schedule is None else f"schedule {schedule}"
    terms = f"{due}, grace {_span(station.grace_s)}"
    heard = f"last heard {_span((now_ms - station.seen_ms) / 1000)} ago ({terms})"
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
    return _signal(station, EventKind.RAISE, STATION_DOWN, words, cause=cause)


def _signal(station: Station, kind: EventKind, condition: str, words: str, *, cause: str) -> Signal:
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


def _span(seconds: float) -> str:
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

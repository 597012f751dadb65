"""How a station ceases to owe beats, by its own word or a person's, and is woken."""

from dataclasses import replace

from gateway.core.event import Beat, BeatKind, EventKind
from gateway.core.heartbeat.signals import signal_of
from gateway.core.heartbeat.taking_up import resumed
from gateway.core.measure import forgotten
from gateway.core.station import NEVER, STATION_DOWN, STATION_FAULT, Change, Policy, Station, StationState, StationVerb


def left(station: Station, beat: Beat) -> Change:
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
    return asleep, (signal_of(asleep, EventKind.CLEAR, STATION_DOWN, "says that it left on purpose", cause="leave"),)


def retired(station: Station) -> Change:
    """The station was taken out of service: whatever was wrong with it is over. A beat would discover it anew."""
    signals = []
    if station.told:
        signals.append(signal_of(station, EventKind.CLEAR, STATION_DOWN, "was taken out of service", cause="retired"))
    if station.fault:
        signals.append(signal_of(station, EventKind.CLEAR, STATION_FAULT, "was taken out of service", cause="retired"))
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


def ordered(station: Station, verb: StationVerb, policy: Policy, *, observed_s: float, now_ms: int) -> Change:
    """Take a person's word about the station."""
    match verb:
        case StationVerb.RETIRE:
            return retired(station)
        case StationVerb.SLEEP:
            leave = Beat(collector=station.collector, station=station.station, at_ms=now_ms, kind=BeatKind.LEAVE)
            return left(station, leave)
    if station.state not in (StationState.SLEEPING, StationState.RETIRED):
        return station, ()
    awake = StationState.UP if station.beats or policy.slots else StationState.NEW
    awake_again = replace(station, state=awake, expected_ms=0)
    return resumed(awake_again, policy, observed_s=observed_s, now_ms=now_ms), ()

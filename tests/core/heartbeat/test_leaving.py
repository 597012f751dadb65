"""How a station ceases to owe beats, and is woken."""

from gateway.core.event import BeatKind, EventKind
from gateway.core.heartbeat import retired
from gateway.core.station import NEVER, STATION_DOWN, STATION_FAULT, StationState, StationVerb
from tests.core.heartbeat.conftest import Watch


def test_a_station_that_left_may_be_silent() -> None:
    watch = Watch()
    watch.beats(3)
    assert watch.hear(BeatKind.LEAVE) == []
    assert watch.wait(1_000_000) == []
    assert watch.state == "sleeping"
    watch.hear()
    assert watch.state == "up"
    assert watch.station.gaps[-1] == 60, "sleep is no gap between beats"


def test_leaving_ends_an_outage() -> None:
    assert Watch().fell().hear(BeatKind.LEAVE) == ["clear station_down"]


def test_a_retained_farewell_puts_to_sleep_but_ends_no_outage() -> None:
    watch = Watch()
    watch.beats(3)
    watch.hear(BeatKind.LEAVE, retained=True)
    assert watch.state == "sleeping"
    watch = Watch().fell()
    assert watch.hear(BeatKind.LEAVE, retained=True) == []
    assert watch.state == "down"


def test_retiring_ends_what_was_wrong_and_a_beat_discovers_it_anew() -> None:
    watch = Watch().fell()
    watch.hear(fault="door")
    gone, signals = retired(watch.station)
    assert [(signal.kind, signal.condition) for signal in signals] == [
        (EventKind.CLEAR, STATION_DOWN),
        (EventKind.CLEAR, STATION_FAULT),
    ]
    assert (gone.state, gone.deadline_s, retired(gone)) == (StationState.RETIRED, NEVER, (gone, ()))
    watch.station = gone
    watch.hear(BeatKind.LEAVE)
    watch.hear(BeatKind.WILL)
    assert watch.state == "retired"
    watch.hear()
    assert (watch.state, watch.station.beats) == ("new", 1)


def test_who_is_put_to_sleep_may_be_silent_until_it_is_woken() -> None:
    watch = Watch().fell()
    assert watch.order(StationVerb.SLEEP) == ["clear station_down"]
    assert watch.wait(100_000) == []
    assert watch.order(StationVerb.WAKE) == []
    assert watch.state == "up"
    assert watch.wait(99) == []
    assert watch.wait(2) != []


def test_who_is_retired_is_well_until_it_beats_again() -> None:
    watch = Watch().fell()
    assert watch.order(StationVerb.RETIRE) == ["clear station_down"]
    assert watch.wait(100_000) == []
    watch.order(StationVerb.WAKE)
    assert watch.state == "new"
    assert watch.order(StationVerb.WAKE) == []
    watch.beats(3)
    assert watch.state == "up"

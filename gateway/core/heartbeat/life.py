"""What is a sign of life, and what only looks like one: said before, said long ago, or said of an earlier life."""

from gateway.core.event import Beat
from gateway.core.station import Station


def of_an_earlier_life(station: Station, beat: Beat) -> bool:
    """Whether it tells the end of a connection older than the one that the last birth began: it came late.

    Sparkplug counts connections modulo 256. An end of a younger one than we know of is believed: its birth was lost.
    """
    if station.session is None or beat.session is None:
        return False
    return 0 < (station.session - beat.session) % 256 < 128  # noqa: PLR2004 - half of the circle is the past


def repeats(station: Station, beat: Beat) -> bool:
    """Whether this is the beat we accepted last, delivered again.

    It says the same of its health, too: two beats in one second may differ in nothing else.
    """
    if beat.sequence is None and beat.sent_ms is None:
        return False
    sent_ms = None if beat.sent_ms is None else min(beat.sent_ms, beat.at_ms)
    same = beat.sequence == station.sequence and sent_ms == station.sent_ms
    return same and station.beats > 0 and beat.fault == station.fault


def looks_replayed(station: Station, beat: Beat) -> bool:
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

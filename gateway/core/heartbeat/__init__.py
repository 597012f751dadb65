"""Decide when a station's silence becomes an event, and when its voice ends it.

A station owes a beat every ``interval``. ``grace`` later it is *late*; when that is confirmed, *down*: a raise. Beats
bring it back: a clear. Three things are no sign of life: what the broker replays from its memory (retained), what we
have already heard (same sequence and timestamp), and what was sent long before the last beat we accepted.

Deadlines are on the observed clock (see `Station`); timestamps in payloads serve only to find replays, since devices'
clocks are wrong more often than they are right.

The caller keeps the returned station once the signals are on disk; then a beat that upstream repeats because we did
not acknowledge it finds the old station and says the same again. No beat repeats a silence: before it is told, the
caller stores the old station as `telling`, so that its next beat clears what may have been told.

`hearing` takes messages: `life` knows a sign of life, `owed` when the next is due. `silence` takes deadlines, `taking_up`
begins them, `leaving` ends them. `signals` finds the words. Values are in `gateway.core.station`.
"""

from gateway.core.heartbeat.hearing import heard
from gateway.core.heartbeat.leaving import ordered, retired
from gateway.core.heartbeat.silence import covered, expired, outlived, telling
from gateway.core.heartbeat.taking_up import awaited, expect, resighted, resumed

__all__ = [
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

"""The watch over stations: beats come in from every collector, silence becomes an event.

`watch` takes beats and people's words, and `keeper` keeps what becomes of stations: `edges` brings what changed for people
to the disk and `unsaved` the rest. `taking_up` says who is under watch. `observed` winds the clock that deadlines are on;
`silence` takes those that have come, together with a station's `neighbours`, and `outages` tells what many have in common.
`turn` bounds how many are looked at without a break. What silence means is decided by `gateway.core`: `heartbeat` (one
station), `terms` (what it owes), `sites` (many), `feed` (whether we can believe what we hear).

On failure: an edge is told first and its station stored next, before the beat is acknowledged: whenever we die, the
beat comes again and finds the station as it was, so that the edge is told again and never missed. A silence, which no
beat brings again, is announced on disk before it is told: whenever we die, the station's return clears it. What the disk
refuses stays due.
"""

from gateway.watch.watch import Watch

__all__ = ["Watch"]

"""When to search for garbage: what is young often, all there is only when it has grown much.

Python counts what is made less what is dropped. Where a million stations that beat take each other's place, its own search
comes seldom and finds a long list then: the event loop stood still for 31 ms, and for a second when all was searched. Little
that we drop is in a cycle, and that mostly dies young; what does not (five objects of each HTTP connection) waits.
"""

import gc
import sys
from itertools import count

from gateway.plugin import Clock

EVERY_S = 0.1
"""Time between two searches of what is young. What is older is left in peace: a search costs as much as was made since."""
LOOK_EVERY = 600
"""Searches after which we see how much there is: what is there for less than a minute is a storm."""
GROWTH = 1.5
"""All is searched when there is so many times as much memory in use as after the last such search."""


class Garbage:
    """Searches for garbage in Python's place."""

    def __init__(self) -> None:
        """Leave what is loaded by now in peace for ever, for it stays."""
        gc.collect()
        gc.freeze()
        self._enough = GROWTH * sys.getallocatedblocks()

    async def search(self, clock: Clock) -> None:
        """Search until cancelled; Python does so itself then."""
        gc.disable()
        try:
            for turn in count(1):
                await clock.sleep(EVERY_S)
                if turn % LOOK_EVERY == 0 and sys.getallocatedblocks() > self._enough:
                    gc.collect()
                    self._enough = GROWTH * sys.getallocatedblocks()
                else:
                    gc.collect(0)
        finally:
            gc.unfreeze()
            gc.enable()

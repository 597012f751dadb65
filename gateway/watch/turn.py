"""A budget of looks at stations, so that a million of them hold nobody up."""

import asyncio
from collections.abc import Generator
from typing import TypeVar

LOOKS_MOST = 250
"""Looks before the loop gets its turn; at a million stations each takes 5 to 15 us, since no cache holds them all."""

T = TypeVar("T")


class Turn:
    """One turn of the event loop, which all that look at many stations share."""

    def __init__(self) -> None:
        """A whole turn is left."""
        self._left = LOOKS_MOST

    async def took(self, looks: int = 1) -> None:
        """Stations were looked at: if that was enough for one turn, the others have theirs."""
        self._left -= looks
        if self._left <= 0:
            await self.ends()

    async def through(self, work: Generator[int, None, T]) -> T:
        """Do ``work``, which tells now and then how many looks it took, in as many turns as it needs."""
        while True:
            try:
                looks = next(work)
            except StopIteration as done:
                result: T = done.value
                return result
            await self.took(looks)

    async def ends(self) -> None:
        """Let the others have their turn."""
        self._left = LOOKS_MOST
        await asyncio.sleep(0)

"""The system's clock, as the host gives it to everything else.

Wall time is anchored to the monotonic clock at start, so a stepped wall clock fires no timer early and loses none.
"""

import asyncio
import time
from typing import Protocol, runtime_checkable

STEP_MS = 60_000
"""A step of the wall clock greater than this moves the stored deadlines with it."""


@runtime_checkable
class Steps(Protocol):
    """A clock whose wall time somebody may set."""

    def jump_ms(self) -> int:
        """How far the wall clock has moved away from ours."""
        ...

    def follow(self, jump_ms: int) -> None:
        """Accept the step."""
        ...


class SystemClock:
    """Wall time that a step of the system clock does not move; `jump_ms` tells how far the two have come apart."""

    def __init__(self) -> None:
        self._anchor_ms = _wall_ms() - _monotonic_ms()

    def now_ms(self) -> int:
        """Epoch milliseconds, advancing with the monotonic clock."""
        return self._anchor_ms + time.monotonic_ns() // 1_000_000  # spelled out: each beat and trap asks

    def monotonic_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for ``event`` on the event loop, at most ``seconds``."""
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await event.wait()
        except TimeoutError:
            return event.is_set()

    def jump_ms(self) -> int:
        """How far the system's wall clock has moved away from ours; 0 unless somebody set it."""
        return _wall_ms() - self.now_ms()

    def follow(self, jump_ms: int) -> None:
        """Accept a step of the wall clock; the caller shifts the deadlines it stored by the same amount."""
        self._anchor_ms += jump_ms


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000

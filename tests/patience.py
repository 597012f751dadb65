"""How long a test waits for what must come. What comes is seen at once: only a failure takes so long.

A wait is over when it was long by the wall clock *and* this process has had time of the processor for it: on a machine
that has other work it lasts longer, up to a bound. A defect fails many tests, a busy machine few: so each wait in vain
halves the patience of those after it, and what is broken shows itself in seconds, not hours.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

LONG_S, LONG_CPU_S = 10.0, 1.0
"""So patient is a wait at first."""
SHORT_S, SHORT_CPU_S = 1.0, 0.1
"""And at least."""
LONGEST_S = 60.0
"""However busy the machine is."""


class Patience:
    """One wait: begun when it is made, to be asked after each look."""

    in_vain = 0
    """Waits of this process that saw nothing."""

    def __init__(self) -> None:
        self._began_s, self._began_cpu_s = time.monotonic(), time.process_time()

    def is_over(self) -> bool:
        """Whether what has not come by now is taken for missing."""
        waited_s, used_s = time.monotonic() - self._began_s, time.process_time() - self._began_cpu_s
        halves = 2**Patience.in_vain
        had_time = used_s > max(SHORT_CPU_S, LONG_CPU_S / halves)
        over = (waited_s > max(SHORT_S, LONG_S / halves) and had_time) or waited_s > LONGEST_S
        Patience.in_vain += over
        return over


async def until(look: Callable[[], Any], *, pause: Callable[[], Awaitable[Any]]) -> Any:
    """What ``look`` (a function, or a coroutine function) says as soon as that is true, or last when patience is over."""
    patience = Patience()
    while True:
        seen = look()
        if asyncio.iscoroutine(seen):
            seen = await seen
        if seen or patience.is_over():
            return seen
        await pause()

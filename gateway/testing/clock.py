"""A clock that moves only when a test says so."""

import asyncio
import heapq
import itertools

START_MS = 1_795_305_600_000
"""2026-11-22T00:00:00Z: where a test's time begins unless it says otherwise."""


class ManualClock:
    """Virtual time: `advance` wakes every sleeper on its way, in order, each at its own instant."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self._start_ms = start_ms
        self._elapsed_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._serial = itertools.count()

    def now_ms(self) -> int:
        """Epoch milliseconds of virtual time."""
        return self._start_ms + round(self._elapsed_s * 1000)

    def monotonic_s(self) -> float:
        """Virtual seconds since the clock was made."""
        return self._elapsed_s

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has passed the instant; 0 or less yields once."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        await self._alarm(seconds)

    async def wait(self, event: asyncio.Event, seconds: float) -> bool:
        """Wait for ``event`` until `advance` has passed the instant."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return event.is_set()
        alarm = self._alarm(seconds)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(None) as limit:
                alarm.add_done_callback(lambda rung: None if rung.cancelled() else limit.reschedule(loop.time()))
                return await event.wait()
        except TimeoutError:
            return event.is_set()
        finally:
            alarm.cancel()

    def _alarm(self, seconds: float) -> asyncio.Future[None]:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._elapsed_s + seconds, next(self._serial), future))
        return future

    def jump_ms(self) -> int:
        """Virtual wall time never steps by itself."""
        return 0

    def follow(self, jump_ms: int) -> None:
        """Move the wall clock, not the monotonic one."""
        self._start_ms += jump_ms

    async def advance(self, seconds: float, *, settle: int = 20) -> None:
        """Move time by ``seconds``, waking sleepers in order; each gets ``settle`` turns of the loop to act."""
        target = self._elapsed_s + seconds
        await turns(settle)
        while self._sleepers and self._sleepers[0][0] <= target:
            at, _, future = heapq.heappop(self._sleepers)
            self._elapsed_s = max(self._elapsed_s, at)
            if not future.done():
                future.set_result(None)
                await turns(settle)
        self._elapsed_s = target
        await turns(settle)


async def turns(count: int) -> None:
    """Let the event loop run ``count`` turns."""
    for _ in range(count):
        await asyncio.sleep(0)

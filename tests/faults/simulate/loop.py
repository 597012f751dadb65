"""An event loop on which time is a number: it jumps to the next timer when nothing else can run.

It runs what the product runs on `asyncio`'s own loop (tasks, futures, timeouts, task groups), alone in its thread, with
no sockets, no threads and no waiting: the same start always leads to the same end.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

MOST_STEPS = 500_000
"""Callbacks in one life: more is an endless loop."""
STEPS_PER_MICROSECOND = 200
"""Work takes time, if little: who waits for a time too short for a float's precision is not kept waiting for ever."""


class EndlessLoopError(Exception):
    """The program runs and runs, and virtual time stands still."""


class SimLoop(asyncio.AbstractEventLoop):
    """One process's event loop; thrown away when the process dies."""

    def __init__(self, now_s: float, *, tell: Callable[[str], None]) -> None:
        """Begin at ``now_s``; ``tell`` hears of exceptions that nobody caught."""
        self._now_s = now_s
        self._tell = tell
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._serial = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.halted = False

    # --- what asyncio asks of a loop --------------------------------------------------------------

    def time(self) -> float:
        return self._now_s

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: Any = None) -> Any:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self.tasks.append(task)
        return task

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: Any = None) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now_s + max(0.0, delay), callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        self._serial += 1
        heapq.heappush(self._timers, (when, self._serial, timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are skipped when their turn comes."""

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.halted:
            self._tell(f"{context.get('message')}: {context.get('exception')!r}")

    # --- running ----------------------------------------------------------------------------------

    def run_until(self, end_s: float, *, enough: Callable[[], bool]) -> None:
        """Run until ``end_s``, until ``enough()`` (asked whenever time is about to pass), or until `halt`."""
        asyncio._set_running_loop(self)
        steps = 0
        try:
            while not self.halted:
                while self._ready and not self.halted:
                    steps += 1
                    if steps > MOST_STEPS:
                        raise EndlessLoopError(f"{steps} callbacks by {self._now_s:.3f} s")
                    if steps % STEPS_PER_MICROSECOND == 0:
                        self._now_s += 1e-6
                    self._turn()
                if self.halted or enough():
                    return
                if not self._pass_time(end_s):
                    return
        finally:
            asyncio._set_running_loop(None)

    def halt(self) -> None:
        """Stop at once: the process is dead."""
        self.halted = True

    def bury(self) -> None:
        """Take down what the dead process leaves; nothing that it still does reaches the world."""
        self.halted = True
        asyncio._set_running_loop(self)
        try:
            for _ in range(10):
                left = [task for task in self.tasks if not task.done()]
                if not left:
                    break
                for task in left:
                    task.cancel()
                while self._ready:
                    self._turn()
        finally:
            asyncio._set_running_loop(None)
        for task in self.tasks:
            if task.done() and not task.cancelled():
                task.exception()  # seen: the dead have nothing more to say
        self.tasks.clear()
        self._timers.clear()

    def _turn(self) -> None:
        handle = self._ready.popleft()
        if not handle._cancelled:  # type: ignore[attr-defined]
            handle._run()

    def _pass_time(self, end_s: float) -> bool:
        timers = self._timers
        while timers and timers[0][2]._cancelled:  # type: ignore[attr-defined]
            heapq.heappop(timers)
        if not timers or timers[0][0] > end_s:
            self._now_s = max(self._now_s, end_s)
            return False
        when, _, timer = heapq.heappop(timers)
        self._now_s = max(self._now_s, when)
        self._ready.append(timer)
        return True

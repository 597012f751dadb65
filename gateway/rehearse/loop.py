"""An event loop whose time is a number: when nothing can run, it jumps to the next timer instead of waiting for it."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

import structlog

from gateway.clock import SystemClock

T = TypeVar("T")

SIMULTANEOUS_S = 1e-6


class StuckError(Exception):
    """Everything waits for something that nothing will ever do: a mistake of ours."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Runs what the daemon runs on asyncio's own loop, as fast as it can."""

    def __init__(self) -> None:
        self._now_s = 0.0
        super().__init__(_Impatient(self._pass))
        # After months a float is coarser than the nanosecond that asyncio takes for simultaneous.
        self._clock_resolution = SIMULTANEOUS_S

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now_s

    def _pass(self, seconds: float) -> None:
        self._now_s += seconds


class _Impatient(selectors.BaseSelector):
    """A selector that waits for nothing: told to, it lets virtual time pass."""

    def __init__(self, pass_time: Callable[[float], None]) -> None:
        self._real = selectors.DefaultSelector()
        self._pass_time = pass_time

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = self._real.select(0)
        if not found and timeout is None:
            raise StuckError("nothing is left to wait for")
        if not found and timeout:
            self._pass_time(timeout)
        return found

    def close(self) -> None:
        self._real.close()

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()


class VirtualClock(SystemClock):
    """The host's clock on a `VirtualLoop`: wall time begins where it is told to."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms

    def now_ms(self) -> int:
        """Epoch milliseconds of virtual time."""
        return self._start_ms + round(self.monotonic_s() * 1000)

    def monotonic_s(self) -> float:
        """Virtual seconds."""
        return asyncio.get_running_loop().time()

    def jump_ms(self) -> int:
        """Nobody sets a virtual clock."""
        return 0

    def follow(self, jump_ms: int) -> None:
        """Move the wall clock."""
        self._start_ms += jump_ms


@contextmanager
def _silent_logs() -> Iterator[None]:
    """Drop the daemon's lines: what it tells of a rehearsal is not happening."""
    configured = structlog.get_config()
    structlog.configure(processors=[_drop])
    try:
        yield
    finally:
        structlog.configure(**configured)


def _drop(_logger: Any, _method: str, _event: Any) -> Any:
    raise structlog.DropEvent


def rehearse(play: Coroutine[Any, Any, T]) -> T:
    """Run ``play`` on virtual time, to its end."""
    with _silent_logs(), asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(play)

"""One sink's share of the outbox: what is claimed when, and how each attempt ended."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import structlog

from gateway import metrics
from gateway.core.operation import Operation, OperationState, dead, failed, look_failed, unknown
from gateway.core.pace import Breaker, Budget
from gateway.core.reason import Failed, Reason
from gateway.core.text import one_line
from gateway.delivery.booking import Booking
from gateway.delivery.calls import Calls, Result, Work
from gateway.dry import DrySink
from gateway.plugin import Clock, FindsDuplicates, Reject, Retry, Sink, SinkError, SinkPlugin, Unauthorized
from gateway.store.api import Store, StoreError

log = structlog.get_logger()

CALL_TIMEOUT_S = 90.0
"""Longer than a sink's own timeouts: whoever is still silent then has an unknown outcome."""
SETTLE_RETRY_S = 1.0
PAUSE_S = 60.0
"""First pause of a sink whose credentials are refused; it doubles, up to the breaker's longest."""
LONGEST_SLEEP_S = 60.0
CONCURRENT_CALLS = 4
_TRACKER_TROUBLE = frozenset({Failed.CONNECTION, Failed.SERVER_ERROR, Failed.TIMEOUT, Failed.UNKNOWN_OUTCOME})


class SinkDelivery:
    """Delivers to one sink; `run` serves until cancelled."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        plugin: SinkPlugin,
        *,
        store: Store,
        clock: Clock,
        page: str = "",
        chance: Callable[[], float] = random.random,
        paused: Callable[[str, str], None] = lambda _sink, _why: None,
        call_timeout_s: float = CALL_TIMEOUT_S,
        accepted: Callable[[str], None] = lambda _sink: None,
    ) -> None:
        """Deliver to ``sink``; ``page`` links to an incident (``{incident}``).

        ``paused(name, why)`` is told when its credentials are refused, ``accepted(name)`` when they are good again (and
        once after a start, since a restart forgets that they were not).
        """
        self.name = name
        self.sink = sink
        self.breaker = Breaker()
        self._plugin = plugin
        self._clock = clock
        self._chance = chance
        self._calls = Calls(name, sink, plugin, clock=clock, page=page, chance=chance)
        self._tell_paused, self._tell_accepted = paused, accepted
        self._call_timeout_s = call_timeout_s
        self._credentials_good: bool | None = None
        self._ending = False
        self._budget = Budget(per_s=plugin.calls_per_s, burst=max(1.0, 2 * plugin.calls_per_s))
        self._wake = asyncio.Event()
        self._booking = Booking(
            name, plugin, store=store, clock=clock, finds_duplicates=isinstance(sink, FindsDuplicates)
        )
        self._resting = asyncio.Event()
        self._resting.set()
        metrics.SINK_UP.labels(name).set(1)

    def wake(self) -> None:
        """Say that there may be something to deliver."""
        self._wake.set()

    async def run(self) -> None:
        """Serve until cancelled; calls under way then have an unknown outcome, settled after the next start."""
        try:
            async with asyncio.TaskGroup() as calls:
                while True:
                    self._wake.clear()
                    wait_s = await self._round(calls)
                    if wait_s > 0:
                        await self._clock.wait(self._wake, min(wait_s, LONGEST_SLEEP_S))
        finally:
            self._booking.stop()

    async def rest(self) -> None:
        """Begin no more calls; return when none is under way, and how each ended is written down."""
        self._ending = True
        await self._resting.wait()

    async def _round(self, calls: asyncio.TaskGroup) -> float:
        """Write down what has ended, and start what may be started now; seconds until there may be more."""
        now_s = self._clock.monotonic_s()
        most, wait_s = self._room(now_s)
        if not most and not self._booking.ended:
            return wait_s
        self._resting.clear()  # what is being claimed is as good as under way
        try:
            booked = await self._booking.book(most)
        except StoreError:
            self._rest_if_idle()
            return SETTLE_RETRY_S
        self._rest_if_idle()
        for work in booked.claimed:
            self._budget.spend(now_s=now_s)
            call = calls.create_task(self._attempt(work), name=f"{self.name}-{work.operation.id}")
            call.add_done_callback(partial(self._ended, work.operation))
        if booked.more:
            return 0.0
        return LONGEST_SLEEP_S if booked.next_ms is None else max(0.05, (booked.next_ms - self._clock.now_ms()) / 1000)

    def _room(self, now_s: float) -> tuple[int, float]:
        """How many calls may begin; if none, seconds until some may."""
        under_way = self._booking.under_way
        free = CONCURRENT_CALLS - under_way if self.breaker.closed else 1 - under_way
        if free <= 0 or self._ending:
            return 0, LONGEST_SLEEP_S  # a finished call wakes us
        wait_s = max(self.breaker.wait_s(now_s=now_s), self._budget.wait_s(now_s=now_s))
        return (0, wait_s) if wait_s > 0 else (min(free, max(1, int(self._budget.tokens))), 0.0)

    # --- one attempt ------------------------------------------------------------------------------

    async def _attempt(self, work: Work) -> None:
        operation = work.operation
        metrics.ATTEMPTS.labels(self.name, operation.kind).inc()
        try:
            async with asyncio.timeout(self._call_timeout_s):
                with metrics.CALL_SECONDS.labels(self.name).time():
                    result = await self._calls.make(work)
        except Exception as error:  # noqa: BLE001 - whatever a plugin raises is judged here, so that nothing happens twice
            result = self._judge(work.after(self._clock), error)
        else:
            if result.asked:
                self._came_through()
                if isinstance(self.sink, DrySink):
                    result = replace(result, said=(Reason.UNCHANGED, f"in shadow, only recorded: {self.sink.last}"))
        if result.operation is not None and result.operation.state is OperationState.DEAD:
            why = result.operation.error
            log.error("operation.died", sink=self.name, operation=operation.id, incident=operation.incident, why=why)
            result = replace(result, said=(Reason.UNCHANGED, f"{self.name} refused: {why}"))
        self._booking.ended.append((work, result))

    def _ended(self, operation: Operation, call: asyncio.Task[None]) -> None:
        if call.cancelled():
            self._booking.cut_short(operation)
            self._rest_if_idle()
        self._wake.set()

    def _rest_if_idle(self) -> None:
        if self._booking.open == 0:
            self._resting.set()

    # --- how it ended -----------------------------------------------------------------------------

    def _judge(self, operation: Operation, error: Exception) -> Result:
        """What becomes of an operation whose attempt raised."""
        now_ms = self._clock.now_ms()
        reason = error.reason if isinstance(error, SinkError) else Failed.UNKNOWN_OUTCOME
        said = one_line(str(error) or type(error).__name__, 500)
        metrics.ATTEMPTS_FAILED.labels(self.name, reason).inc()
        if not isinstance(error, SinkError | TimeoutError):
            log.error("attempt.crashed", sink=self.name, operation=operation.id, exc_info=error)
        self._note_trouble(error, reason, said)
        return Result(self._after(operation, error, reason, said, now_ms=now_ms))

    def _after(self, operation: Operation, error: Exception, reason: Failed, said: str, *, now_ms: int) -> Operation:
        if isinstance(error, Reject):
            return dead(operation, said)
        if operation.state is OperationState.UNKNOWN:
            return look_failed(operation, said, now_ms=now_ms, lags_s=self._plugin.search_lag_s)
        if isinstance(error, Retry):
            after_ms = None if error.after_s is None else round(error.after_s * 1000)
            return failed(operation, reason, said, now_ms=now_ms, after_ms=after_ms, chance=self._chance())
        return unknown(operation, said, now_ms=now_ms, lags_s=self._plugin.search_lag_s)

    def _note_trouble(self, error: Exception, reason: Failed, said: str) -> None:
        now_s = self._clock.monotonic_s()
        was_closed = self.breaker.closed
        if isinstance(error, Unauthorized):
            self.breaker.pause(PAUSE_S, now_s=now_s)
            if self._credentials_good is not False:
                self._credentials_good = False
                self._tell_paused(self.name, said)
        elif not isinstance(error, SinkError | TimeoutError):
            pass  # a mistake in the plugin says nothing of the tracker
        elif reason in _TRACKER_TROUBLE:
            self.breaker.failed(now_s=now_s)
        else:
            self._came_through()  # it said no, but it answered
            if reason is Failed.RATE_LIMITED:
                after_s = error.after_s if isinstance(error, Retry) else None
                self._budget.pause(self.breaker.spare(after_s, now_s=now_s), now_s=now_s)
        if was_closed and not self.breaker.closed:
            metrics.SINK_UP.labels(self.name).set(0)
            log.error("sink.paused", sink=self.name, reason=reason.value, why=said)

    def _came_through(self) -> None:
        if not self.breaker.closed:
            metrics.SINK_UP.labels(self.name).set(1)
            log.info("sink.resumed", sink=self.name)
        self.breaker.succeeded()
        if not self._credentials_good:
            self._credentials_good = True
            self._tell_accepted(self.name)

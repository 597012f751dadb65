"""The desk's own thread: calls that wait at once are one transaction, so that a disk's sync is shared by all of them."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from sinks.local.desk import Desk

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Call:
    do: Callable[[Desk], Any]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class DeskThread:
    """Does calls in their order; those that come while it works wait, and are done together."""

    def __init__(self, desk: Desk, executor: ThreadPoolExecutor) -> None:
        """``executor`` has one thread, in which ``desk`` was opened."""
        self.desk = desk
        self._executor = executor
        self._waiting: list[_Call] = []
        self._busy = False

    def ask(self, do: Callable[[Desk], T]) -> asyncio.Future[T]:
        """What ``do`` gives, when it is on disk; raises what it raises, and what refuses the transaction."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._waiting.append(_Call(do, future))
        if not self._busy:
            self._busy = True
            loop.call_soon(self._send)  # with all that is asked in this turn of the loop
        return future

    def _send(self) -> None:
        calls = [call for call in self._waiting if not call.future.done()]  # whoever was cancelled wants it no more
        self._waiting.clear()
        self._busy = bool(calls)
        if calls:
            done = asyncio.get_running_loop().run_in_executor(self._executor, _do_all, self.desk, calls)
            done.add_done_callback(partial(self._answer, calls))

    def _answer(self, calls: Sequence[_Call], done: asyncio.Future[None]) -> None:
        failure = asyncio.CancelledError() if done.cancelled() else done.exception()
        for call in calls:
            error = failure or call.error
            if call.future.done():
                continue
            if error is not None:
                call.future.set_exception(error)
            else:
                call.future.set_result(call.result)
        self._send()


def _do_all(desk: Desk, calls: Sequence[_Call]) -> None:
    """One that fails is undone alone; if the transaction fails, nothing has happened, and all are told why."""
    if len(calls) == 1:
        _do(desk, calls[0])
        return
    try:
        with desk.together():
            for call in calls:
                _do(desk, call)
                if call.error is not None and not desk.is_together:
                    raise call.error
    except sqlite3.Error as error:
        for call in calls:
            call.error = call.error or error


def _do(desk: Desk, call: _Call) -> None:
    try:
        call.result = call.do(desk)
    except Exception as error:  # noqa: BLE001 - whoever asked is told
        call.error = error

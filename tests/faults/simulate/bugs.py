"""Broken promises, made on purpose: each must be found, or the harness is worth nothing.

Each is a part of a life (`Parts`) put in the place of the product's, as a careless change to the product would.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from gateway.core.event import Event
from gateway.core.operation import Operation, OperationState
from gateway.core.reason import Reason
from gateway.engine import Engine
from gateway.plugin import Receipt
from gateway.store.api import Store, Transaction
from tests.faults.simulate.life import Parts
from tests.faults.simulate.workloads import RAISE_CLEAR, RETRANSMITTED
from tests.faults.simulate.world import Workload

T = TypeVar("T")


class _EagerEngine(Engine):
    """Acknowledges what it has only heard."""

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        super().emit(event).add_done_callback(_heeded)
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        future.set_result(Receipt(incident="", reason=Reason.FIRST_RAISED))
        return future


class _ForgetfulEngine(Engine):
    """Ignores by what upstream knows its messages."""

    def emit(self, event: Event) -> asyncio.Future[Receipt]:
        return super().emit(replace(event, identity=""))


class _Altered:
    """A transaction that passes everything on but what a bug replaces."""

    def __init__(self, tx: Transaction, replaced: Mapping[str, Callable[..., Any]]) -> None:
        self._tx = tx
        self._replaced = replaced

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._tx, name)
        if name not in self._replaced:
            return inner
        return lambda *args, **more: self._replaced[name](self._tx, *args, **more)


class _AlteredStore:
    """A store whose transactions are altered."""

    def __init__(self, store: Store, **replaced: Callable[..., Any]) -> None:
        self._store = store
        self._replaced = replaced

    def submit(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        return self._store.submit(lambda tx: work(_Altered(tx, self._replaced)))  # type: ignore[arg-type]

    async def run(self, work: Callable[[Transaction], T]) -> T:
        return await asyncio.shield(self.submit(work))


def _claim_without_intent(tx: Transaction, sink: str, *, now_ms: int, limit: int) -> list[Operation]:
    """Hands operations out, and leaves no trace of it on the disk."""
    claimed = tx.claim(sink, now_ms=now_ms, limit=limit)
    for operation in claimed:
        tx.settle(replace(operation, state=OperationState.PENDING, next_ms=now_ms + 3000), claimed=operation)
    return claimed


def _settle_in_spite(tx: Transaction, operation: Operation | None, *, claimed: Operation) -> bool:
    """The settling that goes with it: the row is pending, as it was never claimed."""
    return tx.settle(operation, claimed=replace(claimed, state=OperationState.PENDING))


def _naively(tx: Transaction, operation: Operation | None, *, claimed: Operation) -> bool:
    """Takes an unknown outcome for a failure: send again, without a look."""
    if operation is not None and operation.state is OperationState.UNKNOWN:
        operation = replace(operation, state=OperationState.PENDING, unknown_ms=None)
    return tx.settle(operation, claimed=claimed)


def _impatiently(tx: Transaction, operation: Operation | None, *, claimed: Operation) -> bool:
    """Looks once, at once: what the tracker's search does not know yet is not there."""
    if operation is not None and operation.state is OperationState.UNKNOWN:
        nothing_found = claimed.state is OperationState.UNKNOWN
        state = OperationState.PENDING if nothing_found else OperationState.UNKNOWN
        operation = replace(operation, state=state, next_ms=claimed.created_ms)
    return tx.settle(operation, claimed=claimed)


def _never(tx: Transaction, operation: Operation | None, *, claimed: Operation) -> bool:
    """Forgets to write down that it was done."""
    return operation is None or tx.settle(operation, claimed=claimed)


def _nobody_recovers(tx: Transaction, *, now_ms: int) -> int:
    """Leaves what was in flight in flight."""
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """One planted bug, where to look for it, and the promise that it breaks."""

    name: str
    breaks: str
    parts: Parts
    workload: Workload = RAISE_CLEAR
    synchronous: str | None = None


def _delivery(**replaced: Callable[..., Any]) -> Parts:
    return Parts(seen_by_delivery=lambda store: _AlteredStore(store, **replaced))  # type: ignore[arg-type,return-value]


BUGS = (
    Bug(name="acknowledge before the commit", breaks="I1", parts=Parts(engine=_EagerEngine)),
    Bug(name="synchronous = NORMAL under a power cut", breaks="I1", parts=Parts(), synchronous="NORMAL"),
    Bug(
        name="create without intent",
        breaks="I2",
        parts=_delivery(claim=_claim_without_intent, settle=_settle_in_spite),
    ),
    Bug(name="send again after an unknown outcome", breaks="I2", parts=_delivery(settle=_naively)),
    Bug(name="look before the search can know", breaks="I2", parts=_delivery(settle=_impatiently)),
    Bug(name="forget to settle", breaks="I7", parts=_delivery(settle=_never)),
    Bug(name="ignore the upstream identity", breaks="I8", parts=Parts(engine=_ForgetfulEngine), workload=RETRANSMITTED),
    Bug(
        name="forget what was in flight",
        breaks="I7",
        parts=Parts(seen_by_start=lambda store: _AlteredStore(store, recover_operations=_nobody_recovers)),  # type: ignore[arg-type,return-value]
    ),
)


def _heeded(done: asyncio.Future[Any]) -> None:
    if not done.cancelled():
        done.exception()

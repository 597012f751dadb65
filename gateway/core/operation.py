"""The outbox: one wish, its attempts, and what to do after each outcome.

Pure: the time and the chance for the jitter are arguments. `gateway.delivery` does what is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from gateway.core.decision import OperationKind, Rank
from gateway.core.event import no_labels
from gateway.core.impact import Impact
from gateway.core.reason import Failed

BACKOFF_BASE_MS = 1_000
BACKOFF_CAP_MS = 600_000
RETRY_AFTER_CAP_MS = 3_600_000
MAX_AGE_MS = 7 * 86_400_000
MAX_CRASHES = 3
"""Crashes of the process during one operation after which it is set aside."""
LONGEST_COMMENTS = 8_000
"""Characters of comments that are sent as one."""
PATIENCE_MS: Mapping[Impact, int] = {
    Impact.CRITICAL: 60_000,
    Impact.HIGH: 300_000,
    Impact.MEDIUM: 900_000,
    Impact.LOW: 900_000,
}
"""How long a create of unknown outcome is looked for before it is sent again, where the tracker has no unique key."""


class OperationState(StrEnum):
    """Where an operation is; a done one is no longer in the outbox."""

    PENDING = "pending"
    INFLIGHT = "inflight"
    """Its intent is on disk and the call may be under way."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows how it ended: look before sending again."""
    DEAD = "dead"
    """Given up; a person may repeat or drop it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One wish on its way to a tracker."""

    id: int
    incident: str
    sink: str
    kind: OperationKind
    rank: Rank
    impact: Impact
    reason: str
    created_ms: int
    next_ms: int
    body: Mapping[str, str] = field(default_factory=no_labels)
    state: OperationState = OperationState.PENDING
    attempts: int = 0
    crashes: int = 0
    sent_ms: int | None = None
    """When it was first sent: a search after an unknown outcome looks from here."""
    unknown_ms: int | None = None
    """When its outcome became unknown."""
    looks: int = 0
    """How often we looked for it since."""
    looking: bool = False
    """Its outcome is unknown, and it is being looked for."""
    error: str = ""


def failed(
    operation: Operation, reason: Failed, error: str, *, now_ms: int, after_ms: int | None, chance: float
) -> Operation:
    """The operation after a failure that surely changed nothing: again later, or dead if it has grown too old."""
    if now_ms - operation.created_ms > MAX_AGE_MS:
        return dead(operation, f"given up after {operation.attempts} attempts: {error}")
    wait = backoff_ms(operation.attempts, chance=chance) if after_ms is None else min(after_ms, RETRY_AFTER_CAP_MS)
    return replace(
        operation, state=OperationState.PENDING, next_ms=now_ms + wait, error=f"{reason}: {error}", unknown_ms=None
    )


def unknown(operation: Operation, error: str, *, now_ms: int, lags_s: tuple[float, ...]) -> Operation:
    """The operation after a call whose outcome nobody knows: look for it after the sink's search lag."""
    return replace(
        operation,
        state=OperationState.UNKNOWN,
        unknown_ms=now_ms,
        looks=0,
        next_ms=now_ms + round(1000 * lags_s[0]),
        error=f"{Failed.UNKNOWN_OUTCOME}: {error}",
    )


def not_found(
    operation: Operation,
    *,
    impact: Impact,
    now_ms: int,
    unique_key: bool,
    lags_s: tuple[float, ...],
    chance: float = 1.0,
) -> Operation:
    """The operation after a search that found nothing: look again, or send again when patience has ended."""
    since = operation.unknown_ms if operation.unknown_ms is not None else now_ms
    looks = operation.looks + 1
    patience_ends = since + PATIENCE_MS[impact]
    if unique_key or now_ms >= patience_ends:
        return resent(operation, now_ms=now_ms, chance=chance)
    lag = round(1000 * lags_s[min(looks, len(lags_s) - 1)])
    at = since + lag if looks < len(lags_s) else now_ms + lag
    return replace(operation, looks=looks, next_ms=max(min(at, patience_ends), now_ms + 1000))


def resent(operation: Operation, *, now_ms: int, chance: float) -> Operation:
    """The operation that is to be sent again, since it surely did not happen or may happen twice.

    At once the first time, then with back-off, so that what never comes to a clear end is no hammer; dead if it has
    grown too old.
    """
    clear = replace(operation, unknown_ms=None, looks=0)
    if now_ms - operation.created_ms > MAX_AGE_MS:
        return dead(clear, f"given up after {operation.attempts} attempts: {operation.error}")
    wait = 0 if operation.attempts <= 1 else backoff_ms(operation.attempts - 1, chance=chance)
    return replace(clear, state=OperationState.PENDING, next_ms=now_ms + wait)


def look_failed(operation: Operation, error: str, *, now_ms: int, lags_s: tuple[float, ...]) -> Operation:
    """The operation after a search that failed, which is unknown and never "not there"; dead if it has grown too old."""
    if now_ms - operation.created_ms > MAX_AGE_MS:
        return dead(operation, f"nobody knows how it ended: {error}")
    looks = operation.looks + 1
    wait = round(1000 * lags_s[min(looks, len(lags_s) - 1)])
    return replace(operation, looks=looks, next_ms=now_ms + max(1000, wait), error=error)


def moved(operation: Operation, by_ms: int) -> Operation:
    """The operation after a step of the wall clock, as the store moves those that wait."""
    return replace(
        operation,
        created_ms=operation.created_ms + by_ms,
        next_ms=operation.next_ms + by_ms,
        sent_ms=None if operation.sent_ms is None else operation.sent_ms + by_ms,
        unknown_ms=None if operation.unknown_ms is None else operation.unknown_ms + by_ms,
    )


def dead(operation: Operation, error: str) -> Operation:
    """The operation, set aside for a person."""
    return replace(operation, state=OperationState.DEAD, error=error)


def crashed(operation: Operation, *, now_ms: int) -> Operation:
    """The operation that was sent or looked for when the process died: its outcome is unknown; a third time it is poison."""
    crashes = operation.crashes + 1
    since_ms = now_ms if operation.unknown_ms is None else operation.unknown_ms
    doubtful = replace(operation, crashes=crashes, unknown_ms=since_ms, looking=False)
    if crashes >= MAX_CRASHES:
        # Still in doubt: whoever repeats it looks first.
        return dead(doubtful, f"under way at {crashes} crashes of the process")
    return replace(
        doubtful,
        state=OperationState.UNKNOWN,
        next_ms=now_ms,
        error=f"{Failed.UNKNOWN_OUTCOME}: the process stopped during the call",
    )


def with_next_comment(operation: Operation, later: Operation) -> Operation | None:
    """The comment with the text of the next one behind it, so that both cost one call; None if they cannot be one.

    Neither may have been sent, since what may have arrived is looked for by its own mark; nor may what is internal
    become public.
    """
    for one in (operation, later):
        if one.kind is not OperationKind.COMMENT or one.state is not OperationState.PENDING or one.sent_ms is not None:
            return None
    text = f"{operation.body['text']}\n\n{later.body['text']}"
    if operation.body.get("public") != later.body.get("public") or len(text) > LONGEST_COMMENTS:
        return None
    return replace(operation, body={**operation.body, "text": text})


def backoff_ms(attempts: int, *, chance: float) -> int:
    """Full jitter: ``chance`` (0..1) of a span that doubles with each attempt, at least a tenth of it."""
    longest = min(BACKOFF_CAP_MS, BACKOFF_BASE_MS << min(attempts, 20))
    return round(longest * max(0.1, chance))

"""The sweep: long after a create of unknown outcome, was a second ticket made? Pure: the time is an argument.

Where a tracker has no unique key, a create is sent again when patience ends, and its search may learn of the first
ticket only hours later. So each such ticket is looked for again, three times.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.core.ticket import Observation, TicketRef

LOOKS_MS = (15 * 60_000, 2 * 3_600_000, 12 * 3_600_000)
"""When to look, after the outcome became unknown."""
LATER_MS = 5 * 60_000
"""Until the next try of a look that could not be made."""
GIVE_UP_MS = 36 * 3_600_000
"""After so long a look that could not be made is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """The looks that are still to come for one ticket."""

    incident: str
    sink: str
    key: str
    """The ticket's idempotency key when its creation was in doubt."""
    since_ms: int
    """From when the search looks."""
    doubt_ms: int
    """When the outcome became unknown."""
    next_ms: int
    looks: int = 0
    """How many were made."""


def planned(*, incident: str, sink: str, key: str, since_ms: int, now_ms: int) -> Sweep:
    """The sweep of a ticket whose creation is in doubt as of ``now_ms``."""
    return Sweep(
        incident=incident, sink=sink, key=key, since_ms=since_ms, doubt_ms=now_ms, next_ms=now_ms + LOOKS_MS[0]
    )


def looked(sweep: Sweep, *, now_ms: int) -> Sweep | None:
    """The sweep after a look; None after the last."""
    looks = sweep.looks + 1
    if looks >= len(LOOKS_MS):
        return None
    return replace(sweep, looks=looks, next_ms=max(sweep.doubt_ms + LOOKS_MS[looks], now_ms + LOOKS_MS[0]))


def later(sweep: Sweep, *, now_ms: int) -> Sweep | None:
    """The sweep after a look that could not be made; None if it never could."""
    return None if now_ms - sweep.doubt_ms > GIVE_UP_MS else replace(sweep, next_ms=now_ms + LATER_MS)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which of several tickets of one incident stays, and which are to be closed."""

    keep: Observation
    close: tuple[TicketRef, ...]


def judge(seen: Sequence[Observation], *, ours: TicketRef | None, over: bool) -> Verdict | None:
    """What to do about all tickets that were found for one key.

    The oldest of those that nobody closed stays: a person who closed one of two as a duplicate has chosen already.
    When the trouble is over nobody works on either any more, and ours stays.

    Args:
        seen: the tickets, oldest first.
        ours: the one that we know of.
        over: whether the incident is.

    Returns:
        None if none of them is there any more.
    """
    there = list({one.ref.id: one for one in seen if one.exists}.values())
    if not there:
        return None
    working = [one for one in there if not one.state.done]
    known = [one for one in there if ours is not None and ours.id in {one.ref.id, one.asked}]
    keep = next(iter((known if over else []) or working or known or there))
    return Verdict(keep, tuple(one.ref for one in working if one is not keep))

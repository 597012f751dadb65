"""A clear that overtakes its raise finds nothing; the raise that comes behind it is over already.

Event time orders, but no true trouble may be swallowed. So a clear counts against a raise that comes later only for a
short time, only if one collector dated both, and only if its own clock was not ahead of ours: where in doubt, open.
"""

from dataclasses import dataclass

from gateway.core.event import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Clear:
    """The newest clear of a fingerprint that was heard; instants are epoch milliseconds."""

    at_ms: int
    """Its event time."""
    heard_ms: int
    """When it was decided, by our clock."""
    collector: str


def newest(one: Clear | None, other: Clear | None) -> Clear | None:
    """The one that happened last; of two at the same instant ``other``."""
    if one is None or other is None:
        return one or other
    return other if other.at_ms >= one.at_ms else one


def over_at_ms(clear: Clear | None, raised: Event, *, last_ms: int, within_ms: int, now_ms: int) -> int | None:
    """When a raise was over that comes behind ``clear``, its fingerprint's newest one; None: it lasts, or may last.

    Args:
        clear: what is remembered; None if nothing is.
        raised: the raise. A person's words are never over before they are heard.
        last_ms: its event time; of equal ones in a row the last. At the same instant the order of arrival decides.
        within_ms: by how much a clear may overtake, in event time and in ours.
        now_ms: the time.
    """
    if clear is None or raised.requester or clear.collector != raised.collector:
        return None
    dated_ahead = clear.at_ms > clear.heard_ms
    holds = 0 <= now_ms - clear.heard_ms <= within_ms
    overtook = 0 < clear.at_ms - last_ms <= within_ms
    return clear.at_ms if holds and overtook and not dated_ahead else None

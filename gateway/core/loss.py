"""Decide when inputs that were lost are a trouble themselves. Pure: counts in, an event's kind out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gateway.core.event import EventKind
from gateway.core.reason import Dropped

HARMLESS = frozenset({Dropped.DUPLICATE, Dropped.RETAINED, Dropped.RULE, Dropped.UNKNOWN_ENGINE})
"""Not a loss: known already, no proof of life, as configured, or told to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is known of one collector's losses, from minute to minute."""

    raised: bool | None = None
    """Whether its incident is open; None: nobody knows, the process is new."""


def look(known: Loss, drops: Mapping[Dropped, int], *, per_min: int) -> tuple[Loss, EventKind | None, dict[str, int]]:
    """Judge one minute.

    Args:
        known: what the minute before left.
        drops: inputs dropped in this minute, by reason.
        per_min: so many lost in a minute are a trouble; half of it or less is calm again. 0: never.

    Returns:
        What is known now, what to tell (None: nothing new), and what was really lost, by reason, most first.
    """
    lost = {reason.value: count for reason, count in drops.items() if count > 0 and reason not in HARMLESS}
    lost = dict(sorted(lost.items(), key=lambda item: (-item[1], item[0])))
    total = sum(lost.values())
    if per_min and total >= per_min:
        return (known, None, lost) if known.raised else (replace(known, raised=True), EventKind.RAISE, lost)
    if known.raised is not False and (not per_min or total <= per_min // 2):
        return replace(known, raised=False), EventKind.CLEAR, lost
    return known, None, lost


def sentence(collector: str, lost: Mapping[str, int]) -> str:
    """``snmp lost 1200 inputs in a minute: kernel 1000, overload 200``."""
    reasons = ", ".join(f"{reason} {count}" for reason, count in lost.items())
    return f"{collector} lost {sum(lost.values())} inputs in a minute: {reasons}"

"""Caps on incidents: beyond one a new trouble has no incident of its own, but is an occurrence of a greater one.

A device gone mad, or somebody who invents object names or sources, costs one ticket and fills no disk. Repeats and clears
of what is known are never held back, nor are mails, whose text must not become a number, what the daemon tells of itself,
and what is said only once: a silent station has nothing to repeat. What was held back begins an incident when it is raised again and there is room.
"""

from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.gather import EVERYWHERE, OVERFLOW, Caps, Gathering, Rate, Scope
from gateway.core.incident import TABLE, Incident, Move, Trigger
from gateway.core.reason import Muted
from gateway.core.rules import Verdict

CAP_PERIOD_MS = 60_000
"""The time in which a source's new incidents are counted."""

_BEGINS = frozenset({Move.BEGIN, Move.BEGIN_LINKED})


def begins(incident: Incident | None, event: Event, verdict: Verdict) -> bool:
    """Whether ``event`` would begin a new incident that a cap may hold back; ``incident`` is the one concerned."""
    if TABLE[incident.state if incident else None, Trigger.RAISE] not in _BEGINS:  # first, for most are known
        return False
    if verdict.drop or verdict.kind is not EventKind.RAISE or event.collector == OURSELVES or event.once:
        return False
    return not (event.references or event.known_as or event.attachments)


def source_cap(source: str, caps: Caps) -> Gathering:
    """What counts the troubles of ``source`` beyond its cap: its storm."""
    return Gathering(
        condition=Scope.SOURCE, source=source, mark=Muted.STORM, rate=Rate(caps.source_new_per_min, 0)
    )  # fmt: skip


def overall_cap(caps: Caps) -> Gathering:
    """What counts the troubles of all sources beyond the cap over all."""
    return Gathering(condition=OVERFLOW, source=EVERYWHERE, mark=Muted.STORM, rate=Rate(caps.open_max, 0))

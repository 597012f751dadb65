"""How many new incidents one source may begin; beyond it the rest become one incident, `source_storm`, of that source.

A device gone mad, or somebody who invents object names, costs one ticket and not thousands: each trouble more is one
occurrence of the storm incident. Repeats of what is known already are never held back, nor are mails, whose text must
not become a number. Storms per rule and over all sources, and tickets that wait for calm, are a matter of their own.
"""

from dataclasses import replace

from gateway.core.event import Event, EventKind
from gateway.core.fingerprint import fingerprint
from gateway.core.impact import Impact, graver
from gateway.core.incident import TABLE, Incident, Move, Trigger
from gateway.core.rules import Verdict

SOURCE_STORM = "source_storm"
"""Condition of the storm incident, and what stands in place of its rule's name."""
CALM_MS = 600_000
"""A storm that grows by nothing for so long counts as over."""
MINUTE_MS = 60_000
MOST_SOURCES = 10_000
"""Sources remembered in one minute: with forged addresses there could be any number."""


class SourceBudget:
    """New incidents of each source in the present minute. Time is an argument."""

    def __init__(self, per_min: int, *, most_sources: int = MOST_SOURCES) -> None:
        """Allow each source ``per_min`` new incidents a minute; 0: any number."""
        self.per_min = per_min
        self._most_sources = most_sources
        self._minute = 0
        self._begun: dict[str, int] = {}
        self._unsettled: list[str] = []

    def spend(self, source: str, *, now_ms: int) -> bool:
        """Whether ``source`` may begin one more incident now; counts it."""
        if not self.per_min:
            return True
        minute = now_ms // MINUTE_MS
        if minute != self._minute or (len(self._begun) >= self._most_sources and source not in self._begun):
            self._minute = minute
            self._begun.clear()
        begun = self._begun.get(source, 0)
        if begun >= self.per_min:
            return False
        self._begun[source] = begun + 1
        self._unsettled.append(source)
        return True

    def settle(self, *, kept: bool) -> None:
        """What was spent since the last call is on disk; or, if not ``kept``, it is given back."""
        for source in () if kept else self._unsettled:
            if self._begun.get(source):
                self._begun[source] -= 1
        self._unsettled.clear()


def begins(incident: Incident | None, event: Event, verdict: Verdict) -> bool:
    """Whether ``event`` would begin a new incident that may join a storm; ``incident`` is the one concerned."""
    if verdict.drop or verdict.kind is not EventKind.RAISE or event.references or event.known_as or event.attachments:
        return False
    return TABLE[incident.state if incident else None, Trigger.RAISE] in (Move.BEGIN, Move.BEGIN_LINKED)


def storm(event: Event, verdict: Verdict, *, per_min: int) -> tuple[Event, Verdict]:
    """The storm that ``event`` is part of, raised once more; team and sinks are the event's own."""
    source = verdict.source
    told = (
        f"{source} raises more than {per_min} new troubles a minute. Those beyond are counted here as occurrences, and "
        f"have no incident of their own. The first of them: {verdict.summary or verdict.condition}"
    )
    return (
        replace(event, condition=SOURCE_STORM, object="", description=f"{told}\n\n{event.description}"),
        replace(
            verdict,
            rule=SOURCE_STORM,
            fingerprint=fingerprint(SOURCE_STORM, source),
            condition=SOURCE_STORM,
            object="",
            severity="",
            impact=graver(verdict.impact, Impact.HIGH),
            summary=f"{source} raises too many new troubles",
            runbook="",
            hold_ms=0,
            clear_hold_ms=0,
            clear_after_ms=CALM_MS,
            impact_after=(),
        ),
    )

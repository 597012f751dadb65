"""Judge an event: what the inventory knows of its source, then what the rules say, then how much the source matters.

The inventory's labels join the event's own before the rules look at it; they are no part of the identity unless a rule
says so. The source's importance raises the impact after the rules have set it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.core.event import Event
from gateway.core.inventory import Inventory, Known
from gateway.core.rules import Rulebook, Verdict
from gateway.core.station import EVENT_MISSING

__all__ = ["Inventory", "Judge", "Known"]


class Enriched(dict[str, str]):
    """An event's labels together with what the inventory added."""

    __slots__ = ("own",)
    own: Mapping[str, str]
    """The event's alone."""


def own_labels(event: Event) -> Mapping[str, str]:
    """The labels that the collector gave, without what the inventory added."""
    labels = event.labels
    return labels.own if isinstance(labels, Enriched) else labels


@dataclass(frozen=True, slots=True)
class Judge:
    """Inventory and rules together; immutable, replaced as a whole by a reload."""

    rulebook: Rulebook
    inventory: Inventory = field(default_factory=lambda: Inventory({}))
    expected: Rulebook | None = None
    """Which events are expected: each is a rule that sets nothing."""

    def judge(self, event: Event) -> tuple[Event, Verdict]:
        """The event with what the inventory adds, and the verdict on it."""
        known = self.inventory.look_up(event.source, event.labels.get("site", ""))
        if known is not None and known.labels:
            labels = Enriched({**known.labels, **event.labels})
            labels.own = event.labels
            event = replace(event, labels=labels)
        verdict = self.rulebook.judge(event)
        if verdict.source != event.source:
            known = self.inventory.look_up(verdict.source, event.labels.get("site", ""))
        if self.expected is not None and event.condition != EVENT_MISSING:
            verdict = replace(verdict, expected=self.expected.matching(event))
        if known is None:
            return event, verdict
        impact, team = verdict.impact.raised(known.steps or 0), verdict.team or known.team
        if impact is verdict.impact and team == verdict.team:
            return event, verdict
        return event, replace(verdict, impact=impact, team=team)

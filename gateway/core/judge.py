"""Judge an event: what the inventory knows of its source, then what the rules say, then how much the source matters.

The inventory's labels join the event's own before the rules look at it; they are no part of the identity unless a rule
says so. The source's importance raises the impact after the rules have set it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.core.event import Event, event_changed
from gateway.core.inventory import Inventory, Known
from gateway.core.rules import Rulebook, Verdict, verdict_changed
from gateway.core.station import EVENT_MISSING

__all__ = ["Inventory", "Judge", "Known"]

SITE = "site"
"""The label by which a source without a name of its own is looked up."""


class Enriched(dict[str, str]):
    """An event's labels together with what the inventory added."""

    __slots__ = ("own",)
    own: Mapping[str, str]
    """The event's alone."""


def own_labels(event: Event) -> Mapping[str, str]:
    """The labels that the collector gave, without what the inventory added."""
    labels = event.labels
    return labels.own if isinstance(labels, Enriched) else labels


def with_label(labels: Mapping[str, str], name: str, value: str) -> Mapping[str, str]:
    """An event's labels, with another value of one that the collector gave."""
    if not isinstance(labels, Enriched):
        return {**labels, name: value}
    told = Enriched(labels)
    told[name], told.own = value, {**labels.own, name: value}
    return told


@dataclass(frozen=True, slots=True)
class Judge:
    """Inventory and rules together; immutable, replaced as a whole by a reload."""

    rulebook: Rulebook
    inventory: Inventory = field(default_factory=lambda: Inventory({}))
    expected: Rulebook | None = None
    """Which events are expected: each is a rule that sets nothing."""

    def reads(self, label: str) -> bool:
        """Whether a verdict may depend on this label."""
        expected = self.expected is not None and label in self.expected.reads
        return expected or label == SITE or label in self.rulebook.reads

    def judge(self, event: Event) -> tuple[Event, Verdict]:
        """The event with what the inventory adds, and the verdict on it."""
        known = self.inventory.look_up(event.source, event.labels.get(SITE, ""))
        if known is not None and known.labels:
            labels = Enriched({**known.labels, **event.labels})
            labels.own = event.labels
            event = event_changed(event, labels=labels)
        verdict = self.rulebook.judge(event)
        if verdict.source != event.source:
            known = self.inventory.look_up(verdict.source, event.labels.get(SITE, ""))
        if self.expected is not None and event.condition != EVENT_MISSING:
            verdict = verdict_changed(verdict, expected=self.expected.matching(event))
        if known is None:
            return event, verdict
        impact = verdict.impact.raised(known.steps) if known.steps else verdict.impact
        team = verdict.team or known.team
        if impact is verdict.impact and team == verdict.team:
            return event, verdict
        return event, verdict_changed(verdict, impact=impact, team=team)

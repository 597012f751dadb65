"""Inhibition: a greater incident that is open mutes lesser ones (as Alertmanager does it), and what rests on what fails.

A facet is a name and a key under which an open incident is found by those that it mutes: one per inhibition whose source
matchers hold, the key made of the labels that must be equal; and one per source that is down, for what depends on it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.incident import Incident
from gateway.core.inventory import Inventory
from gateway.core.match import Matcher
from gateway.core.mute import fields_of_incident, holds

DEPENDS_ON = "depends_on"
"""Name of the facets of what is down."""
BETWEEN = "\x1f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inhibition:
    """``[[inhibit]]``: open incidents that match ``source`` mute those that match ``target``, where labels are equal."""

    name: str
    source: tuple[Matcher, ...]
    target: tuple[Matcher, ...]
    equal: tuple[str, ...] = ()
    """Fields or labels that must be equal; a missing one is empty."""

    def key(self, incident: Incident) -> str:
        """The values of what must be equal."""
        look_up = fields_of_incident(incident)
        return BETWEEN.join(look_up(name) for name in self.equal)


@dataclass(frozen=True, slots=True)
class Facet:
    """A name and a key under which an incident is found, or looks for others."""

    name: str
    key: str
    both: bool = False
    """It matches both sides: it is not inhibited by its like."""


@dataclass(frozen=True, slots=True)
class Inhibitions:
    """All of them, and what is known of what rests on what; replaced as a whole by a reload."""

    rules: tuple[Inhibition, ...] = ()
    down: frozenset[str] = frozenset()
    """Conditions that mean that a source is down."""
    inventory: Inventory | None = None

    @property
    def told(self) -> tuple[object, ...]:
        """What decides which facets there are, for telling one set from another."""
        return (
            tuple(
                (rule.name, *(tuple(map(str, side)) for side in (rule.source, rule.target)), rule.equal)
                for rule in self.rules
            ),
            tuple(sorted(self.down)),
        )

    def may_mark(self, incident: Incident) -> bool:
        """Whether `as_source` could find anything for it, whatever its labels."""
        return bool(self.rules) or incident.condition in self.down

    def as_source(self, incident: Incident) -> tuple[Facet, ...]:
        """The facets under which those that ``incident`` mutes find it, while it is open."""
        look_up = fields_of_incident(incident)
        found = [
            Facet(rule.name, rule.key(incident), holds(rule.target, look_up))
            for rule in self.rules
            if holds(rule.source, look_up)
        ]
        if incident.condition in self.down:
            found.append(Facet(DEPENDS_ON, incident.source))
        return tuple(found)

    def as_target(self, incident: Incident) -> tuple[Facet, ...]:
        """The facets of what would mute ``incident``, in the order in which it is asked for."""
        upstream = [Facet(DEPENDS_ON, name) for name in self._upstream(incident)]
        if not self.rules:
            return tuple(upstream)
        look_up = fields_of_incident(incident)
        found = [
            Facet(rule.name, rule.key(incident), holds(rule.source, look_up))
            for rule in self.rules
            if holds(rule.target, look_up)
        ]
        return (*found, *upstream)

    def _upstream(self, incident: Incident) -> Sequence[str]:
        if self.inventory is None or not self.down:
            return ()
        return self.inventory.upstream(incident.source, incident.labels.get("site", ""))

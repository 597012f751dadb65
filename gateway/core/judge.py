"""Judge an event: what the inventory knows of its source, then what the rules say, then how much the source matters.

The inventory's labels join the event's own before the rules look at it; they are no part of the identity unless a rule
says so. The source's importance raises the impact after the rules have set it.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.core.event import Event, no_labels
from gateway.core.rules import Rulebook, Verdict

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
MOST_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the inventory says of a source."""

    steps: int = 0
    """How many steps graver its incidents are: 0 normal, 1 high, 2 critical."""
    team: str = ""
    labels: Mapping[str, str] = field(default_factory=no_labels)
    """``site`` among them."""


class Inventory:
    """Sources by exact name, else by the narrowest network that holds their address."""

    def __init__(
        self,
        sources: Mapping[str, Known],
        networks: Iterable[tuple[Network, Known]] = (),
        *,
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        """Take sources by name and networks; ``most_remembered`` bounds the memory of addresses looked up."""
        self._most_remembered = most_remembered
        self._sources = dict(sources)
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)
        self._found: dict[str, Known | None] = {}

    def look_up(self, source: str) -> Known | None:
        """What is known of ``source``; None if nothing is."""
        known = self._sources.get(source)
        if known is not None or not self._networks:
            return known
        if source not in self._found:
            if len(self._found) >= self._most_remembered:
                self._found.clear()
            self._found[source] = self._by_address(source)
        return self._found[source]

    def _by_address(self, source: str) -> Known | None:
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            return None
        return next((known for network, known in self._networks if address in network), None)


@dataclass(frozen=True, slots=True)
class Judge:
    """Inventory and rules together; immutable, replaced as a whole by a reload."""

    rulebook: Rulebook
    inventory: Inventory = field(default_factory=lambda: Inventory({}))

    def judge(self, event: Event) -> tuple[Event, Verdict]:
        """The event with what the inventory adds, and the verdict on it."""
        known = self.inventory.look_up(event.source)
        if known is not None and known.labels:
            event = replace(event, labels={**known.labels, **event.labels})
        verdict = self.rulebook.judge(event)
        if verdict.source != event.source:
            known = self.inventory.look_up(verdict.source)
        if known is None:
            return event, verdict
        return event, replace(verdict, impact=verdict.impact.raised(known.steps), team=verdict.team or known.team)

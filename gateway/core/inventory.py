"""What we know about sources before they say anything: sites, importance, contracts, owners, and what rests on what.

A source is known by its exact name, else by the narrowest network that holds its address. What its entry leaves open is
taken from its site. A source rests on what it names in ``depends_on``, then on its site, and a site on its region.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from gateway.core.event import no_labels

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
T = TypeVar("T")
MOST_REMEMBERED = 10_000
MOST_UPSTREAM = 50
"""Names on which one source may rest, directly or not; farther ones are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the inventory says of a source."""

    steps: int | None = None
    """How many steps graver its incidents are: 0 normal, 1 high, 2 critical; None: as its site says."""
    team: str = ""
    labels: Mapping[str, str] = field(default_factory=no_labels)
    """``site``, ``region``, ``contract`` and ``owner`` among them."""
    depends_on: tuple[str, ...] = ()
    """Sources without which it cannot be well (``uplink-lyon``): direct ones; `Inventory.upstream` gives all."""

    def over(self, place: "Known") -> "Known":
        """This, with what it leaves open taken from its site, ``place``."""
        return Known(
            steps=place.steps if self.steps is None else self.steps,
            team=self.team or place.team,
            labels={**place.labels, **self.labels},
            depends_on=self.depends_on,
        )


NOTHING = Known()
_UNKNOWN = Known()
"""Stands for what is not remembered, for nothing may be remembered of a source."""


class Inventory:
    """Sources by name, networks and sites; immutable but for its memory."""

    def __init__(
        self,
        sources: Mapping[str, Known],
        networks: Iterable[tuple[Network, Known]] = (),
        *,
        sites: Mapping[str, Known] | None = None,
        most_remembered: int = MOST_REMEMBERED,
    ) -> None:
        """Take what is known; ``most_remembered`` bounds the memory of what was looked up.

        Args:
            sources: by exact name.
            networks: in any order.
            sites: by name; a site is a source itself, too.
            most_remembered: entries.
        """
        self._most_remembered = most_remembered
        self._sites = dict(sites or {})
        self._sources = {**self._sites, **sources}
        self._networks = sorted(networks, key=lambda pair: -pair[0].prefixlen)
        self._found: dict[tuple[str, str], Known | None] = {}
        self._upstream: dict[tuple[str, str], tuple[str, ...]] = {}

    def look_up(self, source: str, site: str = "") -> Known | None:
        """What is known of ``source``, which says that it stands at ``site``; None if nothing is."""
        if not self._sites and not self._networks:
            return self._sources.get(source)
        # The event loop and the store's thread both come by: what one has found, the other may forget meanwhile.
        known = self._found.get((source, site), _UNKNOWN)
        if known is _UNKNOWN:
            known = self._find(source, site)
            self._remember(self._found, (source, site), known)
        return known

    def region(self, site: str) -> str:
        """The region of a site; empty if there is none."""
        place = self._sites.get(site)
        return place.labels.get("region", "") if place else ""

    def upstream(self, source: str, site: str = "") -> tuple[str, ...]:
        """All on which ``source`` rests, nearest first, without itself; cycles end where they close."""
        known = self._upstream.get((source, site))
        if known is None:
            known = self._find_upstream(source, site)
            self._remember(self._upstream, (source, site), known)
        return known

    def _find_upstream(self, source: str, site: str) -> tuple[str, ...]:
        found: dict[str, None] = {}
        waiting = [(source, site)]
        for name, stands in waiting:
            for one in self._rests_on(name, stands):
                if one != source and one not in found and len(found) < MOST_UPSTREAM:
                    found[one] = None
                    waiting.append((one, ""))
        return tuple(found)

    def _rests_on(self, name: str, site: str) -> tuple[str, ...]:
        known = self.look_up(name, site) or NOTHING
        places = (known.labels.get("site") or site, known.labels.get("region", ""))
        return (*known.depends_on, *(place for place in places if place and place != name))

    def _remember(self, memory: dict[tuple[str, str], T], key: tuple[str, str], found: T) -> None:
        if len(memory) >= self._most_remembered:
            memory.clear()
        memory[key] = found

    def _find(self, source: str, site: str) -> Known | None:
        own = self._sources.get(source)
        if own is None and self._networks:
            own = self._by_address(source)
        place = self._sites.get((own.labels.get("site") if own else "") or site)
        if place is None or place is own:
            return own
        return (own or NOTHING).over(place)

    def _by_address(self, source: str) -> Known | None:
        try:
            address = ipaddress.ip_address(source)
        except ValueError:
            return None
        return next((known for network, known in self._networks if address in network), None)

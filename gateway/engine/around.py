"""What is around an incident, as the store says inside a transaction: windows in force, and greater incidents."""

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from gateway.core.gather import GROUP, Gathering, Gatherings, is_parent
from gateway.core.incident import Incident
from gateway.core.inhibit import Facet, Inhibitions
from gateway.core.mute import Mute, Planned, Window, in_force, next_edge_ms
from gateway.core.reason import Muted
from gateway.core.ticket import MARK_PREFIX
from gateway.store.api import Transaction

Plan = Callable[[int], Sequence[Planned]]
"""The configured windows that are near an instant, past ones of the last days among them."""

MOST_ASKED = 10
"""Greater incidents that are asked for one facet."""
MOST_PARENTS = 5000
"""Greater incidents that are not over; more take no children."""
PARENTS = "parent"
FACETS = "tocsin/facets"
BITE = 500


def no_plan(_now_ms: int) -> Sequence[Planned]:
    """Nothing is planned."""
    return ()


@lru_cache(maxsize=1000)
def _read(window: Window) -> Planned:
    return Planned.of(window)


def stored(windows: Iterable[Window]) -> list[Planned]:
    """Stored windows with their matchers read."""
    return [_read(window) for window in windows]


class Surroundings:
    """What mutes an incident now; an `gateway.core.mute.Around`, valid inside its transaction only."""

    def __init__(
        self,
        tx: Transaction,
        *,
        plan: Plan = no_plan,
        inhibitions: Inhibitions | None = None,
        gatherings: Gatherings | None = None,
        now_ms: int,
        ended: Callable[[], None] = lambda: None,
        due: Callable[[int], None] = lambda _due_ms: None,
    ) -> None:
        """Call ``ended`` when something is over that may have muted others, and ``due`` with each deadline that is written."""
        self._tx = tx
        self._plan = plan
        self._inhibitions = inhibitions or Inhibitions()
        self.gatherings = gatherings or Gatherings()
        self._now_ms = now_ms
        self._ended = ended
        self._due = due
        self._windows: tuple[Planned, ...] | None = None
        self._on: tuple[Planned, ...] | None = None
        self._parents: dict[str, Incident] | None = None

    def __call__(self, incident: Incident) -> tuple[Mute, ...]:
        """All that mutes ``incident``."""
        found = [window.mutes(incident, now_ms=self._now_ms) for window in self.windows_on()]
        found.append(self._inhibited(incident))
        found.append(self._belongs(incident))
        return tuple(mute for mute in found if mute is not None)

    def settle(self, before: Incident | None, after: Incident | None) -> None:
        """Tell when it is due; let others find an incident that has begun, and no longer one that is over."""
        if after is None or before is after:
            return
        if after.due_ms is not None:
            self._due(after.due_ms)
        if before is not None and before.id != after.id:
            before = None
        if before is not None and before.state is after.state and before.lapses_ms == after.lapses_ms:
            return  # it merely counts, or tells more
        was = before is not None and _is_trouble(before)
        if was == _is_trouble(after):
            return
        if was:
            had = self._makes_facets(after) and self._tx.drop_facets(after.id)
            if had or after.parent:
                self._ended()
        elif self._makes_facets(after):
            self._tx.add_facets(after.id, facets_of(after, self._inhibitions, self.gatherings))
        if is_parent(after):
            self._parents = None

    def _makes_facets(self, incident: Incident) -> bool:
        """Whether any rule could have given it a facet."""
        return bool(self.gatherings.groups) or self._inhibitions.may_mark(incident) or is_parent(incident)

    def next_edge_ms(self) -> int | None:
        """When the next of the windows begins or ends."""
        return next_edge_ms(self._all_windows(), now_ms=self._now_ms)

    def windows_on(self) -> tuple[Planned, ...]:
        """The windows that are going on."""
        if self._on is None:
            self._on = tuple(one for one in self._all_windows() if one.window.is_on(self._now_ms))
        return self._on

    def _all_windows(self) -> tuple[Planned, ...]:
        if self._windows is None:
            self._windows = in_force(self._plan(self._now_ms), stored(self._tx.windows(since_ms=self._now_ms)))
        return self._windows

    def parent_of(self, incident: Incident) -> tuple[Gathering, Incident] | None:
        """The greater incident that it belongs to now, if there is one that is not over: a group before a storm."""
        if not self._all_parents():
            return None
        return self.parent_among((*self.gatherings.groups_of(incident), *self.gatherings.storms_of(incident)))

    def parent_among(self, gatherings: Iterable[Gathering]) -> tuple[Gathering, Incident] | None:
        """The first of them whose greater incident is not over, with that one."""
        parents = self._all_parents()
        for one in gatherings:
            parent = parents.get(one.fingerprint)
            if parent is not None:
                return one, parent
        return None

    def parents(self) -> list[Incident]:
        """Every greater incident that is not over."""
        return list(self._all_parents().values())

    def _all_parents(self) -> dict[str, Incident]:
        if self._parents is None:
            found = self._tx.holders(Facet(PARENTS, ""), but="", limit=MOST_PARENTS)
            self._parents = {one.fingerprint: one for one in found}
        return self._parents

    def _belongs(self, incident: Incident) -> Mute | None:
        found = self.parent_of(incident)
        return None if found is None else belonging(*found)

    def _inhibited(self, incident: Incident) -> Mute | None:
        greater = self._inhibitor(incident, set())
        if greater is None:
            return None
        what = " ".join(filter(None, (greater.condition, "on", greater.source, greater.object)))
        return Mute(mark=Muted.INHIBITED, by=greater.id, why=f"{MARK_PREFIX}{greater.id} ({what}), which inhibits it")

    def _inhibitor(self, incident: Incident, visited: set[str]) -> Incident | None:
        """An open incident that mutes this one: one of which people are told, or that such a one mutes in turn.

        So of two that would mute each other, one is told. No child mutes its parent, which would wait for it for ever.
        """
        visited.add(incident.id)
        for facet in self._inhibitions.as_target(incident):
            for other in self._tx.holders(facet, but=incident.id, limit=MOST_ASKED):
                if other.id in visited or other.parent == incident.id:
                    continue
                if Muted.INHIBITED not in other.muted or self._inhibitor(other, visited) is not None:
                    return other
        return None


def _is_trouble(incident: Incident) -> bool:
    return incident.alive and not incident.counting


def facets_of(incident: Incident, inhibitions: Inhibitions, gatherings: Gatherings) -> tuple[Facet, ...]:
    """All under which others find ``incident`` while it is not over."""
    if incident.counting:
        return ()
    if is_parent(incident):
        return (Facet(PARENTS, ""), *inhibitions.as_source(incident))
    groups = (Facet(GROUP, one.fingerprint) for one in gatherings.groups_of(incident))
    return (*groups, *inhibitions.as_source(incident))


def belonging(gathering: Gathering, parent: Incident) -> Mute:
    """How a child waits for its parent."""
    return Mute(mark=gathering.mark, by=parent.id, why=f"{MARK_PREFIX}{parent.id} ({parent.summary})")


def refresh_facets(tx: Transaction, inhibitions: Inhibitions, gatherings: Gatherings, digest: bytes) -> None:
    """Write the facets of all that is not over anew, if they were written by other rules; call before the first input."""
    if (tx.get(FACETS) or b"") == digest:
        return
    tx.drop_all_facets()
    after, more = "", True
    while more:
        found = tx.alive(after=after, limit=BITE)
        for incident in found:
            tx.add_facets(incident.id, facets_of(incident, inhibitions, gatherings))
        after, more = (found[-1].id if found else ""), len(found) == BITE
    tx.put(FACETS, digest)

"""Counts what begins, lets greater incidents begin when there is too much of it, and lets the lesser ones join them."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.core.decision import Decision, Heard, Join
from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.gather import (
    GROUP,
    NEVER,
    OVERFLOW,
    Gathering,
    Gatherings,
    Scope,
    period_end_ms,
    raise_parent,
    said_of_parent,
)
from gateway.core.impact import Impact, graver
from gateway.core.incident import Incident, State
from gateway.core.inhibit import Facet
from gateway.core.overflow import CAP_PERIOD_MS
from gateway.core.reason import Muted
from gateway.core.rules import Verdict
from gateway.engine.applying import apply
from gateway.engine.around import Surroundings, belonging
from gateway.pending import Run
from gateway.store.api import Transaction


@dataclass(slots=True)
class _More:
    """What came to a parent in this batch."""

    event: Event
    verdict: Verdict
    first_ms: int
    last_ms: int
    count: int = 0

    def takes(self, impact: Impact) -> None:
        """It is as grave as the gravest."""
        gravest = graver(self.verdict.impact, impact)
        if gravest is not self.verdict.impact:
            self.verdict = replace(self.verdict, impact=gravest)


class Gatherer:
    """For one batch, inside its transaction."""

    def __init__(self, tx: Transaction, around: Surroundings, *, now_ms: int, new_id: Callable[[int], str]) -> None:
        self._tx = tx
        self._around = around
        self._now_ms = now_ms
        self._new_id = new_id
        self._more: dict[str, _More] = {}
        self.decisions: list[Decision] = []
        """What was decided of parents and of those that joined them."""

    def took(self, run: Run, incident: Incident) -> None:
        """``incident`` has begun by ``run``."""
        if run.event.collector == OURSELVES or Muted.INHIBITED in incident.muted:
            return
        gatherings = self._around.gatherings
        groups, storms = gatherings.groups_of(incident), gatherings.storms_of(incident)
        belongs = self._around.parent_among((*groups, *storms))
        if belongs is not None and belongs[0].group is not None:
            self._joins(run, incident, *belongs)
            return
        for gathering in groups:
            members = self._enough(gathering)
            if members:
                parent = self._begin(gathering, run, members)
                for member in members:
                    self._apply(member, Join(mute=belonging(gathering, parent)))
                return
        until_ms = period_end_ms(self._now_ms, gatherings.period_ms)
        for gathering in storms:
            count = self._tx.tally(gathering.condition, gathering.fingerprint, until_ms=until_ms)
            if belongs is not None and belongs[0].fingerprint == gathering.fingerprint:
                self._joins(run, incident, *belongs, lasts=count >= gathering.rate.low)
                return
            if count > gathering.rate.high:
                parent = self._begin(gathering, run, [incident])
                self._apply(incident, Join(mute=belonging(gathering, parent)))
                return

    def flush(self) -> None:
        """Write what came to each parent, as one number."""
        for mark, more in self._more.items():
            if more.count:
                heard = Heard(
                    event=more.event, verdict=more.verdict, count=more.count, first_ms=more.first_ms, last_ms=more.last_ms
                )  # fmt: skip
                self._apply(self._tx.latest(mark), heard)
        self._more.clear()

    def _enough(self, gathering: Gathering) -> list[Incident]:
        """The members of a group, if there are more than it takes."""
        group = gathering.group
        if group is None:
            return []
        facet, since_ms = Facet(GROUP, gathering.fingerprint), self._now_ms - group.within_ms
        found = self._tx.members(facet, since_ms=since_ms, limit=group.more_than + 1)
        return found if len(found) > group.more_than else []

    def _begin(self, gathering: Gathering, run: Run, members: list[Incident]) -> Incident:
        impact = run.verdict.impact
        for member in members:
            impact = graver(impact, member.impact)
        event, verdict = raise_parent(
            gathering, run.event, run.verdict, impact=impact, period_ms=self._around.gatherings.period_ms
        )
        heard = Heard(event=event, verdict=verdict, count=len(members), first_ms=run.first_ms, last_ms=run.last_ms)
        decision = self._apply(self._tx.latest(gathering.fingerprint), heard)
        assert decision.incident is not None  # noqa: S101 - a raise always leaves one
        return decision.incident

    def _joins(
        self, run: Run, incident: Incident, gathering: Gathering, parent: Incident, *, lasts: bool = True
    ) -> None:
        if incident.parent != parent.id:  # who opens is told at once, and who is held is not
            self._apply(incident, Join(mute=belonging(gathering, parent)))
        if not lasts:
            return
        impact = graver(run.verdict.impact, incident.impact)
        more = self._more.get(gathering.fingerprint)
        if more is None:
            event, verdict = raise_parent(
                gathering, run.event, run.verdict, impact=impact, period_ms=self._around.gatherings.period_ms
            )
            more = self._more[gathering.fingerprint] = _More(event, verdict, run.first_ms, run.last_ms)
        elif gathering.group is None or gathering.group.impact is None:
            more.takes(impact)
        more.count += 1
        more.first_ms, more.last_ms = min(more.first_ms, run.first_ms), max(more.last_ms, run.last_ms)

    def _apply(self, incident: Incident | None, what: Heard | Join) -> Decision:
        new_id = self._new_id(self._now_ms) if isinstance(what, Heard) else ""
        decision = apply(self._tx, incident, what, now_ms=self._now_ms, new_id=new_id, around=self._around)
        self.decisions.append(decision)
        return decision


def look_at_parent(tx: Transaction, parent: Incident, around: Surroundings, now_ms: int) -> Decision | None:
    """End a group of which few children are left; let one last whose children came back, or flap in numbers.

    The overflow lasts while there is no room.
    """
    kind = _parent_moves(tx, parent, around.gatherings, now_ms)
    if kind is None:
        return None
    event, verdict = said_of_parent(parent, kind, at_ms=max(now_ms, parent.raised_ms))
    heard = Heard(event=event, verdict=verdict, count=0, first_ms=event.at_ms, last_ms=event.at_ms)
    return apply(tx, parent, heard, now_ms=now_ms, around=around)


def _parent_moves(tx: Transaction, parent: Incident, gatherings: Gatherings, now_ms: int) -> EventKind | None:
    if parent.condition == GROUP:
        most = next((group.until for group in gatherings.groups if group.name == parent.object), 0)
        lasts = tx.children_left(parent.id, limit=most + 1, flapping=False) > most
        wrong = State.RECOVERING if lasts else State.OPEN
        return (EventKind.RAISE if lasts else EventKind.CLEAR) if parent.state is wrong else None
    if parent.condition == OVERFLOW:
        most = gatherings.caps.open_max
        lasts = bool(most) and now_ms - parent.raised_ms >= CAP_PERIOD_MS and tx.count_alive(limit=most) >= most
    else:
        rate = gatherings.rates.get(Scope(parent.condition), NEVER)
        flaps = rate.high and tx.children_left(parent.id, limit=rate.low, flapping=True) >= rate.low
        lasts = bool(flaps) and now_ms - parent.raised_ms >= gatherings.period_ms
    return EventKind.RAISE if lasts else None

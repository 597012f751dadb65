"""Greater incidents that gather many: groups that share labels, and storms of new incidents.

The parent has the ticket; its children wait, are listed in it, and get a ticket of their own only if they outlive it. A
storm is on above ``high`` new incidents in a period, and over when a whole period has fewer than ``low``.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import lru_cache
from types import MappingProxyType

from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.fingerprint import fingerprint
from gateway.core.impact import Impact, graver
from gateway.core.incident import Incident
from gateway.core.match import Matcher
from gateway.core.mute import fields_of_incident, holds
from gateway.core.reason import Muted
from gateway.core.rules import Verdict
from gateway.core.text import span
from gateway.core.value import value

GROUP = "group"
"""Condition of a group's incident, and what stands in place of its rule's name."""
OVERFLOW = "overflow"
"""The same for the one incident that counts what is beyond the cap over all sources (`gateway.core.overflow`)."""
EVERYWHERE = "everywhere"
"""Stands in place of a source for what concerns all of them."""

MOST_STORMS = 4096
"""Places of which it is remembered which storms concern them; at one more the oldest is forgotten."""


class Scope(StrEnum):
    """What a storm is a storm of, the narrowest first; the condition of its incident."""

    OBJECT = "object_storm"
    SOURCE = "source_storm"
    RULE = "rule_storm"
    ALL = "storm"


@dataclass(frozen=True, slots=True)
class Rate:
    """On above ``high`` new incidents in a period, off below ``low`` in a whole one; 0: never."""

    high: int
    low: int


NEVER = Rate(0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """How many incidents there may be; what is beyond is only counted. 0: any number."""

    source_new_per_min: int = 600
    """New ones of one source in a minute."""
    open_max: int = 100_000
    """Those of all sources that are not over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """``[[group]]``: incidents that match and share fields become one when enough of them begin together."""

    name: str
    matchers: tuple[Matcher, ...]
    by: tuple[str, ...]
    more_than: int
    within_ms: int
    until: int
    """It is over when so many of its children, or fewer, are still raised."""
    clear_hold_ms: int = 60_000
    impact: Impact | None = None

    def key(self, incident: Incident) -> tuple[str, ...] | None:
        """The values that its members share; None if ``incident`` cannot be one."""
        look_up = fields_of_incident(incident)
        values = tuple(look_up(name) for name in self.by)
        return values if all(values) and holds(self.matchers, look_up) else None


@value
class Gathering:
    """One greater incident that a new one may belong to."""

    condition: str
    source: str
    object: str = ""
    mark: Muted
    group: Group | None = None
    rate: Rate = NEVER
    fingerprint: str = field(init=False)
    """That of the parent."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fingerprint", fingerprint(self.condition, self.source, self.object))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gatherings:
    """All groups, rates and caps; replaced as a whole by a reload."""

    groups: tuple[Group, ...] = ()
    rates: Mapping[Scope, Rate] = field(default_factory=lambda: MappingProxyType({}))
    period_ms: int = 60_000
    caps: Caps = Caps()
    ourselves: str = ""
    """The source of what the daemon tells of itself, which belongs to nothing."""
    _storms: OrderedDict[tuple[str, str, str], tuple[Gathering, ...]] = field(
        default_factory=OrderedDict, init=False, repr=False, compare=False
    )
    """What `storms_at` answered lately: each incident that begins asks it several times."""

    @property
    def told(self) -> tuple[object, ...]:
        """What decides which facets there are, for telling one set from another."""
        return tuple((group.name, tuple(map(str, group.matchers)), group.by) for group in self.groups)

    def _apart(self, incident: Incident) -> bool:
        return is_parent(incident) or incident.source == self.ourselves

    def groups_of(self, incident: Incident) -> list[Gathering]:
        """The groups that it may belong to."""
        if not self.groups or self._apart(incident):
            return []
        keys = [(group, group.key(incident)) for group in self.groups]
        return [
            Gathering(condition=GROUP, source=" ".join(key), object=group.name, mark=Muted.CHILD, group=group)
            for group, key in keys
            if key is not None
        ]

    def storms_of(self, incident: Incident) -> tuple[Gathering, ...]:
        """The storms that it may belong to, the narrowest first; what people wrote belongs to none."""
        if self._apart(incident) or incident.requester:
            return ()
        return self.storms_at(incident.source, incident.object, incident.rule)

    def storms_at(self, source: str, object_: str, rule: str) -> tuple[Gathering, ...]:
        """The same for what has no incident yet."""
        place = source, object_, rule
        found = self._storms.get(place)
        if found is None:
            found = self._of_object(source, object_, rule) if object_ else self._of_all_objects(source, rule)
            if len(self._storms) >= MOST_STORMS:
                self._storms.popitem(last=False)
            self._storms[place] = found
        return found

    def _of_object(self, source: str, object_: str, rule: str) -> tuple[Gathering, ...]:
        wider, rate = self.storms_at(source, "", rule), self.rates.get(Scope.OBJECT, NEVER)
        if not rate.high:
            return wider
        own = Gathering(condition=str(Scope.OBJECT), source=source, object=object_, mark=Muted.STORM, rate=rate)
        return (own, *wider)

    def _of_all_objects(self, source: str, rule: str) -> tuple[Gathering, ...]:
        where = {Scope.SOURCE: source, Scope.RULE: rule, Scope.ALL: EVERYWHERE}
        return tuple(
            _storm(scope, where[scope], rate)
            for scope, rate in self.rates.items()
            if rate.high and scope is not Scope.OBJECT
        )


@lru_cache(maxsize=MOST_STORMS)
def _storm(scope: Scope, source: str, rate: Rate) -> Gathering:
    return Gathering(condition=str(scope), source=source, mark=Muted.STORM, rate=rate)


def period_end_ms(now_ms: int, period_ms: int) -> int:
    """When the period ends in which ``now_ms`` is."""
    return now_ms - now_ms % period_ms + period_ms


def is_parent(incident: Incident) -> bool:
    """Whether others may belong to it."""
    return incident.rule in PARENT_RULES


PARENT_RULES = frozenset({GROUP, OVERFLOW, *Scope})
"""Stand in place of a rule's name in the verdict on a greater incident; no configured rule has such a name."""


def told_of(gathering: Gathering, *, period_ms: int) -> str:
    """The parent's one line."""
    group, rate = gathering.group, gathering.rate
    if group is not None:
        return (
            f"{group.name}: more than {group.more_than} incidents at {gathering.source} within {span(group.within_ms)}"
        )
    if gathering.condition == OVERFLOW:
        return f"overflow: {rate.high} incidents are open; what begins beyond them is only counted here"
    what = {
        Scope.OBJECT: f"{gathering.source} {gathering.object}",
        Scope.SOURCE: gathering.source,
        Scope.RULE: f"rule {gathering.source}",
        Scope.ALL: "all sources together",
    }[Scope(gathering.condition)]
    return f"storm: {what} began more than {rate.high} new incidents in {span(period_ms)}"


def raise_parent(
    gathering: Gathering, event: Event, verdict: Verdict, *, impact: Impact, period_ms: int
) -> tuple[Event, Verdict]:
    """The parent raised (once more) by one of its children; team and sinks are the child's own.

    It has no label but those that all its children share, so that what mutes one child mutes no parent of others; and no
    mail thread, requester or file, which stay the child's.
    """
    group = gathering.group
    shared = {name: event.labels[name] for name in group.by if name in event.labels} if group else {}
    least = (group.impact or impact) if group else graver(impact, Impact.HIGH)
    summary = told_of(gathering, period_ms=period_ms)
    return (
        replace(
            event, collector=OURSELVES, condition=gathering.condition, kind=EventKind.RAISE, object=gathering.object,
            source=gathering.source, description="", severity="", identity="", summary=summary,
            labels=shared, references=(), known_as=(), requester="", attachments=(),
        ),
        replace(
            verdict, rule=gathering.condition, fingerprint=gathering.fingerprint, condition=gathering.condition,
            kind=EventKind.RAISE, source=gathering.source, object=gathering.object, severity="", impact=least,
            summary=summary, runbook="", frequency=None, hold_ms=0, impact_after=(),
            clear_hold_ms=group.clear_hold_ms if group else 0, clear_after_ms=0 if group else 2 * period_ms,
        ),
    )  # fmt: skip


def said_of_parent(parent: Incident, kind: EventKind, *, at_ms: int) -> tuple[Event, Verdict]:
    """What its children come to: it is over, or lasts."""
    event = Event(collector=OURSELVES, source=parent.source, condition=parent.condition, kind=kind, at_ms=at_ms)
    verdict = Verdict(
        rule=parent.rule, fingerprint=parent.fingerprint, condition=parent.condition, kind=kind,
        source=parent.source, object=parent.object, impact=parent.impact, sinks=parent.sinks,
    )  # fmt: skip
    return event, verdict

"""Rules: configured judgement. A rulebook takes an event and gives one verdict, with the rule's name.

Rules are tried in order; the first that matches wins. One that says ``continue`` adds what it sets and lets the search
go on: what was set first stays, but of one that raises and one that clears the latter wins. Nothing is dropped because it
is unknown: what no rule matches gets the verdict of the default rule. Rules are indexed by condition and collector, and by
what their matchers demand (`gateway.core.ruleindex`), so that ten thousand of them cost about what ten do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import partial

from gateway.core.counting import Frequency
from gateway.core.event import Event, EventKind
from gateway.core.fingerprint import fingerprint
from gateway.core.flap import FlapLimits
from gateway.core.impact import Impact
from gateway.core.match import NO_CAPTURES, Fields, Matcher, Template, fields_of
from gateway.core.ruleindex import RuleIndex
from gateway.core.value import changer, value

DEFAULT_RULE = "default"
TRAP_OID = "trap_oid"
"""The label that a rule's condition may name, too."""
FLAP = FlapLimits()
HOUR_MS = 3_600_000
MOST_REMEMBERED = 4096
"""Conditions whose rules are remembered; with more, the memory begins anew."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a rule decides; None means that it leaves the matter to others."""

    condition: Template | None = None
    kind: EventKind | None = None
    source: Template | None = None
    object: Template | None = None
    severity: Template | None = None
    impact: Impact | None = None
    impact_by: Mapping[str, Mapping[str, Impact]] | None = None
    """Impact by a field's value: ``{"severity": {"CRITICAL": HIGH}}``; wins over ``impact`` where it has the value."""
    identity: tuple[str, ...] | None = None
    """Fields that join condition, source and object in the fingerprint."""
    summary: Template | None = None
    runbook: Template | None = None
    team: str | None = None
    sinks: tuple[str, ...] | None = None
    frequency: Frequency | None = None
    """How often it must be raised before it is a trouble."""
    hold_ms: int | None = None
    clear_hold_ms: int | None = None
    clear_after_ms: int | None = None
    """How long after its last raise an incident counts as cleared, for troubles whose end nobody tells; 0: never."""
    reopen_within_ms: int | None = None
    flap: FlapLimits | None = None
    impact_after: tuple[tuple[int, Impact], ...] | None = None
    """Age in ms, ascending, and the impact that an incident of that age has at least."""

    def filled_from(self, later: "Setting") -> "Setting":
        """This setting, with what it leaves open taken from ``later``; where one raises and one clears, both clear."""
        both = {
            item.name: getattr(later, item.name) if getattr(self, item.name) is None else getattr(self, item.name)
            for item in fields(Setting)
        }
        if {self.kind, later.kind} == {EventKind.RAISE, EventKind.CLEAR}:
            both["kind"] = EventKind.CLEAR
        return Setting(**both)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: when it applies, and what it sets."""

    name: str
    collector: str = ""
    """A collector's instance name or type; empty for any."""
    conditions: tuple[str, ...] = ()
    """Conditions or trap OIDs, one of which the event must have; empty for any."""
    matchers: tuple[Matcher, ...] = ()
    proceed: bool = False
    """``continue``: add the setting and look further."""
    drop: bool = False
    setting: Setting = field(default_factory=Setting)


@value
class Verdict:
    """What the rules decided of one event."""

    rule: str
    """The rule that won; ``default`` if none matched."""
    fingerprint: str
    condition: str
    kind: EventKind
    source: str
    impact: Impact
    object: str = ""
    severity: str = ""
    summary: str = ""
    runbook: str = ""
    team: str = ""
    sinks: tuple[str, ...] = ()
    frequency: Frequency | None = None
    hold_ms: int = 0
    clear_hold_ms: int = 0
    clear_after_ms: int = 0
    reopen_within_ms: int = 2 * HOUR_MS
    flap: FlapLimits = FLAP
    impact_after: tuple[tuple[int, Impact], ...] = ()
    drop: bool = False
    expected: tuple[str, ...] = ()
    """The expectations that the event meets (`[[expect]]`)."""


verdict_changed = changer(Verdict)
"""A verdict with other values of some fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of one rule that came close."""

    rule: str
    won: bool
    why: str
    matched: bool = False
    """Whether all that it asks for held: it won, or said ``continue``."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule with its setting filled from the defaults, so that most verdicts merge nothing."""

    rule: Rule
    whole: Setting
    terms: "_Terms"


_Terms = partial[Verdict]
_Place = tuple[str | None, str]
"""Where rules stand in the index: by their condition (None: any) and collector (empty: any)."""


@dataclass(frozen=True, slots=True)
class _Contest:
    """The rules that look at one condition: those that every event must try, and what finds the others."""

    tried: tuple[_Compiled, ...]
    orders: tuple[int, ...]
    """Of ``tried``."""
    indexes: tuple[RuleIndex, ...]


class Rulebook:
    """All rules, compiled; immutable but for the memory of which rules look at a condition."""

    def __init__(self, rules: Sequence[Rule], *, defaults: Setting, types: Mapping[str, str] | None = None) -> None:
        """Index ``rules`` by condition.

        Args:
            rules: in order of precedence.
            defaults: what holds where no rule says otherwise; must set impact, holds and sinks.
            types: collector instance name to plugin type, so that a rule may name either.
        """
        self.rules = tuple(rules)
        self._compiled = tuple(_compiled(rule, defaults) for rule in self.rules)
        self._defaults = defaults
        self._default_terms = _terms(DEFAULT_RULE, defaults)
        self._types = dict(types or {})
        groups: dict[_Place, list[int]] = {}
        for order, rule in enumerate(self.rules):
            for condition in dict.fromkeys(rule.conditions) or (None,):
                groups.setdefault((condition, rule.collector), []).append(order)
        self._indexes = {
            place: RuleIndex([(order, self.rules[order].matchers) for order in orders])
            for place, orders in groups.items()
        }
        self.reads = frozenset({TRAP_OID, *_read_by(defaults)}.union(*map(_reads, self.rules)))
        """Fields that a verdict may depend on; a name that is captured by a rule may be none of the event's."""
        self._contests: dict[tuple[str, str, str], _Contest] = {}
        self._shared: dict[tuple[_Place, ...], _Contest] = {}

    def judge(self, event: Event) -> Verdict:
        """The verdict on ``event``; total: every event gets one."""
        added: Setting | None = None
        captured: Mapping[str, str] = NO_CAPTURES
        look_up = fields_of(event)
        for compiled in self._candidates_for(event, look_up):
            rule = compiled.rule
            captures = _match(rule.matchers, look_up) if rule.matchers else NO_CAPTURES
            if captures is None:
                continue
            if captures:
                captured = {**captures, **captured}
            if not rule.proceed:
                if added is None:
                    return _verdict(event, compiled.whole, compiled.terms, captured)
                setting = added.filled_from(compiled.whole)
                return _verdict(event, setting, _terms(rule.name, setting, drop=rule.drop), captured)
            added = rule.setting if added is None else added.filled_from(rule.setting)
        if added is None:
            return _verdict(event, self._defaults, self._default_terms, captured)
        setting = added.filled_from(self._defaults)
        return _verdict(event, setting, _terms(DEFAULT_RULE, setting), captured)

    def matching(self, event: Event) -> tuple[str, ...]:
        """The names of all rules that match, in order."""
        look_up = fields_of(event)
        found = self._candidates_for(event, look_up)
        return tuple(one.rule.name for one in found if _match(one.rule.matchers, look_up) is not None)

    def explain(self, event: Event) -> list[Explanation]:
        """What became of every rule that looks at this condition, in the order in which they were tried."""
        said, winner = [], ""
        names = {event.condition, event.labels.get(TRAP_OID, "")}
        for rule in self.rules:  # each by itself: no index, so that the two check each other
            if rule.conditions and names.isdisjoint(rule.conditions):
                continue
            if winner:
                said.append(Explanation(rule=rule.name, won=False, why=f"comes after {winner}, which had already won"))
                continue
            why = self._why_not(rule, event)
            if why:
                said.append(Explanation(rule=rule.name, won=False, why=why))
            elif rule.proceed:
                said.append(Explanation(rule=rule.name, won=False, why="matched, and said continue", matched=True))
            else:
                winner = rule.name
                said.append(Explanation(rule=rule.name, won=True, why="the first rule that matched", matched=True))
        if not winner:
            said.append(Explanation(rule=DEFAULT_RULE, won=True, why="no rule matched"))
        return said

    def _candidates_for(self, event: Event, look_up: Fields) -> Sequence[_Compiled]:
        """The rules that may match, in order: of those that look at its condition or trap OID, and its collector."""
        contest = self._contest(event)
        if not contest.indexes:
            return contest.tried
        orders = {order for index in contest.indexes for order in index.find(look_up)}
        if not orders:
            return contest.tried
        return [self._compiled[order] for order in sorted(orders.union(contest.orders))]

    def _contest(self, event: Event) -> _Contest:
        key = (event.collector, event.condition, event.labels.get(TRAP_OID, ""))
        contest = self._contests.get(key)
        if contest is None:
            if len(self._contests) >= MOST_REMEMBERED:
                self._contests.clear()
                self._shared.clear()
            places = self._places(*key)
            contest = self._shared.get(places) or self._contest_at(places)
            self._contests[key] = self._shared[places] = contest
        return contest

    def _places(self, collector: str, condition: str, trap_oid: str) -> tuple[_Place, ...]:
        collectors = dict.fromkeys(("", collector, self._types.get(collector, "")))
        return tuple(
            (name, one)
            for name in dict.fromkeys((None, condition, trap_oid))
            for one in collectors
            if (name, one) in self._indexes
        )

    def _contest_at(self, places: Sequence[_Place]) -> _Contest:
        indexes = [self._indexes[place] for place in places]
        orders = tuple(sorted({order for index in indexes for order in index.always}))
        selective = tuple(index for index in indexes if index.selects)
        return _Contest(tuple(self._compiled[order] for order in orders), orders, selective)

    def _why_not(self, rule: Rule, event: Event) -> str:
        if rule.collector and rule.collector not in (event.collector, self._types.get(event.collector)):
            return f"wants collector {rule.collector}, the event came by {event.collector}"
        look_up = fields_of(event)
        for matcher in rule.matchers:
            if matcher.match(look_up) is None:
                held = sum(one.match(look_up) is not None for one in rule.matchers)
                others = f"; {held} of its {len(rule.matchers)} matchers hold" if held else ""
                return f"{matcher} does not hold: {matcher.field} is {look_up(matcher.field)[:120]!r}{others}"
        return ""


def _reads(rule: Rule) -> set[str]:
    return {matcher.field for matcher in rule.matchers} | _read_by(rule.setting)


def _read_by(setting: Setting) -> set[str]:
    """The fields whose values it puts in."""
    values = [getattr(setting, item.name) for item in fields(Setting)]
    templates = [value.reads for value in values if isinstance(value, Template)]
    return set().union(*templates, setting.identity or (), setting.impact_by or ())


def _match(matchers: Sequence[Matcher], look_up: Fields) -> Mapping[str, str] | None:
    """What the matchers captured if all of them hold, else None."""
    captures: Mapping[str, str] = NO_CAPTURES
    for matcher in matchers:
        found = matcher.match(look_up)
        if found is None:
            return None
        if found:
            captures = {**captures, **found}
    return captures


def _compiled(rule: Rule, defaults: Setting) -> _Compiled:
    whole = rule.setting.filled_from(defaults)
    return _Compiled(rule, whole, _terms(rule.name, whole, drop=rule.drop))


def _terms(rule: str, setting: Setting, *, drop: bool = False) -> "_Terms":
    """What a verdict of ``setting``, which leaves nothing open, says of every event."""
    return partial(
        Verdict,
        rule=rule,
        team=setting.team or "",
        sinks=setting.sinks or (),
        frequency=setting.frequency,
        hold_ms=setting.hold_ms or 0,
        clear_hold_ms=setting.clear_hold_ms or 0,
        clear_after_ms=setting.clear_after_ms or 0,
        reopen_within_ms=2 * HOUR_MS if setting.reopen_within_ms is None else setting.reopen_within_ms,
        flap=setting.flap or FLAP,
        impact_after=setting.impact_after or (),
        drop=drop,
    )


def _verdict(event: Event, setting: Setting, terms: "_Terms", captured: Mapping[str, str]) -> Verdict:
    """The verdict of ``setting`` on one event, by its ``terms``."""
    look_up = fields_of(event, captured)
    condition = setting.condition.line(look_up) if setting.condition else event.condition
    source = (setting.source.line(look_up) if setting.source else "") or event.source
    object_ = setting.object.line(look_up) if setting.object else event.object
    severity = setting.severity.line(look_up) if setting.severity else captured.get("severity") or event.severity
    extra = [(name, look_up(name)) for name in setting.identity or ()]
    return terms(
        fingerprint=fingerprint(condition, source, object_, extra),
        condition=condition,
        kind=setting.kind or event.kind,
        source=source,
        object=object_,
        severity=severity,
        impact=_impact(setting, severity, look_up),
        summary=setting.summary.line(look_up) if setting.summary else event.summary,
        runbook=setting.runbook.line(look_up) if setting.runbook else "",
    )


def _impact(setting: Setting, severity: str, look_up: Fields) -> Impact:
    for name, by_value in (setting.impact_by or {}).items():
        impact = by_value.get(severity if name == "severity" else look_up(name))
        if impact is not None:
            return impact
    return setting.impact or Impact.MEDIUM

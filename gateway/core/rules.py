"""Rules: configured judgement. A rulebook takes an event and gives one verdict, with the rule's name.

Rules are tried in order; the first that matches wins. One that says ``continue`` adds what it sets and lets the search
go on: what was set first stays. Nothing is dropped because it is unknown: what no rule matches gets the verdict of the
default rule. Rules are indexed by condition, so that ten thousand of them cost about what ten do.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from types import MappingProxyType

from gateway.core.event import Event, EventKind
from gateway.core.fingerprint import fingerprint
from gateway.core.impact import Impact
from gateway.core.match import NO_CAPTURES, Fields, Matcher, Template, fields_of

DEFAULT_RULE = "default"
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
    hold_ms: int | None = None
    clear_hold_ms: int | None = None
    clear_after_ms: int | None = None
    """How long after its last raise an incident counts as cleared, for troubles whose end nobody tells; 0: never."""
    reopen_within_ms: int | None = None
    impact_after: tuple[tuple[int, Impact], ...] | None = None
    """Age in ms, ascending, and the impact that an incident of that age has at least."""

    def filled_from(self, later: "Setting") -> "Setting":
        """This setting, with what it leaves open taken from ``later``."""
        return Setting(
            **{
                item.name: getattr(later, item.name) if getattr(self, item.name) is None else getattr(self, item.name)
                for item in fields(Setting)
            }
        )


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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    hold_ms: int = 0
    clear_hold_ms: int = 0
    clear_after_ms: int = 0
    reopen_within_ms: int = 2 * HOUR_MS
    impact_after: tuple[tuple[int, Impact], ...] = ()
    drop: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """What became of one rule that came close."""

    rule: str
    won: bool
    why: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A rule with its setting filled from the defaults, so that most verdicts merge nothing."""

    rule: Rule
    whole: Setting


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
        self._compiled = tuple(_Compiled(rule, rule.setting.filled_from(defaults)) for rule in self.rules)
        self._defaults = defaults
        self._types = dict(types or {})
        indexed: dict[str, list[int]] = {}
        anywhere: list[int] = []
        for order, rule in enumerate(self.rules):
            for condition in rule.conditions:
                indexed.setdefault(condition, []).append(order)
            if not rule.conditions:
                anywhere.append(order)
        self._indexed = MappingProxyType({condition: tuple(orders) for condition, orders in indexed.items()})
        self._anywhere = tuple(anywhere)
        self._candidates: dict[tuple[str, str], tuple[_Compiled, ...]] = {}

    def judge(self, event: Event) -> Verdict:
        """The verdict on ``event``; total: every event gets one."""
        added: Setting | None = None
        captured: Mapping[str, str] = NO_CAPTURES
        for compiled in self._candidates_for(event):
            captures = self._match(compiled.rule, event)
            if captures is None:
                continue
            if captures:
                captured = {**captures, **captured}
            rule = compiled.rule
            if not rule.proceed:
                setting = compiled.whole if added is None else added.filled_from(compiled.whole)
                return _verdict(event, rule.name, setting, captured, drop=rule.drop)
            added = rule.setting if added is None else added.filled_from(rule.setting)
        setting = self._defaults if added is None else added.filled_from(self._defaults)
        return _verdict(event, DEFAULT_RULE, setting, captured, drop=False)

    def explain(self, event: Event) -> list[Explanation]:
        """What became of every rule that looks at this condition, in the order in which they were tried."""
        said, winner = [], ""
        for rule in (compiled.rule for compiled in self._candidates_for(event)):
            if winner:
                said.append(Explanation(rule=rule.name, won=False, why=f"comes after {winner}, which had already won"))
                continue
            why = self._why_not(rule, event)
            if why:
                said.append(Explanation(rule=rule.name, won=False, why=why))
            elif rule.proceed:
                said.append(Explanation(rule=rule.name, won=False, why="matched, and said continue"))
            else:
                winner = rule.name
                said.append(Explanation(rule=rule.name, won=True, why="the first rule that matched"))
        if not winner:
            said.append(Explanation(rule=DEFAULT_RULE, won=True, why="no rule matched"))
        return said

    def _candidates_for(self, event: Event) -> tuple[_Compiled, ...]:
        """The rules that look at the event's condition or trap OID, in order."""
        key = (event.condition, event.labels.get("trap_oid", ""))
        found = self._candidates.get(key)
        if found is None:
            if len(self._candidates) >= MOST_REMEMBERED:
                self._candidates.clear()
            orders = {order for name in key for order in self._indexed.get(name, ())} | set(self._anywhere)
            found = self._candidates[key] = tuple(self._compiled[order] for order in sorted(orders))
        return found

    def _match(self, rule: Rule, event: Event) -> Mapping[str, str] | None:
        if rule.collector and rule.collector not in (event.collector, self._types.get(event.collector)):
            return None
        if not rule.matchers:
            return NO_CAPTURES
        captures: dict[str, str] = {}
        look_up = fields_of(event)
        for matcher in rule.matchers:
            found = matcher.match(look_up)
            if found is None:
                return None
            captures.update(found)
        return captures

    def _why_not(self, rule: Rule, event: Event) -> str:
        if rule.collector and rule.collector not in (event.collector, self._types.get(event.collector)):
            return f"wants collector {rule.collector}, the event came by {event.collector}"
        look_up = fields_of(event)
        for matcher in rule.matchers:
            if matcher.match(look_up) is None:
                return f"{matcher} does not hold: {matcher.field} is {look_up(matcher.field)[:120]!r}"
        return ""


def _verdict(event: Event, rule: str, setting: Setting, captured: Mapping[str, str], *, drop: bool) -> Verdict:
    """The verdict that ``setting``, which leaves nothing open, gives."""
    look_up = fields_of(event, captured)

    def text(template: Template | None, otherwise: str) -> str:
        return otherwise if template is None else " ".join(template.render(look_up).split())

    condition = text(setting.condition, event.condition)
    source = text(setting.source, event.source) or event.source
    object_ = text(setting.object, event.object)
    severity = text(setting.severity, captured.get("severity") or event.severity)
    extra = ((name, look_up(name)) for name in setting.identity or ())
    impact = _impact_by(setting, lambda name: severity if name == "severity" else look_up(name))
    return Verdict(
        rule=rule,
        fingerprint=fingerprint(condition, source, object_, extra),
        condition=condition,
        kind=setting.kind or event.kind,
        source=source,
        object=object_,
        severity=severity,
        impact=impact or setting.impact or Impact.MEDIUM,
        summary=text(setting.summary, event.summary),
        runbook=text(setting.runbook, ""),
        team=setting.team or "",
        sinks=setting.sinks or (),
        hold_ms=setting.hold_ms or 0,
        clear_hold_ms=setting.clear_hold_ms or 0,
        clear_after_ms=setting.clear_after_ms or 0,
        reopen_within_ms=2 * HOUR_MS if setting.reopen_within_ms is None else setting.reopen_within_ms,
        impact_after=setting.impact_after or (),
        drop=drop,
    )


def _impact_by(setting: Setting, look_up: Fields) -> Impact | None:
    for name, by_value in (setting.impact_by or {}).items():
        impact = by_value.get(look_up(name))
        if impact is not None:
            return impact
    return None

"""``[[rule]]`` as it is written, and as the core wants it."""

from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.models import Hold
from gateway.config.types import Between, Duration, Name
from gateway.core.counting import Counting, Frequency
from gateway.core.event import EventKind
from gateway.core.gather import PARENT_RULES
from gateway.core.impact import Impact
from gateway.core.match import Matcher, Template
from gateway.core.rules import DEFAULT_RULE, Rule, Setting
from gateway.plugin import PluginConfig


def _one_or_many(given: object) -> object:
    return [given] if isinstance(given, str) else given


def _matcher(text: str) -> str:
    try:
        Matcher.parse(text)
    except ValueError as error:
        raise PydanticCustomError("matcher", "{why}", {"why": str(error)}) from None
    return text


def _ages(given: dict[str, Impact]) -> dict[str, Impact]:
    for age in given:
        try:
            Duration.parse(age)
        except ValueError as error:
            raise PydanticCustomError("age", "{age}: {why}", {"age": age, "why": str(error)}) from None
    return given


def _rule_name(text: str) -> str:
    if text in PARENT_RULES:
        raise PydanticCustomError("reserved", '"{name}" is a rule of our own; name it otherwise', {"name": text})
    if text == DEFAULT_RULE:
        raise PydanticCustomError("reserved", '"default" is what no rule matches; name it otherwise')
    return text


def _template(text: str) -> str:
    flaw = Template(text).flaw
    if flaw:
        raise PydanticCustomError("template", "{why}", {"why": flaw})
    return text


ONE_OR_MANY = BeforeValidator(_one_or_many, json_schema_input_type=str | list[str])
MatcherText = Annotated[str, AfterValidator(_matcher)]
TemplateText = Annotated[Name, AfterValidator(_template)]


class RuleConfig(PluginConfig):
    """A rule: when it applies, and what it sets. The first that matches wins unless it says ``continue``."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Annotated[Name, AfterValidator(_rule_name)] = Field(max_length=120)
    """Its name, unique among all rules; incidents, metrics and ``tocsin explain`` show it."""
    collector: str = ""
    """A collector's instance name or type; empty: any."""
    condition: Annotated[tuple[Name, ...], ONE_OR_MANY] = ()
    """The condition or trap OID that the event must have, or a list of them; empty: any."""
    match: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = ()
    """What must hold, all of it: ``FIELD OPERATOR VALUE`` with ``= != =~ !~ < <= > >=``, as in ``subject =~ "^\\[disk"``."""
    proceed: bool = Field(default=False, alias="continue")
    """Whether to look further: what this rule sets stays, later rules add the rest."""
    drop: bool = False
    """Whether to drop the event, counted."""
    set_condition: TemplateText | None = None
    """The incident's condition; ``{field}`` is replaced by the event's field, label or captured group."""
    kind: EventKind | None = None
    """Whether the event raises, clears or is only noted."""
    set_source: TemplateText | None = None
    """The source it is about; ``{field}`` as above."""
    object: TemplateText | None = None
    """The part of the source concerned; ``{field}`` as above."""
    severity: TemplateText | None = None
    """What the device claims; ``{field}`` as above."""
    impact: Impact | None = None
    """The incident's impact."""
    impact_by: dict[Name, dict[Name, Impact]] | None = None
    """Impact by a field's value (``{severity = {CRITICAL = "high"}}``); wins over ``impact`` where it has the value."""
    identity: tuple[Name, ...] | None = None
    """Fields that join condition, source and object in telling one trouble from another."""
    summary: TemplateText | None = None
    """The incident's one line; ``{field}`` as above."""
    runbook: TemplateText | None = None
    """Link to what to do; ``{field}`` as above."""
    team: Name | None = None
    """The team that its tickets go to."""
    sinks: tuple[Name, ...] | None = None
    """Where its tickets go; ``[]``: an incident without a ticket."""
    count: int | None = Field(default=None, ge=2, le=100_000)
    """How many raises within ``within`` make a trouble; of fewer nobody is told, and a clear begins the count anew."""
    within: Annotated[Duration, Between("1s", "30d")] | None = None
    """The time of ``count``."""
    counting: Counting | None = None
    """``interval``, or left out: the count begins anew after ``within``; ``token_bucket``: it loses one per ``within / count``."""
    hold: Hold | None = None
    """How long it must last before a ticket is opened."""
    clear_hold: Hold | None = None
    """How long it must stay clear before it counts as resolved."""
    clear_after: Hold | None = None
    """How long after its last raise it counts as cleared, for troubles whose end nobody tells; ``"0s"``: never."""
    reopen_within: Hold | None = None
    """How long after it was resolved a new raise reopens it."""
    impact_after: Annotated[dict[str, Impact], AfterValidator(_ages)] | None = None
    """The impact that it has at least from an age on: ``{"2h" = "high", "1d" = "critical"}``."""

    @model_validator(mode="after")
    def _counts(self) -> Self:
        if (self.count is None) is not (self.within is None):
            missing = "within" if self.within is None else "count"
            raise PydanticCustomError("count", "count and within go together: add {missing}", {"missing": missing})
        if self.counting is not None and self.count is None:
            raise PydanticCustomError("count", "counting says how count is meant: add count and within, or remove it")
        return self

    def compiled(self) -> Rule:
        """The same for the core."""
        return Rule(
            name=self.name,
            collector=self.collector,
            conditions=self.condition,
            matchers=tuple(Matcher.parse(text) for text in self.match),
            proceed=self.proceed,
            drop=self.drop,
            setting=self._setting(),
        )

    def _setting(self) -> Setting:
        ages = None
        if self.impact_after is not None:
            ages = tuple(sorted((int(Duration.parse(age)), impact) for age, impact in self.impact_after.items()))
        return Setting(
            condition=_given(Template, self.set_condition),
            kind=self.kind,
            source=_given(Template, self.set_source),
            object=_given(Template, self.object),
            severity=_given(Template, self.severity),
            impact=self.impact,
            impact_by=self.impact_by,
            identity=self.identity,
            summary=_given(Template, self.summary),
            runbook=_given(Template, self.runbook),
            team=self.team,
            sinks=self.sinks,
            frequency=self._frequency(),
            hold_ms=_given(int, self.hold),
            clear_hold_ms=_given(int, self.clear_hold),
            clear_after_ms=_given(int, self.clear_after),
            reopen_within_ms=_given(int, self.reopen_within),
            impact_after=ages,
        )

    def _frequency(self) -> Frequency | None:
        if self.count is None or self.within is None:
            return None
        return Frequency(count=self.count, within_ms=int(self.within), counting=self.counting or Counting.INTERVAL)


def _given(make: Callable[[Any], Any], value: object) -> Any:
    """``make(value)``, or None where the rule says nothing."""
    return None if value is None else make(value)

"""``[[group]]`` and ``[storm]`` as they are written."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.rules import ONE_OR_MANY, MatcherText
from gateway.config.types import Between, Duration, Name, duration
from gateway.core.gather import Group, Rate, Scope
from gateway.core.impact import Impact
from gateway.core.match import Matcher
from gateway.plugin import PluginConfig

_MOST = 1_000_000


class GroupConfig(PluginConfig):
    """Incidents that share fields and begin together become children of one incident, which has the ticket."""

    name: Name = Field(max_length=120)
    """Its name; the parent's ticket shows it."""
    match: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = ()
    """Which incidents may be members: matchers, all of which must hold; left out: all that have the fields of ``by``."""
    by: Annotated[tuple[Name, ...], ONE_OR_MANY] = Field(min_length=1, max_length=5)
    """Fields or labels that members share, such as ``"site"``; who has none of it is no member."""
    more_than: int = Field(default=5, ge=1, le=1000)
    """So many may begin within ``within`` without being a group."""
    within: Annotated[Duration, Between("1s", "1d")] = duration("2m")
    """The time in which more of them begin."""
    until: int | None = Field(default=None, ge=0, le=1000)
    """The group is over when so many children, or fewer, are still raised; left out: half of ``more_than``."""
    clear_hold: Annotated[Duration, Between("1m", "1d")] = duration("1m")
    """How long that must last before its incident is resolved."""
    impact: Impact | None = None
    """The parent's impact; left out: that of its gravest child."""

    def compiled(self) -> Group:
        """The same for the core."""
        return Group(
            name=self.name,
            matchers=tuple(map(Matcher.parse, self.match)),
            by=self.by,
            more_than=self.more_than,
            within_ms=int(self.within),
            until=self.more_than // 2 if self.until is None else self.until,
            clear_hold_ms=int(self.clear_hold),
            impact=self.impact,
        )


class StormConfig(PluginConfig):
    """How many new incidents are too many: one storm incident has the ticket then, and those of the rest wait."""

    period: Annotated[Duration, Between("1s", "1h")] = duration("1m")
    """The time in which new incidents are counted."""
    object_high: int = Field(default=20, ge=0, le=_MOST)
    """More new incidents of one object in a period are a storm; 0: never."""
    object_low: int = Field(default=5, ge=1, le=_MOST)
    """The storm is over when a whole period had fewer."""
    source_high: int = Field(default=200, ge=0, le=_MOST)
    """The same for one source."""
    source_low: int = Field(default=50, ge=1, le=_MOST)
    """The same for one source."""
    rule_high: int = Field(default=600, ge=0, le=_MOST)
    """The same for one rule."""
    rule_low: int = Field(default=150, ge=1, le=_MOST)
    """The same for one rule."""
    high: int = Field(default=2000, ge=0, le=_MOST)
    """The same for all sources together."""
    low: int = Field(default=500, ge=1, le=_MOST)
    """The same for all sources together."""

    @model_validator(mode="after")
    def _has_room(self) -> Self:
        for name, rate in zip(("object_", "source_", "rule_", ""), self.rates().values(), strict=True):
            if rate.high and rate.low > rate.high:
                raise PydanticCustomError(
                    "order", "{name}low must not be more than {name}high; lower it", {"name": name}
                )
        return self

    def rates(self) -> dict[Scope, Rate]:
        """The same for the core, the narrowest first."""
        return {
            Scope.OBJECT: Rate(self.object_high, self.object_low),
            Scope.SOURCE: Rate(self.source_high, self.source_low),
            Scope.RULE: Rate(self.rule_high, self.rule_low),
            Scope.ALL: Rate(self.high, self.low),
        }

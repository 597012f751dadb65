"""``[[expect]]`` as it is written: an event that must come again and again."""

from typing import Annotated, Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.rules import ONE_OR_MANY, MatcherText
from gateway.config.schedule import ScheduleText
from gateway.config.types import Between, Duration, Name, Zone, duration
from gateway.core.match import Matcher
from gateway.core.rules import Rule
from gateway.plugin import PluginConfig


class ExpectConfig(PluginConfig):
    """An event that must come in each slot of time; one that is missing raises ``event_missing``, the next one clears."""

    name: Name = Field(max_length=120)
    """What is expected: the source of its incident."""
    collector: str = ""
    """A collector's instance name or type; empty: any."""
    condition: Annotated[tuple[Name, ...], ONE_OR_MANY] = ()
    """The condition or trap OID that the event must have, or a list of them; empty: any."""
    match: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = ()
    """What must hold of it, as in ``[[rule]]``."""
    schedule: ScheduleText
    """The times that end a slot and begin the next, as cron (``"0 6 * * *"``) or OnCalendar (``"minutely"``, ``"hourly"``, ``"daily"``)."""
    zone: Zone = "UTC"
    """The time zone of ``schedule``."""
    grace: Annotated[Duration, Between("0s", "7d")] = duration("1m")
    """How late it may be: what comes so soon after the end of its slot still counts for it."""

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if not (self.collector or self.condition or self.match):
            raise PydanticCustomError(
                "expect", "says of no event that it is expected: add condition, match or collector"
            )
        return self

    def compiled(self) -> Rule:
        """Which events are meant, as a rule that sets nothing."""
        return Rule(
            name=self.name,
            collector=self.collector,
            conditions=self.condition,
            matchers=tuple(map(Matcher.parse, self.match)),
        )

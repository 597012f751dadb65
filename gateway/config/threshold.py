"""``[[threshold]]`` as it is written."""

from typing import Annotated, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.rules import ONE_OR_MANY, MatcherText
from gateway.config.types import Name
from gateway.core.match import Matcher, Operator
from gateway.core.station import EVENT_MISSING, STATION_CLOCK, STATION_DOWN, STATION_FAULT, Threshold
from gateway.plugin import PluginConfig

_BOUNDS = (Operator.LESS, Operator.LESS_OR_EQUAL, Operator.GREATER, Operator.GREATER_OR_EQUAL)
_OURS = (EVENT_MISSING, STATION_CLOCK, STATION_DOWN, STATION_FAULT)


def _condition(name: str) -> str:
    if name in _OURS:
        raise PydanticCustomError("condition", "is the condition of something else; choose another")
    return name


def _bound(text: str) -> str:
    if Matcher.parse(text).operator not in _BOUNDS:
        raise PydanticCustomError(
            "bound", 'must compare with a number (< <= > >=), such as "battery < 20", not "{text}"', {"text": text}
        )
    return text


Bound = Annotated[MatcherText, AfterValidator(_bound)]


def _apart(below: Matcher, above: Matcher) -> bool:
    """Whether no number is both ``below`` (< or <=) and ``above`` (> or >=)."""
    touching = below.operator is Operator.LESS_OR_EQUAL and above.operator is Operator.GREATER_OR_EQUAL
    opposite = below.operator.value[0] != above.operator.value[0]
    return opposite and (below.number < above.number or (below.number == above.number and not touching))


class ThresholdConfig(PluginConfig):
    """A bound of a number that stations tell in their beats: an event when it is crossed, and one when that is over."""

    model_config = ConfigDict(serialize_by_alias=True)

    name: Annotated[Name, AfterValidator(_condition)] = Field(max_length=120)
    """The condition of its events, by which rules find them: ``low_battery``."""
    raises: Bound = Field(alias="raise")
    """What raises: a label of the beat compared with a number, such as ``"battery < 20"``."""
    clears: Bound | None = Field(default=None, alias="clear")
    """What clears, of the same label, such as ``"battery > 25"``; left out: as soon as ``raise`` does not hold."""
    match: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = ()
    """Whose beats: matchers on ``station``, ``site``, ``collector`` and labels, all of which must hold; left out: all."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        threshold = self.compiled()
        raises, clears = threshold.raises, threshold.clears
        if clears is None:
            return self
        if clears.field != raises.field:
            raise PydanticCustomError("bound", "clear must be about {field}, as raise is", {"field": raises.field})
        if not _apart(*sorted((raises, clears), key=lambda bound: bound.operator.value[0])):
            raise PydanticCustomError("bound", "clear must not hold where raise holds; move it to the other side")
        return self

    def compiled(self) -> Threshold:
        """The same for the core."""
        return Threshold(
            name=self.name,
            raises=Matcher.parse(self.raises),
            clears=None if self.clears is None else Matcher.parse(self.clears),
            matchers=tuple(map(Matcher.parse, self.match)),
        )

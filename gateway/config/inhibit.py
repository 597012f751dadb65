"""``[[inhibit]]`` and ``[inhibition]`` as they are written."""

from typing import Annotated

from pydantic import Field

from gateway.config.rules import ONE_OR_MANY, MatcherText
from gateway.config.types import Name
from gateway.core.inhibit import DEPENDS_ON, Inhibition
from gateway.core.match import Matcher
from gateway.plugin import PluginConfig


class InhibitionConfig(PluginConfig):
    """What keeps the tickets of lesser incidents back while a greater one is open."""

    down: tuple[Name, ...] = (
        "site_down",
        "region_down",
        "station_down",
        "device_down",
        "node_down",
        "host_down",
    )
    """Conditions that mean that a source is down: incidents of all that rests on it in the inventory wait. ``[]``: none."""


class InhibitConfig(PluginConfig):
    """An open incident that matches ``source`` keeps back the tickets of those that match ``target``."""

    name: Name = Field(max_length=120)
    """Its name."""
    source: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = Field(min_length=1, max_length=50)
    """What the greater incident is: matchers, all of which must hold."""
    target: Annotated[tuple[MatcherText, ...], ONE_OR_MANY] = Field(min_length=1, max_length=50)
    """What the lesser ones are. What matches both sides is not kept back by its like."""
    equal: tuple[Name, ...] = Field(default=(), max_length=20)
    """Fields and labels that must be the same on both sides; one that is missing is empty."""

    def compiled(self) -> Inhibition:
        """The same for the core."""
        return Inhibition(
            name=f"inhibit/{self.name}" if self.name == DEPENDS_ON else self.name,
            source=tuple(map(Matcher.parse, self.source)),
            target=tuple(map(Matcher.parse, self.target)),
            equal=self.equal,
        )

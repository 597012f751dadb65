"""Topic templates: ``fleet/{site}/{station}/heartbeat`` to a subscription filter and a matcher."""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.told import EntryKind

NAME_CHARS = 200
"""Longest name that a topic may give to a site or a station."""


class Place(NamedTuple):
    """Whom a topic names: a station, or what else the template is about."""

    station: str
    site: str = ""


@dataclass(frozen=True, slots=True)
class Template:
    """A topic with captures in place of levels.

    Raises:
        ValueError: the template can't be used; the text says why.
    """

    text: str
    about: EntryKind = EntryKind.STATION
    """What it must name."""
    filter: str = field(init=False)
    """What to subscribe to: captures become ``+``."""
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _sited: bool = field(init=False, repr=False, compare=False)
    """Whether it names a site besides what it is about."""

    def __post_init__(self) -> None:
        levels = self.text.split("/")
        patterns = [
            _pattern(level, self.text, self.about, last=place == len(levels) - 1) for place, level in enumerate(levels)
        ]
        if levels.count(f"{{{self.about}}}") != 1:
            raise ValueError(f"the topic {self.text!r} must have {{{self.about}}} as exactly one of its levels")
        if levels.count("{site}") > 1:
            raise ValueError(f"the topic {self.text!r} has {{site}} twice")
        if levels[0] == "$share":
            raise ValueError("a shared subscription shows no gateway the whole of a station: subscribe without $share")
        object.__setattr__(self, "filter", "/".join("+" if level.startswith("{") else level for level in levels))
        object.__setattr__(self, "_pattern", re.compile("/".join(patterns)))
        object.__setattr__(self, "_sited", "site" in self._pattern.groupindex)

    def match(self, topic: str) -> Place | None:
        """Whom ``topic`` names; None if it is another topic, or a name is empty, too long or unprintable."""
        found = self._pattern.fullmatch(topic)
        if found is None:
            return None
        place = Place(found["station"], found["site"] if self._sited else "")
        if not (place.station.isprintable() and place.site.isprintable()):
            return None
        return place if len(place.station) <= NAME_CHARS and len(place.site) <= NAME_CHARS else None

    def fill(self, *, station: str, site: str = "") -> str:
        """The topic on which this station publishes.

        Raises:
            ValueError: a name is missing, or isn't one topic level.
        """
        topic = self.text.replace("{site}", site).replace("{station}", station)
        if self.match(topic) != Place(station, site if "{site}" in self.text else ""):
            raise ValueError(f"station {station!r} of site {site!r} has no topic by {self.text!r}")
        return topic


def about(text: str) -> EntryKind:
    """What a topic of the inventory tells of, by what it names: the narrowest.

    Raises:
        ValueError: it names nothing.
    """
    levels = text.split("/")
    for kind in (EntryKind.STATION, EntryKind.SOURCE, EntryKind.SITE):
        if f"{{{kind}}}" in levels:
            return kind
    raise ValueError(f"the topic {text!r} must have {{station}}, {{source}} or {{site}} as one of its levels")


def _pattern(level: str, template: str, about: EntryKind, *, last: bool) -> str:
    if level == f"{{{about}}}":
        return "(?P<station>[^/]+)"
    if level == "{site}":
        return "(?P<site>[^/]+)"
    if level == "+":
        return "[^/]*"
    if level == "#" and last:
        return ".*"
    if any(character in level for character in "{}+#\0"):
        raise ValueError(
            f"in the topic {template!r} the level {level!r} is neither a name, {{site}}, {{{about}}}, nor a wildcard"
        )
    return re.escape(level)

"""What somebody else's inventory tells of one source: an entry as it came, not yet examined.

It names the same things as an entry of a file, so that one model examines both (`gateway.config.told`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class EntryKind(StrEnum):
    """What an entry of the inventory is about."""

    SITE = "site"
    STATION = "station"
    SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An entry that was told, or taken back."""

    kind: EntryKind
    name: str
    """Whom it is about, by the way on which it came, never by what it says."""
    said: Mapping[str, Any] | None
    """Its members, as plain values; None: forget the entry."""
    site: str = ""
    """Where that stands, if the way on which it came says so."""
    place: str = ""
    """Where it came from, as sentences name it: a topic."""

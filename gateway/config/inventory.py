"""The inventory as it is written: sites, stations, and all other sources; frozen and strict.

The same entries may stand in a CSV file (`gateway.config.table`), one in a row.
"""

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from gateway.config.types import Between, Duration, Name, SourceName, network
from gateway.plugin import PluginConfig, Secret


class Importance(StrEnum):
    """How much a source matters to us."""

    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


def _names(given: Any) -> Any:
    return given.split() if isinstance(given, str) else given


def _unique(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


class KnownConfig(PluginConfig):
    """What every entry of the inventory may say."""

    region: str = Field(default="", max_length=200)
    """The region that it belongs to: the label ``region``; left out: its site's."""
    importance: Importance | None = None
    """``high`` makes its incidents one step graver, ``critical`` two; left out: as its site says, else ``normal``."""
    contract: str = Field(default="", max_length=200)
    """The contract that covers it: the label ``contract``; left out: its site's."""
    owner: str = Field(default="", max_length=200)
    """Whose it is: the label ``owner``; left out: its site's."""
    team: str = ""
    """The team that its tickets go to, where no rule names one; left out: its site's."""
    depends_on: Annotated[
        tuple[Name, ...], BeforeValidator(_names, json_schema_input_type=str | list[str]), AfterValidator(_unique)
    ] = Field(default=(), max_length=20)
    """Sources without which it cannot be well: a list of names, or one text with names between spaces."""
    labels: dict[Name, str] = Field(default={}, max_length=50)
    """More labels for rules to match."""


class SiteConfig(KnownConfig):
    """A place where stations and devices stand; what it says holds for all of them that don't say otherwise."""

    name: Name
    """The site, as topics and the other entries name it."""


class StationConfig(KnownConfig):
    """One station that is known by name."""

    name: Name
    """The station, as its topic names it."""
    site: str = Field(default="", max_length=200)
    """Where it stands; empty: as its topic says."""
    interval: Annotated[Duration, Between("1s", "7d")] | None = None
    """How often it beats, whatever its payload says."""
    grace: Annotated[Duration, Between("0s", "7d")] | None = None
    """How late a beat may be."""
    ping_key: Secret | None = None
    """A secret of at least 16 characters: who knows it may say over HTTP (``/ping/KEY``) that this station lives."""
    must_appear_within: Annotated[Duration, Between("1s", "30d")] | None = None
    """How long after a start it may take to be heard; left out: a station that was never heard is not missed."""

    @field_validator("ping_key")
    @classmethod
    def _long_enough(cls, key: Secret | None) -> Secret | None:
        if key is not None and not re.fullmatch(r"[A-Za-z0-9._~-]{16,200}", key.reveal()):
            raise PydanticCustomError(
                "ping_key", "must be 16 to 200 letters, digits, dots, - _ or ~ (make one: openssl rand -hex 16)"
            )
        return key


class SourceConfig(KnownConfig):
    """An entry of the inventory: what we know about a source, or about all sources of a network."""

    name: SourceName
    """The source's exact name or address, or a network (``10.2.0.0/16``); the most specific entry holds."""
    site: str = Field(default="", max_length=200)
    """Where it stands: the label ``site``."""

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
        """The network that it is about; None if it names one source."""
        return network(self.name)

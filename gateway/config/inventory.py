"""The inventory as it is written: sites, stations, their profiles, and all other sources; frozen and strict.

The same entries may stand in a CSV file (`gateway.config.table`), one in a row.
"""

import ipaddress
import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from gateway.config.schedule import ScheduleText
from gateway.config.types import Between, Duration, Name, SourceName, Zone, duration, network
from gateway.plugin import PluginConfig, Secret


class Importance(StrEnum):
    """How much a source matters to us."""

    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class InventoryConfig(PluginConfig):
    """Entries that are told, not written: by an asset system over MQTT (``collectors.mqtt.inventory_topics``)."""

    told_max: int = Field(default=10_000, ge=0, le=1_000_000)
    """Entries kept that were told; one more is refused. 0: none is taken, and those that were hold no longer."""
    told_bytes: int = Field(default=8_192, ge=64, le=1_048_576)
    """Bytes of one such entry as JSON."""


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


class ProfileConfig(PluginConfig):
    """What stations of one kind owe: stations, sites and ``[stations]`` name it."""

    name: Name
    """Its name."""
    interval: Annotated[Duration, Between("1s", "7d")] | Literal["learned"] | None = None
    """How often they beat, unless a payload announces it; ``"learned"``, or left out: from their beats."""
    schedule: ScheduleText | None = None
    """The times at which they beat: a cron expression (``"0 3 * * *"``) or OnCalendar (``"Mon..Fri 03:00"``)."""
    zone: Zone = "UTC"
    """The time zone of ``schedule``."""
    grace: Annotated[Duration, Between("0s", "7d")] | None = None
    """How late a beat may be; left out: as ``[stations]`` says, else 1 h after a time of ``schedule``."""
    learn_beats: int = Field(default=8, ge=2, le=100)
    """So many gaps between beats must be known before their median counts as the interval."""
    interval_least: Annotated[Duration, Between("1s", "7d")] = duration("5s")
    """Shortest interval that is learned or believed; beats closer together are one."""
    interval_most: Annotated[Duration, Between("1s", "30d")] = duration("1d")
    """Longest interval that is learned or believed."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _one_pace(self.interval, self.schedule, self.zone)
        if self.interval_least > self.interval_most:
            raise PydanticCustomError("order", "interval_least must not be more than interval_most; lower it")
        return self


def _one_pace(interval: object, schedule: str | None, zone: str) -> None:
    if interval is not None and schedule is not None:
        raise PydanticCustomError("pace", "schedule says when beats are due: remove interval, or schedule")
    if zone != "UTC" and schedule is None:
        raise PydanticCustomError("pace", "zone is that of a schedule, and there is none: add schedule, or remove zone")


class SiteConfig(KnownConfig):
    """A place where stations and devices stand; what it says holds for all of them that don't say otherwise."""

    name: Name
    """The site, as topics and the other entries name it."""
    profile: str = ""
    """The profile of its stations that name none; empty: as ``[stations]`` says."""


class StationConfig(KnownConfig):
    """One station that is known by name."""

    name: Name
    """The station, as its topic names it."""
    site: str = Field(default="", max_length=200)
    """Where it stands; empty: as its topic says."""
    interval: Annotated[Duration, Between("1s", "7d")] | None = None
    """How often it beats, whatever its payload says."""
    profile: str = ""
    """The ``[[profile]]`` that says what it owes where this entry does not; empty: its site's."""
    schedule: ScheduleText | None = None
    """The times at which it beats: a cron expression (``"0 3 * * *"``) or OnCalendar (``"Mon..Fri 03:00"``)."""
    zone: Zone = "UTC"
    """The time zone of ``schedule``."""
    grace: Annotated[Duration, Between("0s", "7d")] | None = None
    """How late a beat may be; left out: as its profile, else ``[stations]`` says, else 1 h after a time of ``schedule``."""
    ping_key: Secret | None = None
    """A secret of at least 16 characters: who knows it may say over HTTP (``/ping/KEY``) that this station lives."""
    must_appear_within: Annotated[Duration, Between("1s", "30d")] | None = None
    """How long after a start it may take to be heard; left out: a station that was never heard is not missed."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _one_pace(self.interval, self.schedule, self.zone)
        return self

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

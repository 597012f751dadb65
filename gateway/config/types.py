"""Types of configuration values: durations, endpoints, names. Each refuses with one sentence that says the cure."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import PydanticCustomError, core_schema

UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_PART = r"\d+(?:\.\d+)?(?:ms|s|m|h|d|w)"
_DURATION = re.compile(rf"(?:{_PART})+\Z", re.ASCII)
MAX_PORT = 65_535
_LONGEST_MS = 100 * 366 * UNITS_MS["d"]


class Duration(int):
    """Milliseconds, written ``"90s"``, ``"5m"``, ``"1h30m"``, ``"1d"``, or as a number of seconds."""

    __slots__ = ()

    @classmethod
    def parse(cls, given: object) -> Self:
        """Read what a person wrote.

        Raises:
            ValueError: it is no duration; the text says how to write one.
        """
        if isinstance(given, cls):
            return given
        total: float = -1
        if isinstance(given, str) and _DURATION.match(given):
            parts = re.findall(r"([\d.]+)([a-z]+)", given)
            total = sum(float(number) * UNITS_MS[unit] for number, unit in parts)
        elif isinstance(given, int | float) and not isinstance(given, bool):
            total = given * 1000
        if not 0 <= total <= _LONGEST_MS:  # also refuses NaN and infinity
            raise ValueError('must be a duration such as "90s", "5m", "2h", "1d", or a number of seconds')
        return cls(round(total))

    @property
    def seconds(self) -> float:
        """The same length in seconds."""
        return self / 1000

    def __str__(self) -> str:
        rest, parts = int(self), []
        for unit, size in sorted(UNITS_MS.items(), key=lambda item: -item[1]):
            count, rest = divmod(rest, size)
            if count:
                parts.append(f"{count}{unit}")
        return "".join(parts) or "0s"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _sentence("duration", cls.parse), serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        text = {"type": "string", "pattern": f"^({_PART})+$", "examples": ["90s", "5m", "2h", "1d"]}
        return {"title": "Duration", "anyOf": [text, {"type": "number", "minimum": 0}]}


@dataclass(frozen=True, slots=True)
class Between:
    """Bounds of a `Duration`, both included, as a person would write them."""

    least: str
    most: str

    def __str__(self) -> str:
        return f"{self.least} .. {self.most}"

    def check(self, given: Duration) -> Duration:
        """Return ``given``, or raise with the bounds."""
        if not Duration.parse(self.least) <= given <= Duration.parse(self.most):
            raise PydanticCustomError(
                "between",
                "must be between {least} and {most}, not {given}",
                {"least": self.least, "most": self.most, "given": str(given)},
            )
        return given

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_after_validator_function(self.check, handler(source))


def duration(text: str) -> Duration:
    """A `Duration` for a default in code."""
    return Duration.parse(text)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to listen: an address and a port, written ``"127.0.0.1:9464"`` or ``"[::1]:9464"``."""

    host: str
    port: int

    @classmethod
    def parse(cls, given: object) -> "Endpoint":
        """Read what a person wrote.

        Raises:
            ValueError: it is no address with a port; the text says how to write one.
        """
        if isinstance(given, Endpoint):
            return given
        host, _, port = str(given).rpartition(":")
        literal = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        try:
            ipaddress.ip_address(literal)
            good = port.isascii() and port.isdigit() and int(port) <= MAX_PORT and (":" in literal) == (host != literal)
        except ValueError:
            good = False
        if not good:
            raise ValueError(
                'must be an IP address and a port such as "127.0.0.1:9464", "0.0.0.0:9464" or "[::1]:9464"'
            )
        return cls(literal, int(port))

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return ipaddress.ip_address(self.host).is_loopback

    @property
    def v6(self) -> bool:
        """Whether it is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if self.v6 else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _sentence("endpoint", cls.parse), serialization=core_schema.to_string_ser_schema()
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"title": "Endpoint", "type": "string", "pattern": r"^(\[.+\]|[0-9.]+):\d+$"}


def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    """The network that ``text`` (``"10.2.0.0/16"``) names; None if it has no ``/`` and so names one source.

    Raises:
        ValueError: it looks like a network and is none; the text says the cure.
    """
    if not re.match(r"[0-9a-fA-F:.]+/\d+\Z", text):
        return None
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        try:
            cure = f'did you mean "{ipaddress.ip_network(text, strict=False)}"?'
        except ValueError:
            cure = 'write it as "10.2.0.0/16" or "2001:db8::/32"'
        raise ValueError(f'"{text}" is not a network; {cure}') from None


def _source_name(text: str) -> str:
    try:
        network(text)
    except ValueError as error:
        raise PydanticCustomError("network", "{why}", {"why": str(error)}) from None
    return _filled(text)


def _filled(text: str) -> str:
    if not text.strip():
        raise PydanticCustomError("empty", "must not be empty; give it a name")
    return text


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (KeyError, ValueError, OSError):
        raise PydanticCustomError(
            "zone", '"{text}" is no time zone; write one such as "Europe/Paris" or "UTC"', {"text": text}
        ) from None
    return text


def _web_address(text: str) -> str:
    if text and not re.match(r"https?://[^\s/]+", text):
        raise PydanticCustomError("url", 'must be a web address that begins with "https://" or "http://"')
    return text


Name = Annotated[str, AfterValidator(_filled)]
"""A text that says something."""
SourceName = Annotated[str, AfterValidator(_source_name)]
"""A source's exact name, or a network of sources."""
Zone = Annotated[str, AfterValidator(_zone)]
"""A time zone by its name."""
WebAddress = Annotated[str, AfterValidator(_web_address)]
"""A link, or empty."""


def _sentence(kind: str, parse: Any) -> Any:
    """Wrap ``parse`` so that its ValueError is told as it stands, without pydantic's prefix."""

    def validate(given: object) -> Any:
        try:
            return parse(given)
        except ValueError as error:
            raise PydanticCustomError(kind, "{why}", {"why": str(error)}) from None

    return validate

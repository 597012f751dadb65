"""Configuration of the SNMP collector; each mistake is told in one sentence that names its cure."""

import ipaddress
import re
import socket
from enum import StrEnum
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler, field_validator, model_validator
from pydantic_core import PydanticCustomError, core_schema

from collectors.snmp.keys import Auth, Localisation, Priv, User, user_key
from gateway.plugin import PluginConfig, Secret

_MIN_PASSWORD = 8
_REFERENCE = ("env:", "file:", "credential:")
_ENDPOINT = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.%\w]+)\]|(?P<v4>[0-9.]+)):(?P<port>\d{1,5})", re.ASCII)


def _wrong(why: str) -> PydanticCustomError:
    return PydanticCustomError("snmp", "{why}", {"why": why})


class Community(Secret):
    """A community: its text, or a reference as for any `Secret`; shown by nothing but `reveal` either way."""

    @classmethod
    def from_reference(cls, reference: str) -> Self:
        """Read a reference, or take the text itself.

        Raises:
            ValueError: what the reference names is missing, or the community is empty.
        """
        if reference.startswith(_REFERENCE):
            return cls(Secret.from_reference(reference).reveal(), reference=reference)
        if not reference:
            raise ValueError('a community cannot be empty; write its text, such as "public", or env:NAME')
        return cls(reference, reference="***")

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def load(given: object) -> Community:
            if isinstance(given, Community):
                return given
            if not isinstance(given, str):
                raise _wrong('a community is text, such as "public", or a reference such as env:NAME')
            try:
                return Community.from_reference(given)
            except ValueError as error:
                raise _wrong(str(error)) from None

        return core_schema.no_info_plain_validator_function(
            load, serialization=core_schema.plain_serializer_function_ser_schema(lambda secret: secret.reference)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "examples": ["env:TOCSIN_COMMUNITY"]}


class Listen(NamedTuple):
    """Where to listen, taken apart."""

    family: socket.AddressFamily
    address: str
    port: int


def parse_listen(text: str) -> Listen:
    """Read ``127.0.0.1:162`` or ``[::1]:162``.

    Raises:
        ValueError: it is neither; the text says how to write it.
    """
    match = _ENDPOINT.fullmatch(text)
    cure = f'{text!r} is no address to listen on: write "127.0.0.1:1162" or "[::1]:1162", or "0.0.0.0:162" for all'
    if match is None or int(match["port"]) > 0xFFFF:  # noqa: PLR2004 - the greatest port
        raise ValueError(cure)
    try:
        address = ipaddress.ip_address(match["v6"] or match["v4"])
    except ValueError:
        raise ValueError(cure) from None
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004 - IPv4
    return Listen(family, str(address), int(match["port"]))


def _listen(text: str) -> str:
    try:
        parse_listen(text)
    except ValueError as error:
        raise _wrong(str(error)) from None
    return text


def _network(text: str) -> str:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise _wrong(f'{text!r} is no network: write "192.0.2.0/24", "2001:db8::/32" or one address') from None
    return text


def _engine_id(text: str) -> str:
    digits = text.removeprefix("0x").replace(":", "").lower()
    if digits and not re.fullmatch(r"(?:[0-9a-f]{2}){5,32}", digits):
        raise _wrong("an engine id is 5 to 32 octets in hexadecimal, such as 80001f8880a1b2c3d4e5f60718")
    return digits


Endpoint = Annotated[str, AfterValidator(_listen)]
Network = Annotated[str, AfterValidator(_network)]
EngineId = Annotated[str, AfterValidator(_engine_id)]


class Localise(StrEnum):
    """Which way of lengthening privacy keys to try."""

    AUTO = "auto"
    REEDER = "reeder"
    BLUMENTHAL = "blumenthal"


class TimeWindow(StrEnum):
    """What to do with authenticated messages outside the time window."""

    STRICT = "strict"
    LENIENT = "lenient"


class Level(StrEnum):
    """Least security level of a user's messages."""

    FULL = "full"
    NONE = "none"
    AUTH = "auth"
    PRIV = "priv"


class SourceFrom(StrEnum):
    """What names the source of an SNMPv3 message."""

    ADDRESS = "address"
    ENGINE_ID = "engine_id"


class UserConfig(PluginConfig):
    """One SNMPv3 user."""

    name: str = Field(min_length=1, max_length=32)
    """Security name, as configured in the devices."""
    auth: Auth = Auth.NONE
    """Authentication: none, md5, sha1, sha224, sha256, sha384 or sha512."""
    auth_password: Secret | None = None
    """Reference to the authentication password, of 8 characters or more."""
    priv: Priv = Priv.NONE
    """Privacy: none, des, 3des, aes128, aes192 or aes256."""
    priv_password: Secret | None = None
    """Reference to the privacy password, of 8 characters or more."""
    localisation: Localise = Localise.AUTO
    """How aes192 and aes256 keys longer than the digest are made: reeder (Cisco and most), blumenthal, or try both."""
    level: Level = Level.FULL
    """Least level accepted: none, auth, priv, or full, which is all that the protocols above allow."""
    time_window: TimeWindow = TimeWindow.STRICT
    """strict refuses messages more than 150 s behind or of earlier boots; lenient takes and marks them, for agents that
    forget their boots. Exact repeats are refused either way."""
    engine_id: EngineId = ""
    """The only engine whose traps this user may send, in hexadecimal; empty for any."""

    @model_validator(mode="after")
    def _whole(self) -> Self:
        who = f"user {self.name!r}"
        for what, protocol, password in (
            ("auth", self.auth.value, self.auth_password),
            ("priv", self.priv.value, self.priv_password),
        ):
            if password is None and protocol != "none":
                raise _wrong(f"{who} has {what} but no {what}_password: give it, or leave out {what}")
            if password is not None and protocol == "none":
                raise _wrong(f"{who} has {what}_password but no {what}: say which protocol, or leave it out")
            if password and len(password.reveal()) < _MIN_PASSWORD:
                raise _wrong(f"the {what}_password of {who} is shorter than 8 characters (RFC 3414 section 11.2)")
        if self.priv is not Priv.NONE and self.auth is Auth.NONE:
            raise _wrong(f"{who} has privacy without authentication: give auth and auth_password too")
        if _LEVELS[self.level] > self.most:
            raise _wrong(f"{who} asks for level {self.level.value!r}, which its protocols cannot give")
        return self

    @property
    def most(self) -> int:
        """Highest level that the protocols allow, as bits of ``msgFlags``."""
        return (self.auth is not Auth.NONE) + 2 * (self.priv is not Priv.NONE)

    def user(self) -> User:
        """The user with its keys; hashes for some milliseconds."""
        secrets = [
            None if secret is None else secret.reveal().encode() for secret in (self.auth_password, self.priv_password)
        ]
        auth_key, priv_key = (b"" if password is None else user_key(self.auth, password) for password in secrets)
        auto = self.localisation is Localise.AUTO
        return User(
            name=self.name.encode(),
            auth=self.auth,
            priv=self.priv,
            auth_key=auth_key,
            priv_key=priv_key,
            localisations=tuple(Localisation) if auto else (Localisation(self.localisation.value),),
            least=self.most if self.level is Level.FULL else _LEVELS[self.level],
            strict=self.time_window is TimeWindow.STRICT,
            engine_id=bytes.fromhex(self.engine_id),
        )


_LEVELS = {Level.FULL: 0, Level.NONE: 0, Level.AUTH: 1, Level.PRIV: 3}


class SnmpConfig(PluginConfig):
    """Traps and informs, SNMP v1, v2c and v3."""

    listen: tuple[Endpoint, ...] = Field(default=("127.0.0.1:1162",), max_length=64)
    """UDP addresses to listen on, such as 127.0.0.1:1162, 0.0.0.0:162, [::]:162. Not used if systemd hands sockets over."""
    allow: tuple[Network, ...] = Field(default=("0.0.0.0/0", "::/0"), max_length=10_000)
    """Networks whose datagrams are looked at; all others are counted and dropped before decoding."""
    communities: tuple[Community, ...] = Field(default=(), max_length=1000)
    """Communities of v1 and v2c that are accepted, as text or by reference; none means that v1 and v2c are refused."""
    relays: tuple[Network, ...] = Field(default=(), max_length=1000)
    """Networks of trap forwarders. Only from these is the device named within the trap (snmpTrapAddress.0, or the
    agent-addr of v1) believed, since anybody can write any address there."""
    users: tuple[UserConfig, ...] = Field(default=(), max_length=1000)
    """SNMPv3 users."""
    source_from: SourceFrom = SourceFrom.ADDRESS
    """What names the source of authenticated SNMPv3 messages: address, or engine_id for devices behind address
    translation."""
    engine_id: EngineId = ""
    """Our own engine id, in hexadecimal, for senders of informs that must know it; empty to generate one and keep it."""
    receive_buffer: int = Field(default=67_108_864, ge=4096, le=1_073_741_824)
    """Octets of socket buffer to ask the kernel for; a trap takes less than 1 KiB of it. Beyond ``net.core.rmem_max`` only the
    superuser gets it, and what systemd opens."""
    max_datagram: int = Field(default=65_535, ge=484, le=65_535)
    """Octets of the largest datagram taken; a larger one is counted as oversized."""
    max_varbinds: int = Field(default=512, ge=1, le=16_384)
    """Most varbinds of one trap."""
    read_budget: int = Field(default=256, ge=1, le=65_536)
    """Datagrams read at once before anything else gets its turn."""
    read_budget_ms: float = Field(default=2.0, ge=0.1, le=100.0)
    """Milliseconds of reading and decoding at once before anything else gets its turn."""
    engines_max: int = Field(default=16_384, ge=1, le=1_000_000)
    """SNMPv3 engines remembered, once for each user; beyond, the one unheard for longest is forgotten (2 KiB each)."""
    engines_per_source: int = Field(default=4096, ge=1, le=1_000_000)
    """Of these, how many one source address may bring, such as a proxy; beyond, its own one unheard for longest is forgotten."""
    repeats_max: int = Field(default=200_000, ge=100, le=10_000_000)
    """SNMPv3 messages remembered, for at least 150 s, to refuse exact repeats (about 100 octets each)."""
    lookaside_max: int = Field(default=8192, ge=0, le=1_000_000)
    """Different traps remembered, and as many informs, to recognise a repeat without decoding it (mostly 4 KiB each, up
    to 10); 0 for none."""
    informs_max: int = Field(default=20_000, ge=1, le=1_000_000)
    """Informs that may wait for their commit, and informs remembered to answer their repeats."""
    inform_memory_s: float = Field(default=60.0, ge=0.0, le=3600.0)
    """Seconds for which an answered inform is remembered."""
    reports_per_s: int = Field(default=200, ge=0, le=100_000)
    """Most SNMPv3 Reports sent in a second, since anybody can ask for them with a forged address."""

    @field_validator("communities", "allow", "listen", "relays", mode="before")
    @classmethod
    def _list(cls, given: object) -> object:
        if isinstance(given, str):
            raise _wrong('must be a list: write ["..."]')
        return given

    @field_validator("listen")
    @classmethod
    def _somewhere(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if not given:
            raise _wrong('give at least one address to listen on, such as "127.0.0.1:1162"')
        return given

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        names = [user.name for user in self.users]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise _wrong(f"user {twice!r} is configured twice: give each user one entry")
        return self

"""What a message consists of.

`VarBind`, `Pdu` and `Message` are tuples: making a frozen dataclass costs several times as much, and a storm makes many.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

V1: Final = 0
V2C: Final = 1
V3: Final = 3

Value = int | bytes | str | float | None


class PduType(IntEnum):
    """Which PDU; the values are the tags on the wire."""

    GET_REQUEST = 0xA0
    GET_NEXT_REQUEST = 0xA1
    RESPONSE = 0xA2
    SET_REQUEST = 0xA3
    TRAP_V1 = 0xA4
    GET_BULK_REQUEST = 0xA5
    INFORM = 0xA6
    TRAP_V2 = 0xA7
    REPORT = 0xA8


NOTIFICATIONS: Final = frozenset({PduType.TRAP_V1, PduType.TRAP_V2, PduType.INFORM})
ANY_PDU: Final = frozenset(PduType)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one PDU may hold; OIDs and nesting are bounded by the standards."""

    max_varbinds: int = 512
    max_value_bytes: int = 65_507
    """Octets of one value; the default is all that fits into a UDP datagram."""


DEFAULT_LIMITS: Final = Limits()


class VarBind(NamedTuple):
    """One variable binding."""

    oid: str
    """Dotted, without a leading dot."""
    tag: int
    """As on the wire, e.g. `ber.COUNTER32`."""
    value: Value
    """By tag: int for integers, counters and an Opaque-wrapped Counter64; float for an Opaque-wrapped float or double;
    str for OIDs (dotted) and IpAddresses; None for NULL and the three exceptions; bytes for everything else, unknown
    tags and malformed Opaques and IpAddresses among them."""


class Pdu(NamedTuple):
    """One PDU."""

    type: PduType
    varbinds: tuple[VarBind, ...]
    varbinds_raw: bytes
    """The varbind list as received, tag and length included: what a response must echo, and what a retransmission
    has in common with its original."""
    request_id: int = 0
    request_id_raw: bytes = b""
    """The request-id as received, tag and length included; empty in a v1 trap."""
    error_status: int = 0
    """In a GetBulk: non-repeaters."""
    error_index: int = 0
    """In a GetBulk: max-repetitions."""
    enterprise: str = ""
    """Only in v1 traps, like what follows."""
    agent_addr: str = ""
    generic: int = 0
    specific: int = 0
    timestamp: int = 0
    """The agent's sysUpTime, in hundredths of a second."""


class Message(NamedTuple):
    """A v1 or v2c message."""

    version: int
    """As on the wire: `V1` is 0, `V2C` is 1."""
    community: bytes
    """Never log or show it."""
    pdu: Pdu
    trailing: int = 0
    """Octets of the datagram behind the message; some agents send them, and they mean nothing."""

"""BER as SNMP uses it (RFC 3417 section 8): bytes to integers, OIDs and text, and the few encoders that answers need.

Every function here is pure. Decoders take the whole datagram with offsets, never a copy of its tail, and check each
length against the end of what contains it. What is wrong raises `DecodeError` and nothing else.

Where agents are commonly wrong and the meaning is clear, they are read anyway: lengths longer than they need be (as
``82 00 xx``), unsigned integers whose top bit is set without the padding octet, integers of up to 8 octets, empty OIDs.
Where the meaning is not clear they are refused: indefinite lengths, integers of no octets, OID arcs above 32 bits.
"""

from ipaddress import IPv6Address
from typing import Final

from gateway.core.reason import Dropped

INTEGER: Final = 0x02
BIT_STRING: Final = 0x03
OCTET_STRING: Final = 0x04
NULL: Final = 0x05
OBJECT_IDENTIFIER: Final = 0x06
SEQUENCE: Final = 0x30
IP_ADDRESS: Final = 0x40
COUNTER32: Final = 0x41
GAUGE32: Final = 0x42
TIMETICKS: Final = 0x43
OPAQUE: Final = 0x44
COUNTER64: Final = 0x46
UINTEGER32: Final = 0x47
"""Historic (RFC 1442), still sent by some agents."""
NO_SUCH_OBJECT: Final = 0x80
NO_SUCH_INSTANCE: Final = 0x81
END_OF_MIB_VIEW: Final = 0x82

UNSIGNED32: Final = frozenset({COUNTER32, GAUGE32, TIMETICKS, UINTEGER32})
VALUELESS: Final = frozenset({NULL, NO_SUCH_OBJECT, NO_SUCH_INSTANCE, END_OF_MIB_VIEW})
HIGH_TAG: Final = 0x1F
"""All five tag bits set: the tag number goes on in further octets (X.690 section 8.1.2.4)."""

LONG_FORM: Final = 0x80
"""In a length octet: it counts the length's octets that follow (X.690 section 8.1.3.5)."""
MAX_ARCS: Final = 128
"""Most sub-identifiers of an OID (RFC 2578 section 3.5)."""
MAX_ARC: Final = 0xFFFF_FFFF
MAX_OID_OCTETS: Final = MAX_ARCS * 5

_MEMO_ENTRIES: Final = 16_384
_MEMO_OCTETS: Final = 64
"""Longer OIDs are decoded each time, so that a hostile sender can't make the memo hold more than a few MiB."""
_LENGTH_OCTETS: Final = 4
_INTEGER_OCTETS: Final = 8
_MORE: Final = 0x80
"""In an octet of an arc: more octets follow."""
_IPV4_OCTETS: Final = 4
_IPV6_OCTETS: Final = 16


class DecodeError(ValueError):
    """The octets are not what SNMP allows, or more than we take.

    Its text tells what and where, never the content, so that it may be logged.
    """

    def __init__(self, detail: str, *, reason: Dropped = Dropped.MALFORMED) -> None:
        super().__init__(detail)
        self.reason = reason
        """`MALFORMED`, `UNSUPPORTED` or `OVERSIZED`: how the drop is counted."""


# --- decoding ------------------------------------------------------------------------------------


def read_header(data: bytes, offset: int, end: int) -> tuple[int, int, int]:
    """Read the tag and length at ``offset`` of an element contained in ``data[:end]``.

    Returns:
        The tag octet, where the content starts, and where it stops (at most ``end``).

    Raises:
        DecodeError: it is truncated, of indefinite length, or reaches beyond ``end``.
    """
    if offset + 2 > end or end > len(data):
        raise DecodeError(f"truncated at octet {offset}")
    length = data[offset + 1]
    start = offset + 2
    if length >= LONG_FORM:
        length, start = long_length(data, start, length)
    if start + length > end:
        raise DecodeError(f"the element at octet {offset} is longer than what contains it")
    return data[offset], start, start + length


def long_length(data: bytes, offset: int, first: int) -> tuple[int, int]:
    """Read the octets of a long-form length, that begin at ``offset``, after its ``first`` octet.

    Returns:
        The length, not yet checked against anything, and where the content starts.

    Raises:
        DecodeError: indefinite, or of more octets than a datagram can need.
    """
    count = first & 0x7F
    if not 1 <= count <= _LENGTH_OCTETS:
        what = "indefinite" if count == 0 else f"of {count} octets"
        raise DecodeError(f"the length at octet {offset - 1} is {what}")
    return int.from_bytes(data[offset : offset + count], "big"), offset + count


def expect(data: bytes, offset: int, end: int, tag: int) -> tuple[int, int]:
    """Like `read_header`, for an element that must have this ``tag``; returns where the content starts and stops.

    Raises:
        DecodeError: also if the tag is another.
    """
    if offset + 2 <= end <= len(data) and data[offset] == tag:
        start = offset + 2
        stop = start + data[offset + 1]
        if data[offset + 1] < LONG_FORM and stop <= end:
            return start, stop  # nearly always: the rest is for long lengths, and to say what is wrong
    found, start, stop = read_header(data, offset, end)
    if found != tag:
        raise DecodeError(f"tag {found:#04x} at octet {offset} where {tag:#04x} belongs")
    return start, stop


def read_integer(data: bytes, offset: int, end: int) -> tuple[int, int]:
    """Read an INTEGER; returns its value and the offset behind it.

    Raises:
        DecodeError: not an INTEGER of 1..8 octets within ``end``.
    """
    start, stop = expect(data, offset, end, INTEGER)
    return signed(data[start:stop]), stop


def read_octets(data: bytes, offset: int, end: int) -> tuple[bytes, int]:
    """Read an OCTET STRING; returns its content and the offset behind it.

    Raises:
        DecodeError: not an OCTET STRING within ``end``.
    """
    start, stop = expect(data, offset, end, OCTET_STRING)
    return data[start:stop], stop


def signed(content: bytes) -> int:
    """The value of an INTEGER's content octets.

    Raises:
        DecodeError: not 1..8 octets.
    """
    if not 1 <= len(content) <= _INTEGER_OCTETS:
        raise DecodeError(f"an INTEGER of {len(content)} octets")
    return int.from_bytes(content, "big", signed=True)


def unsigned32(content: bytes) -> int:
    """The value of a Counter32, Gauge32, TimeTicks or UInteger32.

    A top bit without the padding octet is a common fault of agents and not a sign; a value sign-extended to up to
    8 octets loses the extension, as in net-snmp.

    Raises:
        DecodeError: not 1..8 octets.
    """
    if not 1 <= len(content) <= _INTEGER_OCTETS:
        raise DecodeError(f"an unsigned integer of {len(content)} octets")
    return int.from_bytes(content, "big") & 0xFFFF_FFFF


def unsigned64(content: bytes) -> int:
    """The value of a Counter64: 1..8 octets, or 9 of which the first is padding.

    Raises:
        DecodeError: another number of octets, or a value beyond 64 bits.
    """
    if not 1 <= len(content) <= _INTEGER_OCTETS + 1 or (len(content) > _INTEGER_OCTETS and content[0]):
        raise DecodeError(f"a Counter64 of {len(content)} octets")
    return int.from_bytes(content, "big")


def address(content: bytes) -> str | None:
    """The text of an IpAddress of 4 octets, or of the 16 that some agents put there; None for any other length."""
    if len(content) == _IPV4_OCTETS:
        return f"{content[0]}.{content[1]}.{content[2]}.{content[3]}"
    return str(IPv6Address(content)) if len(content) == _IPV6_OCTETS else None


_memo: Final[dict[bytes, str]] = {}


def oid(content: bytes) -> str:
    """The dotted text of an OBJECT IDENTIFIER's content octets; no octets mean ``0.0``, as in net-snmp.

    Storms repeat few OIDs, so the answers for short ones are remembered, up to a bound.

    Raises:
        DecodeError: too long, an arc above 32 bits, or the last arc is cut off.
    """
    known = _memo.get(content)
    if known is not None:
        return known
    dotted = _oid(content)
    if len(content) <= _MEMO_OCTETS:
        if len(_memo) >= _MEMO_ENTRIES:
            _memo.clear()
        _memo[content] = dotted
    return dotted


def _oid(content: bytes) -> str:
    if len(content) > MAX_OID_OCTETS:
        raise DecodeError(f"an OID of {len(content)} octets", reason=Dropped.OVERSIZED)
    if not content:
        return "0.0"
    if content[-1] & _MORE:
        raise DecodeError("the last arc of an OID is cut off")
    arcs: list[int] = []
    arc = 0
    for octet in content:
        arc = arc << 7 | octet & 0x7F
        if arc > MAX_ARC:
            raise DecodeError("an OID's arc is above 32 bits")
        if not octet & _MORE:
            arcs.append(arc)
            arc = 0
    # X.690 section 8.19.4: the first subidentifier holds two arcs, 40 * first + second, where first is 0, 1 or 2.
    top = min(arcs[0] // 40, 2)
    arcs[:1] = (top, arcs[0] - 40 * top)
    if len(arcs) > MAX_ARCS:
        raise DecodeError(f"an OID of {len(arcs)} arcs", reason=Dropped.OVERSIZED)
    return ".".join(map(str, arcs))


# --- encoding ------------------------------------------------------------------------------------


def encode(tag: int, content: bytes) -> bytes:
    """Tag, minimal definite length and content."""
    length = len(content)
    if length < LONG_FORM:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def encode_sequence(*elements: bytes, tag: int = SEQUENCE) -> bytes:
    """A constructed element: a SEQUENCE, or a PDU by its ``tag``, of elements already encoded."""
    return encode(tag, b"".join(elements))


def encode_integer(value: int, tag: int = INTEGER) -> bytes:
    """An INTEGER, or by ``tag`` a Counter32, Gauge32, TimeTicks or Counter64."""
    return encode(tag, integer_content(value))


def integer_content(value: int) -> bytes:
    """The content octets of an integer, as few as it takes."""
    length = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return value.to_bytes(length, "big", signed=True)


def encode_octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return encode(OCTET_STRING, value)


def encode_oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER from its dotted text.

    Raises:
        ValueError: it is no OID of 2..128 arcs of 32 bits.
    """
    return encode(OBJECT_IDENTIFIER, oid_content(dotted))


def oid_content(dotted: str) -> bytes:
    """The content octets of an OBJECT IDENTIFIER.

    Raises:
        ValueError: it is no OID of 2..128 arcs of 32 bits.
    """
    arcs = [int(arc) if arc.isascii() and arc.isdecimal() else -1 for arc in dotted.split(".", MAX_ARCS)]
    top, second = arcs[0], arcs[1] if len(arcs) > 1 else -1
    first = top * 40 + second
    fits = len(arcs) <= MAX_ARCS and min(arcs) >= 0 and max(first, *arcs) <= MAX_ARC
    if not fits or second < 0 or top not in (0, 1, 2) or (top != 2 and second >= 40):  # noqa: PLR2004 - X.690 section 8.19.4
        raise ValueError(f"{dotted[:80]!r} is no object identifier")
    return b"".join(map(_subidentifier, (first, *arcs[2:])))


def _subidentifier(arc: int) -> bytes:
    octets = [arc & 0x7F]
    while arc := arc >> 7:
        octets.append(arc & 0x7F | 0x80)
    return bytes(reversed(octets))

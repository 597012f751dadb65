"""SNMP messages and PDUs: bytes to values (RFC 1157, 1901, 3416), and back for what we answer.

`decode_message` reads v1 and v2c whole. A v3 receiver reads its own header and, once that is verified and decrypted,
hands the PDU to `decode_pdu`. Both raise `DecodeError` and nothing else.

A notification's cost counts in a storm: varbinds are remembered by their octets, and the walker indexes the datagram in
place and makes no other objects than the values it returns.
"""

import struct
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from typing import Final

from collectors.snmp import ber
from collectors.snmp.ber import LONG_FORM, DecodeError
from collectors.snmp.pdu import (
    ANY_PDU,
    DEFAULT_LIMITS,
    NOTIFICATIONS,
    V1,
    V2C,
    V3,
    Limits,
    Message,
    Pdu,
    PduType,
    Value,
    VarBind,
)
from gateway.core.reason import Dropped

__all__ = [
    "ANY_PDU",
    "DEFAULT_LIMITS",
    "NOTIFICATIONS",
    "V1",
    "V2C",
    "V3",
    "DecodeError",
    "Limits",
    "Message",
    "Pdu",
    "PduType",
    "Value",
    "VarBind",
    "decode_message",
    "decode_pdu",
    "encode_message",
    "encode_pdu",
    "encode_response",
    "encode_value",
    "encode_varbind",
    "message_version",
    "response_pdu",
]

_ONLY_V1: Final = frozenset({PduType.TRAP_V1})
_NOT_V1: Final = frozenset({PduType.GET_BULK_REQUEST, PduType.INFORM, PduType.TRAP_V2, PduType.REPORT})


# --- decoding ------------------------------------------------------------------------------------


def message_version(data: bytes) -> int:
    """The version on the wire (0, 1, 3, or what no SNMP has), without looking further into the message.

    Raises:
        DecodeError: it does not even begin like an SNMP message.
    """
    start, stop = ber.expect(data, 0, len(data), ber.SEQUENCE)
    return ber.read_integer(data, start, stop)[0]


def decode_message(
    data: bytes, *, limits: Limits = DEFAULT_LIMITS, accept: frozenset[PduType] = NOTIFICATIONS
) -> Message:
    """Decode a whole v1 or v2c datagram.

    Args:
        data: the datagram.
        limits: how much it may hold.
        accept: the PDU types wanted; a trap port wants no others, and must not answer them.

    Raises:
        DecodeError: `UNSUPPORTED` for another version or PDU type, `OVERSIZED` beyond the limits, else `MALFORMED`.
    """
    start, end = ber.expect(data, 0, len(data), ber.SEQUENCE)
    version, offset = ber.read_integer(data, start, end)
    if version not in (V1, V2C):
        raise DecodeError(f"SNMP version {version}", reason=Dropped.UNSUPPORTED)
    community, offset = ber.read_octets(data, offset, end)
    pdu = decode_pdu(data, offset, end, version=version, limits=limits, accept=accept)
    return Message(version, community, pdu, len(data) - end)


def decode_pdu(
    data: bytes,
    offset: int,
    end: int,
    *,
    version: int,
    limits: Limits = DEFAULT_LIMITS,
    accept: frozenset[PduType] = NOTIFICATIONS,
) -> Pdu:
    """Decode the PDU that fills ``data[offset:end]``.

    Args:
        data: the datagram, or a decrypted scoped PDU.
        offset: where the PDU's tag is.
        end: where the PDU must stop.
        version: the message's version (`V1`, `V2C`, `V3`): v1 has other PDUs than its successors.
        limits: how much it may hold.
        accept: the PDU types wanted.

    Raises:
        DecodeError: as `decode_message`.
    """
    tag, start, stop = ber.read_header(data, offset, end)
    kind = _TYPES.get(tag)
    if kind is None or kind in (_NOT_V1 if version == V1 else _ONLY_V1):
        raise DecodeError(f"PDU tag {tag:#04x} in a message of version {version}")
    if kind not in accept:
        raise DecodeError(f"a {kind.name} is not taken here", reason=Dropped.UNSUPPORTED)
    if stop != end:
        raise DecodeError(f"octets behind the PDU at octet {stop}")
    read = _decode_trap_v1 if kind is PduType.TRAP_V1 else _decode_common
    try:
        return read(kind, data, start, stop, limits)
    except IndexError:  # the varbind walker leaves a header cut off by the datagram's end to the index check
        raise DecodeError("truncated in the varbind list") from None


def _decode_common(kind: PduType, data: bytes, start: int, end: int, limits: Limits) -> Pdu:
    """RFC 3416 section 3: request-id, error-status, error-index, variable-bindings."""
    request_id, offset = ber.read_integer(data, start, end)
    request_id_raw = data[start:offset]
    if data[offset : offset + 6] == b"\x02\x01\x00\x02\x01\x00":
        status = index = 0
        offset += 6
    else:
        status, offset = ber.read_integer(data, offset, end)
        index, offset = ber.read_integer(data, offset, end)
    varbinds = _decode_varbinds(data, offset, end, limits)
    return Pdu(kind, varbinds, data[offset:end], request_id, request_id_raw, status, index)


def _decode_trap_v1(kind: PduType, data: bytes, start: int, end: int, limits: Limits) -> Pdu:
    """RFC 1157 section 4.1.6: enterprise, agent-addr, generic-trap, specific-trap, time-stamp, variable-bindings."""
    content, offset = ber.expect(data, start, end, ber.OBJECT_IDENTIFIER)
    enterprise = ber.oid(data[content:offset])
    tag, content, stop = ber.read_header(data, offset, end)
    agent = ber.address(data[content:stop]) if tag in _ADDRESSES else None
    if agent is None:
        raise DecodeError(f"no address at octet {offset} where the agent-addr belongs")
    generic, offset = ber.read_integer(data, stop, end)
    specific, offset = ber.read_integer(data, offset, end)
    tag, content, stop = ber.read_header(data, offset, end)
    if tag not in ber.UNSIGNED32 and tag != ber.INTEGER:
        raise DecodeError(f"tag {tag:#04x} at octet {offset} where the time-stamp belongs")
    timestamp = ber.unsigned32(data[content:stop])
    varbinds = _decode_varbinds(data, stop, end, limits)
    return Pdu(kind, varbinds, data[stop:end], 0, b"", 0, 0, enterprise, agent, generic, specific, timestamp)


def _decode_varbinds(data: bytes, offset: int, end: int, limits: Limits) -> tuple[VarBind, ...]:
    """Walk the varbind list that fills ``data[offset:end]``.

    Most varbinds have been seen before, octet for octet, and of what is known no header need be read again.
    """
    offset, stop = ber.expect(data, offset, end, ber.SEQUENCE)
    if stop != end:
        raise DecodeError(f"octets behind the varbind list at octet {stop}")
    varbinds: list[VarBind] = []
    most = limits.max_varbinds
    remembered = (_memo if limits.max_value_bytes >= LONG_FORM else _NOTHING).get
    while offset < end:
        if len(varbinds) == most:
            raise DecodeError(f"more than {most} varbinds", reason=Dropped.OVERSIZED)
        stop = offset + 2 + data[offset + 1]  # if its length is a short one, as that of all that are known
        varbind = remembered(data[offset:stop])
        if varbind is None:
            varbind, stop = _decode_varbind(data, offset, end, limits.max_value_bytes)
        varbinds.append(varbind)
        offset = stop
    if offset != end:
        raise DecodeError(f"the varbind before octet {offset} is longer than the list")
    return tuple(varbinds)


def _decode_varbind(data: bytes, begin: int, end: int, longest: int) -> tuple[VarBind, int]:
    """The varbind that begins at ``begin``, and where it stops.

    This indexes instead of calling `ber.read_header`. A header beyond its parent's end is not refused when it is read but
    right after, since its content can't stop in time; beyond the datagram's end it raises IndexError, which
    `decode_pdu` turns into a `DecodeError`.
    """
    if data[begin] != ber.SEQUENCE:
        raise DecodeError(f"no varbind at octet {begin}")
    whole, offset = data[begin + 1], begin + 2
    length = whole
    if length >= LONG_FORM:
        length, offset = ber.long_length(data, offset, length)
    stop = offset + length
    if data[offset] != ber.OBJECT_IDENTIFIER:
        raise DecodeError(f"no OID at octet {offset}")
    length, offset = data[offset + 1], offset + 2
    if length >= LONG_FORM:
        length, offset = ber.long_length(data, offset, length)
    behind = offset + length
    name = ber.oid(data[offset:behind])
    tag, length, offset = data[behind], data[behind + 1], behind + 2
    if length >= LONG_FORM:
        length, offset = ber.long_length(data, offset, length)
    if offset + length != stop or stop > end:
        raise DecodeError(f"the lengths of the varbind before octet {stop} don't add up")
    if length > longest:
        raise DecodeError(f"a value of {length} octets", reason=Dropped.OVERSIZED)
    read = _READERS.get(tag)
    varbind = VarBind(name, tag, data[offset:stop] if read is None else read(data[offset:stop]))
    if whole < LONG_FORM and tag in _CONSTANT:
        if len(_memo) >= _MEMO_ENTRIES:
            _memo.clear()
        _memo[data[begin:stop]] = varbind
    return varbind, stop


def _oid_value(content: bytes) -> Value:
    return ber.oid(content)


def _address_value(content: bytes) -> Value:
    text = ber.address(content)
    return content if text is None else text


def _nothing(_content: bytes) -> Value:
    return None


def _opaque(content: bytes) -> Value:
    """Unwrap what net-snmp wraps: ``9f78`` float, ``9f79`` double, ``9f76`` and ``9f7b`` unsigned, ``9f7a`` signed.

    Anything else, and anything malformed, stays as it is: an odd measurement is no reason to lose a trap.
    """
    inner = content[3:]
    if content[:1] != b"\x9f" or len(content) < _WRAPPER_OCTETS or content[2] != len(inner):
        return content
    read = _WRAPPED.get(content[1])
    try:
        return content if read is None else read(inner)
    except (DecodeError, struct.error):
        return content


def _float(content: bytes) -> Value:
    return float(struct.unpack(">f", content)[0])


def _double(content: bytes) -> Value:
    return float(struct.unpack(">d", content)[0])


_WRAPPER_OCTETS: Final = 3
_WRAPPED: Final[dict[int, Callable[[bytes], Value]]] = {
    0x76: ber.unsigned64,
    0x78: _float,
    0x79: _double,
    0x7A: ber.signed,
    0x7B: ber.unsigned64,
}
_TYPES: Final = {int(kind): kind for kind in PduType}
_ADDRESSES: Final = frozenset({ber.IP_ADDRESS, ber.OCTET_STRING})
_INTEGERS: Final = ber.UNSIGNED32 | {ber.INTEGER, ber.COUNTER64}
_READERS: Final[dict[int, Callable[[bytes], Value]]] = {
    ber.INTEGER: ber.signed,
    ber.OBJECT_IDENTIFIER: _oid_value,
    ber.IP_ADDRESS: _address_value,
    ber.OPAQUE: _opaque,
    ber.COUNTER64: ber.unsigned64,
    **dict.fromkeys(ber.UNSIGNED32, ber.unsigned32),
    **dict.fromkeys(ber.VALUELESS, _nothing),
}


_CONSTANT: Final = frozenset({ber.INTEGER, ber.OCTET_STRING, ber.OBJECT_IDENTIFIER, ber.IP_ADDRESS, ber.NULL})
"""Tags of values that come again; what counts or measures is seldom the same twice."""
_MEMO_ENTRIES: Final = 16_384
_memo: Final[dict[bytes, VarBind]] = {}
"""Varbinds by their octets, of which there are less than 130, so that a hostile sender can't make it hold more than a few MiB."""
_NOTHING: Final[dict[bytes, VarBind]] = {}


# --- encoding ------------------------------------------------------------------------------------


def encode_response(message: Message) -> bytes:
    """The v2c message that acknowledges an inform (RFC 3416 section 4.2.7)."""
    return encode_message(message.version, message.community, response_pdu(message.pdu))


def response_pdu(pdu: Pdu) -> bytes:
    """The Response PDU to an inform: its own request-id and varbinds, octet for octet, and no error.

    In v3 it goes into the scoped PDU.
    """
    return ber.encode_sequence(pdu.request_id_raw, b"\x02\x01\x00\x02\x01\x00", pdu.varbinds_raw, tag=PduType.RESPONSE)


def encode_message(version: int, community: bytes, pdu: bytes) -> bytes:
    """A v1 or v2c message around an encoded PDU."""
    return ber.encode_sequence(ber.encode_integer(version), ber.encode_octets(community), pdu)


def encode_pdu(
    kind: PduType,
    varbinds: Iterable[VarBind],
    *,
    request_id: int,
    error_status: int = 0,
    error_index: int = 0,
) -> bytes:
    """Any PDU but a v1 trap, e.g. the Report with which v3 answers a discovery.

    Raises:
        ValueError: a value doesn't fit its tag.
    """
    head = [ber.encode_integer(number) for number in (request_id, error_status, error_index)]
    return ber.encode_sequence(*head, ber.encode_sequence(*map(encode_varbind, varbinds)), tag=kind)


def encode_varbind(varbind: VarBind) -> bytes:
    """One variable binding.

    Raises:
        ValueError: the value doesn't fit the tag, or the OID is none.
    """
    return ber.encode_sequence(ber.encode_oid(varbind.oid), encode_value(varbind.tag, varbind.value))


def encode_value(tag: int, value: Value) -> bytes:
    """A varbind's value, the inverse of what `VarBind.value` says.

    Raises:
        ValueError: the value doesn't fit the tag.
    """
    match value:
        case None if tag in ber.VALUELESS:
            content = b""
        case int() if tag in _INTEGERS:
            content = ber.integer_content(value)
        case int() if tag == ber.OPAQUE:
            content = b"\x9f" + ber.encode_integer(value, 0x76)
        case float() if tag == ber.OPAQUE:
            content = b"\x9f" + ber.encode(0x79, struct.pack(">d", value))
        case str() if tag == ber.OBJECT_IDENTIFIER:
            content = ber.oid_content(value)
        case str() if tag == ber.IP_ADDRESS:
            content = ip_address(value).packed
        case bytes():
            content = value
        case _:
            raise ValueError(f"a {type(value).__name__} is no value of tag {tag:#04x}")
    return ber.encode(tag, content)

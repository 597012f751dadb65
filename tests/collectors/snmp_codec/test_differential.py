"""Against pysnmp (pyasn1), over valid and mutated messages: where both accept, the values are equal.

Where only one accepts, the reason is on the list of known differences.
"""

import random
import struct
from collections import Counter

import pytest

from collectors.snmp import ber
from collectors.snmp.codec import (
    ANY_PDU,
    DecodeError,
    PduType,
    VarBind,
    decode_message,
    encode_message,
    encode_pdu,
)

pytest.importorskip("pysnmp")
from pyasn1.codec.ber import decoder, encoder
from pysnmp.proto import api

THEIRS = {0: api.PROTOCOL_MODULES[api.SNMP_VERSION_1], 1: api.PROTOCOL_MODULES[api.SNMP_VERSION_2C]}

ONLY_THEY_ACCEPT = {
    "the length at": "indefinite lengths, which RFC 3417 section 8 forbids, and lengths of more than 4 octets",
    "an INTEGER of": "integers of no octets, and of more than 8",
    "an unsigned integer of": "the same",
    "a Counter64 of": "the same",
    "an OID's arc is above 32 bits": "arcs as long as they come (RFC 2578 section 3.5: 32 bits)",
}
"""Part of our refusals of what pyasn1 takes, and what that is."""

ONLY_WE_ACCEPT = {
    "Invalid octet 0x80 in OID": "padded arcs",
    "Empty substrate": "an OID without octets: 0.0",
    "ValueConstraintError": "unsigned integers that lack the padding octet, integers beyond 32 bits, an IpAddress not of 4 octets",
    "not in asn1Spec": "values of unknown tags, Counter64 in v1, agent-addr and time-stamp of a kindred type",
    "substrate for Null": "NULLs and exceptions with octets",
    "BER length field size": "tags that pyasn1 reads on in the next octet",
    "EndOfStreamError": "the same",
    "are more than expected": "octets behind the message",
    "Simple tag format expected": "the same",
}
"""Part of pyasn1's refusals of what we take, because agents send it, and what that is."""


def ours(data: bytes):
    message = decode_message(data, accept=ANY_PDU)
    pdu = message.pdu
    head = (
        (pdu.enterprise, pdu.agent_addr, pdu.generic, pdu.specific, pdu.timestamp)
        if pdu.type is PduType.TRAP_V1
        else (pdu.request_id, pdu.error_status, pdu.error_index)
    )
    return message.version, message.community, int(pdu.type), head, [tuple(varbind) for varbind in pdu.varbinds]


def theirs(data: bytes):
    module = THEIRS[int(api.decodeMessageVersion(data))]
    message, _rest = decoder.decode(data, asn1Spec=module.Message())
    pdu = module.apiMessage.get_pdu(message)
    tag = 0x80 | 0x20 | pdu.tagSet[-1].tagId
    if tag == PduType.TRAP_V1:
        reader = module.apiTrapPDU
        head = (
            str(reader.get_enterprise(pdu)),
            reader.get_agent_address(pdu).prettyPrint(),
            int(reader.get_generic_trap(pdu)),
            int(reader.get_specific_trap(pdu)),
            int(reader.get_timestamp(pdu)),
        )
    else:
        reader = module.apiPDU
        head = (int(pdu[0]), int(pdu[1]), int(pdu[2]))
    varbinds = [(str(name), *value_of(value)) for name, value in reader.get_varbinds(pdu)]
    return int(message[0]), bytes(message[1]), tag, head, varbinds


def value_of(value):
    last = value.tagSet[-1]
    tag = last.tagClass | last.tagFormat | last.tagId
    if tag in ber.UNSIGNED32 or tag in (ber.INTEGER, ber.COUNTER64):
        return tag, int(value)
    if tag == ber.OBJECT_IDENTIFIER:
        return tag, str(value)
    if tag in ber.VALUELESS:
        return tag, None
    if tag == ber.IP_ADDRESS:
        return tag, value.prettyPrint()
    if tag == ber.OPAQUE:
        return tag, unwrap(bytes(value))
    return tag, bytes(value)


def unwrap(content: bytes):
    """Known difference: pysnmp leaves an Opaque as it is; we read what net-snmp wraps into it."""
    if len(content) == 7 and content[:3] == b"\x9f\x78\x04":
        return struct.unpack(">f", content[3:])[0]
    if len(content) == 11 and content[:3] == b"\x9f\x79\x08":
        return struct.unpack(">d", content[3:])[0]
    if content[:2] in (b"\x9f\x76", b"\x9f\x7b") and len(content) > 3 and content[2] == len(content) - 3 <= 8:
        return int.from_bytes(content[3:], "big")
    return content


def generated(rng: random.Random) -> bytes:
    varbinds = [VarBind(random_oid(rng), *random_value(rng)) for _ in range(rng.randrange(7))]
    kind = rng.choice([PduType.TRAP_V2, PduType.TRAP_V2, PduType.INFORM, PduType.RESPONSE, PduType.GET_REQUEST])
    pdu = encode_pdu(kind, varbinds, request_id=rng.randrange(-(2**31), 2**31), error_index=rng.choice((0, 0, 3)))
    return encode_message(1, rng.randbytes(rng.randrange(12)), pdu)


def generated_v1(rng: random.Random) -> bytes:
    """Encoded by pyasn1, so that one encoder of the test is not ours."""
    module = THEIRS[0]
    pdu = module.TrapPDU()
    reader = module.apiTrapPDU
    reader.set_defaults(pdu)
    reader.set_enterprise(pdu, random_oid(rng))
    reader.set_agent_address(pdu, f"192.0.2.{rng.randrange(256)}")
    reader.set_generic_trap(pdu, rng.randrange(7))
    reader.set_specific_trap(pdu, rng.randrange(2**31))
    reader.set_timestamp(pdu, rng.randrange(2**32))
    reader.set_varbinds(
        pdu,
        [
            (random_oid(rng), module.OctetString(rng.randbytes(9))),
            (random_oid(rng), module.Integer(rng.randrange(-9, 9))),
        ],
    )
    message = module.Message()
    module.apiMessage.set_defaults(message)
    module.apiMessage.set_community(message, "public")
    module.apiMessage.set_pdu(message, pdu)
    return encoder.encode(message)


def random_oid(rng: random.Random) -> str:
    arcs = [rng.choice((1, 7, 127, 128, 16_384, 2**32 - 1)) for _ in range(rng.randrange(1, 9))]
    return ".".join(map(str, (1, 3, 6, 1, *arcs)))


def random_value(rng: random.Random):
    return rng.choice(
        [
            (ber.INTEGER, rng.randrange(-(2**31), 2**31)),
            (ber.COUNTER32, rng.randrange(2**32)),
            (ber.GAUGE32, rng.randrange(2**32)),
            (ber.TIMETICKS, rng.randrange(2**32)),
            (ber.COUNTER64, rng.randrange(2**64)),
            (ber.OCTET_STRING, rng.randbytes(rng.randrange(200))),
            (ber.OBJECT_IDENTIFIER, random_oid(rng)),
            (ber.IP_ADDRESS, f"198.51.100.{rng.randrange(256)}"),
            (ber.OPAQUE, 1.5),
            (ber.OPAQUE, rng.randbytes(4)),
            (ber.NULL, None),
        ]
    )


def mutated(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        at = rng.randrange(len(changed))
        match rng.randrange(8):
            case 0:
                del changed[at]
            case 1:
                changed.insert(at, rng.randrange(256))
            case _:
                changed[at] = rng.choice((0, 1, 0x7F, 0x80, 0x81, 0xFF, changed[at] ^ 1, rng.randrange(256)))
    return bytes(changed)


@pytest.fixture(scope="module")
def datagrams() -> list[bytes]:
    rng = random.Random(20_261_122)
    good = [generated(rng) for _ in range(400)] + [generated_v1(rng) for _ in range(100)]
    return good + [mutated(rng, rng.choice(good)) for _ in range(1_500)]


def test_where_both_accept_the_values_are_equal(datagrams: list[bytes], record_property) -> None:
    counted: Counter = Counter()
    unexplained = []
    for data in datagrams:
        we, our_refusal = attempt(ours, data, DecodeError)
        they, their_refusal = attempt(theirs, data, Exception)
        counted[f"{'we' if we else 'not we'}, {'they' if they else 'not they'}"] += 1
        if we and they:
            assert repr(we) == repr(they), data.hex()
        elif they and not any(known in our_refusal for known in ONLY_THEY_ACCEPT):
            unexplained.append((our_refusal, data.hex()))
        elif we and not any(known in their_refusal for known in ONLY_WE_ACCEPT):
            unexplained.append((their_refusal, data.hex()))
    record_property("snmp datagrams", f"against pysnmp, accepted of {len(datagrams)}: {dict(counted)}")
    assert not unexplained
    assert counted["we, they"] > 600


def attempt(decode, data: bytes, expected: type[Exception]):
    try:
        return decode(data), ""
    except expected as error:
        return None, f"{type(error).__name__}: {error}"

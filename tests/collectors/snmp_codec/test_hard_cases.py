"""Each hard case gets the verdict that the corpus expects; where it leaves the choice, the one written here."""

import json
import os
from pathlib import Path

import pytest

from collectors.snmp import ber
from collectors.snmp.codec import DecodeError, PduType, decode_message, encode_response
from gateway.core.reason import Dropped

SHARED = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).parents[4] / "shared"))
PATH = SHARED / "corpora" / "snmp" / "hard_cases.jsonl"
CASES = [json.loads(line) for line in PATH.read_text("utf-8").splitlines()] if PATH.exists() else []

CHOSEN = {
    "v1 specific negative": "accept",
    "v1 generic 7 (undefined)": "accept",
    "v1 zero-length enterprise OID": "accept",
    "v1 agent-addr as OCTET STRING": "accept",
    "v2c no varbinds": "accept",
    "v2c snmpTrapOID value is OCTET STRING": "accept",
    "Gauge32 zero-length": "reject",
    "IpAddress 16 octets (v6 in IpAddress)": "accept",
    "unknown app tag 0x5f": "accept",
    "OID sub-id 2^32": "reject",
    "OID non-minimal sub-id (0x80 pad)": "accept",
    "OID with 200 sub-ids": "reject",
    "length 0x85": "reject",
    "outer length too short, trailing garbage": "accept",
    "version as 2 octets": "accept",
}
"""Our verdict where the corpus says ``accept-or-flag`` or ``reject-or-flag``."""

MISTAKEN = {
    "varbind length lies (+1)": "its changed octet is an OID's arc (08), not a length: a well-formed ifOperStatus.7",
}
"""Cases whose expectation is wrong, and why: they are accepted."""

REASONS = {
    "version 2": Dropped.UNSUPPORTED,
    "GET PDU to trap port": Dropped.UNSUPPORTED,
    "Report PDU v2c": Dropped.UNSUPPORTED,
    "OID with 200 sub-ids": Dropped.OVERSIZED,
}
"""Why a case is rejected, where it isn't ``malformed``."""

LAST_VALUES = {
    "Counter32 as 4 octets with top bit (no 00 pad)": (ber.COUNTER32, 0xFFFF_FFFF),
    "TimeTicks negative looking": (ber.TIMETICKS, 0x8000_0000),
    "Counter64 max": (ber.COUNTER64, 2**64 - 1),
    "INTEGER 8 octets": (ber.INTEGER, 7),
    "INTEGER -1": (ber.INTEGER, -1),
    "IpAddress": (ber.IP_ADDRESS, "192.0.2.1"),
    "NULL value": (ber.NULL, None),
    "Opaque float (net-snmp 9f78)": (ber.OPAQUE, 1.5),
    "Opaque double (9f79)": (ber.OPAQUE, 1.5),
    "Opaque counter64 (9f76)": (ber.OPAQUE, 5),
    "Opaque truncated float": (ber.OPAQUE, bytes.fromhex("9f780400")),
    "Unsigned32 tag 0x47": (ber.UINTEGER32, 5),
    "BIT STRING value": (ber.BIT_STRING, bytes.fromhex("00ff")),
    "unknown app tag 0x5f": (0x5F, b"\x01"),
    "v1 with Counter64 varbind": (ber.COUNTER64, 2**63),
    "OID value with sub-id 2^32-1": (ber.OBJECT_IDENTIFIER, "1.3.6.1.4.1.4294967295"),
    "OID 2.999": (ber.OBJECT_IDENTIFIER, "2.999.3"),
    "OID 0.0 (zeroDotZero)": (ber.OBJECT_IDENTIFIER, "0.0"),
}
"""Tag and value of the last varbind, where the case is about that."""

pytestmark = pytest.mark.shared


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_verdict(case) -> None:
    name, datagram = case["name"], bytes.fromhex(case["hex"])
    expected = CHOSEN[name] if case["expect"].endswith("-or-flag") else case["expect"]
    if name in MISTAKEN:
        expected = "accept"
    if expected == "reject":
        with pytest.raises(DecodeError) as caught:
            decode_message(datagram)
        assert caught.value.reason is REASONS.get(name, Dropped.MALFORMED)
        return
    message = decode_message(datagram)
    if name in LAST_VALUES:
        assert message.pdu.varbinds[-1][1:] == LAST_VALUES[name]
    assert (message.pdu.type is PduType.INFORM) == (expected == "accept+ack")
    if expected == "accept+ack":
        answer = encode_response(message)
        assert message.pdu.varbinds_raw in answer
        assert message.pdu.request_id_raw in answer


def test_they_are_counted(count) -> None:
    if not CASES:
        pytest.skip(f"no corpora/snmp/hard_cases.jsonl in TOCSIN_SHARED ({SHARED})")
    counted = count("hard cases", [bytes.fromhex(case["hex"]) for case in CASES])
    assert counted.total() == len(CASES)


@pytest.mark.parametrize(
    "case", [case for case in CASES if case["expect"].startswith("accept")][:12], ids=lambda c: c["name"]
)
def test_every_beginning_of_a_good_datagram_is_malformed(case) -> None:
    datagram = bytes.fromhex(case["hex"])
    whole = decode_message(datagram)
    for length in range(len(datagram) - whole.trailing):
        with pytest.raises(DecodeError):
            decode_message(datagram[:length])

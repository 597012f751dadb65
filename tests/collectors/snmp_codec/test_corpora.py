"""Every datagram of the corpora is survived, and vendors' traps are read as their authors wrote them."""

from collections import Counter

import pytest

from collectors.snmp.codec import ANY_PDU, V1, V2C, V3, DecodeError, decode_message, message_version
from collectors.snmp.names import standard
from collectors.snmp.translate import to_event
from gateway.core.reason import Dropped

pytestmark = pytest.mark.shared


def test_third_party_packets_are_survived(corpus, count) -> None:
    packets = [(case["name"], bytes.fromhex(case["hex"])) for case in corpus("third_party_packets")]
    count("third-party packets, as notifications", [packet for _, packet in packets])
    count("third-party packets, any PDU", [packet for _, packet in packets], accept=ANY_PDU)
    refused = {name: reason for name, packet in packets if (reason := why_refused(packet)) is not None}
    assert {name for name, reason in refused.items() if reason != "v3"} == {
        "panicUnmarshalParseFloat32",
        "panicUnmarshalParseFloat64",
        "panicUnmarshalParseRawFieldTimeTicks",
        "panicUnmarshalV3Overflow",
    }


def why_refused(packet: bytes) -> str | None:
    try:
        decode_message(packet, accept=ANY_PDU)
    except DecodeError as error:
        return "v3" if error.reason is Dropped.UNSUPPORTED and message_version(packet) == V3 else error.reason
    return None


def test_vendor_traps_are_read_as_written(corpus, count) -> None:
    traps = [trap for trap in corpus("vendor_traps") if trap.get("pkt_v2c_hex")]
    counted = count("vendor traps", [bytes.fromhex(trap["pkt_v2c_hex"]) for trap in traps])
    assert counted["accepted"] == len(traps) > 100
    for trap in traps:
        varbinds = decode_message(bytes.fromhex(trap["pkt_v2c_hex"])).pdu.varbinds
        assert [varbind.oid for varbind in varbinds] == [varbind["oid"] for varbind in trap["varbinds"]]
        for varbind, written in zip(varbinds, trap["varbinds"], strict=True):
            assert varbind.value == wire_value(written)


def wire_value(written):
    if written["type"] != "OctetString":
        return written["value"]
    text = written["value"]
    return bytes.fromhex(text[4:]) if text.startswith("hex:") else text.encode()


def test_vendor_traps_become_events_that_name_their_trap(corpus, record_property) -> None:
    named: Counter = Counter()
    for trap in corpus("vendor_traps"):
        if not trap.get("pkt_v2c_hex"):
            continue
        pdu = decode_message(bytes.fromhex(trap["pkt_v2c_hex"])).pdu
        event = to_event(pdu, address=trap["source_ip"], names=standard(), at_ms=0, collector="snmp")
        assert event.labels["trap_oid"] == trap["trap_oid"]
        name = trap["trap_name"].rpartition("::")[2]
        named["by name" if event.condition == name else f"as {event.condition}, not {name}"] += 1
    record_property("snmp datagrams", f"vendor traps, events: {dict(named)}")
    assert named["by name"] >= 145


def test_names_by_place_are_right_where_they_are_given(corpus, record_property) -> None:
    given: Counter = Counter()
    for trap in corpus("vendor_traps"):
        if not trap.get("pkt_v2c_hex"):
            continue
        pdu = decode_message(bytes.fromhex(trap["pkt_v2c_hex"])).pdu
        said = to_event(pdu, address="192.0.2.1", names=standard(), at_ms=0, collector="snmp").description
        for varbind in trap["varbinds"]:
            name = varbind["name"].partition("::")[2].partition(".")[0]
            if name and f"{varbind['oid']} (" in said:
                given[f"{varbind['oid']} ({name}) = " in said] += 1
    record_property("snmp datagrams", f"vendor traps, names by place: {given[True]} right, {given[False]} wrong")
    assert given[True] > 150
    assert given[False] <= 3


def test_captures_that_overflowed_another_decoder_are_survived(frames, count) -> None:
    datagrams = [frame[start:] for _, frame in frames for start in range(len(frame))]
    counted = count("captures, from every octet", datagrams, accept=ANY_PDU)
    assert counted["accepted"] == 0


def test_notifications_of_the_standards_are_known(corpus) -> None:
    known = standard()
    for trap in corpus("vendor_traps"):
        for varbind in trap["varbinds"]:
            module, _, label = varbind["name"].partition("::")
            found = known.object(varbind["oid"] or "")
            if found is not None and label and module != "DISMAN-EVENT-MIB":
                assert label.split(".")[0] == found.name


def test_versions_of_the_hard_cases_are_told(corpus) -> None:
    versions = Counter()
    for case in corpus("hard_cases"):
        try:
            versions[message_version(bytes.fromhex(case["hex"]))] += 1
        except DecodeError:
            versions["none"] += 1
    assert versions[V1] > 5
    assert versions[V2C] > 50

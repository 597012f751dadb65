"""A stream is cut where its packets end, and the fast reading of PUBLISH agrees with the library's, byte by byte."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt import _packet
from paho.mqtt.client import MQTTv5, MQTTv311
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties, VariableByteIntegers

from collectors.mqtt.packets import Cutter, MalformedPacketError, Published, plain, pubacks


def body(topic: bytes, payload: bytes, *, mid: int | None, properties: bytes | None) -> bytes:
    head = len(topic).to_bytes(2, "big") + topic + (b"" if mid is None else mid.to_bytes(2, "big"))
    return head + (properties or b"") + payload


def framed(first: int, rest: bytes) -> bytes:
    return bytes([first]) + VariableByteIntegers.encode(len(rest)) + rest


packets = st.lists(
    st.tuples(st.integers(0, 255), st.sampled_from([0, 1, 127, 128, 300, 16_384]).map(bytes)), max_size=8
)


@given(packets, st.lists(st.integers(0, 20_000), max_size=10))
def test_however_the_bytes_come_the_packets_are_the_same(sent, cuts) -> None:
    stream = b"".join(framed(first, rest) for first, rest in sent)
    cutter = Cutter()
    pieces = pairwise([0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)])
    assert [packet for begin, end in pieces for packet in cutter.cut(stream[begin:end])] == sent


def test_byte_by_byte_too() -> None:
    cutter, sent = Cutter(), [(0x30, bytes(200)), (0xD0, b"")]
    stream = b"".join(framed(*packet) for packet in sent)
    assert [packet for byte in stream for packet in cutter.cut(bytes([byte]))] == sent


def test_a_length_that_cannot_be_is_refused() -> None:
    with pytest.raises(MalformedPacketError):
        list(Cutter().cut(b"\x30\x80\x80\x80\x80\x01"))


@given(st.integers(0, 255), st.binary(max_size=30), st.booleans())
def test_whatever_the_bytes_it_reads_what_the_library_reads(first: int, packet: bytes, five: bool) -> None:
    mine = plain(first, packet, five=five)
    if mine is not None:
        theirs = _packet.decode_publish(first, bytearray(packet), MQTTv5 if five else MQTTv311)
        read = (mine.topic.encode(), mine.payload, mine.qos, mine.retain, mine.mid)
        assert first >> 4 == 3
        assert read == (theirs.topic, bytes(theirs.payload), theirs.qos, theirs.retain, theirs.mid)
        assert theirs.properties is None or theirs.properties.isEmpty()


@pytest.mark.parametrize("five", [True, False])
def test_a_beat_is_read(five: bool) -> None:
    packet = body(b"fleet/a/b", b"ok", mid=7, properties=b"\0" if five else None)
    assert plain(0x33, packet, five=five) == Published("fleet/a/b", b"ok", 1, True, 7)


def test_what_is_not_simple_is_left_to_the_library() -> None:
    told = Properties(PacketTypes.PUBLISH)
    told.ContentType = "application/json"
    assert plain(0x32, body(b"t", b"{}", mid=7, properties=told.pack()), five=True) is None
    assert plain(0x34, body(b"t", b"", mid=7, properties=b"\0"), five=True) is None  # QoS 2
    assert plain(0x32, body(b"t", b"", mid=0, properties=b"\0"), five=True) is None  # no packet identifier
    assert plain(0x32, body(b"", b"", mid=7, properties=b"\0"), five=True) is None  # a topic alias would say which
    assert plain(0x32, body(b"\xff", b"", mid=7, properties=b"\0"), five=True) is None
    assert plain(0x32, b"\0\x05ab", five=True) is None
    assert plain(0x90, body(b"t", b"", mid=7, properties=b"\0"), five=True) is None  # a SUBACK


def test_acknowledgements_are_one_packet_each() -> None:
    assert pubacks([1, 0xFFFF]) == b"\x40\x02\x00\x01\x40\x02\xff\xff"

"""A repeat becomes the very event that decoding it would give; everything odd takes the long way."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import again, codec
from collectors.snmp.ber import DecodeError
from collectors.snmp.names import standard
from collectors.snmp.translate import to_event

UPTIME, TRAP_OID, INDEX = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0", "1.3.6.1.2.1.2.2.1.1.7"
NUMBERS = st.integers(0, 2**32 - 1)


def trap(*, ticks=1, request_id=1, text=b"", community=b"public", kind=codec.PduType.TRAP_V2, head=True):
    varbinds = [
        codec.VarBind(TRAP_OID, 6, "1.3.6.1.6.3.1.1.5.3"),
        codec.VarBind(INDEX, 2, 7),
        codec.VarBind("1.3.6.1.4.1.9", 4, text),
    ]
    if head:
        varbinds.insert(0, codec.VarBind(UPTIME, 0x43, ticks))
    return codec.encode_message(codec.V2C, community, codec.encode_pdu(kind, varbinds, request_id=request_id))


def fresh(data, at_ms=0):
    pdu = codec.decode_message(data).pdu
    return to_event(pdu, address="192.0.2.1", names=standard(), at_ms=at_ms, collector="snmp")


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([0, 20, 120, 160, 300, 1000]), st.integers(0, 2**40))
def test_a_repeat_becomes_what_decoding_would_make_of_it(first, later, request_id, size, at_ms):
    seen = again.Again(10)
    text = b"x" * size
    original = trap(ticks=first, text=text)
    repeat = trap(ticks=later, request_id=request_id, text=text)
    community, rest, _ = again.cut(original)
    seen.remember((community, rest), fresh(original), len(original))

    community, rest, ticks = again.cut(repeat)
    assert ticks == later
    assert seen.event((community, rest), ticks, at_ms) == fresh(repeat, at_ms)


def test_another_community_or_other_words_are_another_key():
    keys = {again.cut(data)[:2] for data in (trap(), trap(community=b"private"), trap(text=b"x"))}
    assert len(keys) == 3
    assert again.cut(trap())[0] == b"public"


@pytest.mark.parametrize(
    "data",
    [
        trap(kind=codec.PduType.INFORM),
        trap(head=False),
        trap() + b"\0",
        trap()[:-1],
        trap(community=b"x" * 130),
        trap().replace(b"\x02\x01\x00\x02\x01\x00", b"\x02\x01\x00\x02\x01\x01"),
        codec.encode_message(codec.V1, b"public", codec.encode_pdu(codec.PduType.GET_REQUEST, [], request_id=1)),
    ],
)
def test_anything_but_a_plain_trap_takes_the_long_way(data):
    assert again.cut(data) is None


def test_an_indefinite_length_is_not_taken_for_128_octets():
    definite = trap(text=bytes(35))
    assert definite[:3] == b"\x30\x81\x80"
    assert again.cut(definite)
    assert again.cut(b"\x30\x80" + definite[3:]) is None


@given(st.binary(max_size=80))
def test_any_octets_are_cut_without_an_error(data):
    again.cut(data)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4))
def test_what_is_cut_like_a_known_trap_decodes_like_it(damage):
    """A message that shares its key with a valid one is valid too, however it was made."""
    original = trap(ticks=70_000)
    changed = bytearray(original)
    for at, octet in damage:
        changed[at % len(changed)] = octet
    parts = again.cut(bytes(changed))
    if parts is not None and parts[:2] == again.cut(original)[:2]:
        event = fresh(bytes(changed))
        assert event.labels["uptime"] == str(parts[2] // 100)
        assert event.labels["trap_oid"] == "1.3.6.1.6.3.1.1.5.3"
    with contextlib.suppress(DecodeError):
        fresh(bytes(changed))


def test_the_memory_is_bounded_and_can_be_turned_off():
    event = fresh(trap())
    small, off = again.Again(2), again.Again(0)
    for number in range(3):
        small.remember(number, event, 100)
    off.remember(1, event, 100)
    small.remember("long", event, 1501)

    assert [small.event(key, 1, 0) is not None for key in (0, 1, 2, "long")] == [False, False, True, False]
    assert off.event(1, 1, 0) is None

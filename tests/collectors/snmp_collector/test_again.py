"""A repeat becomes the very event that decoding it would give; everything odd takes the long way."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import again, codec
from collectors.snmp.ber import DecodeError
from collectors.snmp.names import standard
from collectors.snmp.translate import to_event
from gateway.testing.intake import RecordingIntake
from tests.traps import Trouble, troubles

UPTIME, TRAP_OID, INDEX = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0", "1.3.6.1.2.1.2.2.1.1.7"
NUMBERS = st.integers(0, 2**32 - 1)
HOST = "192.0.2.1"
V1 = Trouble(HOST, "1.3.6.1.6.3.1.1.5.3", b"", generic=2, v1=True)


def trap(*, ticks=1, request_id=1, text=b"", community=b"public", kind=codec.PduType.TRAP_V2, head=True):
    varbinds = [
        codec.VarBind(TRAP_OID, 6, "1.3.6.1.6.3.1.1.5.3"),
        codec.VarBind(INDEX, 2, 7),
        codec.VarBind("1.3.6.1.4.1.9", 4, text),
    ]
    if head:
        varbinds.insert(0, codec.VarBind(UPTIME, 0x43, ticks))
    return codec.encode_message(codec.V2C, community, codec.encode_pdu(kind, varbinds, request_id=request_id))


def fresh(data, at_ms=0, host=HOST):
    pdu = codec.decode_message(data).pdu
    return to_event(pdu, address=host, names=standard(), at_ms=at_ms, collector="snmp")


INTAKE = RecordingIntake()


def looked(seen, data, at_ms=0, host=HOST):
    """What it is offered as, if it is known."""
    return INTAKE.events.pop() if seen.offer(host, data, at_ms) else None


def kept(seen, data, event, host=HOST):
    """What it was offered as, if it is kept."""
    return INTAKE.events.pop() if seen.offer_new(host, data, event, INTAKE) else None


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([0, 20, 120, 160, 300, 1000]), st.integers(0, 2**40))
def test_a_repeat_becomes_what_decoding_would_make_of_it(first, later, request_id, size, at_ms):
    seen = again.Again(10)
    text = b"x" * size
    original = trap(ticks=first, text=text)
    repeat = trap(ticks=later, request_id=request_id, text=text)
    assert looked(seen, original) is None
    kept(seen, original, fresh(original))
    assert looked(seen, original, at_ms) == fresh(original, at_ms)

    assert looked(seen, repeat, at_ms) in (None, fresh(repeat, at_ms))
    kept(seen, repeat, fresh(repeat))  # now its lengths are known
    for data in (original, repeat, original):
        assert looked(seen, data, at_ms) == fresh(data, at_ms)


@given(NUMBERS, NUMBERS, st.integers(0, 2**40))
def test_a_repeat_of_a_v1_trap_too(first, later, at_ms):
    seen = again.Again(10)
    original, repeat = (V1.told(ticks * 1000) for ticks in (first, later))
    kept(seen, original, fresh(original))
    if len(original) == len(repeat):
        assert looked(seen, repeat, at_ms) == fresh(repeat, at_ms)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_repeat_within_an_encrypted_message_too(first, later, request_id):
    """Of SNMPv3 the PDU alone is compared, after it was verified and decrypted; who sent it stands beside."""
    seen, sender = again.Again(10), (HOST, b"engine", b"", 3, False)

    def pdu(data):
        return data[data.index(b"public") + len(b"public") :]

    original, repeat = trap(ticks=first), trap(ticks=later, request_id=request_id)
    kept(seen, pdu(original), fresh(original), sender)
    assert looked(seen, pdu(repeat), host=sender) in (None, fresh(repeat))
    kept(seen, pdu(repeat), fresh(repeat), sender)
    for data in (original, repeat):
        assert looked(seen, pdu(data), host=sender) == fresh(data)
        assert not looked(seen, pdu(data))
    assert not again.layout_of(pdu(trap(kind=codec.PduType.INFORM)))


@given(NUMBERS, NUMBERS, NUMBERS, st.sampled_from([0, 20, 49, 50, 120, 160, 300, 1000]), st.booleans())
def test_a_known_inform_is_what_decoding_would_make_of_it(first, later, request_id, size, v3):
    """What it says, whose it is, what tells it from its retransmissions, and its answer, octet for octet."""

    def inform(**more):
        data = trap(kind=codec.PduType.INFORM, text=b"x" * size, **more)
        return data[data.index(b"public") + len(b"public") :] if v3 else data

    def decoded(data):
        if v3:
            pdu = codec.decode_pdu(data, 0, len(data), version=codec.V3)
            return pdu, codec.response_pdu(pdu)
        message = codec.decode_message(data)
        return message.pdu, codec.encode_response(message)

    def event_of(pdu):
        return to_event(pdu, address=HOST, names=standard(), at_ms=5, collector="snmp")

    seen, original = again.AgainInforms(10), inform(ticks=first)
    assert seen.find(HOST, original) is None
    seen.keep(HOST, original, event_of(decoded(original)[0]), (b"public",), INTAKE)
    for data in (original, inform(ticks=later, request_id=request_id)):
        found = seen.find(HOST, data)
        if found is None:
            assert len(data) != len(original) or again.layout_of(data, 0xA6) != again.layout_of(original, 0xA6)
            continue
        pdu, response = decoded(data)
        assert found[1:] == (found.uptime, (b"public",), pdu.varbinds_raw, response)
        INTAKE.offer(event_of(pdu))
        found.event.offer(5, found.uptime)
        assert INTAKE.events.pop() == INTAKE.events.pop()
        assert seen.find("192.0.2.9", data) is None


def test_where_the_tag_of_an_inform_stands_is_known_whatever_the_length():
    """Lengths have octets that look like tags."""
    seen, event = again.AgainInforms(1000), fresh(trap())
    for size in (*range(150), *range(300, 500), 1400, 1500):
        data = trap(kind=codec.PduType.INFORM, text=bytes(size))
        seen.keep(HOST, data, event, (b"public",), INTAKE)
        found = seen.find(HOST, data)
        assert (found is None) == (len(data) > 1500)
        if found is not None:
            assert found.response == codec.encode_response(codec.decode_message(data))


def test_an_inform_that_is_not_plainly_built_is_taken_and_not_remembered():
    data = trap(kind=codec.PduType.INFORM) + b"\0"
    seen = again.AgainInforms(10)
    seen.keep(HOST, data, fresh(data), (b"public",), INTAKE).offer(7, "0")
    assert INTAKE.events.pop() == fresh(data, 7)
    assert seen.find(HOST, data) is None


@given(st.lists(st.tuples(st.integers(0, 59), st.integers(0, 2**20)), max_size=60), st.sampled_from([4, 1000]))
def test_a_stream_gives_the_same_with_and_without_it(told, most):
    """Many devices, v1 and v2c, in any order, and a memory that is too small or large enough."""
    seen, known = again.Again(most), troubles(60)
    for at_ms, (which, number) in enumerate(told):
        data, host = known[which].told(number * 1000), known[which].address
        event = fresh(data, at_ms, host)
        assert looked(seen, data, at_ms, host) in (None, event)
        assert kept(seen, data, event, host) == event
        assert looked(seen, data, at_ms, host) == event


def test_another_sender_community_or_word_is_another_trap():
    seen = again.Again(10)
    kept(seen, trap(), fresh(trap()))
    assert looked(seen, trap())
    assert not looked(seen, trap(), host="192.0.2.2")
    for other in (trap(community=b"publik"), trap(text=b"x")):
        assert not looked(seen, other)


def test_two_layouts_of_one_length_are_told_apart():
    """A guess that is wrong is set right, and a message that only looks like a known one at the wrong places is not it."""
    short, long = trap(ticks=2**24, request_id=2**16), trap(ticks=2**16, request_id=2**24)
    assert len(short) == len(long)
    assert again.layout_of(short) != again.layout_of(long)
    seen = again.Again(10)
    for data in (short, long):
        kept(seen, data, fresh(data))
    for data in (short, long, short):
        assert looked(seen, data) == fresh(data)
    a, b, c, d = again.layout_of(long)
    first = again.layout_of(short)
    forged = short[: first.request] + long[a:b] + short[first.after_request : first.ticks] + long[c:d]
    forged += short[first.after_ticks :]
    assert len(forged) == len(short)
    assert looked(seen, forged) is None


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
        V1.told(1) + b"\0",
        V1.told(1).replace(b"\x43", b"\x02"),
    ],
)
def test_anything_but_a_plain_trap_takes_the_long_way(data):
    assert again.layout_of(data) is None


def test_an_indefinite_length_is_not_taken_for_128_octets():
    definite = trap(text=bytes(35))
    assert definite[:3] == b"\x30\x81\x80"
    assert again.layout_of(definite)
    assert again.layout_of(b"\x30\x80" + definite[3:]) is None


@given(st.binary(max_size=80))
def test_any_octets_are_looked_at_without_an_error(data):
    seen = again.Again(10)
    kept(seen, trap(), fresh(trap()))
    again.layout_of(data)
    assert looked(seen, data) is None


@given(
    st.sampled_from([trap(ticks=70_000), V1.told(7_000_000)]),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), min_size=1, max_size=4),
)
def test_what_looks_like_a_known_trap_decodes_like_it(original, damage):
    """A message that is taken for a valid one is valid too, however it was made."""
    changed = bytearray(original)
    for at, octet in damage:
        changed[at % len(changed)] = octet
    seen = again.Again(10)
    kept(seen, original, fresh(original))
    known = looked(seen, bytes(changed))
    if known is not None:
        assert known == fresh(bytes(changed))
    with contextlib.suppress(DecodeError):
        fresh(bytes(changed))


def test_so_many_layouts_of_one_length_are_remembered():
    """No sender can make the look-up of its traps long; at one layout more all is forgotten."""
    traps = [trap(community=bytes(octets), text=bytes(40 - octets)) for octets in range(9)]
    assert (len({len(data) for data in traps}), len(set(map(again.layout_of, traps)))) == (1, 9)
    seen = again.Again(1000)
    assert [bool(kept(seen, data, fresh(data))) for data in traps[:8]] == [True] * 8
    assert [bool(looked(seen, data)) for data in traps] == [True] * 8 + [False]
    assert kept(seen, traps[8], fresh(traps[8]))
    assert [bool(looked(seen, data)) for data in traps] == [False] * 8 + [True]


def test_the_memory_is_bounded_and_can_be_turned_off():
    small, off = again.Again(2), again.Again(0)
    traps = [trap(text=b"%d" % number) for number in range(3)]
    for data in traps:
        assert kept(small, data, fresh(data))
        assert kept(off, data, fresh(data)) is None
    long = trap(text=bytes(1500))
    assert kept(small, long, fresh(long)) is None

    assert [looked(small, data) is not None for data in (*traps, long)] == [False, False, True, False]
    assert looked(off, traps[0]) is None

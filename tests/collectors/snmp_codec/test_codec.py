"""Messages and PDUs: what is taken, what is refused, what an inform is answered, and that encoding comes back."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber, codec
from collectors.snmp.codec import (
    ANY_PDU,
    V1,
    V2C,
    V3,
    DecodeError,
    Limits,
    PduType,
    VarBind,
    decode_message,
    decode_pdu,
    encode_message,
    encode_pdu,
    encode_response,
    encode_value,
    encode_varbind,
    message_version,
)
from gateway.core.reason import Dropped

LINK_DOWN = (
    VarBind("1.3.6.1.2.1.1.3.0", ber.TIMETICKS, 4_200),
    VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, "1.3.6.1.6.3.1.1.5.3"),
    VarBind("1.3.6.1.2.1.2.2.1.1.7", ber.INTEGER, 7),
)


def trap(*varbinds: VarBind, kind: PduType = PduType.TRAP_V2, request_id: int = 1, version: int = V2C) -> bytes:
    return encode_message(version, b"public", encode_pdu(kind, varbinds or LINK_DOWN, request_id=request_id))


def test_a_v2c_trap_is_read_whole() -> None:
    message = decode_message(trap(request_id=77))
    assert (message.version, message.community, message.trailing) == (V2C, b"public", 0)
    assert (message.pdu.type, message.pdu.request_id, message.pdu.varbinds) == (PduType.TRAP_V2, 77, LINK_DOWN)


def test_a_v1_trap_is_read_whole() -> None:
    data = bytes.fromhex(
        "303902010004067075626c6963a42c06082b0601040109010540040a0102030201020201004301053011300f060a2b060102010202010107020107"
    )
    pdu = decode_message(data).pdu
    assert pdu.type is PduType.TRAP_V1
    assert (pdu.enterprise, pdu.agent_addr, pdu.generic, pdu.specific, pdu.timestamp) == (
        "1.3.6.1.4.1.9.1.5",
        "10.1.2.3",
        2,
        0,
        5,
    )
    assert pdu.varbinds == (VarBind("1.3.6.1.2.1.2.2.1.1.7", ber.INTEGER, 7),)


def test_the_answer_to_an_inform_echoes_it_octet_for_octet() -> None:
    # A request-id of 6 octets and lengths longer than need be: what the sender compares with its own
    varbinds = bytes.fromhex("30820011 3082000d 06082b06010201010300 43010a".replace(" ", ""))
    request_id = bytes.fromhex("02060000ffffffff")
    pdu = ber.encode_sequence(request_id, b"\x02\x01\x00\x02\x01\x00", varbinds, tag=PduType.INFORM)
    message = decode_message(encode_message(V2C, b"c\xff", pdu))
    assert message.pdu.request_id == 2**32 - 1
    expected = ber.encode_sequence(request_id, b"\x02\x01\x00\x02\x01\x00", varbinds, tag=PduType.RESPONSE)
    assert encode_response(message) == encode_message(V2C, b"c\xff", expected)


def test_retransmissions_with_another_request_id_share_their_raw_varbinds() -> None:
    first, second = (decode_message(trap(kind=PduType.INFORM, request_id=number)) for number in (84, 85))
    assert first.pdu.varbinds_raw == second.pdu.varbinds_raw
    assert first.pdu.request_id_raw != second.pdu.request_id_raw


@pytest.mark.parametrize("kind", sorted(ANY_PDU - {PduType.TRAP_V1, PduType.TRAP_V2, PduType.INFORM}))
def test_what_is_no_notification_is_unsupported_unless_asked_for(kind: PduType) -> None:
    with pytest.raises(DecodeError) as caught:
        decode_message(trap(kind=kind))
    assert caught.value.reason is Dropped.UNSUPPORTED
    assert decode_message(trap(kind=kind), accept=ANY_PDU).pdu.type is kind


@pytest.mark.parametrize("kind", [PduType.GET_BULK_REQUEST, PduType.INFORM, PduType.TRAP_V2, PduType.REPORT])
def test_v1_has_no_such_pdu(kind: PduType) -> None:
    with pytest.raises(DecodeError, match="in a message of version 0"):
        decode_message(trap(kind=kind, version=V1), accept=ANY_PDU)


@pytest.mark.parametrize("version", [2, V3, -1, 77])
def test_another_version_is_unsupported_but_told(version: int) -> None:
    data = trap(version=version)
    assert message_version(data) == version
    with pytest.raises(DecodeError) as caught:
        decode_message(data)
    assert caught.value.reason is Dropped.UNSUPPORTED


def test_octets_behind_the_message_are_counted_and_otherwise_nothing() -> None:
    assert decode_message(trap() + b"\0\0\0").trailing == 3


def test_too_many_varbinds_are_oversized() -> None:
    data = trap(*[LINK_DOWN[2]] * 9)
    assert len(decode_message(data, limits=Limits(max_varbinds=9)).pdu.varbinds) == 9
    with pytest.raises(DecodeError) as caught:
        decode_message(data, limits=Limits(max_varbinds=8))
    assert caught.value.reason is Dropped.OVERSIZED


def test_a_value_beyond_the_limit_is_oversized() -> None:
    data = trap(VarBind("1.3.6.1", ber.OCTET_STRING, b"x" * 201))
    assert decode_message(data, limits=Limits(max_value_bytes=201))
    with pytest.raises(DecodeError) as caught:
        decode_message(data, limits=Limits(max_value_bytes=200))
    assert caught.value.reason is Dropped.OVERSIZED


GOOD = "30 0c 06 08 2b06010201010300 05 00"


@pytest.mark.parametrize(
    "varbind",
    [
        GOOD.replace("0c", "0b"),
        GOOD.replace("0c", "0d"),
        GOOD.replace(" 08", " 09"),
        GOOD.replace(" 08", " 07"),
        GOOD.replace("05 00", "05 01"),
        GOOD.replace("0c", "80"),
        GOOD.replace("30", "31"),
        GOOD.replace("06 08", "05 08"),
        GOOD.replace("0c", "0e") + "0500",
        GOOD.replace("0c", "ff"),
        GOOD.replace(" 08", " 847fffffff"),
    ],
)
def test_varbinds_whose_lengths_lie_are_malformed(varbind: str) -> None:
    def message(content: str) -> bytes:
        head = ber.encode_integer(1) * 3
        return encode_message(
            V2C, b"", ber.encode_sequence(head, ber.encode_sequence(bytes.fromhex(content)), tag=PduType.TRAP_V2)
        )

    assert decode_message(message(GOOD)).pdu.varbinds == (VarBind("1.3.6.1.2.1.1.3.0", ber.NULL, None),)
    for behind in ("", GOOD):
        with pytest.raises(DecodeError) as caught:
            decode_message(message(varbind + behind))
        assert caught.value.reason is Dropped.MALFORMED


def test_a_varbind_may_not_reach_into_what_follows_the_message() -> None:
    data = trap(VarBind("1.3.6.1", ber.OCTET_STRING, b"abc"))
    longer = data.replace(b"\x30\x0a\x06\x03\x2b\x06\x01\x04\x03abc", b"\x30\x0b\x06\x03\x2b\x06\x01\x04\x04abc") + b"d"
    assert longer[:-1] != data
    with pytest.raises(DecodeError, match="don't add up"):
        decode_message(longer)


@pytest.mark.parametrize(
    "content",
    [
        "9f7803000000",
        "9f7903000000",
        "9f7600",
        "9f760a00000000000000000000",
        "9f7609ff00000000000000ff",
        "9f",
        "9f78",
        "8f7803000000",
        "9f7500",
        "",
    ],
)
def test_an_opaque_that_wraps_nothing_we_know_stays_as_it_is(content: str) -> None:
    varbind = VarBind("1.3.6.1", ber.OPAQUE, bytes.fromhex(content))
    assert decode_message(trap(varbind)).pdu.varbinds == (varbind,)


def test_a_pdu_is_read_from_within_a_greater_one() -> None:
    pdu = encode_pdu(PduType.TRAP_V2, LINK_DOWN, request_id=9)
    padded = b"\x30\x05before" + pdu + b"\0\0\0"
    assert decode_pdu(padded, 8, 8 + len(pdu), version=V3).varbinds == LINK_DOWN
    for end in (8 + len(pdu) - 1, 8 + len(pdu) + 1, 9_999, 8):
        with pytest.raises(DecodeError):
            decode_pdu(padded, 8, end, version=V3)


def test_a_report_is_encoded_as_usm_wants_it() -> None:
    unknown_engines = VarBind("1.3.6.1.6.3.15.1.1.4.0", ber.COUNTER32, 3)
    pdu = encode_pdu(PduType.REPORT, [unknown_engines], request_id=5)
    assert pdu.hex() == "a81c020105020100020100" + "3011" + "300f" + "060a2b060106030f01010400" + "410103"


values = st.one_of(
    st.tuples(st.just(ber.INTEGER), st.integers(-(2**31), 2**31 - 1)),
    st.tuples(st.sampled_from(sorted(ber.UNSIGNED32)), st.integers(0, 2**32 - 1)),
    st.tuples(st.just(ber.COUNTER64), st.integers(0, 2**64 - 1)),
    st.tuples(st.just(ber.OCTET_STRING), st.binary(max_size=300)),
    st.tuples(st.just(ber.BIT_STRING), st.binary(max_size=9)),
    st.tuples(st.just(ber.OPAQUE), st.floats(allow_nan=False)),
    st.tuples(st.just(ber.OPAQUE), st.integers(0, 2**63 - 1)),
    st.tuples(st.just(ber.IP_ADDRESS), st.ip_addresses().map(str)),
    st.tuples(st.sampled_from(sorted(ber.VALUELESS)), st.none()),
    st.tuples(
        st.just(ber.OBJECT_IDENTIFIER),
        st.lists(st.integers(0, 2**32 - 1), max_size=40).map(lambda arcs: ".".join(map(str, (1, 3, *arcs)))),
    ),
)
names = st.lists(st.integers(0, 2**32 - 1), max_size=40).map(lambda arcs: ".".join(map(str, (1, 3, 6, 1, *arcs))))
varbinds = st.lists(st.builds(lambda oid, value: VarBind(oid, *value), names, values), max_size=12)


@given(
    kind=st.sampled_from(sorted(ANY_PDU - {PduType.TRAP_V1})),
    community=st.binary(max_size=300),
    content=varbinds,
    numbers=st.tuples(*[st.integers(-(2**31), 2**31 - 1)] * 3),
)
def test_what_is_encoded_comes_back(kind, community, content, numbers) -> None:
    request_id, status, index = numbers
    pdu = encode_pdu(kind, content, request_id=request_id, error_status=status, error_index=index)
    message = decode_message(encode_message(V2C, community, pdu), accept=ANY_PDU)
    assert message.community == community
    assert message.pdu[:2] == (kind, tuple(content))
    assert (message.pdu.request_id, message.pdu.error_status, message.pdu.error_index) == numbers


@pytest.mark.parametrize(
    ("tag", "value"),
    [
        (ber.NULL, 1),
        (ber.OCTET_STRING, "text"),
        (ber.INTEGER, 1.5),
        (ber.IP_ADDRESS, "no address"),
        (ber.INTEGER, None),
    ],
)
def test_a_value_that_does_not_fit_its_tag_is_not_encoded(tag: int, value) -> None:
    with pytest.raises(ValueError, match=r"value of tag|address"):
        encode_value(tag, value)


def test_an_opaque_float_may_be_not_a_number() -> None:
    value = decode_message(trap(VarBind("1.3", ber.OPAQUE, math.nan))).pdu.varbinds[0].value
    assert isinstance(value, float)
    assert math.isnan(value)


def test_the_memory_of_varbinds_is_bounded() -> None:
    for number in range(0, 20_000, 100):
        varbinds = [VarBind(f"1.3.6.1.2.1.2.2.1.1.{number + i}", ber.INTEGER, i) for i in range(100)]
        varbinds.append(VarBind("1.3.6.1.2.1.2.2.1.2.1", ber.OCTET_STRING, bytes(200)))
        decode_message(encode_message(1, b"", encode_pdu(PduType.TRAP_V2, varbinds, request_id=1)))
    assert 0 < len(codec._memo) <= 16_384
    assert max(map(len, codec._memo)) < 130


def test_what_was_seen_is_known_again_but_never_beyond_the_end_of_the_list() -> None:
    varbind = encode_varbind(LINK_DOWN[2])
    head = [ber.encode_integer(0)] * 3

    def message(varbinds: bytes, trailing: bytes = b"") -> bytes:
        pdu = ber.encode_sequence(*head, ber.encode_sequence(varbinds), tag=PduType.TRAP_V2)
        return encode_message(1, b"", pdu) + trailing

    first, again = (decode_message(message(varbind)).pdu.varbinds[0] for _ in range(2))
    assert first is again
    with pytest.raises(DecodeError):
        decode_message(message(varbind[:-1], trailing=varbind[-1:]))

"""Whatever arrives, the codec raises nothing but its own error, and an event is always safe to show."""

import contextlib
import json
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from collectors.snmp import ber, codec
from collectors.snmp.codec import (
    ANY_PDU,
    NOTIFICATIONS,
    DecodeError,
    Limits,
    PduType,
    VarBind,
    decode_message,
    decode_pdu,
    encode_message,
    encode_pdu,
    encode_response,
    message_version,
)
from collectors.snmp.names import standard
from collectors.snmp.render import MAX_VALUE
from collectors.snmp.translate import MAX_DESCRIPTION, MAX_SUMMARY, to_event
from gateway.core.event import EventKind
from gateway.core.reason import Dropped

COMMUNITY = b"s3cr3t-c0mmunity"
SEEDS = [
    bytes.fromhex(
        "303902010004067075626c6963a42c06082b0601040109010540040a0102030201020201004301053011300f060a2b060102010202010107020107"
    ),
    *(
        encode_message(
            1,
            COMMUNITY,
            encode_pdu(
                kind,
                [
                    VarBind("1.3.6.1.2.1.1.3.0", ber.TIMETICKS, 4_200),
                    VarBind("1.3.6.1.6.3.1.1.4.1.0", ber.OBJECT_IDENTIFIER, "1.3.6.1.6.3.1.1.5.3"),
                    VarBind("1.3.6.1.2.1.2.2.1.8.7", ber.INTEGER, 2),
                    VarBind("1.3.6.1.2.1.2.2.1.6.7", ber.OCTET_STRING, b"\0\x1b\x2c\0\0\1"),
                    VarBind("1.3.6.1.2.1.131.1.1.1.1.7", ber.OCTET_STRING, bytes.fromhex("07e20c0a0b2d0a002d0600")),
                    VarBind("1.3.6.1.4.1.8072.1.1", ber.OPAQUE, 1.5),
                    VarBind("1.3.6.1.6.3.18.1.3.0", ber.IP_ADDRESS, "192.0.2.7"),
                    VarBind("1.3.6.1.6.3.18.1.4.0", ber.OCTET_STRING, COMMUNITY),
                    VarBind("1.3.6.1.4.1.8072.1.2", ber.COUNTER64, 2**63),
                ],
                request_id=123_456,
            ),
        )
        for kind in (PduType.TRAP_V2, PduType.INFORM, PduType.REPORT)
    ),
]
"""One of each shape; mutations of these reach deeper than bytes out of nowhere."""


def mutate(seed: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    data = bytearray(seed)
    for position, removed, inserted in edits:
        at = position % (len(data) + 1)
        data[at : at + removed] = inserted
    return bytes(data)


edit = st.tuples(st.integers(0, 400), st.integers(0, 4), st.binary(max_size=4))
datagrams = st.one_of(
    st.binary(max_size=200),
    st.builds(mutate, st.sampled_from(SEEDS), st.lists(edit, min_size=1, max_size=6)),
    st.builds(  # single octets, so that most lengths stay right
        mutate,
        st.sampled_from(SEEDS),
        st.lists(st.tuples(st.integers(0, 400), st.just(1), st.binary(min_size=1, max_size=1)), max_size=4),
    ),
)


@settings(max_examples=1_500)
@given(datagrams, st.sampled_from([NOTIFICATIONS, ANY_PDU]))
def test_decoding_raises_nothing_but_its_own_error(data: bytes, accept: frozenset[PduType]) -> None:
    reasons = set()
    for call in (
        lambda: message_version(data),
        lambda: decode_message(data, accept=accept),
        lambda: decode_message(data, accept=accept, limits=Limits(max_varbinds=3, max_value_bytes=5)),
        lambda: decode_pdu(data, 0, len(data), version=3, accept=accept),
    ):
        try:
            call()
        except DecodeError as error:
            reasons.add(error.reason)
    assert reasons <= {Dropped.MALFORMED, Dropped.UNSUPPORTED, Dropped.OVERSIZED}


@settings(max_examples=500)
@given(datagrams, st.sampled_from([Limits(), Limits(max_varbinds=3), Limits(max_value_bytes=5)]))
def test_what_is_remembered_of_varbinds_decides_nothing(data: bytes, limits: Limits) -> None:
    def decoded() -> str:
        try:
            return repr(decode_message(data, accept=ANY_PDU, limits=limits))
        except DecodeError as error:
            return error.reason

    codec._memo.clear()
    for_the_first_time = decoded()
    for seed in SEEDS:
        decode_message(seed, accept=ANY_PDU)
    assert decoded() == for_the_first_time


@settings(max_examples=1_000)
@given(datagrams)
def test_what_is_decoded_can_be_answered_and_shown(data: bytes) -> None:
    try:
        message = decode_message(data)
    except DecodeError:
        return
    answer = decode_message(encode_response(message), accept=ANY_PDU) if message.version else message
    assert answer.pdu.varbinds == message.pdu.varbinds or "nan" in str(message)
    event = to_event(message.pdu, address="192.0.2.1", names=standard(), at_ms=1, collector="snmp", relay=True)
    assert event.kind is EventKind.RAISE
    assert event.condition
    assert event.source
    assert len(event.summary) <= MAX_SUMMARY
    assert len(event.description) <= MAX_DESCRIPTION + 100
    for text in (event.summary, event.source, event.condition, *event.labels, *event.labels.values()):
        assert text.isprintable()
    assert all(len(value) <= MAX_VALUE for value in event.labels.values())
    assert not any(unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in event.description if c != "\n")
    json.dumps(dict(event.labels)).encode()


octets = st.one_of(st.binary(max_size=40), st.text(max_size=40).map(lambda text: text.encode("utf-8", "replace")))


@settings(max_examples=500)
@given(st.sampled_from(sorted(standard().objects)), octets, st.sampled_from([ber.OCTET_STRING, ber.OPAQUE, 0x5F]))
def test_any_octets_under_any_known_object_are_one_line(oid: str, content: bytes, tag: int) -> None:
    pdu = decode_message(
        encode_message(1, b"", encode_pdu(PduType.TRAP_V2, [VarBind(f"{oid}.1", tag, content)], request_id=1))
    ).pdu
    event = to_event(pdu, address="192.0.2.1", names=standard(), at_ms=1, collector="snmp")
    assert all(value.isprintable() for value in event.labels.values())
    assert len(event.description.splitlines()) == len(event.description.split("\n")) <= 2


@given(st.binary(min_size=1, max_size=30))
def test_a_community_appears_nowhere(community: bytes) -> None:
    secret = b"<" + community.hex().encode() + b">"
    varbinds = [
        VarBind("1.3.6.1.6.3.18.1.4.0", ber.OCTET_STRING, secret),
        VarBind("1.3.6.1.6.3.18.1.4", ber.OCTET_STRING, secret),
        VarBind("1.3.6.1.6.3.18.1.1.1.2.4.97.98.99.100", ber.OCTET_STRING, secret),
    ]
    message = decode_message(encode_message(1, secret, encode_pdu(PduType.TRAP_V2, varbinds, request_id=1)))
    event = to_event(message.pdu, address="192.0.2.1", names=standard(), at_ms=1, collector="snmp")
    assert secret.decode() not in repr(event)
    assert secret.hex() not in repr(event)


def test_a_datagram_of_many_tiny_varbinds_stops_at_the_limit() -> None:
    tiny = bytes.fromhex("300406000500")
    pdu = ber.encode_sequence(ber.encode_integer(1) * 3, ber.encode_sequence(tiny * 10_000), tag=PduType.TRAP_V2)
    with contextlib.suppress(DecodeError):
        decode_message(encode_message(1, b"", pdu))
        raise AssertionError("more varbinds than the limit were taken")

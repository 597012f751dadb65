"""BER primitives: bounds, tolerances, and what is refused."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber
from collectors.snmp.ber import DecodeError
from gateway.core.reason import Dropped


@pytest.mark.parametrize(
    ("element", "content"),
    [
        ("0403616263", b"abc"),
        ("048103616263", b"abc"),
        ("04820003616263", b"abc"),
        ("048400000003616263", b"abc"),
        ("0400", b""),
    ],
)
def test_lengths_may_be_longer_than_they_need_be(element: str, content: bytes) -> None:
    data = bytes.fromhex(element)
    assert ber.read_octets(data, 0, len(data)) == (content, len(data))


@pytest.mark.parametrize(
    "element",
    [
        "",
        "04",
        "0401",
        "0480",
        "04800000",
        "0485000000000161",
        "04ff61",
        "0481",
        "04820001",
        "0484ffffffff61",
        "040261",
    ],
)
def test_a_length_that_cannot_be_is_refused(element: str) -> None:
    data = bytes.fromhex(element)
    with pytest.raises(DecodeError):
        ber.read_octets(data, 0, len(data))


def test_an_element_must_end_within_its_parent_though_the_datagram_goes_on() -> None:
    with pytest.raises(DecodeError, match="longer than what contains it"):
        ber.read_octets(b"\x04\x03abcdef", 0, 4)


def test_an_end_beyond_the_datagram_is_refused() -> None:
    with pytest.raises(DecodeError, match="truncated"):
        ber.read_octets(b"\x04\x01a", 0, 4)


@pytest.mark.parametrize(
    ("content", "value"),
    [("00", 0), ("7f", 127), ("80", -128), ("0080", 128), ("ffffffff", -1), ("00ffffffff", 2**32 - 1), ("00" * 8, 0)],
)
def test_signed(content: str, value: int) -> None:
    assert ber.signed(bytes.fromhex(content)) == value


@pytest.mark.parametrize(
    ("content", "value"),
    [("05", 5), ("ff", 255), ("ffffffff", 2**32 - 1), ("00ffffffff", 2**32 - 1), ("ff" * 8, 2**32 - 1)],
)
def test_unsigned32_takes_no_top_bit_for_a_sign(content: str, value: int) -> None:
    assert ber.unsigned32(bytes.fromhex(content)) == value


def test_unsigned64_has_nine_octets_only_with_padding() -> None:
    assert ber.unsigned64(b"\0" + b"\xff" * 8) == 2**64 - 1
    with pytest.raises(DecodeError):
        ber.unsigned64(b"\x01" + b"\xff" * 8)


@pytest.mark.parametrize("read", [ber.signed, ber.unsigned32, ber.unsigned64])
@pytest.mark.parametrize("content", [b"", b"\0" * 10])
def test_integers_of_no_or_too_many_octets_are_refused(read, content: bytes) -> None:
    with pytest.raises(DecodeError):
        read(content)


@pytest.mark.parametrize(
    ("content", "dotted"),
    [
        ("", "0.0"),
        ("00", "0.0"),
        ("2b06010603010105 03", "1.3.6.1.6.3.1.1.5.3"),
        ("883703", "2.999.3"),
        ("78", "2.40"),
        ("2b068001", "1.3.6.1"),
        ("2b8fffffff7f", "1.3.4294967295"),
        ("8fffffff7f", "2.4294967215"),
    ],
)
def test_oid(content: str, dotted: str) -> None:
    assert ber.oid(bytes.fromhex(content)) == dotted


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x2b\x81", Dropped.MALFORMED),
        (b"\x2b\x90\x80\x80\x80\x00", Dropped.MALFORMED),
        (b"\x2b" + b"\xff" * 40 + b"\x7f", Dropped.MALFORMED),
        (b"\x2b" + b"\x01" * 127, Dropped.OVERSIZED),
        (b"\x2b" + b"\x01" * 60_000, Dropped.OVERSIZED),
        (b"\x2b" + b"\x80" * 60_000 + b"\x01", Dropped.OVERSIZED),
    ],
)
def test_an_oid_out_of_bounds_is_refused(content: bytes, reason: Dropped) -> None:
    with pytest.raises(DecodeError) as caught:
        ber.oid(content)
    assert caught.value.reason is reason


def test_the_memo_of_oids_is_bounded() -> None:
    for number in range(40_000):
        ber.oid(b"\x2b\x83" + bytes((0x80 | number >> 14, 0x80 | number >> 7 & 0x7F, number & 0x7F)))
    ber.oid(b"\x2b" + b"\x01" * 100)
    assert 0 < len(ber._memo) <= 16_384
    assert max(map(len, ber._memo)) <= 64


@pytest.mark.parametrize(
    "dotted",
    [
        "",
        "1",
        "1.40",
        "3.1",
        "1.3.",
        ".1.3",
        "1.3.-1",
        "1.3.+1",
        "1.3.1_0",
        "2.4294967216",
        "1.3.4294967296",
        "1.3.a",
        "1" + ".1" * 128,
        "1.3.\u0661",
    ],
)
def test_what_is_no_oid_is_not_encoded(dotted: str) -> None:
    with pytest.raises(ValueError, match="no object identifier"):
        ber.oid_content(dotted)


oids = st.one_of(
    st.tuples(st.integers(0, 1), st.integers(0, 39)), st.tuples(st.just(2), st.integers(0, 2**32 - 81))
).flatmap(
    lambda top: st.lists(st.integers(0, 2**32 - 1), max_size=126).map(lambda arcs: ".".join(map(str, (*top, *arcs))))
)


@given(oids)
def test_oids_come_back(dotted: str) -> None:
    assert ber.oid(ber.oid_content(dotted)) == dotted


@given(st.integers(-(2**63), 2**63 - 1))
def test_integers_come_back(value: int) -> None:
    encoded = ber.encode_integer(value)
    assert ber.read_integer(encoded, 0, len(encoded)) == (value, len(encoded))


@given(st.binary(max_size=70_000))
def test_octet_strings_come_back(value: bytes) -> None:
    encoded = ber.encode_octets(value)
    assert ber.read_octets(encoded, 0, len(encoded)) == (value, len(encoded))


@given(st.binary(max_size=80), st.integers(0, 90), st.integers(0, 90))
def test_nothing_but_decode_errors(data: bytes, offset: int, end: int) -> None:
    for read in (ber.read_header, ber.read_integer, ber.read_octets):
        with contextlib.suppress(DecodeError):
            assert read(data, offset, end)[-1] <= min(end, len(data))

"""Values as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.snmp import ber
from collectors.snmp.codec import VarBind
from collectors.snmp.names import Hint, ObjectName
from collectors.snmp.render import MAX_VALUE, escape, octets_text, value_text


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        (b"ge-0/0/1", "ge-0/0/1"),
        (b"ge-0/0/1\0", "ge-0/0/1"),
        ("Größe \N{SNOWMAN} 测试".encode(), "Größe \N{SNOWMAN} 测试"),
        (b"two\r\nlines", r"two\r\nlines"),
        (b"\x1b[31mred", r"\x1b[31mred"),
        ("\u202egnp.exe".encode(), r"\u202egnp.exe"),
        ("a\u2028break".encode(), r"a\u2028break"),
        (b"caf\xe9", "0x636166e9"),
        (b"\0", "0x00"),
        (b"\0\x1b\x2c\1\2\3", "0x001b2c010203"),
        (b"\1\2", "0x0102"),
        (b"C:\\temp", "C:\\temp"),
    ],
)
def test_octets_without_a_hint(content: bytes, text: str) -> None:
    assert octets_text(content) == text


@pytest.mark.parametrize(
    ("content", "hint", "text"),
    [
        ("001b2c000001", Hint.COLON, "00:1b:2c:00:00:01"),
        ("", Hint.COLON, ""),
        ("07e20c0a0b2d0a08", Hint.DATE, "2018-12-10T11:45:10.8"),
        ("07e20c0a0b2d0a082d0600", Hint.DATE, "2018-12-10T11:45:10.8-06:00"),
        ("07e20c0a0b2d0a082b051e", Hint.DATE, "2018-12-10T11:45:10.8+05:30"),
        ("07e20d0a0b2d0a08", Hint.DATE, "0x07e20d0a0b2d0a08"),
        ("07e20c0a0b2d0a08000000", Hint.DATE, "0x07e20c0a0b2d0a08000000"),
        ("07e20c", Hint.DATE, "0x07e20c"),
        ("4d6f6e646179", Hint.DATE, "Monday"),
        ("c0000201", Hint.INET, "192.0.2.1"),
        ("c000020100000003", Hint.INET, "192.0.2.1%3"),
        ("20010db8000000000000000000000001", Hint.INET, "2001:db8::1"),
        ("fe80000000000000000000000000000100000007", Hint.INET, "fe80::1%7"),
        ("6578616d706c65", Hint.INET, "example"),
        ("40", Hint.HEX, "0x40"),
        ("4142", Hint.NONE, "AB"),
    ],
)
def test_octets_by_their_hint(content: str, hint: Hint, text: str) -> None:
    assert octets_text(bytes.fromhex(content), hint) == text


STATUS = ObjectName(name="ifOperStatus", instance="7", hint=Hint.NONE, enum={2: "down"})


@pytest.mark.parametrize(
    ("tag", "value", "known", "text"),
    [
        (ber.INTEGER, 2, STATUS, "down"),
        (ber.INTEGER, 9, STATUS, "9"),
        (ber.INTEGER, -2, None, "-2"),
        (ber.COUNTER64, 2**64 - 1, None, "18446744073709551615"),
        (ber.OPAQUE, 1.5, None, "1.5"),
        (ber.OPAQUE, float("nan"), STATUS, "nan"),
        (ber.OBJECT_IDENTIFIER, "1.3.6.1", None, "1.3.6.1"),
        (ber.IP_ADDRESS, "192.0.2.1", None, "192.0.2.1"),
        (ber.NULL, None, None, "null"),
        (ber.NO_SUCH_OBJECT, None, None, "noSuchObject"),
        (ber.NO_SUCH_INSTANCE, None, None, "noSuchInstance"),
        (ber.END_OF_MIB_VIEW, None, STATUS, "endOfMibView"),
    ],
)
def test_values(tag: int, value, known: ObjectName | None, text: str) -> None:
    assert value_text(VarBind("1.3.6.1", tag, value), known) == text


@pytest.mark.parametrize(
    "content", [b"x" * 65_000, b"\xff" * 65_000, ("ü" * 30_000).encode(), b"\n\x07ab" * 16_000, b"x\n" * 900]
)
@pytest.mark.parametrize("hint", list(Hint))
def test_every_value_is_bounded(content: bytes, hint: Hint) -> None:
    text = octets_text(content, hint)
    assert len(text) == MAX_VALUE
    assert text.endswith("…")


def test_escaping_leaves_what_is_printable() -> None:
    assert escape("plain text 漢字") == "plain text 漢字"
    assert escape("a\tb\x00\U000e0001") == r"a\tb\x00\U000e0001"


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        ("d", 1234, "1234"),
        ("d-2", 1234, "12.34"),
        ("d-2", -5, "-0.05"),
        ("d-1", 0, "0.0"),
        ("x", 255, "ff"),
        ("b", 5, "101"),
        ("?", 7, "7"),
    ],
)
def test_integers_follow_their_display_hint(hint: str, value: int, text: str) -> None:
    known = ObjectName(name="thing", instance="0", hint=hint, enum={})
    assert value_text(VarBind("1.3.6", ber.INTEGER, value), known) == text


@pytest.mark.parametrize(
    ("hint", "content", "text"),
    [
        ("1d.1d.1d.1d", bytes([192, 0, 2, 7]), "192.0.2.7"),
        ("1x:", b"\x00\x1b\x2c", "00:1b:2c"),
        ("2d-1d-1d,1d:1d:1d.1d", bytes.fromhex("07ea0b1c0e2d0d05"), "2026-11-28,14:45:13.5"),
        ("*1x:/1x:", b"\x02\xaa\xbb\xcc", "aa:bb/cc"),
        ("255a", b"plain", "plain"),
        ("1x", b"\x0f\xff", "0fff"),
        ("nonsense", b"plain", "plain"),
        ("0x", b"plain", "plain"),
        ("*1x:", b"\xff\x07\x08", "07:08"),
        ("1d1a", b"\x05\x1b", r"5\x1b"),
    ],
)
def test_octets_follow_their_display_hint(hint: str, content: bytes, text: str) -> None:
    assert octets_text(content, hint) == text


@given(st.text("*0123456789xdoat:-.", max_size=12), st.binary(max_size=600))
def test_no_display_hint_makes_more_than_one_bounded_line(hint: str, content: bytes) -> None:
    text = octets_text(content, hint)
    assert len(text) <= MAX_VALUE
    assert text.isprintable() or not text

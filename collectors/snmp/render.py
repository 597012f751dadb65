r"""Values of varbinds as text that is safe to log, to match and to put into a ticket.

Text comes from devices and from whoever can send a datagram: control and bidirectional characters are escaped
(``\x1b``, ``\n``, ``\u202e``), so that each value is one line that looks like what it is.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from collectors.snmp import ber
from collectors.snmp.codec import VarBind
from collectors.snmp.names import Hint, ObjectName

__all__ = ["MAX_VALUE", "escape", "octets_text", "value_text"]

MAX_VALUE: Final = 1_000
"""Characters of one value."""

_EXCEPTIONS: Final = {
    ber.NULL: "null",
    ber.NO_SUCH_OBJECT: "noSuchObject",
    ber.NO_SUCH_INSTANCE: "noSuchInstance",
    ber.END_OF_MIB_VIEW: "endOfMibView",
}


def value_text(varbind: VarBind, known: ObjectName | None) -> str:
    """A varbind's value as one line of at most `MAX_VALUE` characters.

    Args:
        varbind: the varbind.
        known: what is known of its object: enumerations become words, octet strings what they stand for.
    """
    value = varbind.value
    if isinstance(value, int):
        if known is None:
            return str(value)
        return known.enum.get(value) or (number_text(value, known.hint) if known.hint else str(value))
    if isinstance(value, bytes):
        return octets_text(value, known.hint if known is not None else Hint.NONE)
    if value is None:
        return _EXCEPTIONS.get(varbind.tag, "null")
    return cut(str(value), MAX_VALUE)


def octets_text(content: bytes, hint: str = Hint.NONE) -> str:
    """An octet string by its ``hint``, else as text if it is UTF-8 and mostly printable, else as ``0x1f00``."""
    if not hint:
        return _plain(content)
    special = _BY_HINT.get(hint)
    meant = special(content) if special is not None else _by_display_hint(content, hint)
    return meant or _plain(content)


def number_text(value: int, hint: str) -> str:
    """An integer by its DISPLAY-HINT: ``d-2`` has two decimals, ``x``, ``o`` and ``b`` are bases (RFC 2579 section 3.1)."""
    found = _NUMBER_HINT.fullmatch(hint)
    if found is None:
        return str(value)
    if found["base"]:
        return format(value, found["base"])
    places = int(found["places"] or 0)
    digits = f"{abs(value):0{places + 1}}"
    text = f"{digits[:-places]}.{digits[-places:]}" if places else digits
    return f"-{text}" if value < 0 else text


def escape(text: str) -> str:
    r"""``text`` with everything but printable characters and spaces as ``\n``, ``\x1b`` or ``\u202e``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def cut(text: str, longest: int) -> str:
    """``text``, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _plain(content: bytes) -> str:
    # C strings: many agents send their terminator, too
    body = content.rstrip(b"\0")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        return _hexadecimal(content)
    if not text and content:
        return _hexadecimal(content)
    if not text.isprintable():
        text = text[: MAX_VALUE + 1]
        strange = sum(not (c.isprintable() or c in "\t\r\n") for c in text)
        if strange * 4 > len(text):
            return _hexadecimal(content)
        text = escape(text)
    return cut(text, MAX_VALUE)


def _hexadecimal(content: bytes) -> str:
    return cut("0x" + content[:MAX_VALUE].hex(), MAX_VALUE)


def _colon(content: bytes) -> str:
    return cut(content[:MAX_VALUE].hex(":"), MAX_VALUE)


_NUMBER_HINT: Final = re.compile(r"d(?:-(?P<places>\d{1,2}))?|(?P<base>[xob])")
_OCTET_HINT: Final = re.compile(
    r"(?P<repeat>\*?)(?P<length>\d{1,3})(?P<form>[xdoat])(?P<separator>[^\d*]?)(?P<end>[^\d*]?)"
)


def _by_display_hint(content: bytes, hint: str) -> str:
    """By an octet-format of RFC 2579 section 3.1, of which the last part repeats; empty if the hint is none.

    Text (``255a``, ``255t``) is left to the ordinary way, which escapes and tolerates.
    """
    parts = [found for found in _OCTET_HINT.finditer(hint) if int(found["length"])]
    if not parts or "".join(found[0] for found in parts) != hint or parts[0]["form"] in "at":
        return ""
    said, at, number = "", 0, 0
    while at < len(content) and len(said) < MAX_VALUE:
        part = parts[min(number, len(parts) - 1)]
        number += 1
        times = 1
        if part["repeat"]:
            times, at = content[at], at + 1
        for turn in range(times):
            piece = content[at : at + int(part["length"])]
            at += len(piece)
            said += _piece(piece, part["form"])
            last = turn + 1 == times
            if at < len(content) and piece:
                said += part["end"] if last and part["repeat"] and part["end"] else part["separator"]
            if not piece or len(said) >= MAX_VALUE:
                break
    return cut(escape(said), MAX_VALUE)


def _piece(piece: bytes, form: str) -> str:
    if form in "at":
        return piece.decode("utf-8", "replace")
    if form == "x":
        return piece.hex()
    return format(int.from_bytes(piece, "big"), form)


_DATE_OCTETS: Final = 8
_DATE_AND_ZONE_OCTETS: Final = 11


def _date(content: bytes) -> str:
    """RFC 2579 DateAndTime as ISO 8601; empty if it is none."""
    if len(content) not in (_DATE_OCTETS, _DATE_AND_ZONE_OCTETS):
        return ""
    year, (month, day, hour, minute, second, tenth) = int.from_bytes(content[:2], "big"), content[2:8]
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60 and tenth < 10):  # noqa: PLR2004 - a calendar's numbers
        return ""
    text = f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{tenth}"
    if len(content) == _DATE_OCTETS:
        return text
    sign, hours, minutes = content[8:]
    return f"{text}{sign:c}{hours:02}:{minutes:02}" if sign in b"+-" else ""


def _inet(content: bytes) -> str:
    """RFC 4001 InetAddress: 4 or 16 octets, or 8 or 20 with a zone index; empty for another length."""
    match len(content):
        case 4:
            return str(IPv4Address(content))
        case 8:
            return f"{IPv4Address(content[:4])}%{int.from_bytes(content[4:], 'big')}"
        case 16:
            return str(IPv6Address(content))
        case 20:
            return f"{IPv6Address(content[:16])}%{int.from_bytes(content[16:], 'big')}"
    return ""


_BY_HINT: Final[Mapping[str, Callable[[bytes], str]]] = {
    Hint.DATE: _date,
    Hint.COLON: _colon,
    Hint.INET: _inet,
    Hint.HEX: _hexadecimal,
}

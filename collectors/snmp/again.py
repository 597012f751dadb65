"""Recognise a v2c trap that says what an earlier one said, without decoding it.

Pure. Storms are repeats: the same device says the same thing, under another request id and a later sysUpTime. What is
left when these two are cut out is a key for the event that the first of them became. Only messages built exactly as the
standard says are cut: one whose lengths or order differ in any way takes the long way and is judged there.
"""

from collections.abc import Hashable
from dataclasses import replace
from typing import Final

from gateway.core.event import Event

_VERSION_2C: Final = b"\x02\x01\x01\x04"
"""INTEGER 1, and the tag of the community."""
_TRAP: Final = 0xA7
_NO_ERROR: Final = b"\x02\x01\x00\x02\x01\x00\x30"
"""Error status 0, error index 0, and the tag of the varbind list."""
_UPTIME: Final = b"\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43"
"""The OID of sysUpTime.0, and the tag of TimeTicks."""
_TICKS_OCTETS: Final = 5
"""32 bits, and the octet that keeps them from being negative."""
_LONGEST: Final = 1500
"""Longer traps are not remembered, so that the memory is bounded in octets too."""


def cut(data: bytes) -> tuple[bytes, bytes, int] | None:
    """Cut request id and sysUpTime out of a v2c trap.

    Returns:
        The community, all varbinds after sysUpTime as they are, and sysUpTime in hundredths of a second. None if it is
        anything but a plainly built v2c trap.
    """
    try:
        begin, pdu = _pdu(data)
        first = _first_varbind(data, pdu) if pdu else 0
        octets = data[first + 13] if first else 0
        rest = first + 14 + octets
        plain = 1 <= octets <= _TICKS_OCTETS and data[first + 1] == 12 + octets and rest <= len(data)
    except IndexError:
        return None
    if not plain:
        return None
    return data[begin:pdu], data[rest:], int.from_bytes(data[first + 14 : rest], "big") & 0xFFFF_FFFF


def _pdu(data: bytes) -> tuple[int, int]:
    """Where the community's text and the PDU of a v2c trap begin; zeros if this is none."""
    at = _content(data, 0) if data[0] == 0x30 else 0  # noqa: PLR2004 - SEQUENCE
    if not at or data[at : at + 4] != _VERSION_2C or data[at + 4] >= 0x80:  # noqa: PLR2004 - the short form of lengths
        return 0, 0
    pdu = at + 5 + data[at + 4]
    return (at + 5, pdu) if data[pdu] == _TRAP else (0, 0)


def _first_varbind(data: bytes, pdu: int) -> int:
    """Where the varbind of sysUpTime begins; 0 if it isn't first, or anything before it is odd."""
    at = _content(data, pdu)
    if not at or data[at] != 2 or not 1 <= data[at + 1] <= 8:  # noqa: PLR2004 - INTEGER of 1..8 octets
        return 0
    at += 2 + data[at + 1]
    if data[at : at + 7] != _NO_ERROR:
        return 0
    at = _content(data, at + 6)
    return at if at and data[at] == 0x30 and data[at + 2 : at + 13] == _UPTIME else 0  # noqa: PLR2004 - SEQUENCE


def _content(data: bytes, at: int) -> int:
    """Where the content of the element at ``at`` begins, if it ends with the datagram; else 0."""
    length = data[at + 1]
    start = at + 2
    if length == 0x81:  # noqa: PLR2004 - one octet of length follows
        length, start = data[at + 2], at + 3
    elif length == 0x82:  # noqa: PLR2004 - two do
        length, start = data[at + 2] << 8 | data[at + 3], at + 4
    elif length >= 0x80:  # noqa: PLR2004 - indefinite, or more octets than a datagram needs
        return 0
    return start if start + length == len(data) else 0


class Again:
    """Events by what their traps said; forgets all when full."""

    def __init__(self, most: int) -> None:
        """Remember at most ``most`` events; 0 turns it off."""
        self._most = most
        self._events: dict[Hashable, Event] = {}

    def event(self, key: Hashable, ticks: int, at_ms: int) -> Event | None:
        """What the trap would be decoded to, with sysUpTime ``ticks``, at ``at_ms``; None if it is not known."""
        event = self._events.get(key)
        if event is None:
            return None
        uptime = str(ticks // 100)
        if event.at_ms != at_ms or event.labels["uptime"] != uptime:
            event = self._events[key] = replace(event, at_ms=at_ms, labels={**event.labels, "uptime": uptime})
        return event

    def remember(self, key: Hashable, event: Event, octets: int) -> None:
        """Keep the event of a datagram of so many ``octets``."""
        if octets > _LONGEST or not self._most or "uptime" not in event.labels:
            return
        if len(self._events) >= self._most:
            self._events.clear()
        self._events[key] = event

"""Recognise a trap or inform that says what an earlier one said, without decoding it.

Pure. Storms are repeats: the same device says the same thing, under another request id and a later sysUpTime. What is
left when these two are cut out is a key for the event that the first of them became. Only messages built exactly as the
standard says are cut: one whose lengths or order differ in any way takes the long way and is judged there. Of SNMPv3
it is the PDU that is looked for, after its message was verified and decrypted.

An inform is cut in the same way; what is cut out tells it from its retransmissions, and its answer is what it was itself,
with another tag (RFC 3416 section 4.2.7).
"""

from collections.abc import Hashable
from typing import Final, NamedTuple

from collectors.snmp.informs import Who
from collectors.snmp.lookaside import LookAside
from gateway.core.event import Event
from gateway.plugin import Intake, Prepared

_V1, _V2C = 0, 1
_TRAP_V1, _TRAP, _INFORM = 0xA4, 0xA7, 0xA6
_RESPONSE: Final = b"\xa2"
_INTEGER, _OID, _IP_ADDRESS, _TIME_TICKS, _SEQUENCE = 0x02, 0x06, 0x40, 0x43, 0x30
_NO_ERROR: Final = b"\x02\x01\x00\x02\x01\x00\x30"
"""Error status 0, error index 0, and the tag of the varbind list."""
_BEFORE_VARBINDS: Final = 6
"""Octets of that before the tag."""
_UPTIME: Final = b"\x06\x08\x2b\x06\x01\x02\x01\x01\x03\x00\x43"
"""The OID of sysUpTime.0, and the tag of TimeTicks."""
_BEFORE_TICKS: Final = (_OID, _IP_ADDRESS, _INTEGER, _INTEGER)
"""Enterprise, agent-addr, generic-trap and specific-trap of a v1 trap (RFC 1157 section 4.1.6)."""
_TICKS_OCTETS: Final = 5
"""32 bits, and the octet that keeps them from being negative."""
_REQUEST_OCTETS: Final = 8
_LONG: Final = 0x80
"""From here on a length has more octets than one."""
UPTIME_LABEL: Final = "uptime"


class Layout(NamedTuple):
    """Where the octets are that differ from one repeat to the next: the request id's (none in v1), and sysUpTime's."""

    request: int
    after_request: int
    ticks: int
    after_ticks: int


Sender = Hashable
"""Whatever else the event depends on: of v1 and v2c the address, of v3 also the engine, the user, the context and the level."""
Key = tuple[Sender, bytes, bytes, bytes]


class Again(LookAside[Key, Prepared]):
    """The events of traps."""

    def offer(self, sender: Sender, data: bytes, at_ms: int) -> bool:
        """Offer what the trap would be decoded to; False if it is not known, and nothing was done."""
        for (request, after_request, ticks, after_ticks), shelf in self._shelves.get(len(data), ()):
            known = shelf.get((sender, data[:request], data[after_request:ticks], data[after_ticks:]))
            if known is not None:
                if not known.count(at_ms):
                    known.offer(at_ms, _uptime(data, ticks, after_ticks))
                return True
        return False

    def offer_new(self, sender: Sender, data: bytes, event: Event, intake: Intake) -> bool:
        """Offer what a trap was decoded to, and keep it; False if it is none to be kept, and nothing was done."""
        layout = _layout_to_keep(data, event, _TRAP) if self._keeps(data) else None
        if layout is None:
            return False
        known = intake.prepare(event, varying=UPTIME_LABEL)
        self._keep(data, layout, _key(sender, data, layout), known)
        known.offer(event.at_ms, event.labels[UPTIME_LABEL])
        return True


class Inform(NamedTuple):
    """An inform, as far as it matters who waits for its answer."""

    event: Prepared
    uptime: str
    """The value of the event's label that varies."""
    who: Who
    varbinds: bytes
    """As received, tag and length included."""
    response: bytes
    """The answer: of v3 the PDU alone."""


class AgainInforms(LookAside[Key, tuple[Prepared, Who, int]]):
    """The events of informs, with whose they are, and where the tag of their PDU stands."""

    def find(self, sender: Sender, data: bytes) -> Inform | None:
        """The inform, if its event is known."""
        for (request, after_request, ticks, after_ticks), shelf in self._shelves.get(len(data), ()):
            known = shelf.get((sender, data[:request], data[after_request:ticks], data[after_ticks:]))
            if known is not None:
                event, who, tag = known
                response = data[:tag] + _RESPONSE + data[tag + 1 :]
                varbinds = data[after_request + _BEFORE_VARBINDS :]
                return Inform(event, _uptime(data, ticks, after_ticks), who, varbinds, response)
        return None

    def keep(self, sender: Sender, data: bytes, event: Event, who: Who, intake: Intake) -> Prepared:
        """The event that an inform was decoded to, prepared; it is kept if it is one to be kept."""
        layout = _layout_to_keep(data, event, _INFORM) if self._keeps(data) else None
        if layout is None:
            return intake.prepare(event)
        known = intake.prepare(event, varying=UPTIME_LABEL)
        # What stands between it and the request id is a length, of which only the last octet can look like it.
        tag = data.rindex(_INFORM, 0, layout.request - 3)
        self._keep(data, layout, _key(sender, data, layout), (known, who, tag))
        return known


def _layout_to_keep(data: bytes, event: Event, tag: int) -> Layout | None:
    return layout_of(data, tag) if UPTIME_LABEL in event.labels else None


def _key(sender: Sender, data: bytes, layout: Layout) -> Key:
    return sender, data[: layout.request], data[layout.after_request : layout.ticks], data[layout.after_ticks :]


def _uptime(data: bytes, ticks: int, after_ticks: int) -> str:
    """The label as `collectors.snmp.translate` writes it."""
    return str((int.from_bytes(data[ticks:after_ticks], "big") & 0xFFFF_FFFF) // 100)


# --- layouts -------------------------------------------------------------------------------------


def layout_of(data: bytes, tag: int = _TRAP) -> Layout | None:
    """The layout of a v1 or v2c trap, or of the PDU alone as v3 has it; None if it is anything but a plainly built one.

    Of another PDU than a trap its ``tag`` says which.
    """
    try:
        if data[0] == tag:
            content = _content(data, 0)
            return _layout_v2(data, content) if content else None
        at = _content(data, 0) if data[0] == _SEQUENCE else 0
        if not at or data[at : at + 2] != b"\x02\x01" or data[at + 3] != 0x04 or data[at + 4] >= _LONG:  # noqa: PLR2004
            return None
        version, pdu = data[at + 2], at + 5 + data[at + 4]
        content = _content(data, pdu)
        if content and (version, data[pdu]) == (_V2C, tag):
            return _layout_v2(data, content)
        if content and tag == _TRAP and (version, data[pdu]) == (_V1, _TRAP_V1):
            return _layout_v1(data, content)
    except IndexError:
        pass
    return None


def _layout_v2(data: bytes, at: int) -> Layout | None:
    """A PDU whose content begins at ``at``."""
    if data[at] != _INTEGER or not 1 <= data[at + 1] <= _REQUEST_OCTETS:
        return None
    request = at + 2
    after_request = request + data[at + 1]
    if data[after_request : after_request + 7] != _NO_ERROR:
        return None
    first = _content(data, after_request + 6)
    if not first or data[first] != _SEQUENCE or data[first + 2 : first + 13] != _UPTIME:
        return None
    octets, ticks = data[first + 13], first + 14
    if not 1 <= octets <= _TICKS_OCTETS or data[first + 1] != 12 + octets or ticks + octets > len(data):
        return None
    return Layout(request, after_request, ticks, ticks + octets)


def _layout_v1(data: bytes, at: int) -> Layout | None:
    for tag in _BEFORE_TICKS:
        if data[at] != tag or data[at + 1] >= _LONG:
            return None
        at += 2 + data[at + 1]
    ticks = at + 2
    after_ticks = ticks + data[at + 1]
    plain = data[at] == _TIME_TICKS and 1 <= data[at + 1] <= _TICKS_OCTETS and after_ticks <= len(data)
    return Layout(0, 0, ticks, after_ticks) if plain else None


def _content(data: bytes, at: int) -> int:
    """Where the content of the element at ``at`` begins, if it ends with the datagram; else 0."""
    length = data[at + 1]
    start = at + 2
    if length == 0x81:  # noqa: PLR2004 - one octet of length follows
        length, start = data[at + 2], at + 3
    elif length == 0x82:  # noqa: PLR2004 - two do
        length, start = data[at + 2] << 8 | data[at + 3], at + 4
    elif length >= _LONG:  # indefinite, or more octets than a datagram needs
        return 0
    return start if start + length == len(data) else 0

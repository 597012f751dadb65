"""UDP datagrams from a capture, as ``tcpdump -w`` and Wireshark write it.

Pure: octets in, datagrams out. Reads pcap (both byte orders, micro- and nanoseconds) and pcapng; Ethernet with VLAN tags,
Linux cooked (v1 and v2), raw IP and the loopback types; IPv4 and IPv6. What is no whole UDP datagram is counted and passed over.
Captures are hostile input: nothing is read beyond its own length.

References: draft-ietf-opsawg-pcap, draft-ietf-opsawg-pcapng, https://www.tcpdump.org/linktypes.html
"""

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final, NamedTuple


class CaptureError(Exception):
    """The file is no capture, or is damaged from here on; one sentence."""


class Packet(NamedTuple):
    """One UDP datagram."""

    source: str
    port: int
    """It was sent to."""
    payload: bytes
    at_s: float
    """When it was captured, epoch seconds; 0 if the capture does not tell."""


@dataclass(slots=True)
class Passed:
    """How many packets were no whole UDP datagram."""

    count: int = 0


_MAGICS: Final[Mapping[bytes, tuple[str, float]]] = {
    b"\xd4\xc3\xb2\xa1": ("<", 1e-6),
    b"\xa1\xb2\xc3\xd4": (">", 1e-6),
    b"\x4d\x3c\xb2\xa1": ("<", 1e-9),
    b"\xa1\xb2\x3c\x4d": (">", 1e-9),
}
_SECTION: Final = b"\x0a\x0d\x0d\x0a"
_INTERFACE, _SIMPLE, _ENHANCED = 1, 3, 6
_MOST_INTERFACES: Final = 1024
_TSRESOL: Final = 9
"""Option of an interface: the unit of its timestamps."""
_UDP: Final = 17
_UDP_HEADER: Final = 8
_EXTENSIONS: Final = frozenset({0, 43, 60})
"""IPv6 headers that carry their length: hop-by-hop, routing, destination options."""
_IPV4, _IPV6 = 0x0800, 0x86DD
_VLANS: Final = frozenset({0x8100, 0x88A8, 0x9100})


def packets(data: bytes, passed: Passed) -> Iterator[Packet]:
    """The UDP datagrams in a capture, in order.

    Args:
        data: the file.
        passed: counts what is passed over.

    Raises:
        CaptureError: while iterating; what came before is right.
    """
    frames = _pcapng(data) if data[:4] == _SECTION else _pcap(data)
    for link, frame, at_s in frames:
        ip = _LINKS.get(link, _nothing)(frame)
        packet = _udp(ip, at_s) if ip else None
        if packet is None:
            passed.count += 1
        else:
            yield packet


# --- files ---------------------------------------------------------------------------------------


def _pcap(data: bytes) -> Iterator[tuple[int, bytes, float]]:
    known = _MAGICS.get(data[:4])
    if known is None or len(data) < 24:  # noqa: PLR2004 - octets of the file's header
        raise CaptureError("it is no pcap or pcapng file")
    order, unit = known
    link = struct.unpack_from(order + "I", data, 20)[0] & 0xFFFF
    at = 24
    while at < len(data):
        if at + 16 > len(data):
            raise CaptureError("it is cut short")
        seconds, fraction, length, _ = struct.unpack_from(order + "4I", data, at)
        at += 16
        if at + length > len(data):
            raise CaptureError("it is cut short, or damaged")
        yield link, data[at : at + length], seconds + fraction * unit
        at += length


def _pcapng(data: bytes) -> Iterator[tuple[int, bytes, float]]:
    order, at = "<", 0
    interfaces: list[tuple[int, float]] = []
    while at < len(data):
        if at + 12 > len(data):
            raise CaptureError("it is cut short")
        if data[at : at + 4] == _SECTION:
            order = "<" if data[at + 8 : at + 12] == b"\x4d\x3c\x2b\x1a" else ">"
            interfaces = []
        kind, length = struct.unpack_from(order + "2I", data, at)
        if length < 12 or length % 4 or at + length > len(data):  # noqa: PLR2004 - octets of the least block
            raise CaptureError("it is cut short, or damaged")
        body = data[at + 8 : at + length - 4]
        at += length
        if kind == _INTERFACE and len(body) >= 8 and len(interfaces) < _MOST_INTERFACES:  # noqa: PLR2004 - fixed part
            interfaces.append((struct.unpack_from(order + "H", body)[0], _unit(body[8:], order)))
        elif kind == _ENHANCED and len(body) >= 20:  # noqa: PLR2004 - fixed part
            number, high, low, captured, _ = struct.unpack_from(order + "5I", body)
            if number < len(interfaces):
                link, unit = interfaces[number]
                yield link, body[20 : 20 + captured], ((high << 32) | low) * unit
        elif kind == _SIMPLE and len(body) >= 4 and interfaces:  # noqa: PLR2004 - fixed part
            (original,) = struct.unpack_from(order + "I", body)
            yield interfaces[0][0], body[4 : 4 + original], 0.0


def _unit(options: bytes, order: str) -> float:
    """Seconds of one tick of an interface's timestamps."""
    at = 0
    while at + 4 <= len(options):
        code, length = struct.unpack_from(order + "2H", options, at)
        if code == _TSRESOL and length == 1 and at + 4 < len(options):
            value = options[at + 4]
            base, power = (2.0, value & 0x7F) if value & 0x80 else (10.0, value)
            return float(base**-power)
        at += 4 + (length + 3) // 4 * 4
        if not code:
            break
    return 1e-6


# --- links ---------------------------------------------------------------------------------------


def _nothing(_frame: bytes) -> bytes:
    return b""


def _by_type(kind: int, rest: bytes) -> bytes:
    return rest if kind in (_IPV4, _IPV6) else b""


def _ethernet(frame: bytes) -> bytes:
    at = 12
    while frame[at : at + 2] and int.from_bytes(frame[at : at + 2], "big") in _VLANS:
        at += 4
    return _by_type(int.from_bytes(frame[at : at + 2], "big"), frame[at + 2 :])


def _cooked(frame: bytes) -> bytes:
    return _by_type(int.from_bytes(frame[14:16], "big"), frame[16:])


def _cooked_2(frame: bytes) -> bytes:
    return _by_type(int.from_bytes(frame[:2], "big"), frame[20:])


def _raw(frame: bytes) -> bytes:
    return frame


def _loopback(frame: bytes) -> bytes:
    """A family in four octets, whose numbers differ between systems: the IP version tells."""
    return frame[4:]


_LINKS: Final[Mapping[int, Callable[[bytes], bytes]]] = {
    0: _loopback,
    1: _ethernet,
    12: _raw,
    14: _raw,
    101: _raw,
    108: _loopback,
    113: _cooked,
    228: _raw,
    229: _raw,
    276: _cooked_2,
}
"""By LINKTYPE."""


# --- IP ------------------------------------------------------------------------------------------


def _udp(ip: bytes, at_s: float) -> Packet | None:
    """The UDP datagram in an IP packet; None if there is no whole one."""
    match ip[0] >> 4:
        case 4:
            found = _ipv4(ip)
        case 6:
            found = _ipv6(ip)
        case _:
            found = None
    if found is None:
        return None
    source, segment = found
    if len(segment) < _UDP_HEADER:
        return None
    _, port, length, _ = struct.unpack_from(">4H", segment)
    whole = _UDP_HEADER <= length <= len(segment)
    return Packet(source, port, segment[_UDP_HEADER:length], at_s) if whole else None


def _ipv4(ip: bytes) -> tuple[str, bytes] | None:
    header = (ip[0] & 15) * 4
    if header < 20 or len(ip) < header or ip[9] != _UDP:  # noqa: PLR2004 - octets of the least header
        return None
    total, fragment = int.from_bytes(ip[2:4], "big"), int.from_bytes(ip[6:8], "big")
    if fragment & 0x3FFF:  # more fragments, or an offset
        return None
    return str(IPv4Address(ip[12:16])), ip[header : total or len(ip)]


def _ipv6(ip: bytes) -> tuple[str, bytes] | None:
    if len(ip) < 40:  # noqa: PLR2004 - octets of the header
        return None
    following, at = ip[6], 40
    while following in _EXTENSIONS and at + 8 <= len(ip):
        following, at = ip[at], at + 8 + 8 * ip[at + 1]
    return (str(IPv6Address(ip[8:24])), ip[at:]) if following == _UDP else None

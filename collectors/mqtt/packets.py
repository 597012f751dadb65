"""The bytes of a connection as control packets, and the PUBLISH that nearly all are. Others are left to the library.

MQTT 5 sections 2.1 and 3.3, MQTT 3.1.1 sections 2.2 and 3.3. paho reads a packet by at least three system calls, makes
an object of properties for each, and writes a log line; for a beat that costs more than all we do with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass

PUBLISH = 3
"""The packet type, in the upper half of the first byte."""
_LONGEST_SHIFT = 21
"""The remaining length has four bytes at most, of seven bits each."""


class MalformedPacketError(Exception):
    """What comes is no MQTT."""


class Cutter:
    """Cuts a stream of bytes into packets."""

    def __init__(self) -> None:
        self._held = bytearray()
        """The beginning of a packet whose end has not come."""
        self._wanted = 0
        """How long that must grow before it is worth a look."""

    def cut(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Take the next bytes; of each packet that is whole the first byte, and what follows the fixed header.

        Raises:
            MalformedPacketError: a length that cannot be.
        """
        if self._held:
            self._held += data
            if len(self._held) < self._wanted:
                return
            data, self._held = bytes(self._held), bytearray()
        at, size, self._wanted = 0, len(data), 0
        while at < size:
            # A length of two bytes, as a beat's is: spelled out, since a call for each beat is worth saving.
            if size - at > 2 and data[at + 2] < 128 <= data[at + 1]:  # noqa: PLR2004
                begins, length = at + 3, data[at + 1] & 127 | data[at + 2] << 7
            else:
                begins, length = _length(data, at + 1)
            if begins + length > size or begins == 0:
                self._wanted = begins + length - at
                break
            yield data[at], data[begins : begins + length]
            at = begins + length
        self._held += data[at:]


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Where the rest of the packet begins, and its length; 0 and 0 if that is not told yet."""
    length = shift = 0
    for byte in data[at : at + 4]:
        at += 1
        length |= (byte & 127) << shift
        if byte < 128:  # noqa: PLR2004 - no more bytes of the length follow
            return at, length
        shift += 7
    if shift > _LONGEST_SHIFT:
        raise MalformedPacketError("a length of more than four bytes")
    return 0, 0


@dataclass(slots=True)
class Published:
    """A message; the fields are those of `paho.mqtt.client.MQTTMessage`."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    mid: int
    properties: None = None


def plain(first: int, body: bytes, *, five: bool) -> Published | None:
    """The message in a packet; None if it is not as simple as that: QoS 0 or 1, and without properties.

    Args:
        first: the first byte of the fixed header.
        body: what follows the fixed header.
        five: whether this is MQTT 5, where properties stand before the payload.
    """
    qos = first >> 1 & 3
    if first >> 4 != PUBLISH or qos > 1:
        return None
    mid = 0
    try:
        at = 2 + (body[0] << 8 | body[1])
        topic = body[2:at].decode()
        if qos:
            mid = body[at] << 8 | body[at + 1]
            at += 2
        if five:
            if body[at]:  # the length of the properties
                return None
            at += 1
    except (IndexError, UnicodeDecodeError):
        return None
    if (qos and not mid) or not topic or at > len(body):
        return None
    return Published(topic, body[at:], qos, bool(first & 1), mid)


def pubacks(mids: list[int]) -> bytes:
    """The acknowledgements of these messages, one packet each (MQTT 5 section 3.4)."""
    return b"".join([(0x4002_0000 | mid).to_bytes(4, "big") for mid in mids])

"""The SNMPv3 message: header, security parameters and scoped PDU, to and from octets (RFC 3412, RFC 3414).

Pure. Nothing is verified here but the form; `usm` judges who sent it and when.
"""

from typing import Final, NamedTuple

from collectors.snmp.ber import (
    INTEGER,
    OCTET_STRING,
    SEQUENCE,
    DecodeError,
    encode,
    encode_integer,
    encode_octets,
    encode_sequence,
    expect,
    read_header,
    read_integer,
    read_octets,
)
from collectors.snmp.lookaside import LookAside, Places
from gateway.core.reason import Dropped

VERSION: Final = 3
AUTHENTICATED: Final = 1
ENCRYPTED: Final = 2
REPORTABLE: Final = 4
"""Bits of ``msgFlags`` (RFC 3412 section 6.4)."""
LEVEL: Final = AUTHENTICATED | ENCRYPTED

USER_SECURITY_MODEL: Final = 3
MAX_SIZE: Final = 65_507
"""The largest message that we take, as we tell others (the most that UDP over IPv4 carries)."""
_MAX_INTEGER: Final = 2**31 - 1
_MAX_NAME: Final = 32
_MAX_CONTEXT: Final = 255
_FIRST_PDU, _LAST_PDU = 0xA0, 0xA8


class Message(NamedTuple):
    """A message before anything in it is believed."""

    whole: bytes
    """The datagram without what trails the message."""
    message_id: int
    flags: int
    engine_id: bytes
    """Of the authoritative engine: the sender for a trap, the receiver for an inform."""
    boots: int
    time: int
    user: bytes
    mac: bytes
    mac_at: int
    """Offset of ``mac`` in ``whole``."""
    salt: bytes
    data: bytes
    """The scoped PDU, or its ciphertext if ``flags`` say so."""

    def without_mac(self) -> bytes:
        """The octets that the MAC was computed over (RFC 3414 section 6.3.1)."""
        return self.whole[: self.mac_at] + bytes(len(self.mac)) + self.whole[self.mac_at + len(self.mac) :]


class Scoped(NamedTuple):
    """A PDU with the context that it belongs to."""

    engine_id: bytes
    """Of the engine whose context it is: the sender, for traps and informs alike."""
    context: bytes
    pdu: bytes
    """The PDU with its tag and length."""


class _Form(NamedTuple):
    """Where in a datagram that is which differs from one message of a sender to the next; each ends before its end."""

    message_id: int
    message_id_end: int
    time: int
    time_end: int
    mac: int
    mac_end: int
    salt: int
    salt_end: int
    content: int
    """Of the scoped PDU, or of the octets that it is enciphered to."""
    data: int
    """The same with its tag and length, if it is not enciphered (`Message.data`)."""


_Rest = tuple[bytes, bytes, bytes, bytes, bytes]
"""What stands between: tags, lengths, flags, engine, boots and user. By it a message is known to be built like another."""


class Messages(LookAside[_Rest, Message]):
    """Takes messages apart; what it knows to be built like an earlier one it need not read again."""

    def __init__(self, most: int = 4096) -> None:
        """Know so many forms, about one for each engine, user and length."""
        super().__init__(most)

    def parse(self, data: bytes) -> Message:
        """As `parse_message`."""
        for places, known in self._shelves.get(len(data), ()):
            like = known.get(_rest(data, places))
            if like is not None:
                return _like(like, data, places)
        message = parse_message(data)
        form = _form(data) if self._keeps(data) else None
        if form is not None:
            self._keep(data, form, _rest(data, form), message)
        return message


def _rest(data: bytes, places: Places) -> _Rest:
    id_at, id_end, time_at, time_end, mac_at, mac_end, salt_at, salt_end, content, _ = places
    return data[:id_at], data[id_end:time_at], data[time_end:mac_at], data[mac_end:salt_at], data[salt_end:content]


def _like(message: Message, data: bytes, places: Places) -> Message:
    """``data`` taken apart, which is built like ``message``."""
    id_at, id_end, time_at, time_end, mac_at, mac_end, salt_at, salt_end, _, data_at = places
    message_id = int.from_bytes(data[id_at:id_end], "big", signed=True)
    time = int.from_bytes(data[time_at:time_end], "big", signed=True)
    if not (0 <= message_id <= _MAX_INTEGER and 0 <= time <= _MAX_INTEGER):
        return parse_message(data)  # which says what is wrong
    return Message(
        data, message_id, message.flags, message.engine_id, message.boots, time, message.user,
        data[mac_at:mac_end], mac_at, data[salt_at:salt_end], data[data_at:],
    )  # fmt: skip


def _form(data: bytes) -> _Form | None:
    """Where the parts are of a message that could be read; None if anything stands behind it."""
    end = len(data)
    start, whole = expect(data, 0, end, SEQUENCE)
    _, header = read_integer(data, start, end)
    start, security = expect(data, header, end, SEQUENCE)
    id_at, id_end = expect(data, start, end, INTEGER)
    start, after = expect(data, security, end, OCTET_STRING)
    start, _ = expect(data, start, end, SEQUENCE)
    _, boots = expect(data, start, end, OCTET_STRING)
    _, start = expect(data, boots, end, INTEGER)
    time_at, time_end = expect(data, start, end, INTEGER)
    _, start = expect(data, time_end, end, OCTET_STRING)
    mac_at, mac_end = expect(data, start, end, OCTET_STRING)
    salt_at, salt_end = expect(data, mac_end, end, OCTET_STRING)
    tag, content, stop = read_header(data, after, end)
    if stop != end or whole != end:
        return None
    return _Form(
        id_at, id_end, time_at, time_end, mac_at, mac_end, salt_at, salt_end, content,
        content if tag == OCTET_STRING else after,
    )  # fmt: skip


def parse_message(data: bytes) -> Message:
    """Take an SNMPv3 datagram apart.

    Raises:
        DecodeError: it is not one, or its security model is not the user-based one (`UNSUPPORTED`).
    """
    start, end = expect(data, 0, len(data), SEQUENCE)
    version, offset = read_integer(data, start, end)
    if version != VERSION:
        raise DecodeError("not an SNMPv3 message", reason=Dropped.UNSUPPORTED)
    message_id, flags, offset = _header(data, offset, end)
    start, after = expect(data, offset, end, 0x04)
    engine_id, boots, time, user, mac, mac_at, salt = _security(data, start, after)
    data_tag, body, stop = read_header(data, after, end)
    if data_tag != (0x04 if flags & ENCRYPTED else SEQUENCE):
        raise DecodeError("the scoped PDU is not as the flags say")
    content = data[body:stop] if flags & ENCRYPTED else data[after:stop]
    return Message(data[:end], message_id, flags, engine_id, boots, time, user, mac, mac_at, salt, content)


def _header(data: bytes, offset: int, end: int) -> tuple[int, int, int]:
    start, stop = expect(data, offset, end, SEQUENCE)
    message_id, at = read_integer(data, start, stop)
    _, at = read_integer(data, at, stop)  # msgMaxSize: our answers are no longer than the question
    flags, at = read_octets(data, at, stop)
    model, _ = read_integer(data, at, stop)
    if len(flags) != 1 or not 0 <= message_id <= _MAX_INTEGER:
        raise DecodeError("an impossible message id or flags")
    if model != USER_SECURITY_MODEL:
        raise DecodeError(f"security model {model} is not the user-based one", reason=Dropped.UNSUPPORTED)
    if flags[0] & LEVEL == ENCRYPTED:
        raise DecodeError("encrypted without being authenticated")  # RFC 3412 section 7.2 step 5d
    return message_id, flags[0], stop


def _security(data: bytes, offset: int, end: int) -> tuple[bytes, int, int, bytes, bytes, int, bytes]:
    start, stop = expect(data, offset, end, SEQUENCE)
    engine_id, at = read_octets(data, start, stop)
    boots, at = read_integer(data, at, stop)
    time, at = read_integer(data, at, stop)
    user, at = read_octets(data, at, stop)
    mac, at = read_octets(data, at, stop)
    mac_at = at - len(mac)
    salt, _ = read_octets(data, at, stop)
    if not (0 <= boots <= _MAX_INTEGER and 0 <= time <= _MAX_INTEGER) or len(user) > _MAX_NAME:
        raise DecodeError("impossible security parameters")
    return engine_id, boots, time, user, mac, mac_at, salt


def parse_scoped(plain: bytes) -> Scoped:
    """Take a scoped PDU apart; padding after it is ignored.

    Raises:
        DecodeError: it is not one, as when it was decrypted with a wrong key.
    """
    start, end = expect(plain, 0, len(plain), SEQUENCE)
    engine_id, at = read_octets(plain, start, end)
    context, at = read_octets(plain, at, end)
    if len(engine_id) > _MAX_NAME or len(context) > _MAX_CONTEXT:
        raise DecodeError("a context name or engine id that is too long")
    tag, _, stop = read_header(plain, at, end)
    if not _FIRST_PDU <= tag <= _LAST_PDU or stop != end:
        raise DecodeError("no PDU within the scoped PDU")
    return Scoped(engine_id, context, plain[at:stop])


def encode_scoped(scoped: Scoped) -> bytes:
    """The inverse of `parse_scoped`."""
    return encode_sequence(encode_octets(scoped.engine_id), encode_octets(scoped.context), scoped.pdu)


def encode_message(
    data: bytes,
    *,
    message_id: int,
    flags: int,
    engine_id: bytes,
    boots: int,
    time: int,
    user: bytes,
    mac_octets: int = 0,
    salt: bytes = b"",
) -> Message:
    """Build a message around a scoped PDU or its ciphertext, with zeros where the MAC goes."""
    security = encode_sequence(
        encode_octets(engine_id),
        encode_integer(boots),
        encode_integer(time),
        encode_octets(user),
        encode_octets(bytes(mac_octets)),
        encode_octets(salt),
    )
    header = encode_sequence(
        encode_integer(message_id),
        encode_integer(MAX_SIZE),
        encode_octets(bytes((flags,))),
        encode_integer(USER_SECURITY_MODEL),
    )
    body = encode_octets(data) if flags & ENCRYPTED else data
    return parse_message(encode(SEQUENCE, encode_integer(VERSION) + header + encode_octets(security) + body))

"""Heartbeat payloads as plain values: text, JSON, CBOR or MessagePack, told apart safely.

Nothing but `PayloadError` is ever raised, whatever the bytes.
"""

import json
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import cbor2
import msgpack  # type: ignore[import-untyped]
from pydantic_core import from_json

from gateway.core.reason import Dropped


class PayloadFormat(StrEnum):
    """How a topic's payloads are written."""

    AUTO = "auto"
    """By the MQTT 5 content type if there is one, else by the first byte."""
    TEXT = "text"
    JSON = "json"
    CBOR = "cbor"
    MSGPACK = "msgpack"


class PayloadError(ValueError):
    """The payload says nothing that we understand; ``reason`` is the word to count it by."""

    def __init__(self, message: str, *, reason: Dropped = Dropped.MALFORMED) -> None:
        super().__init__(message)
        self.reason = reason


DEPTH = 32
"""Nesting that the binary decoders follow; labels are cut off long before."""

_CONTENT_TYPES = {
    "text/plain": PayloadFormat.TEXT,
    "text/json": PayloadFormat.JSON,
    "application/json": PayloadFormat.JSON,
    "application/cbor": PayloadFormat.CBOR,
    "application/msgpack": PayloadFormat.MSGPACK,
    "application/x-msgpack": PayloadFormat.MSGPACK,
    "application/vnd.msgpack": PayloadFormat.MSGPACK,
}


def parse(payload: bytes, *, form: PayloadFormat, content_type: str = "") -> Any:
    """The payload as a plain value: text as `str`, everything else as its decoder gives it.

    Args:
        payload: the bytes, already bounded in length by the caller.
        form: the configured format.
        content_type: the MQTT 5 property, if the message has it; counts when ``form`` is ``auto``.

    Raises:
        PayloadError: malformed, or in no format we know.
    """
    if content_type and form is PayloadFormat.AUTO:
        form = _CONTENT_TYPES.get(content_type.partition(";")[0].strip().casefold(), PayloadFormat.AUTO)
    if form is PayloadFormat.AUTO:
        form = sniff(payload)
    try:
        return _PARSERS[form](payload)
    except PayloadError:
        raise
    except Exception as error:  # noqa: BLE001 - hostile bytes make decoders raise anything, RecursionError included
        raise PayloadError(f"not {form}: {type(error).__name__}") from None


def sniff(payload: bytes) -> PayloadFormat:
    """The format by its first byte; the ranges of the four don't overlap for what a beat may be.

    Maps begin with 0xa0..0xbf or tag 0xd9d9f7 in CBOR (RFC 8949 section 3.4.6), with 0x80..0x8f, 0xde or 0xdf in
    MessagePack. UTF-8 has no such lead bytes save 0xde and 0xdf, and those a continuation byte follows, which in
    MessagePack would be the head of a map with 32,768 members or more.

    Raises:
        PayloadError: none of the four.
    """
    first, second = payload[:1], payload[1:2]
    if first == b"{":
        return PayloadFormat.JSON
    if b"\xa0" <= first <= b"\xbf" or payload[:3] == b"\xd9\xd9\xf7":
        return PayloadFormat.CBOR
    if b"\x80" <= first <= b"\x8f" or (first in (b"\xde", b"\xdf") and not b"\x80" <= second <= b"\xbf"):
        return PayloadFormat.MSGPACK
    if payload.lstrip(b" \t\r\n\xef\xbb\xbf")[:1] in (b"{", b"["):
        return PayloadFormat.JSON
    return PayloadFormat.TEXT


def _decoded(payload: bytes) -> str:
    """As the codec ``utf-8-sig``, which is written in Python and slower."""
    return payload.decode().removeprefix("\ufeff")


def _text(payload: bytes) -> str:
    text = _decoded(payload).strip(" \t\r\n\0")
    if any(character < " " and character not in "\t\r\n" for character in text):
        raise PayloadError("neither text nor a format we know", reason=Dropped.UNSUPPORTED)
    return text


def _json(payload: bytes) -> Any:
    """By the fast reader; what it refuses (a byte order mark, half a surrogate pair, deep nesting) by the patient one.

    Both take NaN, which is no JSON: yet a device that says it is alive.
    """
    try:
        return from_json(payload)
    except ValueError:
        return json.loads(_decoded(payload))


def _cbor(payload: bytes) -> Any:
    # strict_hashable_types: keys are text or bytes, so that nobody can craft keys that collide.
    return cbor2.loads(payload, max_depth=DEPTH, strict_hashable_types=True, semantic_decoders=_INERT_TAGS)


def _msgpack(payload: bytes) -> Any:
    return msgpack.unpackb(payload, raw=False, strict_map_key=True)


def _inert(value: Any, immutable: bool) -> Any:  # noqa: ARG001 - the decoder's signature
    return value


# Tags whose decoding does work beyond the bytes given: regular expressions are compiled, mail is parsed, and
# decimals and bigfloats may stand for numbers with a billion digits.
_INERT_TAGS = dict.fromkeys((4, 5, 30, 35, 36), _inert)

_PARSERS: dict[PayloadFormat, Callable[[bytes], Any]] = {
    PayloadFormat.TEXT: _text,
    PayloadFormat.JSON: _json,
    PayloadFormat.CBOR: _cbor,
    PayloadFormat.MSGPACK: _msgpack,
}

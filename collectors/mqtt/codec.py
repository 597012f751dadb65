"""What a station's message says: bytes to `Reading`.

A payload may be a bare word (``ok``, ``offline``), a number, nothing at all, or an object::

    {"status": "ok", "ts": 1795305600, "seq": 42, "interval": 60, "metrics": {"temp": 21.5}}

Whatever else it holds becomes labels for rules, flattened (``metrics.temp``) and bounded. Identity is never taken from
it. Nothing but `PayloadError` is ever raised.
"""

import datetime as dt
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import Any

import msgpack  # type: ignore[import-untyped]

from collectors.mqtt import words
from collectors.mqtt.labels import Labels, Limits, line
from collectors.mqtt.payload import PayloadError, PayloadFormat, parse
from gateway.core.event import BeatKind
from gateway.core.reason import Dropped

__all__ = ["Limits", "PayloadError", "PayloadFormat", "Reading", "TopicKind", "read"]


class TopicKind(StrEnum):
    """What is published on a topic."""

    HEARTBEAT = "heartbeat"
    """A beat now and then; an empty payload is one, too."""
    STATUS = "status"
    """Births, last wills and farewells; an empty payload takes the station out of service."""


@dataclass(slots=True, kw_only=True)
class Reading:
    """What one message says; the fields are those of `gateway.core.event.Beat`, and it is unfrozen like that."""

    kind: BeatKind
    fault: str = ""
    interval_s: float | None = None
    sent_ms: int | None = None
    sequence: int | None = None
    session: int | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    description: str = ""


_BRACE = ord("{")
_WORD = re.compile(r"[^\W\d_]+(?:[_-][^\W\d_]+)*")
"""A status by itself (``low_battery``); versions, counters, instants and sentences are none."""
_FIRST_WORD = re.compile(r"[^\W_]+")
_STATUS_KEYS = ("status", "state", "health", "online", "alive")
_FAULT_KEYS = ("fault", "alarm", "error")
_FAULT_LIST_KEYS = ("faults", "alarms", "errors")
_SENT_KEYS = ("ts", "timestamp", "time", "sent")
_SEQUENCE_KEYS = ("seq", "sequence")
_INTERVAL_KEYS = ("interval", "interval_s")
DEFAULT_LIMITS = Limits()
_PLAIN = (str, int, float)
_REMEMBERED_BYTES = 1024
"""Payloads of JSON up to this length have the names of their members remembered: 256 times that is what strangers can fill."""
_SHORT = 40
"""Characters of a name that may be remembered: longer ones are a stranger's, and could fill the memory."""
_FIRST_CLOCK_S = 1_000_000_000
"""2001: an earlier timestamp is an uptime, or a device without a clock."""


def read(
    payload: bytes,
    *,
    topic: TopicKind,
    form: PayloadFormat = PayloadFormat.AUTO,
    content_type: str = "",
    limits: Limits = DEFAULT_LIMITS,
) -> Reading:
    """What the message says.

    Raises:
        PayloadError: too long, malformed, or in no format we know.
    """
    if len(payload) > limits.payload_bytes:
        raise PayloadError(f"{len(payload)} bytes, more than {limits.payload_bytes}", reason=Dropped.OVERSIZED)
    if not payload:
        return Reading(kind=BeatKind.BEAT if topic is TopicKind.HEARTBEAT else BeatKind.LEAVE)
    value = parse(payload, form=form, content_type=content_type)
    if type(value) is dict or isinstance(value, Mapping):
        known = payload[0] == _BRACE and len(payload) <= _REMEMBERED_BYTES
        return _object(value, (_known_shape if known else _shape)(tuple(value), limits.key_chars), topic, limits)
    if isinstance(value, str | int | float | bytes) or value is None:
        return _bare(line(value, limits.value_chars), topic)
    raise PayloadError("neither a word nor an object")


def _bare(text: str, topic: TopicKind) -> Reading:
    """A payload that is one word, a number or a sentence."""
    kind, faulty = _judge(text, topic)
    if faulty or (_WORD.fullmatch(text) and _strange(text)):
        return Reading(kind=kind, fault=text, labels={"status": text}, description=text)
    return Reading(kind=kind, labels={"status": text} if text else {})


def _object(value: Mapping[Any, Any], shape: "_Shape", topic: TopicKind, limits: Limits) -> Reading:
    members = {name: value[key] for name, key in shape.members}
    labels = Labels(members, limits)
    kind, fault = _condition(members, shape, topic, limits)
    return Reading(
        kind=kind,
        fault=fault,
        interval_s=_number(_first(members, shape.interval)) if shape.interval else None,
        sent_ms=_instant_ms(_first(members, shape.sent)) if shape.sent else None,
        sequence=_sequence(_first(members, shape.sequence)) if shape.sequence else None,
        labels=labels,
        description=_description(labels, limits) if fault else "",
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    """What the names of an object's members say of where to look; each field has the names that are there, best first."""

    members: tuple[tuple[str, Any], ...]
    """Each name as we compare it, with the key that has it: of several, the last."""
    status: tuple[str, ...]
    faults: tuple[str, ...]
    sent: tuple[str, ...]
    sequence: tuple[str, ...]
    interval: tuple[str, ...]


def _shape(keys: tuple[Any, ...], chars: int) -> _Shape:
    """The shape of an object with these keys."""
    names = {_key(key, chars): key for key in keys}
    wanted = (_STATUS_KEYS, _FAULT_KEYS + _FAULT_LIST_KEYS, _SENT_KEYS, _SEQUENCE_KEYS, _INTERVAL_KEYS)
    return _Shape(tuple(names.items()), *(tuple(name for name in some if name in names) for some in wanted))


_known_shape = lru_cache(maxsize=256)(_shape)
"""Remembered: a fleet's payloads name the same members again and again. For JSON alone, whose keys are all text."""


def _key(key: Any, chars: int) -> str:
    """The name of a member."""
    return _short_key(key) if isinstance(key, str) and len(key) <= _SHORT <= chars else line(key, chars).casefold()


@lru_cache(maxsize=4096)
def _short_key(key: str) -> str:
    """Remembered: a fleet's payloads name the same members again and again."""
    return line(key, _SHORT).casefold()


def _condition(members: Mapping[str, Any], shape: _Shape, topic: TopicKind, limits: Limits) -> tuple[BeatKind, str]:
    """What kind of message the object is, and what it says is wrong."""
    kind, fault = BeatKind.BEAT, ""
    status = _first(members, shape.status)
    if isinstance(status, _PLAIN):
        word = line(status, limits.value_chars)
        kind, faulty = _judge(word, topic)
        if faulty or (word and isinstance(status, str) and _strange(word)):
            fault = word
    for key in shape.faults:
        told = _fault(members[key], key, limits)
        if told:
            return kind, told
    return kind, fault


@lru_cache(maxsize=1024)
def _judge(text: str, topic: TopicKind) -> tuple[BeatKind, bool]:
    """The kind of message that a word makes, and whether it tells of a fault."""
    word = text.casefold()
    status = topic is TopicKind.STATUS
    if _is_number(word) and not status:
        return BeatKind.BEAT, False  # a counter, or somebody's exit code 0
    if word in words.GONE:
        return BeatKind.WILL, False
    if word in words.LEFT:
        return BeatKind.LEAVE, False
    if word in words.BORN or (status and word in words.WELL):
        return BeatKind.BIRTH, False
    return BeatKind.BEAT, _begins(word, words.FAULTY)


@lru_cache(maxsize=1024)
def _strange(word: str) -> bool:
    """A status that isn't well is a fault, whatever its name; a number may mean anything."""
    return word.casefold() not in words.KNOWN and not _is_number(word) and not _begins(word, words.FINE)


def _begins(text: str, with_one_of: frozenset[str]) -> bool:
    """Whether the first word is one of these: ``ERROR: disk full``, ``fail_pump``."""
    found = _FIRST_WORD.match(text.casefold())
    return found is not None and found[0] in with_one_of


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdigit()


def _fault(told: Any, key: str, limits: Limits) -> str:
    """The text of a fault member; empty if it says that there is none.

    A number under a plural (``errors: 17``) is a counter, not a fault.
    """
    if isinstance(told, bool):
        return key if told else ""
    if isinstance(told, int | float):
        return f"{key} {line(told, limits.value_chars)}" if told and key in _FAULT_KEYS else ""
    if isinstance(told, str):
        text = line(told, limits.value_chars)
        return "" if text.casefold() in words.NO_FAULT else text
    if isinstance(told, Mapping):
        return key if told else ""
    if isinstance(told, list | tuple) and told:
        all_told = (line(one, limits.key_chars) for one in told[: limits.labels] if isinstance(one, str | int | float))
        return ", ".join(all_told)[: limits.value_chars] or key
    return ""


# --- numbers and instants ------------------------------------------------------------------------


def _first(members: Mapping[str, Any], keys: tuple[str, ...]) -> Any:
    for key in keys:
        value = members.get(key)
        if value is not None:
            return value
    return None


def _number(value: Any) -> float | None:
    """A finite positive number, also if it was written as text."""
    if isinstance(value, bool) or not isinstance(value, _PLAIN):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def _sequence(value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value) if abs(value) < 2**53 else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63 else None


def _instant_ms(value: Any) -> int | None:
    """Epoch milliseconds; None if it is no instant, or one without a time zone."""
    if isinstance(value, msgpack.Timestamp):
        value = value.seconds
    number = _number(value)
    if number is None and isinstance(value, str):
        value = _iso(value)
    if isinstance(value, dt.datetime):
        return _zoned_ms(value)
    if number is None or number < _FIRST_CLOCK_S:
        return None
    for unit_ms in (1000.0, 1.0, 1e-3, 1e-6):  # seconds, milli-, micro- and nanoseconds
        if number * unit_ms < 1e14:  # noqa: PLR2004 - the year 5138
            return int(number * unit_ms)
    return None


def _iso(text: str) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text.strip()[:40])
    except ValueError:
        return None


def _zoned_ms(instant: dt.datetime) -> int | None:
    if instant.tzinfo is None:
        return None
    try:
        seconds = instant.timestamp()
    except (OverflowError, ValueError):
        return None
    return int(seconds * 1000) if seconds >= _FIRST_CLOCK_S else None


def _description(labels: Mapping[str, str], limits: Limits) -> str:
    return "\n".join(f"{key}: {value}" for key, value in labels.items())[: limits.description_chars]

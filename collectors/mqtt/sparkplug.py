"""Sparkplug B 3.0: births, data and deaths of edge nodes and their devices; protobuf payloads to `Reading`.

The few fields that we need are decoded here: the wire format of protobuf is four kinds of fields, and generated code
would be a copy of the specification's file and one more dependency. Unknown fields are skipped, as protobuf demands.

A node's death carries the ``bdSeq`` of the birth that it belongs to (tck-id-payloads-ndeath-bdseq): one that comes late,
after the next birth, is told apart by it. A death's timestamp is that of the will's creation, and is not used.
After a birth, data may name metrics by alias alone; so births are remembered, within bounds.
"""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from collectors.mqtt.codec import Reading
from collectors.mqtt.labels import Limits, line
from collectors.mqtt.payload import PayloadError
from gateway.core.event import BeatKind
from gateway.core.reason import Dropped

KINDS = {
    "NBIRTH": BeatKind.BIRTH,
    "DBIRTH": BeatKind.BIRTH,
    "NDATA": BeatKind.BEAT,
    "DDATA": BeatKind.BEAT,
    "NDEATH": BeatKind.WILL,
    "DDEATH": BeatKind.WILL,
}
MOST_METRICS = 2_000
"""Metrics of one payload; a node's birth names them all."""
MOST_BIRTHS = 20_000
"""Births whose aliases are remembered; the one unheard for longest is forgotten first."""
_TYPE_LEVEL = 2
_NODE_LEVELS = 4
"""``spBv1.0/group/TYPE/node``; a device's topic has one level more."""
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
"""Data types that are signed integers, and their bits: protobuf carries them unsigned."""
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_LONGEST_VARINT = 10

Value = int | float | bool | str | None


@dataclass(slots=True, kw_only=True)
class Metric:
    """One metric of a payload; ``name`` is empty where only the alias is given."""

    name: str = ""
    alias: int | None = None
    datatype: int = 0
    value: Value = None


@dataclass(slots=True, kw_only=True)
class Payload:
    """What a payload says."""

    sent_ms: int | None = None
    sequence: int | None = None
    metrics: list[Metric] = field(default_factory=list)


class Sparkplug:
    """Reads payloads; remembers what births said."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._aliases: OrderedDict[str, dict[int, str]] = OrderedDict()
        self._devices: dict[str, set[str]] = {}

    def __call__(self, payload: bytes, topic: str) -> Reading:
        """What the message says.

        Raises:
            PayloadError: not Sparkplug B, or a command, which is no sign of life.
        """
        levels = topic.split("/")
        kind = KINDS.get(levels[_TYPE_LEVEL]) if len(levels) > _TYPE_LEVEL else None
        if kind is None:
            raise PayloadError("no birth, data or death of Sparkplug B", reason=Dropped.UNSUPPORTED)
        if len(payload) > self._limits.payload_bytes:
            raise PayloadError(
                f"{len(payload)} bytes, more than {self._limits.payload_bytes}", reason=Dropped.OVERSIZED
            )
        found = decode(payload)
        who = "/".join([*levels[:_TYPE_LEVEL], *levels[_TYPE_LEVEL + 1 :]])
        if kind is BeatKind.BIRTH:
            self._learn(who, found.metrics)
            self._place(levels)
        names = self._aliases.get(who, {})
        told = [
            (metric.name or names.get(-1 if metric.alias is None else metric.alias, ""), metric)
            for metric in found.metrics
        ]
        died = kind is BeatKind.WILL
        return Reading(
            kind=kind,
            sent_ms=None if died else found.sent_ms,
            sequence=None if died else found.sequence,
            session=next(
                (metric.value for name, metric in told if name == "bdSeq" and type(metric.value) is int), None
            ),
            labels={} if died else dict(self._labels(told)),
        )

    def devices(self, topic: str) -> list[str]:
        """The devices of a node whose death this topic tells: they died with it."""
        levels = topic.split("/")
        if len(levels) != _NODE_LEVELS or levels[_TYPE_LEVEL] != "NDEATH":
            return []
        group, node = levels[1], levels[3]
        return [
            f"spBv1.0/{group}/DDEATH/{node}/{device}" for device in sorted(self._devices.get(f"{group}/{node}", ()))
        ]

    def _labels(self, told: list[tuple[str, Metric]]) -> Iterator[tuple[str, str]]:
        for name, metric in told[: self._limits.labels]:
            if name and name != "bdSeq":
                yield line(name, self._limits.key_chars), line(metric.value, self._limits.value_chars)

    def _learn(self, who: str, metrics: list[Metric]) -> None:
        self._aliases[who] = {
            metric.alias: metric.name for metric in metrics if metric.alias is not None and metric.name
        }
        self._aliases.move_to_end(who)
        if len(self._aliases) > MOST_BIRTHS:
            self._aliases.popitem(last=False)

    def _place(self, levels: list[str]) -> None:
        if len(levels) == _NODE_LEVELS + 1 and len(self._devices) < MOST_BIRTHS:
            devices = self._devices.setdefault(f"{levels[1]}/{levels[3]}", set())
            if len(devices) < MOST_METRICS:
                devices.add(levels[4])


def decode(payload: bytes) -> Payload:
    """The payload's timestamp, sequence and metrics.

    Raises:
        PayloadError: malformed.
    """
    found = Payload()
    for number, value in _fields(payload):
        match number, value:
            case 1, int():
                found.sent_ms = value
            case 2, bytes():
                if len(found.metrics) >= MOST_METRICS:
                    raise PayloadError(f"more than {MOST_METRICS} metrics", reason=Dropped.OVERSIZED)
                found.metrics.append(_metric(value))
            case 3, int():
                found.sequence = value
    return found


def _metric(raw: bytes) -> Metric:
    metric = Metric()
    for number, value in _fields(raw):
        known = _METRIC.get((number, type(value)))
        if known is not None:
            name, read = known
            setattr(metric, name, read(value))
    bits = _SIGNED.get(metric.datatype)
    if bits and type(metric.value) is int:  # carried in 32 or 64 bits, sign extended or not
        low = metric.value & ((1 << bits) - 1)
        metric.value = low - (1 << bits) if low >> (bits - 1) else low
    return metric


def _unpacked(form: str, raw: bytes) -> float:
    if len(raw) != struct.calcsize(form):
        raise PayloadError("not Sparkplug B: a number of another type")
    number: float = struct.unpack(form, raw)[0]
    return number


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _fields(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Number and value of each field: varints as `int`, all else as `bytes` (protobuf encoding, "message structure")."""
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, at = _varint(raw, at)
            yield number, value
            continue
        if wire == _BYTES:
            length, at = _varint(raw, at)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}.get(wire, -1)
        if length < 0 or at + length > len(raw):
            raise PayloadError("not Sparkplug B: a field that cannot be")
        yield number, raw[at : at + length]
        at += length


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(raw[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:  # noqa: PLR2004 - the last one
            return value & 0xFFFF_FFFF_FFFF_FFFF, at + place + 1
    raise PayloadError("not Sparkplug B: a number that does not end")


_METRIC: Mapping[tuple[int, type], tuple[str, Callable[[Any], Value]]] = {
    (1, bytes): ("name", _text),
    (2, int): ("alias", int),
    (4, int): ("datatype", int),
    (10, int): ("value", int),
    (11, int): ("value", int),
    (12, bytes): ("value", lambda raw: _unpacked("<f", raw)),
    (13, bytes): ("value", lambda raw: _unpacked("<d", raw)),
    (14, int): ("value", bool),
    (15, bytes): ("value", _text),
}
"""Field number and wire type of `Payload.Metric`, the attribute, and how it is read."""

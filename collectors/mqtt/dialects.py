"""How others say that a device is there or gone: one small pure reader each, chosen by a topic's ``dialect``.

What only tells presence (somebody connected, somebody went) announces an endless interval: such a station owes no beat,
and only its end is told. Sparkplug B has a module of its own.
"""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Protocol

from collectors.mqtt.codec import Reading
from collectors.mqtt.labels import Limits, flat
from collectors.mqtt.payload import PayloadError, PayloadFormat, parse
from collectors.mqtt.sparkplug import Sparkplug
from gateway.core.event import BeatKind
from gateway.core.reason import Dropped


class Dialect(StrEnum):
    """Whose payloads a topic carries."""

    OWN = "own"
    """Words and objects as this page tells; also Tasmota's and Home Assistant's."""
    SPARKPLUG = "sparkplug"
    HOMIE = "homie"
    HOMIE_ALERT = "homie_alert"
    """No sign of life, but events: `collectors.mqtt.alerts`."""
    AWS_IOT = "aws_iot"
    EMQX = "emqx"


class Reader(Protocol):
    """Reads one dialect."""

    def __call__(self, payload: bytes, topic: str) -> Reading:
        """What the message says; raises `PayloadError`."""
        ...


def readers(limits: Limits) -> dict[Dialect, Reader]:
    """A reader of each dialect of signs of life but our own."""
    return {
        Dialect.SPARKPLUG: Sparkplug(limits),
        Dialect.HOMIE: lambda payload, _topic: homie(payload),
        Dialect.AWS_IOT: lambda payload, _topic: aws_iot(_object(payload, limits), limits),
        Dialect.EMQX: lambda payload, topic: emqx(_object(payload, limits), topic, limits),
    }


_HOMIE = {
    "init": BeatKind.BIRTH,
    "ready": BeatKind.BIRTH,
    "alert": BeatKind.BIRTH,
    "sleeping": BeatKind.LEAVE,
    "disconnected": BeatKind.LEAVE,
    "lost": BeatKind.WILL,
    "": BeatKind.LEAVE,
}


def homie(payload: bytes) -> Reading:
    """The attribute ``$state`` of Homie 4 and 5 ("Device lifecycle"); empty: the device was removed.

    Raises:
        PayloadError: no state of theirs.
    """
    state = payload.decode("ascii", "replace").strip()
    kind = _HOMIE.get(state)
    if kind is None:
        raise PayloadError(f"no state of Homie: {state[:40]!r}", reason=Dropped.UNSUPPORTED)
    fault = "alert" if state == "alert" else ""
    return Reading(kind=kind, fault=fault, interval_s=math.inf, labels={"state": state} if state else {})


def aws_iot(said: Mapping[str, Any], limits: Limits) -> Reading:
    """A lifecycle event of AWS IoT Core (``$aws/events/presence/...``), which may come twice and out of order.

    Raises:
        PayloadError: no such event.
    """
    if said.get("eventType") == "connected":
        kind = BeatKind.BIRTH
    elif said.get("eventType") != "disconnected":
        raise PayloadError("no lifecycle event of AWS IoT", reason=Dropped.UNSUPPORTED)
    elif said.get("disconnectReason") == "DUPLICATE_CLIENTID":
        kind = BeatKind.BIRTH  # it came again while its old connection still stood
    elif said.get("clientInitiatedDisconnect") is True:
        kind = BeatKind.LEAVE
    else:
        kind = BeatKind.WILL
    version = said.get("versionNumber")
    return Reading(
        kind=kind,
        interval_s=math.inf,
        session=version if type(version) is int else None,
        labels=dict(flat(said, limits)),
    )


_WENT = frozenset(["normal"])
_CAME_AGAIN = frozenset(["takenover", "takeovered", "discarded"])


def emqx(said: Mapping[str, Any], topic: str, limits: Limits) -> Reading:
    """A client event of EMQX (``$SYS/brokers/+/clients/.../connected`` and ``.../disconnected``).

    Raises:
        PayloadError: no such event.
    """
    what, reason = topic.rpartition("/")[2], said.get("reason")
    if what == "connected" or (what == "disconnected" and reason in _CAME_AGAIN):
        kind = BeatKind.BIRTH
    elif what != "disconnected":
        raise PayloadError("no client event of EMQX", reason=Dropped.UNSUPPORTED)
    else:
        kind = BeatKind.LEAVE if reason in _WENT else BeatKind.WILL
    return Reading(kind=kind, interval_s=math.inf, labels=dict(flat(said, limits)))


def _object(payload: bytes, limits: Limits) -> Mapping[str, Any]:
    if len(payload) > limits.payload_bytes:
        raise PayloadError(f"{len(payload)} bytes, more than {limits.payload_bytes}", reason=Dropped.OVERSIZED)
    value = parse(payload, form=PayloadFormat.JSON)
    if not isinstance(value, Mapping):
        raise PayloadError("no object", reason=Dropped.UNSUPPORTED)
    return value

"""Alerts of Homie 5 (``$alert/ID``, "Device attributes"): what a device wants its people to know, until it takes it back.

Each alert of a device is a trouble of its own: a text raises it, an empty message clears it.
"""

from collectors.mqtt.labels import Limits, line
from collectors.mqtt.payload import PayloadError
from collectors.mqtt.topics import Place
from gateway.core.event import Event, EventKind
from gateway.core.reason import Dropped

STATION_ALERT = "station_alert"


def homie_alert(payload: bytes, *, topic: str, place: Place, collector: str, at_ms: int, limits: Limits) -> Event:
    """The event that the message makes; the alert's id is the topic's last level.

    Raises:
        PayloadError: too long, no text, or without an id.
    """
    if len(payload) > limits.payload_bytes:
        raise PayloadError(f"{len(payload)} bytes, more than {limits.payload_bytes}", reason=Dropped.OVERSIZED)
    try:
        text = line(payload.decode(), limits.description_chars)
    except UnicodeDecodeError:
        raise PayloadError("not UTF-8") from None
    alert = line(topic.rpartition("/")[2], limits.key_chars)
    if not alert:
        raise PayloadError("an alert without an id", reason=Dropped.UNSUPPORTED)
    words = text[: limits.value_chars] if payload else "is over"
    return Event(
        collector=collector,
        source=place.station,
        condition=STATION_ALERT,
        object=alert,
        kind=EventKind.RAISE if payload else EventKind.CLEAR,
        at_ms=at_ms,
        summary=f"Station {place.station}, {alert}: {words}",
        description=text,
        labels={"alert": alert, **({"site": place.site} if place.site else {})},
    )

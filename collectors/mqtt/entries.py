"""Entries of the inventory as an asset system publishes them: bytes to `Told`. Identity comes from the topic."""

from collectors.mqtt.payload import PayloadError, PayloadFormat, parse
from collectors.mqtt.topics import Place
from gateway.core.reason import Dropped
from gateway.core.told import EntryKind, Told


def read_entry(payload: bytes, *, topic: str, place: Place, about: EntryKind, payload_bytes: int) -> Told:
    """The entry of ``place``; an empty payload takes it back.

    Raises:
        PayloadError: it is no JSON object, or longer than ``payload_bytes``; one sentence with the topic and the cure.
    """
    said = None
    if len(payload) > payload_bytes:
        sentence = f"{topic}: has {len(payload)} bytes, more than {payload_bytes}; shorten it"
        raise PayloadError(sentence, reason=Dropped.OVERSIZED)
    if payload:
        try:
            said = parse(payload, form=PayloadFormat.JSON)
        except PayloadError:
            said = payload
        if not isinstance(said, dict):
            raise PayloadError(
                f'{topic}: is no JSON object; publish one such as {{"importance": "high"}}, or nothing to forget it'
            )
    return Told(kind=about, name=place.station, said=said, site=place.site, place=topic)

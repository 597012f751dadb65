"""Publish as a station would: `tocsin send beat`, drills and demonstrations."""

import asyncio
import ssl
from urllib.parse import urlsplit

import aiomqtt

from collectors.mqtt.topics import Template

DEFAULT_TOPIC = "fleet/{site}/{station}/heartbeat"
_PORTS = {"mqtt": 1883, "mqtts": 8883}


class SendError(RuntimeError):
    """It was not sent; the text is one sentence."""


async def send_beat(
    *,
    url: str,
    station: str,
    site: str = "demo",
    topic: str = DEFAULT_TOPIC,
    payload: bytes | str = b"ok",
    qos: int = 1,
    retain: bool = False,
    username: str | None = None,
    password: str | None = None,
    tls: ssl.SSLContext | None = None,
    timeout_s: float = 10.0,
) -> str:
    """Publish one message, in MQTT 3.1.1, and wait for the broker to confirm it (QoS 1).

    Args:
        url: ``mqtt://HOST:PORT`` or ``mqtts://HOST:PORT``.
        station: fills ``{station}`` of the topic.
        site: fills ``{site}`` of the topic.
        topic: a template as in the configuration.
        payload: what the station says.
        qos: 0 or 1.
        retain: leave it in the broker's memory.
        username: for a broker that asks for one.
        password: with it.
        tls: for ``mqtts``; None means the system's authorities.
        timeout_s: how long to wait for the broker.

    Returns:
        The topic that it was published on.

    Raises:
        SendError: the broker is away, or refuses us.
        ValueError: the names don't make a topic, or the URL is none.
    """
    name = Template(topic).fill(station=station, site=site)
    where = urlsplit(url)
    if where.scheme not in _PORTS or not where.hostname:
        raise ValueError("the broker is given as mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
    if where.scheme == "mqtts" and tls is None:
        tls = await asyncio.to_thread(ssl.create_default_context)
    client = aiomqtt.Client(
        where.hostname,
        where.port or _PORTS[where.scheme],
        username=username,
        password=password,
        protocol=aiomqtt.ProtocolVersion.V311,
        timeout=timeout_s,
        tls_context=tls,
    )
    try:
        async with client:
            await client.publish(name, payload, qos=qos, retain=retain)
    except aiomqtt.MqttError as error:
        raise SendError(f"not sent to {where.hostname}:{client._port}: {error}") from None  # noqa: SLF001
    return name

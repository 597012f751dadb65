"""Configuration of the MQTT collector."""

import ipaddress
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from collectors.mqtt.codec import Limits, PayloadFormat, TopicKind
from collectors.mqtt.dialects import Dialect
from collectors.mqtt.topics import Template, about
from gateway.plugin import PluginConfig, Secret

_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Topic(PluginConfig):
    """One subscription."""

    template: str
    """Topic with `{site}` and `{station}` in place of levels; `+` and a final `#` match what is of no interest."""
    kind: TopicKind = TopicKind.HEARTBEAT
    """`heartbeat` for beats, `status` for births, last wills and farewells."""
    dialect: Dialect = Dialect.OWN
    """Whose payloads these are: `own` (also Tasmota's and Home Assistant's), `sparkplug`, `homie`, `homie_alert`, `aws_iot` or
    `emqx`;
    with another than `own`, `kind` and `format` mean nothing."""
    format: PayloadFormat = PayloadFormat.AUTO
    """`text`, `json`, `cbor`, `msgpack`, or `auto`: by the MQTT 5 content type, else by the first byte."""
    qos: Literal[0, 1] = 1
    """Highest quality of service to ask for; QoS 1 is acknowledged when what it changed is on disk."""

    @field_validator("template")
    @classmethod
    def _usable(cls, template: str) -> str:
        Template(template)
        return template


class MqttConfig(PluginConfig):
    """How to hear stations through an MQTT broker."""

    broker: str = "mqtt://127.0.0.1:1883"
    """Where the broker is: `mqtt://HOST:PORT`, or `mqtts://HOST:PORT` with TLS."""
    username: str = ""
    """User name at the broker; empty for none."""
    password: Secret | None = None
    """Password, by reference."""
    client_id: str = Field("", max_length=128, pattern=r"^[^\x00-\x1f+#/]*$")
    """Client id, which owns the session at the broker; empty: `tocsin-HOSTNAME`. No two clients may share one."""
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """MQTT version; `auto` tries 5 first and takes 3.1.1 where the broker refuses it."""
    topics: tuple[Topic, ...] = Field(
        (
            Topic(template="fleet/{site}/{station}/heartbeat"),
            Topic(template="fleet/{site}/{station}/status", kind=TopicKind.STATUS),
        ),
        max_length=100,
    )
    """What to subscribe to; the first that matches a message reads it."""
    inventory_topics: tuple[str, ...] = Field((), max_length=10)
    """Where an asset system publishes entries of the inventory, retained, as JSON: each topic has `{station}`, `{source}` or
    `{site}` as one of its levels (`tocsin/inventory/{station}`). Who may publish there may say what matters; left out: nobody."""
    status_topic: str = Field("gateway/{client_id}/status", pattern=r"^[^\x00+#]*$")
    """Where we tell that we are `online`, and our last will that we are `offline`; empty: nowhere."""

    canary_s: float = Field(10, ge=0, le=600)
    """How often we send a message to ourselves, in seconds: twice missing, we are deaf, and no station is blamed. 0: never."""
    canary_topic: str = Field("gateway/{client_id}/canary", min_length=1, pattern=r"^[^\x00+#]*$")
    """Where; our user must be allowed to publish and to subscribe there."""

    session_expiry_s: int = Field(3600 * 24, ge=0, le=0xFFFF_FFFF)
    """How long the broker keeps messages for us while we are away (MQTT 5), in seconds."""
    keepalive_s: int = Field(30, ge=5, le=3600)
    """Silence after which we and the broker check the connection, in seconds."""
    connect_timeout_s: float = Field(10, gt=0, le=120)
    """How long to wait for a connection, and for each answer of the broker, in seconds."""
    reconnect_least_s: float = Field(1, gt=0, le=60)
    """Upper bound of the first random wait before connecting again, in seconds; it doubles from there."""
    reconnect_most_s: float = Field(30, gt=0, le=3600)
    """Upper bound of every later wait, in seconds."""

    receive_maximum: int = Field(1000, ge=1, le=65_535)
    """QoS 1 messages that may wait for their acknowledgement; beyond it the connection isn't read."""
    max_waiting_qos0: int = Field(10_000, ge=1, le=1_000_000)
    """QoS 0 messages that may wait to be stored; more are counted as dropped."""
    max_payload: int = Field(65_536, ge=1, le=16_777_216)
    """Longest payload that is read, in bytes."""
    max_labels: int = Field(64, ge=0, le=1000)
    """Members of a payload that become labels."""
    max_label_depth: int = Field(6, ge=1, le=16)
    """Nesting of a payload that labels follow."""
    max_label_chars: int = Field(500, ge=16, le=10_000)
    """Longest value of a label, in characters."""

    tls_ca: Path | None = None
    """Certificates of the authorities to trust (PEM); unset: the system's."""
    tls_cert: Path | None = None
    """Our own certificate (PEM), for a broker that asks for one."""
    tls_key: Path | None = None
    """The key of our certificate (PEM); unset: it is in the same file."""

    embedded: bool = False
    """Start a broker of our own on the loopback address of `broker`: for trying out, it keeps nothing on disk."""

    @field_validator("topics")
    @classmethod
    def _some(cls, topics: tuple[Topic, ...]) -> tuple[Topic, ...]:
        if not topics:
            raise ValueError("give at least one topic, or leave topics out for the usual ones")
        return topics

    @field_validator("inventory_topics")
    @classmethod
    def _each_about_one(cls, topics: tuple[str, ...]) -> tuple[str, ...]:
        for topic in topics:
            Template(topic, about(topic))
        return topics

    @field_validator("broker")
    @classmethod
    def _url(cls, broker: str) -> str:
        try:
            url = urlsplit(broker)
            port = url.port
        except ValueError:
            url, port = urlsplit(""), 0
        if url.scheme not in _PORTS or not url.hostname or port == 0 or url.path.strip("/") or url.query:
            raise ValueError("the broker is given as mqtt://HOST:PORT, or mqtts://HOST:PORT for TLS")
        if url.username is not None or url.password is not None:
            raise ValueError('no user or password in the URL: use username = "..." and password = "env:NAME"')
        return broker

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if not self.tls and (self.tls_ca or self.tls_cert or self.tls_key):
            raise ValueError("certificates are given, but the broker's URL asks for no TLS: write mqtts://")
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key is given without tls_cert: a key is of no use without its certificate")
        if self.password is not None and not self.username:
            raise ValueError("a password is given without a username")
        if self.embedded and (self.tls or not _loopback(self.host)):
            raise ValueError("the embedded broker has no TLS and no passwords: use it on mqtt://127.0.0.1:PORT only")
        if self.reconnect_most_s < self.reconnect_least_s:
            raise ValueError("reconnect_most_s must not be less than reconnect_least_s")
        return self

    @property
    def host(self) -> str:
        """The broker's host name or address."""
        return urlsplit(self.broker).hostname or ""

    @property
    def port(self) -> int:
        """The broker's port."""
        url = urlsplit(self.broker)
        return url.port or _PORTS[url.scheme]

    @property
    def tls(self) -> bool:
        """Whether to speak TLS."""
        return urlsplit(self.broker).scheme == "mqtts"

    @property
    def inventory(self) -> tuple[Template, ...]:
        """The topics of the inventory."""
        return tuple(Template(topic, about(topic)) for topic in self.inventory_topics)

    @property
    def limits(self) -> Limits:
        """Bounds for the codec."""
        return Limits(
            payload_bytes=self.max_payload,
            labels=self.max_labels,
            depth=self.max_label_depth,
            value_chars=self.max_label_chars,
        )


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"

"""Mistakes in the configuration are one sentence each, and the defaults are safe."""

import pytest
from pydantic import ValidationError

from collectors.mqtt.config import MqttConfig
from collectors.mqtt.link import client_id
from collectors.mqtt.topics import Template
from gateway.plugin import Secret


def test_the_defaults_hear_the_fleet_on_loopback() -> None:
    config = MqttConfig()
    assert (config.host, config.port, config.tls, config.embedded) == ("127.0.0.1", 1883, False, False)
    assert [Template(topic.template).filter for topic in config.topics] == ["fleet/+/+/heartbeat", "fleet/+/+/status"]
    assert [topic.qos for topic in config.topics] == [1, 1]


@pytest.mark.parametrize(
    ("url", "host", "port", "tls"),
    [
        ("mqtt://broker.example", "broker.example", 1883, False),
        ("mqtts://broker.example", "broker.example", 8883, True),
        ("mqtts://[::1]:9000/", "::1", 9000, True),
    ],
)
def test_urls_have_the_usual_ports(url: str, host: str, port: int, tls: bool) -> None:
    config = MqttConfig(broker=url)
    assert (config.host, config.port, config.tls) == (host, port, tls)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"broker": "broker.example:1883"}, "the broker is given as mqtt://HOST:PORT"),
        ({"broker": "http://broker.example"}, "the broker is given as mqtt://HOST:PORT"),
        ({"broker": "mqtt://broker.example:notaport"}, "the broker is given as mqtt://HOST:PORT"),
        ({"broker": "mqtt://[::1"}, "the broker is given as mqtt://HOST:PORT"),
        ({"broker": "mqtt://me:secret@broker.example"}, "no user or password in the URL"),
        ({"tls_ca": "/ca.pem"}, "write mqtts://"),
        ({"broker": "mqtts://b", "tls_key": "/key.pem"}, "tls_key is given without tls_cert"),
        ({"password": Secret("x")}, "a password is given without a username"),
        ({"broker": "mqtt://0.0.0.0:1883", "embedded": True}, "mqtt://127.0.0.1:PORT only"),
        ({"broker": "mqtt://broker.example", "embedded": True}, "mqtt://127.0.0.1:PORT only"),
        ({"reconnect_least_s": 60, "reconnect_most_s": 1}, "must not be less"),
        ({"topics": [{"template": "fleet/heartbeat"}]}, "exactly one"),
        ({"topics": []}, "at least one topic"),
        ({"brokers": "mqtt://b"}, "Extra inputs"),
    ],
)
def test_a_mistake_is_one_sentence(settings: dict, sentence: str) -> None:
    with pytest.raises(ValidationError) as told:
        MqttConfig(**settings)
    (error,) = told.value.errors()
    assert sentence in error["msg"]
    assert "secret@" not in error["msg"]


def test_the_client_id_is_stable_and_differs_by_instance() -> None:
    assert client_id(MqttConfig(client_id="gw1"), instance="mqtt") == "gw1"
    ours = client_id(MqttConfig(), instance="mqtt")
    assert ours.startswith("tocsin-")
    assert client_id(MqttConfig(), instance="plant2") == f"{ours}-plant2"

"""Stations that tell of their faults through Mosquitto, QoS 1: what the broker took, the daemon must have in the end."""

import json
import random
import time
from collections.abc import Iterator

import paho.mqtt.client as paho

from tests.faults.campaign.ledger import Sender, Trouble

SENTINEL = "q-last"
"""A station that speaks last: the session is in order, so when it was heard all others were."""


def topic(station: str) -> str:
    return f"fleet/lyon/{station}/heartbeat"


def publisher(
    troubles: dict[str, Trouble], port: int, chance: random.Random, *, per_s: float, names: Iterator[str]
) -> Sender:
    """``per_s`` stations a second report a fault; a third of them is well again a moment later."""

    def run(sender: Sender) -> None:
        client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id="stations", protocol=paho.MQTTv311)
        client.connect("127.0.0.1", port)
        client.loop_start()
        faulty: list[Trouble] = []
        try:
            while not sender.closing.is_set():
                trouble = Trouble(next(names), raised=1)
                troubles[trouble.name] = trouble
                trouble.acknowledged += _publish(client, trouble.name, "fault")
                if chance.random() < 0.3:
                    faulty.append(trouble)
                if len(faulty) > 10:
                    _well_again(client, faulty.pop(chance.randrange(len(faulty))))
                time.sleep(1 / per_s)
            for trouble in faulty:
                _well_again(client, trouble)
            last = troubles[SENTINEL] = Trouble(SENTINEL, raised=1)
            last.acknowledged += _publish(client, SENTINEL, "fault")
        finally:
            client.disconnect()
            client.loop_stop()

    return Sender(run, "beats")


def _well_again(client: paho.Client, trouble: Trouble) -> None:
    trouble.clear_sent = True
    trouble.clear_acknowledged = _publish(client, trouble.name, "ok")


def _publish(client: paho.Client, station: str, status: str) -> bool:
    """Whether the broker took it."""
    sent = client.publish(topic(station), json.dumps({"status": status}), qos=1)
    sent.wait_for_publish(timeout=10)
    return sent.is_published()

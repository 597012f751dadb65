"""An edge node made of pysparkplug, run by a Python that has it (``make .venv/sparkplug``).

It is born, speaks by name and by alias, is born again when its host asks for it, and dies without a word.
"""

import os
import sys
import threading
import time
from dataclasses import replace

import pysparkplug as sp

PATIENCE_S = 20
TEMP = sp.Metric(timestamp=sp.get_current_timestamp(), name="temp", datatype=sp.DataType.FLOAT, value=21.5, alias=7)
LEVEL = sp.Metric(timestamp=sp.get_current_timestamp(), name="level", datatype=sp.DataType.INT16, value=-7)
asked = threading.Event()


def on_command(_node: sp.EdgeNode, message: sp.Message) -> None:
    if any(metric.name == "Node Control/Rebirth" and metric.value for metric in message.payload.metrics):
        asked.set()


def publish(kind: sp.MessageType, payload: object) -> None:
    """Say what the library has no word for, over the node's own connection."""
    topic = sp.Topic(message_type=kind, group_id="plant", edge_node_id="edge-1")
    message = sp.Message(topic=topic, payload=payload, qos=sp.QoS.AT_MOST_ONCE, retain=False)
    node._client.publish(message, include_dtypes=True)


node = sp.EdgeNode("plant", "edge-1", (TEMP, LEVEL), cmd_callback=on_command)
node.register(sp.Device("dev-1", (replace(TEMP, alias=None),)))
node.connect("127.0.0.1", port=int(sys.argv[1]))
until_s = time.monotonic() + PATIENCE_S
while node._bd_seq_metric.value != 1:  # the births are out when the next session's number is drawn
    time.sleep(0.01)
    if time.monotonic() > until_s:
        sys.exit("nobody let it in")
session = replace(node._bd_seq_metric, value=0)
node.update((replace(TEMP, value=22.5),))
by_alias = replace(TEMP, name=None, value=23.5)
publish(sp.MessageType.NDATA, sp.NData(timestamp=sp.get_current_timestamp(), seq=3, metrics=(by_alias,)))
if not asked.wait(PATIENCE_S):
    sys.exit("nobody asked for a rebirth")
births = (replace(TEMP, value=23.5), LEVEL, session)
publish(sp.MessageType.NBIRTH, sp.NBirth(timestamp=sp.get_current_timestamp(), seq=0, metrics=births))
time.sleep(0.5)  # let it go out
os._exit(1)

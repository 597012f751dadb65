"""An edge node made of pysparkplug, run by a Python that has it: it is born, speaks, and dies without a word."""

import os
import sys
import time

import pysparkplug


def metric(name: str, datatype: pysparkplug.DataType, value: object) -> pysparkplug.Metric:
    return pysparkplug.Metric(
        timestamp=pysparkplug.get_current_timestamp(), name=name, datatype=datatype, value=value
    )  # fmt: skip


temp = metric("temp", pysparkplug.DataType.FLOAT, 21.5)
node = pysparkplug.EdgeNode("plant", "edge-1", (temp, metric("level", pysparkplug.DataType.INT16, -7)))
node.register(pysparkplug.Device("dev-1", (temp,)))
node.connect("127.0.0.1", port=int(sys.argv[1]))
time.sleep(0.7)
node.update((metric("temp", pysparkplug.DataType.FLOAT, 22.5),))
time.sleep(0.7)
os._exit(1)

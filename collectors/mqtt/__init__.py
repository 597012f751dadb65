"""Hears station heartbeats through an MQTT broker.

Here belong: payloads (`payload`, `codec`, with `words` and `labels`), topics (`topics`), the connection (`link`), what
happens to a message (`inbox`), the life of the collector (`collector`), a broker for trying out (`broker`), and
publishing as a station would (`send`). What silence means is judged by `gateway.core.heartbeat`, not here.

On failure: a QoS 1 message is acknowledged only when its effect is on disk; until then the broker keeps it in our
session and sends it again after a reconnect. A message that cannot be read is counted by reason and, at QoS 1, kept raw.
When too much waits, QoS 0 is counted as dropped and QoS 1 stays with the broker. While there is no connection, the
watch stands still; a broker that is away or refuses us is tried again for ever, and told about in one sentence.

By hand::

    mosquitto -p 1883 &
    tocsin run
    mosquitto_pub -q 1 -t fleet/north/s1/heartbeat -m '{"status": "ok", "interval": 30}'
    mosquitto_pub -q 1 -t fleet/north/s1/status -m offline
"""

from collectors.mqtt.collector import build
from collectors.mqtt.config import MqttConfig
from collectors.mqtt.drill import drill
from gateway.plugin import CollectorPlugin

plugin = CollectorPlugin(name="mqtt", config=MqttConfig, build=build, drill=drill)

"""Drills: a station that beats at our broker, falls silent, and beats again."""

import asyncio

from collectors.mqtt.codec import TopicKind
from collectors.mqtt.config import MqttConfig
from collectors.mqtt.link import tls_context
from collectors.mqtt.send import SendError, send_beat
from gateway.plugin import CannotDrill, DrillCall, Host

INTERVAL_S = 5
SITE = "drill"


async def drill(config: MqttConfig, _host: Host, call: DrillCall) -> None:
    """Let the station beat until it counts as heard, or as back; then it is silent.

    Raises:
        CannotDrill: no topic names stations in a way that can be filled in, or the broker refuses us.
    """
    template = next((topic.template for topic in config.topics if topic.kind is TopicKind.HEARTBEAT), "")
    tls = await asyncio.to_thread(tls_context, config) if config.tls else None
    try:
        for _ in range(call.beats):
            await send_beat(
                url=config.broker,
                station=call.station,
                site=SITE,
                topic=template,
                payload=f'{{"status":"ok","interval":{INTERVAL_S},"drill":"{call.mark}"}}',
                username=config.username or None,
                password=config.password.reveal() if config.password else None,
                tls=tls,
            )
    except (SendError, ValueError, OSError) as error:
        raise CannotDrill(" ".join(str(error).split())) from None

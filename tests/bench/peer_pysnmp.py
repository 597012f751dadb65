"""Counts traps with pysnmp's notification receiver; a line on standard input asks how many.

peer_pysnmp.py PORT USER PASSWORD ENGINE_ID...
"""

import asyncio
import sys

from pysnmp.carrier.asyncio.dgram import udp
from pysnmp.entity import config, engine
from pysnmp.entity.rfc3413 import ntfrcv
from pysnmp.proto.rfc1902 import OctetString


def main() -> None:
    port, user, password, *engine_ids = sys.argv[1:]
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    receiver = engine.SnmpEngine()
    config.add_transport(
        receiver, udp.DOMAIN_NAME, udp.UdpAsyncioTransport().open_server_mode(("127.0.0.1", int(port)))
    )
    config.add_v1_system(receiver, "area", "public")
    for engine_id in engine_ids:
        config.add_v3_user(
            receiver, user, config.USM_AUTH_HMAC96_SHA, password, config.USM_PRIV_CFB128_AES, password,
            securityEngineId=OctetString(hexValue=engine_id),
        )  # fmt: skip
    count = 0

    def heard(*_told) -> None:
        nonlocal count
        count += 1

    def asked() -> None:
        sys.stdin.readline()
        print(count, flush=True)

    ntfrcv.NotificationReceiver(receiver, heard)
    loop.add_reader(sys.stdin, asked)
    receiver.transport_dispatcher.job_started(1)
    receiver.open_dispatcher()


main()

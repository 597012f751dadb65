"""aiomqtt as its manual shows it: an iterator over messages, which keeps nothing. ``python peer_aiomqtt.py PORT``.

For each line on standard input it writes how many messages it has taken.
"""

import asyncio
import sys

import aiomqtt


async def main(port: int) -> None:
    taken = 0
    async with aiomqtt.Client(
        "127.0.0.1", port, identifier="peer", protocol=aiomqtt.ProtocolVersion.V5, clean_start=True
    ) as client:
        await client.subscribe("fleet/+/+/heartbeat", qos=1)

        def tell() -> None:
            if sys.stdin.readline():
                print(taken, flush=True)

        asyncio.get_running_loop().add_reader(sys.stdin, tell)
        async for _message in client.messages:
            taken += 1


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))

"""``make demo``: a daemon, and a small fleet that lives, fails and recovers in front of it.

Each minute something breaks in every way we hear of, and is well again before the minute ends. Watch http://127.0.0.1:9464/ meanwhile.
"""

import asyncio
import contextlib
import json
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aiomqtt

from collectors.mqtt.send import SendError as BeatNotSentError
from collectors.mqtt.send import send_beat
from collectors.smtp.send import NotSentError, Outgoing, send
from collectors.snmp.send import SendError as TrapNotSentError
from collectors.snmp.send import send_trap
from gateway.config import shipped

PAGE = "http://127.0.0.1:9464/"
BROKER = "mqtt://127.0.0.1:1883"
SITES = {"lyon": 6, "graz": 4, "oslo": 2}
BEAT_S = 5
NOT_SENT = (BeatNotSentError, TrapNotSentError, NotSentError, aiomqtt.MqttError, OSError)


class Fleet:
    """Stations, switches and people, each doing what the hour asks."""

    def __init__(self) -> None:
        self.silent: set[str] = set()
        self.warm: set[str] = set()

    async def beat(self) -> None:
        """All stations beat, except those that are silent."""
        while True:
            for site, count in SITES.items():
                for number in range(1, count + 1):
                    await self._one(site, f"{site}-{number}")
            await asyncio.sleep(BEAT_S)

    async def _one(self, site: str, station: str) -> None:
        if station in self.silent:
            return
        warm = station in self.warm
        payload = {"status": "fault" if warm else "ok", "temperature": 58 if warm else 21, "interval": BEAT_S}
        await send_beat(url=BROKER, site=site, station=station, payload=json.dumps(payload))

    async def live(self) -> None:
        """One trouble after the other, and its end."""
        while True:
            say("port 7 of a switch goes down, five times over")
            for _ in range(5):
                await trap("linkDown", 7, "2")
            await asyncio.sleep(3 * BEAT_S + 1)  # a station that was just met cannot be missed yet
            say("a station in Graz gets too warm; one in Lyon falls silent")
            self.warm.add("graz-2")
            self.silent.add("lyon-3")
            await asyncio.sleep(12)
            say("Nagios writes, and so does Alice")
            await mail(
                "nagios@example.com",
                "** PROBLEM Service Alert: web-1/HTTP is CRITICAL **",
                NAGIOS.format("PROBLEM", "CRITICAL"),
            )
            await mail("alice@example.com", "The front door does not open", "It is stuck since this morning.")
            await asyncio.sleep(20)
            say("the port, the station and the web server recover; Lyon beats again")
            await trap("linkUp", 7, "1")
            self.warm.clear()
            self.silent.clear()
            await mail(
                "nagios@example.com", "** RECOVERY Service Alert: web-1/HTTP is OK **", NAGIOS.format("RECOVERY", "OK")
            )
            await asyncio.sleep(12)


NAGIOS = """***** Nagios *****

Notification Type: {}

Service: HTTP
Host: web-1
Address: 192.0.2.10
State: {}
"""


def say(text: str) -> None:
    """Tell the person who watches."""
    sys.stdout.write(f"demo: {text}\n")
    sys.stdout.flush()


async def trap(name: str, port: int, status: str) -> None:
    """A switch tells of one of its ports."""
    told = [
        (f"ifIndex.{port}", "i", str(port)),
        (f"ifAdminStatus.{port}", "i", "1"),
        (f"ifOperStatus.{port}", "i", status),
    ]
    await send_trap(host="127.0.0.1", port=1162, trap=name, varbinds=told)


async def mail(sender: str, subject: str, text: str) -> None:
    """Somebody writes to support."""
    await send(Outgoing(to="support@example.com", sender=sender, subject=subject, text=text))


async def listens(port: int) -> None:
    """Return when the daemon takes connections on ``port``."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            await writer.wait_closed()
            return
        await asyncio.sleep(0.2)


async def demo(command: Sequence[str]) -> int:
    """Run the daemon and the fleet until one of them ends, or a person ends both."""
    daemon = await asyncio.create_subprocess_exec(*command)
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    fleet = Fleet()

    async def watch() -> None:
        await daemon.wait()
        ended.set()

    async def play() -> None:
        for port in (1883, 2525, 9464):
            await listens(port)
        say(f"twelve stations begin to beat; watch {PAGE}")
        async with asyncio.TaskGroup() as parts:
            parts.create_task(fleet.beat())
            parts.create_task(fleet.live())

    try:
        async with asyncio.TaskGroup() as tasks:
            own = [tasks.create_task(watch()), tasks.create_task(play())]
            await ended.wait()
            for task in own:
                task.cancel()
    except* NOT_SENT as group:
        say(f"the fleet is not heard: {group.exceptions[0]}")
    if daemon.returncode is None:
        daemon.terminate()
    return await daemon.wait()


def main() -> None:
    """Run with a state directory that is forgotten afterwards."""
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
        command = [str(Path(sys.executable).with_name("tocsin")), "run", "--state-dir", folder]
        raise SystemExit(asyncio.run(demo([*command, "--config", str(shipped("config", "demo.toml"))])))


if __name__ == "__main__":
    main()

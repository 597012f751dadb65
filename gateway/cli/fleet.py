"""A simulated fleet for ``tocsin demo``: stations, routers, monitoring systems and a customer, on real sockets.

The story is a table: what happens in each round, and when. The same seed gives the same story. Stations and routers are
made up; every beat, trap and mail is real, and goes the way that those of real equipment go.
"""

import asyncio
import random
import smtplib
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

import aiomqtt

SITES = ("aarhus", "brest", "delft", "lyon", "turin")
STATIONS_PER_SITE = 8
BEAT_EVERY_S = 5
ROUND_S = 120.0
SUPPORT = "support@example.com"
LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
IF_INDEX, IF_OPER_STATUS, IF_DESCR = "1.3.6.1.2.1.2.2.1.1", "1.3.6.1.2.1.2.2.1.8", "1.3.6.1.2.1.2.2.1.2"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the daemon hears."""

    host: str = "127.0.0.1"
    snmp: int = 1162
    mqtt: int = 1883
    smtp: int = 2525


@dataclass(slots=True, kw_only=True)
class Station:
    """A station that beats."""

    name: str
    site: str
    offset_s: float
    fault: str = ""
    silent: bool = False
    beats: int = 0

    @property
    def payload(self) -> str:
        """What it says."""
        return f'{{"status":"{self.fault or "ok"}","seq":{self.beats},"interval":{BEAT_EVERY_S}}}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """A mail of the story."""

    sender: str
    subject: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)


class Fleet:
    """Plays the story until it is cancelled."""

    def __init__(self, *, seed: int, ports: Ports, say: Say, haste: float = 1.0) -> None:
        """Play the story of ``seed``, ``haste`` times as fast, and ``say`` each thing that is done."""
        chance = random.Random(seed)  # noqa: S311 - a story, no secret
        self._chance, self._ports, self._say, self._haste = chance, ports, say, haste
        self.stations = [
            Station(name=f"{site}-{number:02}", site=site, offset_s=chance.uniform(0, BEAT_EVERY_S))
            for site in SITES
            for number in range(1, STATIONS_PER_SITE + 1)
        ]
        self._round = 0

    async def run(self) -> None:
        """Beat and tell until cancelled.

        Raises:
            OSError: the daemon's ports cannot be reached.
            aiomqtt.MqttError: the broker cannot be reached.
        """
        async with (
            aiomqtt.Client(self._ports.host, self._ports.mqtt, protocol=aiomqtt.ProtocolVersion.V311) as broker,
            asyncio.TaskGroup() as tasks,
        ):
            self._say(f"{len(self.stations)} stations of {len(SITES)} sites beat every {BEAT_EVERY_S} s")
            for station in self.stations:
                tasks.create_task(self._beat_for_ever(broker, station), name=station.name)
            tasks.create_task(self._tell_for_ever(), name="story")

    # --- stations --------------------------------------------------------------------------------

    async def _beat_for_ever(self, broker: aiomqtt.Client, station: Station) -> None:
        await self._sleep(station.offset_s)
        # aiomqtt waits with asyncio.wait_for, which in Python 3.11 may lose a cancellation.
        while not _told_to_stop():
            if not station.silent:
                station.beats += 1
                await broker.publish(f"fleet/{station.site}/{station.name}/heartbeat", station.payload, qos=1)
            await self._sleep(BEAT_EVERY_S)

    def _fault(self, station: Station, fault: str) -> None:
        station.fault = fault
        self._say(f"beat  {station.name} {'reports ' + fault if fault else 'is well again'}")

    def _silence(self, stations: Sequence[Station], *, silent: bool) -> None:
        for station in stations:
            station.silent = silent
        names = ", ".join(station.name for station in stations)
        self._say(f"beat  {names} {'fall silent: late after 35 s, down 10 s later' if silent else 'beat again'}")

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._haste)

    # --- the story -------------------------------------------------------------------------------

    async def _tell_for_ever(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            self._round += 1
            for at_s, act in self._story():
                await asyncio.sleep(max(0.0, began_s + at_s / self._haste - loop.time()))
                done = act()
                if done is not None:
                    await done
            await asyncio.sleep(max(0.0, began_s + ROUND_S / self._haste - loop.time()))

    def _story(self) -> Iterator[tuple[float, Callable[[], Any]]]:
        """What happens in one round: seconds since it began, and the act."""
        ill = self._chance.choice(self.stations)
        silent = self._chance.sample([one for one in self.stations if one.site != ill.site], 3)
        router, port = self._chance.randint(1, 5), self._chance.randint(1, 24)
        flapping, web = self._chance.randint(6, 9), self._chance.randint(1, 4)
        request = f"<request-{self._chance.getrandbits(64):016x}@customer.example>"
        yield 5, lambda: self._trap(router, LINK_DOWN, port)
        yield 8, lambda: self._mail(_nagios("PROBLEM", web, "CRITICAL"))
        yield 11, lambda: self._fault(ill, "low_battery")
        yield 14, lambda: self._mail(_request(request, self._round))
        yield 18, lambda: self._silence(silent, silent=True)
        yield 22, lambda: self._trap(router, LINK_UP, port)
        yield 26, lambda: self._mail(_zabbix("Problem", web))
        yield 30, lambda: self._storm(flapping)
        yield 36, lambda: self._fault(ill, "")
        yield 40, lambda: self._mail(_nagios("RECOVERY", web, "OK"))
        yield 46, lambda: self._mail(_answer(request))
        yield 56, lambda: self._mail(_zabbix("Resolved in 30s", web))
        yield 80, lambda: self._trap(flapping, LINK_UP, 1)
        yield 90, lambda: self._silence(silent, silent=False)

    # --- routers and people ----------------------------------------------------------------------

    def _trap(self, router: int, trap: str, port: int, *, times: int = 1) -> None:
        """Send a trap from an address of the router's own (all of 127.0.0.0/8 is this machine)."""
        address = f"127.0.1.{router}"
        datagram = trap_datagram(trap, port)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((address, 0))
            for _ in range(times):
                sender.sendto(datagram, (self._ports.host, self._ports.snmp))
        name = "linkDown" if trap == LINK_DOWN else "linkUp"
        self._say(f"trap  router {address} {name} port {port}{f', {times} times' if times > 1 else ''}")

    def _storm(self, router: int) -> None:
        self._trap(router, LINK_DOWN, 1, times=200)

    async def _mail(self, mail: Mail) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = mail.sender, SUPPORT, mail.subject
        for name, value in mail.headers.items():
            message[name] = value
        message.set_content(mail.text)
        await asyncio.to_thread(self._send, message)
        self._say(f"mail  {mail.sender}: {mail.subject}")

    def _send(self, message: EmailMessage) -> None:
        with smtplib.SMTP(self._ports.host, self._ports.smtp, timeout=30) as server:
            server.send_message(message)


def _told_to_stop() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def trap_datagram(trap: str, port: int) -> bytes:
    """A v2c trap of community ``public`` about a router's ``port``, as pysnmp writes it."""
    from pyasn1.codec.ber import encoder  # noqa: PLC0415 - slow to import, and only the demo needs it
    from pysnmp.proto.api import v2c  # noqa: PLC0415

    pdu = v2c.TrapPDU()
    v2c.apiTrapPDU.set_defaults(pdu)
    up = 1 if trap == LINK_UP else 2
    v2c.apiTrapPDU.set_varbinds(
        pdu,
        [
            (v2c.ObjectIdentifier("1.3.6.1.2.1.1.3.0"), v2c.TimeTicks(123_456)),
            (v2c.ObjectIdentifier("1.3.6.1.6.3.1.1.4.1.0"), v2c.ObjectIdentifier(trap)),
            (v2c.ObjectIdentifier(f"{IF_INDEX}.{port}"), v2c.Integer32(port)),
            (v2c.ObjectIdentifier(f"{IF_OPER_STATUS}.{port}"), v2c.Integer32(up)),
            (v2c.ObjectIdentifier(f"{IF_DESCR}.{port}"), v2c.OctetString(f"ge-0/0/{port}")),
        ],
    )
    message = v2c.Message()
    v2c.apiMessage.set_defaults(message)
    v2c.apiMessage.set_community(message, "public")
    v2c.apiMessage.set_pdu(message, pdu)
    return bytes(encoder.encode(message))


def _nagios(kind: str, web: int, state: str) -> Mail:
    return Mail(
        sender="nagios@monitoring.example",
        subject=f"** {kind} Service Alert: web{web}/HTTP is {state} **",
        text=f"Service: HTTP\nHost: web{web}\nState: {state}",
        headers={"Auto-Submitted": "auto-generated"},
    )


def _zabbix(kind: str, web: int) -> Mail:
    return Mail(
        sender="zabbix@monitoring.example",
        subject=f"{kind}: Disk space is low on /var",
        text=f"Problem name: Disk space is low on /var\nHost: db{web}\nSeverity: High\nOriginal problem ID: 4711",
        headers={"Auto-Submitted": "auto-generated"},
    )


def _request(message_id: str, number: int) -> Mail:
    return Mail(
        sender="carla@customer.example",
        subject=f"The display at stop {number} stays dark",
        text="It went dark this morning; passengers complain. Please help.\n\nCarla",
        headers={"Message-ID": message_id},
    )


def _answer(message_id: str) -> Mail:
    return Mail(
        sender="carla@customer.example",
        subject="Re: The display",
        text="One more thing: the lamp beside it is red.\n\nCarla",
        headers={"In-Reply-To": message_id},
    )

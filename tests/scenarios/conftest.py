"""A house: the whole daemon on real sockets, with real tools talking to it, and a clock that the story turns."""

import asyncio
import contextlib
import shutil
import smtplib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.app import App, running
from gateway.config import load
from gateway.plugins import discover
from gateway.testing.clock import ManualClock
from tests.broker import Mosquitto
from tests.patience import LONGEST_S, until
from tests.ports import free_port

NO_AUTHORITIES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Nothing here speaks TLS, and to load who is trusted takes longer than many a story."""
CONFIG = """
[http]
listen = "127.0.0.1:{http}"
{web}
[defaults]
impact = "medium"
[collectors.snmp]
listen = ["127.0.0.1:{trap}"]
communities = ["public"]
{snmp}
[collectors.smtp]
listen = ["127.0.0.1:{mail}"]
recipients = ["support@example.com"]
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{beat}"
canary_s = 0  # virtual time runs ahead of a real broker's answers
{mqtt}
[sinks.local]
"""


def needs(tool: str) -> str:
    path = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/usr/bin")
    if path is None:
        pytest.skip(f"{tool} is not installed")
    return path


class House:
    """One daemon and its visitors."""

    def __init__(self, app: App, clock: ManualClock, ports: dict[str, int]) -> None:
        self.app, self.clock, self.ports = app, clock, ports
        self.http = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{ports['http']}", trust_env=False, verify=NO_AUTHORITIES, timeout=LONGEST_S
        )

    # --- what happens ----------------------------------------------------------------------------

    async def trap(
        self, notification: str, *varbinds: str, inform: bool = False, version: str = "2c", agent: str = ""
    ) -> int:
        """Send one with net-snmp; the tool's exit code."""
        tool = needs("snmpinform" if inform else "snmptrap")
        to = f"127.0.0.1:{self.ports['trap']}"
        if version == "1":
            enterprise, generic = "1.3.6.1.4.1.8072.3.2.10", {"linkDown": "2", "linkUp": "3"}[notification]
            words = ["-v1", "-c", "public", to, enterprise, agent or "127.0.0.1", generic, "0", ""]
        else:
            oid = {"linkDown": "1.3.6.1.6.3.1.1.5.3", "linkUp": "1.3.6.1.6.3.1.1.5.4"}.get(notification, notification)
            words = ["-v2c", "-c", "public", to, "", oid]
        return await self.run(tool, "-Ci" if inform and version == "9" else "-t", "10", "-r", "0", *words, *varbinds)

    async def trap_v3(self, *words: str, inform: bool = False, oid: str = "1.3.6.1.6.3.1.1.5.3") -> int:
        tool = needs("snmpinform" if inform else "snmptrap")
        return await self.run(tool, "-v3", "-t", "10", "-r", "0", *words, f"127.0.0.1:{self.ports['trap']}", "", oid)

    async def link(self, way: str, port: int = 3, **how: Any) -> int:
        index = f"1.3.6.1.2.1.2.2.1.1.{port}"
        return await self.trap({"down": "linkDown", "up": "linkUp"}[way], index, "i", str(port), **how)

    async def beat(
        self, payload: str, *, station: str = "s1", topic: str = "heartbeat", site: str = "lyon", retain: bool = False
    ) -> int:
        tool = needs("mosquitto_pub")
        words = ["-p", str(self.ports["beat"]), "-q", "1", "-t", f"fleet/{site}/{station}/{topic}", "-m", payload]
        return await self.run(tool, *words, *(["-r"] if retain else []))

    async def mail(self, subject: str, text: str = "It does not work.", **headers: str) -> EmailMessage:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "alice@customer.example", "support@example.com", subject
        message["Message-ID"] = f"<{abs(hash((subject, text)))}@customer.example>"
        for name, value in headers.items():
            del message[name.replace("_", "-")]
            message[name.replace("_", "-")] = value
        message.set_content(text)

        def send() -> None:
            with smtplib.SMTP("127.0.0.1", self.ports["mail"], timeout=LONGEST_S) as server:
                server.send_message(message)

        await asyncio.to_thread(send)
        return message

    async def run(self, *words: str) -> int:
        process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return await process.wait()

    async def passes(self, **length: float) -> None:
        """Let time pass: ``seconds=``, ``minutes=``, ``hours=``."""
        units = {"seconds": 1, "minutes": 60, "hours": 3600}
        await self.clock.advance(sum(units[unit] * amount for unit, amount in length.items()))

    # --- what is seen ----------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        answer = await self.http.get(path)
        answer.raise_for_status()
        return answer.json()

    async def incidents(self) -> list[dict[str, Any]]:
        return list((await self.get("/api/v1/incidents"))["items"])

    async def incident(self) -> dict[str, Any]:
        """The only one."""
        (found,) = await self.incidents()
        return found

    async def sees(self, **facts: Any) -> dict[str, Any]:
        """Wait until the one incident that has all these facts is there; a ticket's facts are ``ticket_state`` etc."""

        async def look() -> dict[str, Any] | None:
            for item in await self.incidents():
                tickets = item["tickets"] or [{}]
                known = {**item, **{f"ticket_{name}": value for name, value in tickets[0].items()}}
                if all(known.get(name) == value for name, value in facts.items()):
                    return item
            return None

        return await self.eventually(look, what=str(facts))

    async def quiet(self) -> None:
        """Wait until everything received is committed and the outbox is empty."""

        async def look() -> bool:
            self.app.engine._commits.want()
            return not len(self.app.engine._pending) and not (await self.get("/api/v1/outbox"))["items"]

        await self.eventually(look, what="quiet")

    async def eventually(self, look: Callable[[], Awaitable[Any]], *, what: str = "") -> Any:
        seen = await until(look, pause=partial(asyncio.sleep, 0.02))
        if not seen:
            raise AssertionError(f"not seen: {what}; there is: {await self.incidents()}")
        return seen

    @property
    def desk(self) -> Any:
        """The local sink."""
        return self.app.deliveries["local"].sink

    async def person(self, act: Callable[[Any], Any]) -> None:
        """Let a person do something at the local desk, and look at it."""
        await self.passes(seconds=10)  # what is seen right after our own write says nothing
        await self.desk.ask(act)
        await self.app.observations["local"].poll()


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., contextlib.AbstractAsyncContextManager[House]]:
    """Build a house: ``async with build(more="[[rule]]...") as house``."""

    @contextlib.asynccontextmanager
    async def make(
        *,
        more: str = "",
        snmp: str = "",
        mqtt: str = "",
        web: str = "",
        transports: Any = None,
        clock: ManualClock | None = None,
    ) -> AsyncIterator[House]:
        ports = {"http": free_port(), "mail": free_port(), "beat": free_port(), "trap": free_port()}
        path = tmp_path / "tocsin.toml"
        path.write_text(CONFIG.format(snmp=snmp, mqtt=mqtt, web=web, **ports) + more)
        clock = clock or ManualClock()
        needs("mosquitto")
        with Mosquitto(tmp_path / "mosquitto", port=ports["beat"]):
            config = load(path, plugins=discover())
            async with running(config, state_dir=tmp_path / "state", clock=clock, transports=transports) as app:
                house = House(app, clock, ports)
                async with house.http:

                    async def heard() -> bool:
                        return not app.troubles()

                    await house.eventually(heard, what="ready")
                    yield house

    return make

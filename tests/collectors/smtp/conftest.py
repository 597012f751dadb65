"""A collector on loopback, clients that speak to it, and the real mails."""

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from collectors.smtp.collector import SmtpCollector, build
from collectors.smtp.config import SmtpConfig
from gateway.clock import SystemClock
from gateway.plugin import Host
from gateway.testing.intake import RecordingIntake
from gateway.testing.keep import MemoryKeep

RECIPIENTS = ("support@example.com", "@sites.example.com")


class Client:
    """A client that says exactly what a test tells it to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def hear(self) -> str:
        """One reply, all its lines."""
        lines = []
        async with asyncio.timeout(60):
            while True:
                line = (await self.reader.readuntil(b"\n")).decode()
                lines.append(line)
                if line[3:4] != "-":
                    return "".join(lines)

    async def say(self, words: str | bytes) -> str:
        """Send a line, and hear the reply."""
        self.send(words)
        return await self.hear()

    def send(self, words: str | bytes) -> None:
        data = words if isinstance(words, bytes) else words.encode() + b"\r\n"
        self.writer.write(data)

    async def begin(self, *, sender: str = "alice@example.org", to: str = "support@example.com") -> str:
        """Greet, and go as far as the reply to RCPT."""
        await self.hear()
        await self.say("EHLO client.example.org")
        await self.say(f"MAIL FROM:<{sender}>")
        return await self.say(f"RCPT TO:<{to}>")

    async def data(self, mail: bytes) -> str:
        """A whole DATA, and the reply to it."""
        assert (await self.say("DATA")).startswith("354")
        return await self.say(mail + b"\r\n.\r\n")

    async def gone(self) -> bytes:
        """What the server says before it hangs up."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            await self.writer.wait_closed()


@dataclass
class Station:
    """A running collector."""

    collector: SmtpCollector
    intake: RecordingIntake
    keep: MemoryKeep
    clients: contextlib.AsyncExitStack
    task: asyncio.Task

    @property
    def port(self) -> int:
        return self.collector.addresses[0][1]

    @property
    def tls_port(self) -> int:
        return self.collector.addresses[-1][1]

    async def client(
        self, *, port: int | None = None, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
    ) -> Client:
        reader, writer = await asyncio.open_connection(
            host, port or self.port, ssl=tls, server_hostname="localhost" if tls else None
        )
        client = Client(reader, writer)
        self.clients.push_async_callback(client.close)
        return client


@pytest.fixture
def serve():
    """``async with serve(intake, **config) as station``."""

    @contextlib.asynccontextmanager
    async def run(intake: RecordingIntake | None = None, *, sockets=None, **settings: object) -> AsyncIterator[Station]:
        config = SmtpConfig(
            **{"listen": ["127.0.0.1:0"], "recipients": RECIPIENTS, "hostname": "mx.example.com"} | settings
        )
        intake, keep = intake or RecordingIntake(), MemoryKeep()
        host = Host(name="smtp", clock=SystemClock(), keep=keep, state_dir=Path("/nonexistent"), sockets=sockets or {})
        async with (
            build(config, host) as collector,
            asyncio.TaskGroup() as tasks,
            contextlib.AsyncExitStack() as clients,
        ):
            task = tasks.create_task(collector.run(intake))
            async with asyncio.timeout(60):
                while intake.link_up is None:
                    await intake.wait()
            yield Station(collector, intake, keep, clients, task)
            task.cancel()
            await asyncio.wait([task])

    return run


@dataclass
class Tls:
    certificate: Path
    key: Path
    context: ssl.SSLContext

    @property
    def settings(self) -> dict[str, Path]:
        return {"tls_certificate": self.certificate, "tls_key": self.key}


@pytest.fixture(scope="session")
def tls(tmp_path_factory) -> Tls:
    """A certificate for localhost, and a context that trusts it."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    folder = tmp_path_factory.mktemp("tls")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return Tls(folder / "cert.pem", folder / "key.pem", context)


@pytest.fixture(scope="session")
def corpus() -> Path:
    """The folder of real mails; the test is skipped where there is none."""
    shared = Path(os.environ.get("TOCSIN_SHARED", Path(__file__).parents[4] / "shared"))
    folder = shared / "corpora" / "mail"
    if not folder.is_dir():
        pytest.skip(f"no real mails in {folder}: set TOCSIN_SHARED")
    return folder

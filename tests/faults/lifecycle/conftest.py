"""The real daemon as a process: started, signalled, suspended, restarted, and asked what it knows."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.snmp import ber
from tests.ports import free_port

PATIENCE_S = 30.0
SINK = Path(__file__).with_name("troubled_sink.py")
CONFIG = """
[http]
listen = "127.0.0.1:{http}"
[collectors.snmp]
listen = ["127.0.0.1:{trap}"]
communities = ["public"]
[collectors.smtp]
listen = ["127.0.0.1:{mail}"]
recipients = ["support@example.com"]
"""
LOCAL = "[sinks.local]\n"
TOCSIN = (sys.executable, "-c", "from gateway.cli import main; main()")
HAND_OVER = """
import os, sys
count, *command = sys.argv[1:]
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=count)
os.execv(command[0], command)
"""
"""What systemd does between fork and exec: the descriptors stand at 3 and up, and the process is named."""


def trap(port: int) -> bytes:
    """A linkDown of SNMPv2c about the interface ``port``."""

    def varbind(oid: str, value: bytes) -> bytes:
        return ber.encode_sequence(ber.encode_oid(oid), value)

    varbinds = ber.encode_sequence(
        varbind("1.3.6.1.2.1.1.3.0", ber.encode_integer(4711, tag=0x43)),
        varbind("1.3.6.1.6.3.1.1.4.1.0", ber.encode_oid("1.3.6.1.6.3.1.1.5.3")),
        varbind(f"1.3.6.1.2.1.2.2.1.1.{port}", ber.encode_integer(port)),
    )
    pdu = ber.encode_sequence(
        ber.encode_integer(port), ber.encode_integer(0), ber.encode_integer(0), varbinds, tag=0xA7
    )
    return ber.encode_sequence(ber.encode_integer(1), ber.encode_octets(b"public"), pdu)


class Daemon:
    """One configuration and state directory, and the process that runs them now."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ports = {"http": free_port(), "mail": free_port(), "trap": free_port()}
        self.environ = {**os.environ, "NO_COLOR": "1"}
        self.process: subprocess.Popen[bytes] | None = None
        self.config = folder / "tocsin.toml"
        self.state = folder / "state"
        self.book = folder / "book"
        self.command: tuple[str, ...] = ()
        """What the process is started by (``faketime``)."""
        self.configure()

    # --- the process -----------------------------------------------------------------------------

    def configure(self, more: str = LOCAL, *, base: str = CONFIG) -> None:
        """Write the configuration: ports and collectors, then ``more``."""
        self.config.write_text(base.format(**self.ports) + more)

    def troubled(self, name: str, **options: Any) -> str:
        """Configuration of a sink that behaves as its ``mood`` says, and keeps its tickets in a book."""
        self._install()
        lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
        return "\n".join([f"[sinks.{name}]", 'type = "troubled"', f'book = "{self.book}-{name}"', *lines, ""])

    def launch(self, *, passed: Sequence[tuple[str, socket.socket]] = (), **environ: str) -> subprocess.Popen[bytes]:
        """Start the process; ``passed`` are sockets as systemd passes them."""
        words = [*self.command, *TOCSIN, "run"]
        words += ["--config", str(self.config), "--state-dir", str(self.state)]
        environment = {**self.environ, **environ}
        before = None
        if passed:
            environment["LISTEN_FDNAMES"] = ":".join(name for name, _ in passed)
            words = [sys.executable, "-c", HAND_OVER, str(len(passed)), *words]
            descriptors = [os.dup(each.fileno()) for _, each in passed]
            words, before = _moved(words, descriptors)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(words, stdout=log, stderr=log, env=environment, pass_fds=before or ())
        for descriptor in before or ():
            os.close(descriptor)
        return self.process

    def start(self, **how: Any) -> None:
        """Start it, and wait until it is ready."""
        self.launch(**how)
        self.eventually(self.ready, what="ready")

    def ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"it ended with {self.process.returncode}: {self.log.read_text()[-3000:]}"
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200
        return False

    def ends(self, number: int | None = None, *, within_s: float = PATIENCE_S) -> int:
        """Send a signal, if one is given, and wait for the end; the exit code."""
        assert self.process is not None
        if number is not None:
            self.process.send_signal(number)
        return self.process.wait(within_s)

    def stop(self) -> int:
        return self.ends(signal.SIGTERM)

    def run(self, **environ: str) -> subprocess.CompletedProcess[str]:
        """Start one that is not expected to live."""
        words = [*TOCSIN, "run"]
        words += ["--config", str(self.config), "--state-dir", str(self.state)]
        return subprocess.run(
            words, capture_output=True, text=True, env={**self.environ, **environ}, timeout=PATIENCE_S, check=False
        )

    # --- what it says ----------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports['http']}"

    @property
    def log(self) -> Path:
        return self.folder / "log"

    def said(self, event: str) -> list[dict[str, Any]]:
        """The lines of log with this event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]

    def get(self, path: str) -> Any:
        answer = httpx.get(self.url + path, trust_env=False)
        answer.raise_for_status()
        return answer.json()

    def get_any(self, path: str) -> int:
        """The status of an answer that may be a refusal."""
        return httpx.get(self.url + path, trust_env=False).status_code

    def metrics(self) -> str:
        return httpx.get(self.url + "/metrics", trust_env=False).text

    def incidents(self, **facts: Any) -> list[dict[str, Any]]:
        """The incidents that have these facts."""
        items = self.get("/api/v1/incidents?limit=1000")["items"]
        return [item for item in items if all(item[name] == value for name, value in facts.items())]

    def outbox(self) -> list[dict[str, Any]]:
        return list(self.get("/api/v1/outbox?limit=1000")["items"])

    def tickets(self, sink: str) -> list[dict[str, Any]]:
        """What the troubled sink wrote into its book."""
        book = Path(f"{self.book}-{sink}")
        return [json.loads(line) for line in book.read_text().splitlines()] if book.exists() else []

    def trap(self, *ports: int, to: tuple[str, int] | None = None) -> None:
        family = socket.AF_INET6 if to and ":" in to[0] else socket.AF_INET
        with socket.socket(family, socket.SOCK_DGRAM) as sender:
            for port in ports:
                sender.sendto(trap(port), to or ("127.0.0.1", self.ports["trap"]))

    def eventually(self, look: Callable[[], Any], *, what: str) -> Any:
        limit = time.monotonic() + PATIENCE_S
        while not (seen := look()):
            if time.monotonic() > limit:
                raise AssertionError(f"not seen: {what}; the log ends with {self.log.read_text()[-3000:]}")
            time.sleep(0.05)
        return seen

    # --- inside ----------------------------------------------------------------------------------

    def _install(self) -> None:
        """Make the troubled sink an installed plugin of the process."""
        site = self.folder / "site"
        about = site / "troubled-1.dist-info"
        about.mkdir(parents=True, exist_ok=True)
        (site / "troubled_sink.py").write_text(SINK.read_text())
        (about / "METADATA").write_text("Metadata-Version: 2.1\nName: troubled\nVersion: 1\n")
        (about / "entry_points.txt").write_text("[tocsin.sinks]\ntroubled = troubled_sink:plugin\n")
        paths = [str(site), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        self.environ["PYTHONPATH"] = os.pathsep.join(paths)


def _moved(words: list[str], descriptors: list[int]) -> tuple[list[str], list[int]]:
    """Let a shell move the descriptors to 3 and up, as systemd does."""
    high = [os.dup2(each, 200 + index) for index, each in enumerate(descriptors)]
    for each in descriptors:
        os.close(each)
    moves = " ".join(f"{3 + index}<&{each} {each}<&-" for index, each in enumerate(high))
    return ["bash", "-c", f'exec "$@" {moves}', "bash", *words], high


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that does not run yet; killed at the end if it still does."""
    made = Daemon(tmp_path)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.send_signal(signal.SIGCONT)
        made.process.kill()
        made.process.wait()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[socket.socket]:
    """What systemd listens on for readiness and life."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(PATIENCE_S)
        yield listener

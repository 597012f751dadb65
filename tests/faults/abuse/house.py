"""The daemon under attack: a process of its own, its books, and how much memory it takes."""

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.ports import free_port

TOOLS = ("gcc", "mosquitto")
START_S, STOP_S, QUIET_S = 30.0, 60.0, 60.0
CONFIG = """
rule_packs = ["ietf", "mail-monitoring"]
[daemon]
log_format = "json"
[http]
listen = "127.0.0.1:{http}"
[engine]
lazy_ms = 20
[collectors.snmp]
listen = ["127.0.0.1:{trap}", "127.0.0.1:{calm}"]
communities = {communities}
[collectors.smtp]
listen = ["127.0.0.1:{mail}"]
recipients = ["support@example.com"]
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{beat}"
client_id = "tocsin-abuse"
[sinks.local]
"""
_SAMPLE = re.compile(
    r'^tocsin_inputs_(?P<what>\w+)_total\{collector="(?P<collector>\w+)"(?:,reason="(?P<reason>\w+)")?\} (?P<n>\S+)$'
)


def tool(name: str) -> str | None:
    """Where a tool is; Debian keeps some out of a user's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")


class Books:
    """What ``/metrics`` says of a collector's inputs at one moment."""

    def __init__(self, text: str) -> None:
        self._counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for line in text.splitlines():
            if found := _SAMPLE.match(line):
                what = found["what"] if found["reason"] is None else f"dropped.{found['reason']}"
                self._counts[found["collector"]][what] += round(float(found["n"]))

    def __getitem__(self, collector: str) -> dict[str, int]:
        return self._counts[collector]

    def open(self, collector: str) -> int:
        """How many inputs have arrived of which nothing is said yet; 0: the balance holds."""
        return 2 * self._counts[collector]["received"] - sum(self._counts[collector].values())

    def since(self, before: "Books", collector: str) -> dict[str, int]:
        """What has changed."""
        now, then = self._counts[collector], before._counts[collector]
        return {what: count - then.get(what, 0) for what, count in sorted(now.items()) if count != then.get(what, 0)}

    @property
    def all_open(self) -> int:
        return sum(abs(self.open(collector)) for collector in self._counts)


class House:
    """``tocsin run`` and a Mosquitto beside it; a context manager."""

    def __init__(self, folder: Path, *, communities: tuple[str, ...] = ("public",)) -> None:
        self.folder = folder
        self.log = folder / "daemon.log"
        self.ports = {
            "http": free_port(), "mail": free_port(), "beat": free_port(),
            "trap": free_port(), "calm": free_port(),
        }  # fmt: skip
        self._communities = list(communities)
        self._stack = contextlib.ExitStack()
        self.most_rss_kib = 0

    def __enter__(self) -> Self:
        config = self.folder / "tocsin.toml"
        config.write_text(CONFIG.format(**self.ports, communities=self._communities))
        self._stack.enter_context(_mosquitto(self.folder, self.ports["beat"]))
        log = self._stack.enter_context(self.log.open("wb"))
        program = [str(Path(sys.executable).with_name("tocsin")), "run", "--config", str(config)]
        self._process = subprocess.Popen(
            [*program, "--state-dir", str(self.folder / "state")], stdout=log, stderr=log, env={**os.environ}
        )
        self._stack.callback(self._end)
        self._http = self._stack.enter_context(httpx.Client(trust_env=False, timeout=10))
        self._stack.callback(self._watch().set)
        self.eventually(lambda: self.answers("/readyz"), START_S, "ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    # --- what is seen ----------------------------------------------------------------------------

    def answers(self, path: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self._http.get(f"http://127.0.0.1:{self.ports['http']}{path}").status_code == 200
        return False

    def get(self, path: str) -> dict:
        return self._http.get(f"http://127.0.0.1:{self.ports['http']}{path}").raise_for_status().json()

    def books(self) -> Books:
        return Books(self._http.get(f"http://127.0.0.1:{self.ports['http']}/metrics").raise_for_status().text)

    def quiet(self) -> Books:
        """Wait until nothing comes in and nothing is under way any more; the books then.

        Raises:
            AssertionError: the balance does not come to hold.
        """
        seen: list[Books] = [self.books()]

        def still() -> bool:
            time.sleep(0.3)
            seen.append(self.books())
            last, one = seen[-2:]
            return one.all_open == 0 and all(one[name] == last[name] for name in ("snmp", "mqtt", "smtp"))

        def told() -> str:
            return str(
                {name: (dict(seen[-1][name]), seen[-1].open(name)) for name in ("snmp", "mqtt", "smtp", "tocsin")}
            )

        try:
            self.eventually(still, QUIET_S, "quiet")
        except AssertionError:
            raise AssertionError(f"the books do not balance: {told()}") from None
        return seen[-1]

    def eventually(self, look, within_s: float, what: str) -> None:
        until_s = time.monotonic() + within_s
        while not look():
            if self._process.poll() is not None:
                raise AssertionError(f"the daemon ended with {self._process.returncode}:\n{self.tail()}")
            if time.monotonic() > until_s:
                raise AssertionError(f"not seen: {what}\n{self.tail()}")
            time.sleep(0.02)

    def status(self, field: str) -> int:
        """A number of ``/proc/PID/status``: KiB, or a count."""
        text = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])

    @property
    def files(self) -> int:
        """Open descriptors."""
        return sum(1 for _ in Path(f"/proc/{self._process.pid}/fd").iterdir())

    def peak(self) -> float:
        """Most resident memory since the last call, in MiB."""
        most, self.most_rss_kib = max(self.most_rss_kib, self.status("VmRSS")), 0
        return round(most / 1024, 1)

    def _watch(self) -> threading.Event:
        """Look at the memory ten times a second, until the event is set."""
        done = threading.Event()

        def look() -> None:
            while not done.wait(0.1):
                with contextlib.suppress(OSError, TypeError):
                    self.most_rss_kib = max(self.most_rss_kib, self.status("VmRSS"))

        threading.Thread(target=look, daemon=True).start()
        return done

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


@contextlib.contextmanager
def _mosquitto(folder: Path, port: int) -> Iterator[None]:
    conf = folder / "mosquitto.conf"
    conf.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    process = subprocess.Popen([tool("mosquitto") or "mosquitto", "-c", str(conf)], stderr=subprocess.DEVNULL)
    try:
        for _ in range(250):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.02)
        yield
    finally:
        process.terminate()
        process.wait()

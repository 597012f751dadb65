"""The real daemon as a user starts it: a process of its own, its books, its memory and its processor time."""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from tests.ports import free_port

START_S, STOP_S, QUIET_S = 30.0, 60.0, 60.0
READ_S = 600.0
"""In which time what a flood left in the kernel's buffer should be read, on a machine that has other work."""
_SAMPLE = re.compile(
    r'^tocsin_inputs_(?P<what>\w+)_total\{collector="(?P<collector>\w+)"(?:,reason="(?P<reason>\w+)")?\} (?P<n>\S+)$'
)
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def tool(name: str) -> str | None:
    """Where a tool is; Debian keeps some out of a user's path."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/bin")


def pinned(words: list[str], cores: Iterable[int]) -> list[str]:
    """The command, on these cores only; as it is if there are none, or nothing to pin it with."""
    wanted = ",".join(map(str, cores))
    return ["taskset", "-c", wanted, *words] if wanted and tool("taskset") else words


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process has used so far, in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def status(pid: int, field: str) -> int:
    """A number of ``/proc/PID/status``: KiB, or a count."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"^{field}:\s+(\d+)", text, re.MULTILINE)[1])


class Books:
    """What ``/metrics`` says of a collector's inputs at one moment."""

    def __init__(self, text: str) -> None:
        self.text = text
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


class Daemon:
    """``tocsin run`` with a configuration and a state directory of its own; a context manager."""

    def __init__(
        self,
        folder: Path,
        config: str,
        *,
        ports: Iterable[str] = (),
        cores: Iterable[int] = (),
        start_s: float = START_S,
    ) -> None:
        """Prepare a daemon.

        Args:
            folder: where configuration, log and state go.
            config: TOML in which ``{name}`` stands for the port of that name.
            ports: names of the ports besides ``http``.
            cores: processor cores that it may use; none for all.
            start_s: how long it may take to be ready.
        """
        self.folder = folder
        self.log = folder / "daemon.log"
        self.ports = {name: free_port() for name in ("http", *ports)}
        self.most_rss_kib = 0
        self._config = config
        self._start_s = start_s
        self._cores = tuple(cores)
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Self:
        config = self.folder / "tocsin.toml"
        config.write_text(self._words())
        log = self._stack.enter_context(self.log.open("ab"))
        program = [str(Path(sys.executable).with_name("tocsin")), "run", "--config", str(config)]
        words = pinned([*program, "--state-dir", str(self.folder / "state")], self._cores)
        self._process = subprocess.Popen(words, stdout=log, stderr=log)
        self._stack.callback(self._end)
        self._http = self._stack.enter_context(httpx.Client(trust_env=False, timeout=10))
        self._stack.callback(self._watch().set)
        self.eventually(lambda: self.answers("/readyz"), self._start_s, "ready")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _words(self) -> str:
        words = self._config
        for name, port in self.ports.items():
            words = words.replace(f"{{{name}}}", str(port))
        return words

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    @contextlib.contextmanager
    def held(self):
        """Stopped, as if the machine had no time for it."""
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    # --- what is seen ----------------------------------------------------------------------------

    def answers(self, path: str) -> bool:
        with contextlib.suppress(httpx.TransportError):
            return self._http.get(f"http://127.0.0.1:{self.ports['http']}{path}").status_code == 200
        return False

    def get(self, path: str) -> dict:
        return self._http.get(f"http://127.0.0.1:{self.ports['http']}{path}").raise_for_status().json()

    def incidents(self) -> list[dict]:
        """All of them, page by page."""
        found: list[dict] = []
        cursor = ""
        while cursor is not None:
            page = self.get(f"/api/v1/incidents?limit=1000&cursor={cursor}")
            found += page["items"]
            cursor = page["next"]
        return found

    def books(self) -> Books:
        return Books(self._http.get(f"http://127.0.0.1:{self.ports['http']}/metrics").raise_for_status().text)

    def quiet(self, collectors: Sequence[str] = ("snmp", "mqtt", "smtp")) -> Books:
        """Wait until nothing comes in, nor out of the kernel's buffer, and nothing is under way any more; the books then.

        Raises:
            AssertionError: the balance does not come to hold.
        """
        seen: list[Books] = [self.books()]

        def still() -> bool:
            time.sleep(0.3)
            seen.append(self.books())
            last, one = seen[-2:]
            return one.all_open == 0 and all(one[name] == last[name] for name in collectors)

        def told() -> str:
            return str({name: (dict(seen[-1][name]), seen[-1].open(name)) for name in (*collectors, "tocsin")})

        until_s = time.monotonic() + READ_S
        while True:
            received = [seen[-1][name]["received"] for name in collectors]
            try:
                self.eventually(still, QUIET_S, "quiet")
            except AssertionError:
                reads = received != [seen[-1][name]["received"] for name in collectors]
                if not reads or time.monotonic() > until_s:
                    raise AssertionError(f"the books do not balance: {told()}") from None
            else:
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
        return status(self._process.pid, field)

    @property
    def pid(self) -> int:
        return self._process.pid

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

"""Programs that receive traps: ours, and those of others, each started as its user would and asked how many it took."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from tests.bench.harness import OURS, Options, cores
from tests.daemon import Daemon, pinned, tool
from tests.ports import free_port
from tests.traps import PASSWORD, RULES, USER

START_S = 20.0
BUFFER = 4 * 2**20
"""Octets of receive buffer, ours by default; given to each peer that takes such an option."""
CONFIG = f"""
rule_packs = ["ietf", "mail-monitoring"]
[daemon]
log_format = "json"
[http]
listen = "127.0.0.1:{{http}}"
[collectors.snmp]
listen = ["127.0.0.1:{{trap}}"]
communities = ["public"]
[[collectors.snmp.users]]
name = "{USER}"
auth = "sha1"
auth_password = "file:{{folder}}/password"
priv = "aes128"
priv_password = "file:{{folder}}/password"
[sinks.local]
[[source]]
name = "127.1.0.0/20"
site = "lyon"
labels = {{ role = "core" }}
{RULES}
"""


class Missing(Exception):
    """The program cannot be had here; one sentence."""


class Receiver(Protocol):
    """A program that runs."""

    port: int

    @property
    def pid(self) -> int: ...

    def taken(self) -> int:
        """How many traps it has taken so far."""
        ...


class Ours(Daemon):
    """`tocsin run` as a receiver."""

    def __init__(self, folder: Path, config: str = CONFIG, **how) -> None:
        (folder / "password").write_text(PASSWORD)
        super().__init__(folder, config.replace("{folder}", str(folder)), ports=("trap",), cores=cores()[1], **how)
        self.port = self.ports["trap"]

    def taken(self) -> int:
        books = self.books()["snmp"]
        return books["received"] - sum(count for what, count in books.items() if what.startswith("dropped"))


class Peer:
    """A program of somebody else's; ``taken`` is asked on its standard input, or read from a file or a spool."""

    def __init__(self, words: list[str], port: int, *, log: Path, mark: bytes = b"") -> None:
        """Start it; with a ``mark``, each trap it takes is one in its ``log``, or a file there if that is a folder."""
        self.port = port
        self._log, self._mark, self._read, self._count = log, mark, 0, 0
        self._process = subprocess.Popen(
            pinned(words, cores()[1]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def taken(self) -> int:
        if self._log.is_dir():
            return sum(entry.name.startswith(self._mark.decode()) for entry in os.scandir(self._log))
        if not self._mark:
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()
            return int(self._process.stdout.readline())
        if self._log.exists():
            with self._log.open("rb") as log:
                log.seek(self._read)
                new = log.read()
            whole = new[: new.rfind(b"\n") + 1]
            self._count += whole.count(self._mark)
            self._read += len(whole)
        return self._count

    def bound(self) -> bool:
        """Whether it listens."""
        wanted = f":{self.port:04X} "
        return any(wanted in line for line in Path("/proc/net/udp").read_text().splitlines()[1:])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            pipe.close()


def start(name: str, options: Options, *, engines: Sequence[str] = ()) -> contextlib.AbstractContextManager[Receiver]:
    """Start a program by name; ``engines`` are the ids of SNMPv3 engines, which others must be told.

    Raises:
        Missing: it is not installed.
    """
    folder = options.fresh(name)
    return Ours(folder) if name == OURS else _peer(name, folder, options, engines)


@contextlib.contextmanager
def _peer(name: str, folder: Path, options: Options, engines: Sequence[str]) -> Iterator[Peer]:
    port = free_port()
    words, mark = _WORDS[name](folder, port, options, engines)
    peer = Peer(words, port, log=folder / "log", mark=mark)
    try:
        until_s = time.monotonic() + START_S
        while not peer.bound():
            if time.monotonic() > until_s:
                raise Missing(f"{name} did not begin to listen")
            time.sleep(0.05)
        yield peer
    finally:
        peer.end()


def _snmptrapd(folder: Path, port: int, _options: Options, engines: Sequence[str]) -> tuple[list[str], bytes]:
    program = tool("snmptrapd")
    if program is None:
        raise Missing("snmptrapd is not installed (Debian: snmptrapd)")
    lines = ["disableAuthorization yes", f"serverRecvBuf {BUFFER}"]
    # As it writes by default, but for names: it would ask the DNS about each v1 trap, in spite of -n.
    lines.append(
        r"format1 %.4y-%.2m-%.2l %.2h:%.2j:%.2k %a (via %b) TRAP, SNMP v1\n\t%N %W Trap (%q) Uptime: %#T\n%v\n"
    )
    lines += [f'createUser -e 0x{engine} {USER} SHA "{PASSWORD}" AES "{PASSWORD}"' for engine in engines]
    conf = folder / "snmptrapd.conf"
    conf.write_text("\n".join([*lines, ""]))
    words = [program, "-f", "-n", "-C", "-c", str(conf), "-m", "", "-On", "-Lf", str(folder / "log")]
    return ["env", f"SNMP_PERSISTENT_DIR={folder}", *words, f"udp:127.0.0.1:{port}"], b"UDP: ["


def _snmptt(folder: Path, port: int, options: Options, engines: Sequence[str]) -> tuple[list[str], bytes]:
    """snmptrapd with SNMPTT's handler in it, which spools: what its daemon makes of that is not counted."""
    handler, settings = Path("/usr/lib/snmptt/snmptthandler-embedded"), Path("/etc/snmp/snmptt.ini")
    if not handler.exists() or not settings.exists():
        raise Missing("SNMPTT is not installed (Debian: snmptt)")
    words, _ = _snmptrapd(folder, port, options, engines)
    spool, ini = folder / "log", folder / "snmptt.ini"
    spool.mkdir()
    ini.write_text(re.sub(r"(?m)^spool_directory *=.*", f"spool_directory = {spool}/", settings.read_text()))
    (folder / "handler").write_text(handler.read_text().replace("my $ini = '';", f"my $ini = '{ini}';", 1))
    with (folder / "snmptrapd.conf").open("a") as conf:
        conf.write(f'perl do "{folder / "handler"}";\n')
    return ["/dev/null" if word == str(spool) else word for word in words], b"#snmptt-trap-"


def _pysnmp(_folder: Path, port: int, _options: Options, engines: Sequence[str]) -> tuple[list[str], bytes]:
    return [sys.executable, str(Path(__file__).with_name("peer_pysnmp.py")), str(port), USER, PASSWORD, *engines], b""


def _gosnmp(_folder: Path, port: int, options: Options, _engines: Sequence[str]) -> tuple[list[str], bytes]:
    program = options.folder / "peer_gosnmp"
    if not program.exists():
        library = Path("/usr/share/gocode/src/github.com/gosnmp/gosnmp")
        if shutil.which("go") is None or not library.exists():
            raise Missing("gosnmp is not installed (Debian: golang-go golang-github-gosnmp-gosnmp-dev)")
        cache = str(options.folder / "go-cache")
        built = subprocess.run(
            ["go", "build", "-o", str(program), str(Path(__file__).with_name("peer_gosnmp.go"))],
            env={"PATH": "/usr/bin:/bin", "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": cache},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if built.returncode:
            raise Missing(f"gosnmp does not build: {built.stderr.strip()[-200:]}")
    return [str(program), str(port)], b""


_WORDS = {"snmptrapd": _snmptrapd, "snmptt": _snmptt, "pysnmp": _pysnmp, "gosnmp": _gosnmp}
PEERS = tuple(_WORDS)

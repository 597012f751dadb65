"""Mails of 10 KB over ten connections that are kept, answered 250 after their commit; beside a server that keeps nothing."""

import contextlib
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.harness import OURS, Options, Report, account, cores, watch
from tests.daemon import Daemon, pinned, tool
from tests.mails import CONNECTIONS, OCTETS, RECIPIENT, Mailer, mails, write_mails
from tests.ports import free_port

CASE = f"mails of {OCTETS // 1000} KB over {CONNECTIONS} connections"
PEER = "smtp-sink"
PER_S = 2_000
"""Mails in the file for each second of a trial: more than we take."""
CONFIG = f"""
rule_packs = ["ietf", "mail-monitoring"]
[daemon]
log_format = "json"
[http]
listen = "127.0.0.1:{{http}}"
[collectors.smtp]
listen = ["127.0.0.1:{{mail}}"]
recipients = ["{RECIPIENT}"]
[collectors.smtp.sessions]
commands = 100000
[sinks.local]
"""


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("smtp", options, main="per_s")
    mailer = Mailer(options.folder, cores=cores()[0])
    count = 60 if options.small else int(PER_S * options.seconds)
    letters = write_mails(options.folder / "mails", mails(count))
    for _ in range(options.repeats):
        _ours(report, mailer, letters)
        if options.peers:
            _peer(report, mailer, letters)
    return report


def _ours(report: Report, mailer: Mailer, letters: Path) -> None:
    with Daemon(report.options.fresh(OURS), CONFIG, ports=("mail",), cores=cores()[1]) as daemon:
        before = daemon.books()
        with watch(daemon.pid) as used:
            sent = mailer.send(daemon.ports["mail"], letters, seconds=report.options.seconds)
        account(daemon, before, sent=sent.kept + sent.refused, collector="smtp")
        report.add(
            CASE, OURS, per_s=sent.kept / sent.seconds, cpu_us=used.cpu_s / max(1, sent.kept) * 1e6,
            rss_mib=used.rss_mib, refused=sent.refused, median_ms=sent.median_ms, p99_ms=sent.p99_ms,
        )  # fmt: skip


def _peer(report: Report, mailer: Mailer, letters: Path) -> None:
    program = tool(PEER)
    if program is None:
        report.skip(PEER, "it is not installed (Debian: postfix)")
        return
    with _serving(program) as (pid, port):
        with watch(pid) as used:
            sent = mailer.send(port, letters, seconds=report.options.seconds)
        report.add(
            CASE, PEER, per_s=sent.kept / sent.seconds, cpu_us=used.cpu_s / max(1, sent.kept) * 1e6,
            rss_mib=used.rss_mib, refused=sent.refused, median_ms=sent.median_ms, p99_ms=sent.p99_ms,
        )  # fmt: skip


@contextlib.contextmanager
def _serving(program: str) -> Iterator[tuple[int, int]]:
    """Process id and port of the server while it runs."""
    port = free_port()
    words = pinned([program, "-u", "nobody", f"127.0.0.1:{port}", "100"], cores()[1])
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.05)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()

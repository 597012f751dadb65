"""Informs of v2c, each answered after its commit: as many as are answered, and how long an answer takes amid a storm."""

import contextlib
import os
import select
import socket
import time
from collections.abc import Iterator

from tests.bench.harness import OURS, Options, Report, account, cores, watch
from tests.bench.receivers import Ours, start
from tests.daemon import Books
from tests.sender import Sender, ended, write_datagrams
from tests.traps import Informs, stream, troubles

STORM, INFORMS = 200, 200
TRAPS_PER_S, PER_S = 20_000, 2_000
"""What arrives together in the second case."""
WINDOW = 500
"""Informs under way at once in the first."""
LEAVE_S = 2.0
"""So long the last answers are waited for."""


def run(options: Options) -> Report:
    """Measure both."""
    report = Report("informs", options, main="per_s")
    seconds = 0.5 if options.small else options.seconds / 2
    traps = write_datagrams(options.folder / "storm", stream(troubles(STORM), 2_000 if options.small else 100_000))
    for _ in range(options.repeats):
        with start(OURS, options) as receiver:
            assert isinstance(receiver, Ours)
            _measure(report, f"at most {WINDOW} under way", receiver, seconds, rate=0)
        with start(OURS, options) as receiver:
            assert isinstance(receiver, Ours)
            sender = Sender(options.folder, cores=cores()[0])
            sending = sender.start(receiver.port, traps, seconds=seconds + LEAVE_S, rate=TRAPS_PER_S)
            time.sleep(LEAVE_S / 2)
            _measure(
                report, f"{PER_S:,}/s amid {TRAPS_PER_S:,} traps/s", receiver, seconds, rate=PER_S,
                beside=lambda sending=sending: ended(sending).count,
            )  # fmt: skip
    return report


def _measure(report: Report, case: str, receiver: Ours, seconds: float, *, rate: float, beside=lambda: 0) -> None:
    with watch(receiver.pid) as used, _on_the_senders_core():
        sent, took_s = _ask(receiver.port, seconds, rate)
    traps = beside()
    books = account(receiver, Books(""), sent=sent + traps)
    took_s.sort()
    report.add(
        case, OURS, per_s=len(took_s) / seconds, p50_ms=_part(took_s, 0.5), p99_ms=_part(took_s, 0.99),
        unanswered=sent - len(took_s), load=used.cpu_s / used.seconds, rss_mib=used.rss_mib,
        dropped=sum(n for what, n in books.items() if what.startswith("dropped")),
    )  # fmt: skip


def _part(sorted_s: list[float], part: float) -> float:
    return sorted_s[min(len(sorted_s) - 1, int(part * len(sorted_s)))] * 1000 if sorted_s else float("inf")


def _ask(port: int, seconds: float, rate: float) -> tuple[int, list[float]]:
    """Send informs at a rate, or as many as are answered (0); how many were sent, and how long each answer took."""
    asked_s: dict[int, float] = {}
    took_s: list[float] = []
    informs, number = Informs(troubles(INFORMS)), 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.setblocking(False)
        sock.connect(("127.0.0.1", port))
        began_s = now_s = time.monotonic()
        while now_s - began_s < seconds or (asked_s and now_s - began_s < seconds + LEAVE_S):
            if now_s - began_s < seconds:
                most = rate * (now_s - began_s) if rate else number + WINDOW - len(asked_s)
                while number < most:
                    sock.send(informs[number])
                    asked_s[number] = time.monotonic()
                    number += 1
            select.select([sock], [], [], 0.0005)
            took_s += [time.monotonic() - asked_s.pop(request) for request in _answers(sock) if request in asked_s]
            now_s = time.monotonic()
    return number, took_s


def _answers(sock: socket.socket) -> Iterator[int]:
    """The numbers of the informs that were answered meanwhile."""
    with contextlib.suppress(BlockingIOError):
        while True:
            data = sock.recv(65_535)
            at = data.index(b"\x02\x04", data.index(b"public"))
            yield int.from_bytes(data[at + 2 : at + 6], "big") - 0x1000_0000


@contextlib.contextmanager
def _on_the_senders_core() -> Iterator[None]:
    everywhere, wanted = os.sched_getaffinity(0), cores()[0]
    os.sched_setaffinity(0, wanted or everywhere)
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)

"""From a trap's datagram to the tracker's HTTP request, while other traps arrive; storms, groups and all else switched on."""

import socket
import statistics
import time
from pathlib import Path

from collectors.snmp import ber
from collectors.snmp.codec import VarBind, encode_varbind
from tests.bench import tracker
from tests.bench.harness import OURS, Options, Report, account, cores, quantile, watch
from tests.bench.receivers import CONFIG, Ours
from tests.sender import Sender, ended, write_datagrams
from tests.trackers import hubspot
from tests.traps import Trouble, stream, troubles

RATES = (0, 2_000, 10_000, 20_000)
"""Traps a second beside the probes."""
FINGERPRINTS = 200
PROBES_PER_S = 4
"""New troubles a second, each with a ticket: what a sink is allowed to call a tracker, and no storm yet."""
WARM_S = 2.0
LATEST_S = 20.0
P99, COST = "ms from datagram to request (p99), over traps a second", "CPU µs of a trap, over traps a second"
TICKETS = """
[[rule]]
name = "probe"
condition = "1.3.6.1.4.1.99998.0.1"
set_condition = "probe"
object = "{1.3.6.1.4.1.99998.1}"
impact = "high"
sinks = ["hubspot"]
[tickets]
default_sinks = ["local"]
[sinks.hubspot]
token = "file:{folder}/token"
base_url = "{hubspot}"
extra_properties = false
"""


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("e2e", options)
    sender = Sender(options.folder, cores=cores()[0])
    count = 1_000 if options.small else 100_000
    traps = write_datagrams(options.folder / "traps", stream(troubles(FINGERPRINTS), count))
    for _ in range(options.repeats):
        for rate in (200,) if options.small else RATES:
            _trial(report, rate, sender, traps)
    return report


def _trial(report: Report, rate: int, sender: Sender, traps: Path) -> None:
    seconds = report.options.seconds
    folder = report.options.fresh(OURS)
    (folder / "token").write_text(hubspot.TOKEN)
    log = folder / "arrivals"
    with tracker.running(log) as address, Ours(folder, CONFIG + TICKETS.replace("{hubspot}", address)) as daemon:
        if rate:
            sender.send(daemon.port, traps, seconds=min(WARM_S, seconds), rate=rate)
        before = daemon.quiet(("snmp",))
        with watch(daemon.pid) as used:
            sending = sender.start(daemon.port, traps, seconds=seconds, rate=rate) if rate else None
            sent_s = _probe(daemon.port, seconds)
            sent = len(sent_s) + (ended(sending).count if sending else 0)
        books = account(daemon, before, sent=sent)
        dropped = sum(n for what, n in books.items() if what.startswith("dropped"))
        daemon.eventually(
            lambda: log.exists() and len(tracker.begun(log)) + dropped >= len(sent_s), LATEST_S, "the probes' tickets"
        )
        after = daemon.books().text
    arrived_s = tracker.begun(log)
    took_ms = sorted(1000 * (at_s - sent_s[number]) for number, at_s in arrived_s.items())
    p99_ms = took_ms[int(0.99 * (len(took_ms) - 1) + 0.5)]
    report.add(
        f"at {rate:,} traps a second", OURS, median_ms=statistics.median(took_ms), p99_ms=p99_ms, worst_ms=took_ms[-1],
        dropped=dropped,
        lateness_p99_ms=1000 * quantile(before.text, after, "tocsin_loop_lateness_seconds", 0.99),
        load=used.cpu_s / used.seconds,
    )  # fmt: skip
    report.point(P99, rate, p99_ms)
    if rate:
        report.point(COST, rate, used.cpu_s / sent * 1e6)


def _probe(port: int, seconds: float) -> list[float]:
    """Send new troubles, evenly, each of a device of its own; when each was sent (monotonic seconds)."""
    sent_s = []
    began_s = time.monotonic()
    for number in range(max(1, int(PROBES_PER_S * seconds))):
        time.sleep(max(0.0, began_s + number / PROBES_PER_S - time.monotonic()))
        data = _trap(number)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind((f"127.3.{number >> 8}.{number & 255}", 0))
            sent_s.append(time.monotonic())
            sock.sendto(data, ("127.0.0.1", port))
    return sent_s


def _trap(number: int) -> bytes:
    told = VarBind("1.3.6.1.4.1.99998.1.0", ber.OCTET_STRING, b"probe-%d" % number)
    return Trouble("127.0.0.1", "1.3.6.1.4.1.99998.0.1", encode_varbind(told)).told(number)

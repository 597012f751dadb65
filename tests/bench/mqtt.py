"""Heartbeats at QoS 1 through a Mosquitto, published faster than anybody hears them; beside a plain aiomqtt iterator.

Broker and publisher share the sender's core. The broker keeps what waits, so nothing is lost and nothing comes twice.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench.harness import OURS, Options, Report, account, cores, quantile, watch
from tests.broker import ANYBODY, KEEPS_ALL, Mosquitto
from tests.daemon import START_S, Daemon, pinned

STATIONS = 50_000
BEATS_PER_S = 20_000
"""Beats for each second that a trial is to last."""
CALM_PER_S = 5_000
LOOK_S = 0.25
PATIENCE_S = 180.0
PEER = "aiomqtt"
LATENESS = "tocsin_loop_lateness_seconds"
CONFIG = """
rule_packs = ["ietf", "mail-monitoring"]
[daemon]
log_format = "json"
[http]
listen = "127.0.0.1:{http}"
[stations]
stations_max = 1000000
discover_per_min = 100000
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{beat}"
client_id = "tocsin-bench"
[sinks.local]
"""


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("mqtt", options, main="per_s")
    stations = 500 if options.small else STATIONS
    beats = 2_000 if options.small else int(BEATS_PER_S * options.seconds)
    saturated = f"QoS 1 beats of {stations:,} stations, acknowledged"
    for _ in range(options.repeats):
        _ours(report, saturated, stations, beats)
        if options.peers:
            _peer(report, saturated, stations, beats)
        if not options.small:
            _ours(report, f"the same at {CALM_PER_S:,}/s", stations, int(CALM_PER_S * options.seconds), rate=CALM_PER_S)
    return report


def _ours(report: Report, case: str, stations: int, beats: int, *, rate: float = 0) -> None:
    with daemon_and_broker(report.options.fresh(OURS)) as daemon:
        before = daemon.books()
        with _published(daemon.ports["beat"], stations, beats, rate) as (count, began_s), watch(daemon.pid) as used:
            _until(lambda: daemon.books()["mqtt"]["received"] >= count)
            took_s = time.monotonic() - began_s
        after = daemon.quiet(("mqtt",))
        account(daemon, before, sent=count, collector="mqtt")
        late_s = {part: quantile(before.text, after.text, LATENESS, part) for part in (0.5, 0.99)}
        report.add(
            case, OURS, per_s=count / took_s, cpu_us=used.cpu_s / count * 1e6, load=used.cpu_s / used.seconds,
            rss_mib=used.rss_mib, late_median_ms=late_s[0.5] * 1000, late_p99_ms=late_s[0.99] * 1000,
        )  # fmt: skip


def _peer(report: Report, case: str, stations: int, beats: int) -> None:
    with _broker(report.options.fresh(PEER)) as broker:
        words = [sys.executable, str(Path(__file__).with_name("peer_aiomqtt.py")), str(broker.port)]
        peer = subprocess.Popen(pinned(words, cores()[1]), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def taken() -> int:
            peer.stdin.write("\n")
            peer.stdin.flush()
            return int(peer.stdout.readline())

        try:
            taken()  # it answers when it has subscribed
            with _published(broker.port, stations, beats, 0) as (count, began_s), watch(peer.pid) as used:
                _until(lambda: taken() >= count)
                took_s = time.monotonic() - began_s
            report.add(
                case, PEER, per_s=count / took_s, cpu_us=used.cpu_s / count * 1e6, load=used.cpu_s / used.seconds,
                rss_mib=used.rss_mib,
            )  # fmt: skip
        finally:
            peer.kill()
            peer.communicate()


def _until(true: Callable[[], bool]) -> None:
    """Look now and then, since to be asked takes time, too."""
    until_s = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < until_s, "not all that was published has been taken"
        time.sleep(LOOK_S)


@contextlib.contextmanager
def daemon_and_broker(folder: Path, *, start_s: float = START_S) -> Iterator[Daemon]:
    """The daemon, connected to a broker of its own."""
    daemon = Daemon(folder, CONFIG, ports=("beat",), cores=cores()[1], start_s=start_s)
    connected = 'tocsin_collector_connected{collector="mqtt"} 1.0'
    with _broker(daemon.folder, port=daemon.ports["beat"]), daemon:
        daemon.eventually(lambda: connected in daemon.books().text, 10, "connected to the broker")
        yield daemon


def _broker(folder: Path, *, port: int | None = None) -> Mosquitto:
    return Mosquitto(folder, ANYBODY, KEEPS_ALL, port=port, cores=cores()[0])


@contextlib.contextmanager
def _published(port: int, stations: int, count: int, rate: float) -> Iterator[tuple[int, float]]:
    """Publish ``count`` beats, or a few more, meanwhile; how many it will have been, and when it began."""
    publisher = subprocess.Popen(
        pinned([sys.executable, str(Path(__file__).with_name("publisher.py")), *map(str, (port, stations, count, rate))], cores()[0]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        count = int(publisher.stdout.readline())  # all is encoded now
        publisher.stdin.write("\n")
        publisher.stdin.flush()
        yield count, time.monotonic()
        assert publisher.wait(PATIENCE_S) == 0, "the publisher failed"
    finally:
        publisher.kill()
        publisher.communicate()

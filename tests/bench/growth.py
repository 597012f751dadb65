"""How the cost of a trap grows with fingerprints, and that of a beat with stations; other benchmarks hold the other curves."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path

from gateway.core.event import Beat, BeatKind, Event
from gateway.core.reason import Reason
from gateway.core.station import Policy
from gateway.core.terms import Terms
from gateway.plugin import Receipt
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.watch import Watch
from tests.bench.harness import OURS, Options, Report, account, cores, watch
from tests.bench.receivers import Ours
from tests.sender import Sender, write_datagrams
from tests.traps import once, stream, troubles

FINGERPRINTS = (10, 100, 1_000, 10_000)
STATIONS = (1_000, 10_000, 100_000)
PER_S = 2_000
"""Traps a second: few enough that none is dropped however many fingerprints they have."""
INTERVAL_S = 60
TRAP, BEAT = "CPU µs of a trap, over fingerprints", "CPU µs of a beat in process, over stations"
MEMORY = "MiB of memory, over fingerprints"


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("growth", options)
    sender = Sender(options.folder, cores=cores()[0])
    for _ in range(options.repeats):
        for count in (10,) if options.small else FINGERPRINTS:
            _trap(report, count, sender)
        for count in (100,) if options.small else STATIONS:
            report.point(BEAT, count, asyncio.run(_beat(options.fresh("stations"), count)))
    for curve in (TRAP, BEAT):
        costs = [cost for _, cost in report.lines()[curve]]
        report.add(curve, OURS, least=costs[0], most=costs[-1], times=costs[-1] / costs[0])
    return report


def _trap(report: Report, count: int, sender: Sender) -> None:
    """What a trap costs when ``count`` incidents are open and each of them goes on to cry."""
    folder, known = report.options.fresh(OURS), troubles(count)
    first = write_datagrams(folder / "first", once(known))
    traps = write_datagrams(folder / "traps", stream(known, max(2 * count, 1_000)))
    with Ours(folder) as daemon:
        sender.send(daemon.port, first, seconds=60, rate=PER_S, count=count)
        sender.send(daemon.port, traps, seconds=report.options.seconds / 4, rate=PER_S)
        before = daemon.quiet(("snmp",))
        with watch(daemon.pid) as used:
            sent = sender.send(daemon.port, traps, seconds=report.options.seconds, rate=PER_S).count
            account(daemon, before, sent=sent)
        report.point(TRAP, count, used.cpu_s / sent * 1e6)
        report.point(MEMORY, count, used.rss_mib)


class _Heeded:
    """An engine that has no trouble with any event."""

    def emit(self, event: Event) -> "asyncio.Future[Receipt]":
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        future.set_result(Receipt(incident="i", reason=Reason.FIRST_RAISED))
        return future

    def offer(self, event: Event) -> bool:
        return True


async def _beat(folder: Path, count: int) -> float:
    """CPU µs of a beat, its share of looking at the time and of the store with it: every station beats once an interval, evenly."""
    clock = ManualClock()
    async with open_sqlite(folder) as store:
        keeper = Watch(
            store=store, engine=_Heeded(), clock=clock,
            terms=Terms(policy=Policy(interval_s=INTERVAL_S, grace_s=30), most_stations=count, discover_per_min=count),
        )  # fmt: skip
        keeper.connected("mqtt", up=True, proven=True)
        beat = Beat(collector="mqtt", station="", at_ms=0, kind=BeatKind.BEAT)
        names = [f"lyon/s{number}" for number in range(count)]
        for name in names:
            keeper.heard(replace(beat, station=name, at_ms=clock.now_ms()))
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(keeper.run())
            began_s = time.process_time()
            for second in range(INTERVAL_S):
                await clock.advance(1)
                for name in names[second::INTERVAL_S]:
                    keeper.heard(replace(beat, station=name, at_ms=clock.now_ms()))
            await keeper.flush()
            took_s = time.process_time() - began_s
            serving.cancel()
    return took_s / count * 1e6

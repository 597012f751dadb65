"""A million stations under watch: memory, an idle processor, the longest turn of the event loop, and how late silence is found.

Memory and idleness are those of the daemon, started on a store that holds them. The rest is measured in process, on a
clock that is moved: the daemon would add the reading of beats, which `mqtt` measures, and minutes of waiting.
"""

import asyncio
import shutil
import statistics
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

from gateway.clock import SystemClock
from gateway.core.event import Beat, Event
from gateway.core.reason import Reason
from gateway.core.station import IntervalFrom, Policy, Station, StationState
from gateway.core.terms import Terms
from gateway.garbage import Garbage
from gateway.plugin import Receipt
from gateway.store.api import Store
from gateway.store.sqlite import open_sqlite
from gateway.testing.clock import ManualClock
from gateway.watch import Watch
from tests.bench.harness import OURS, Options, Report, watch
from tests.bench.mqtt import daemon_and_broker
from tests.daemon import status

STATIONS = 1_000_000
SITES = 2_000
INTERVAL_S, GRACE_S, CONFIRM_S = 60, 30, 10
SILENT = 20
"""Stations that fall silent, each at a site of its own."""
STEP = 20_000
PARTS = 10 * INTERVAL_S
"""Parts that an interval's beats come in."""
NOTHING = 150_000
"""Numbers that an empty turn counts: some three milliseconds, as a turn full of looks at stations takes."""
ROUNDS = 8
"""Times that the disk is waited for after each part: silence is announced, told and stored."""


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("stations", options)
    count = 2_000 if options.small else STATIONS
    filled = options.fresh("filled") / "state"
    asyncio.run(_fill(filled, count))
    case = f"the watch in process, {count:,} stations that beat every {INTERVAL_S} s"
    for _ in range(1 if options.small else min(3, options.repeats)):
        _daemon(report, filled, count)
        asyncio.run(_watch(report, case, count))
        _nothing(report, case, options.seconds)
    return report


def _name(number: int) -> tuple[str, str]:
    return f"st-{number:07}", f"site-{number % SITES:04}"


async def _fill(state: Path, count: int) -> None:
    """A store with stations that are up and beat by the hour, so that none is due while the daemon is measured."""
    now_ms = SystemClock().now_ms()
    async with open_sqlite(state) as store:
        for first in range(0, count, STEP):
            stations = [
                Station(
                    station=name, site=site, collector="mqtt", state=StationState.UP, interval_s=3600.0 + number % 3600,
                    interval_from=IntervalFrom.ANNOUNCED, grace_s=1800.0, seen_ms=now_ms - number % 60_000,
                    beats=1000 + number % 7, sequence=1000 + number % 999, sent_ms=now_ms - number % 60_000,
                )
                for number in range(first, min(count, first + STEP))
                for name, site in [_name(number)]
            ]  # fmt: skip
            await store.run(lambda tx, stations=stations: tx.save_stations(stations))


def _daemon(report: Report, filled: Path, count: int) -> None:
    options = report.options
    folder = options.fresh(OURS)
    shutil.copytree(filled, folder / "state")
    began_s = time.monotonic()
    with daemon_and_broker(folder, start_s=180) as daemon:
        ready_s = time.monotonic() - began_s
        time.sleep(min(5, options.seconds))
        with watch(daemon.pid) as used:
            time.sleep(options.seconds)
        report.add(
            f"the daemon with {count:,} stations", OURS, rss_mib=used.rss_mib, peak_mib=status(daemon.pid, "VmHWM") / 1024,
            idle_percent=100 * used.cpu_s / used.seconds, ready_s=ready_s,
        )  # fmt: skip
    shutil.rmtree(folder)


@dataclass(slots=True)
class _Engine:
    """Takes edges, and remembers when each station's was told."""

    clock: ManualClock
    told_ms: dict[str, int] = field(default_factory=dict)

    def emit(self, event: Event) -> "asyncio.Future[Receipt]":
        self.told_ms[event.source] = self.clock.now_ms()
        future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        future.set_result(Receipt(incident="i", reason=Reason.FIRST_RAISED))
        return future

    def offer(self, event: Event) -> bool:
        return True


async def _watch(report: Report, case: str, count: int) -> None:
    """Every station beats once an interval, evenly; some fall silent."""
    clock = ManualClock()
    engine = _Engine(clock)
    folder = report.options.fresh("watch")
    async with open_sqlite(folder) as store:
        keeper = Watch(
            store=store, engine=engine, clock=clock, terms=Terms(
                policy=Policy(interval_s=INTERVAL_S, grace_s=GRACE_S, confirm_s=CONFIRM_S, settle_beats=1),
                most_stations=count, discover_per_min=count,
            ),
        )  # fmt: skip
        keeper.connected("mqtt", up=True, proven=True)
        beats = [Beat(collector="mqtt", station=name, site=site, at_ms=0) for name, site in map(_name, range(count))]
        gone = {beats[count * number // SILENT + number].station for number in range(SILENT)}
        last_ms: dict[str, int] = {}
        beat_s, turns = 0.0, _Turns()
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(keeper.run(), name="watch")
            for part in range(3 * PARTS):
                now = [replace(beat, at_ms=clock.now_ms()) for beat in beats[part % PARTS :: PARTS]]
                if part >= PARTS:
                    now = [beat for beat in now if beat.station not in gone]
                else:
                    last_ms.update((beat.station, beat.at_ms) for beat in now)
                if part == PARTS:  # as the daemon does when it has taken up its stations
                    searching = tasks.create_task(Garbage().search(clock), name="garbage")
                    turns = _Turns()  # a million are not met for the first time in a minute
                began_s = time.process_time()
                for beat in now:
                    keeper.heard(beat)
                beat_s += time.process_time() - began_s
                del now  # no search for garbage is to find the benchmark's own
                await turns.count(clock, store, INTERVAL_S / PARTS)
            serving.cancel()
            searching.cancel()
    due_ms = 1000 * (INTERVAL_S + GRACE_S + CONFIRM_S)
    delays_s = [(told_ms - last_ms[name] - due_ms) / 1000 for name, told_ms in engine.told_ms.items()]
    assert len(delays_s) == SILENT, f"{len(delays_s)} of {SILENT} stations were told"
    report.add(
        case, OURS, turn_most_ms=turns.most_s * 1000, turn_most_cpu_ms=turns.most_cpu_s * 1000,
        beat_us=beat_s / (3 * count) * 1e6, found_late_median_s=statistics.median(delays_s), found_late_most_s=max(delays_s),
    )  # fmt: skip
    shutil.rmtree(folder)


class _Turns:
    """How long the turns of the event loop are while the watch does what is due."""

    def __init__(self) -> None:
        self.most_s = 0.0
        self.most_cpu_s = 0.0
        """Of our own thread: without waiting for the interpreter's lock, or for other programs."""

    async def count(self, clock: ManualClock, store: Store, seconds: float) -> None:
        """Let time pass, and whatever goes to the disk in it reach the disk."""
        async with asyncio.TaskGroup() as tasks:
            counting = tasks.create_task(self._count(), name="turns")
            await clock.advance(seconds)
            for _ in range(ROUNDS):
                await store.run(lambda _tx: None)
            counting.cancel()

    async def _count(self) -> None:
        """Take part in each turn, and remember nothing but the longest: a list of millions takes its own time to grow."""
        was_s, was_cpu_s = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0)
            was_s, was_cpu_s = self.took(was_s, was_cpu_s)

    def took(self, was_s: float, was_cpu_s: float) -> tuple[float, float]:
        """Count a turn that began then; when the next one begins."""
        now_s, now_cpu_s = time.perf_counter(), time.thread_time()
        self.most_s = max(self.most_s, now_s - was_s)
        self.most_cpu_s = max(self.most_cpu_s, now_cpu_s - was_cpu_s)
        return now_s, now_cpu_s


def _nothing(report: Report, case: str, seconds: float) -> None:
    """The same of a loop that only counts: how long a turn takes where the machine lends its processor to others."""
    turns, until_s = _Turns(), time.perf_counter() + seconds
    was_s, was_cpu_s = time.perf_counter(), time.thread_time()
    while was_s < until_s:
        for _ in range(NOTHING):
            pass
        was_s, was_cpu_s = turns.took(was_s, was_cpu_s)
    report.add(case, "an empty loop", turn_most_ms=turns.most_s * 1000, turn_most_cpu_ms=turns.most_cpu_s * 1000)

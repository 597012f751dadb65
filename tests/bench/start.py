"""How soon the daemon is ready, by the number of open incidents that it finds, and what it costs while nothing comes in."""

import asyncio
import secrets
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from gateway.clock import SystemClock
from gateway.core.ids import IdMaker
from gateway.core.impact import Impact
from gateway.core.judge import Judge
from gateway.core.rules import Rulebook, Setting
from gateway.engine import Engine, EngineLimits
from gateway.store.place import FILE_NAME
from gateway.store.sqlite import open_sqlite
from tests.bench.harness import OURS, Options, Report, watch
from tests.bench.receivers import Ours
from tests.bench.store import port_down
from tests.daemon import cpu_s

COUNTS = (0, 1_000, 10_000, 100_000)
SETTLE_S = 5.0
"""After the start, until the daemon is idle."""
SECONDS, CPU = "seconds from exec to ready, over open incidents", "CPU seconds from exec to ready, over open incidents"
_DEFAULTS = Setting(impact=Impact.MEDIUM, sinks=(), hold_ms=0, clear_hold_ms=0, reopen_within_ms=0)


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("start", options)
    counts = (20,) if options.small else COUNTS
    filled = {count: asyncio.run(_filled(options.fresh("state"), count)) for count in counts}
    left = filled if options.small else {count: _stopped(options, state) for count, state in filled.items()}
    for _ in range(options.repeats):
        for count, state in left.items():
            took_s, took_cpu_s = _start(options, state)
            report.point(SECONDS, count, took_s)
            report.point(CPU, count, took_cpu_s)
        if not options.small:
            took_s, took_cpu_s = _start(options, filled[counts[-1]])
            report.add(f"{counts[-1]:,} open incidents, and other inhibitions", OURS, seconds=took_s, cpu_s=took_cpu_s)
    for count in {counts[0], counts[-1]}:
        _idle(report, f"idle with {count:,} open incidents", left[count])
    return report


async def _filled(folder: Path, count: int) -> Path:
    """A state directory with so many open incidents of as many ports, ten on each device."""
    state = folder / "state"
    async with open_sqlite(state) as store:
        engine = Engine(
            store, judge=Judge(Rulebook((), defaults=_DEFAULTS)), clock=SystemClock(), new_id=IdMaker(secrets.randbits),
            limits=EngineLimits(pending_max=max(1, 2 * count)),
        )  # fmt: skip
        for number in range(count):
            engine.offer(port_down(number))
        await engine.drain()
    with closing(sqlite3.connect(state / FILE_NAME)) as db:
        assert db.execute("SELECT count(*) FROM incident WHERE state = 'open'").fetchone() == (count,)
    return state


def _stopped(options: Options, state: Path) -> Path:
    """The state that the daemon itself leaves when it takes up ``state`` and is stopped."""
    with _daemon(options, state) as daemon:
        daemon.stop()
    return daemon.folder / "state"


def _daemon(options: Options, state: Path) -> Ours:
    folder = options.fresh(OURS)
    shutil.copytree(state, folder / "state")
    return Ours(folder)


def _start(options: Options, state: Path) -> tuple[float, float]:
    """Seconds, and seconds of processor time, until it is ready."""
    daemon = _daemon(options, state)
    began_s = time.monotonic()
    with daemon:
        took_s, took_cpu_s = time.monotonic() - began_s, cpu_s(daemon.pid)
    shutil.rmtree(daemon.folder)
    return took_s, took_cpu_s


def _idle(report: Report, case: str, state: Path) -> None:
    seconds = report.options.seconds * 2
    with _daemon(report.options, state) as daemon:
        time.sleep(0.2 if report.options.small else SETTLE_S)
        with watch(daemon.pid) as used:
            time.sleep(seconds)
        report.add(case, OURS, cpu_percent=100 * used.cpu_s / used.seconds, rss_mib=used.rss_mib)

"""The commit path (judge, decide, write, sync) in process, beside a plain loop on `sqlite3` and SQLite's own limit.

All write the same rows into the same tables of a file of their own, with the same pragmas, and sync every commit.
"""

import asyncio
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from gateway.clock import SystemClock
from gateway.core.event import Event, EventKind
from gateway.core.ids import IdMaker
from gateway.core.impact import Impact
from gateway.core.judge import Judge
from gateway.core.rules import Rulebook, Setting
from gateway.engine import Engine, EngineLimits
from gateway.store.place import FILE_NAME, connect
from gateway.store.sqlite import open_sqlite
from tests.bench.harness import OURS, Options, Report

BATCH = 2_000
"""Rows of one commit: as many as the engine writes at once."""
LOOP, MANY, SYNC = "sqlite3 loop", "sqlite3 executemany", "fdatasync"
_SETTING = Setting(impact=Impact.MEDIUM, sinks=(), hold_ms=0, clear_hold_ms=0, reopen_within_ms=0)
_TABLES = {
    "incident": ("SELECT * FROM incident ORDER BY id", "INSERT INTO incident VALUES ({})"),
    "timeline": ("SELECT * FROM timeline ORDER BY id", "INSERT INTO timeline VALUES ({})"),
}
"""What a new incident writes, by table: how it is read, and how it is written."""


def run(options: Options) -> Report:
    """Measure all of it."""
    report = Report("store", options, main="per_s")
    batches = 1 if options.small else max(1, int(2 * options.seconds))
    singles = 20 if options.small else int(100 * options.seconds)
    for _ in range(options.repeats):
        many, one = f"new incidents, {BATCH:,} in a commit", "new incidents, each a commit"
        rows = asyncio.run(_ours(report, many, batches * BATCH, at_once=BATCH))
        _plain(report, many, LOOP, rows, at_once=BATCH)
        _plain(report, many, MANY, rows, at_once=BATCH)
        rows = asyncio.run(_ours(report, one, singles, at_once=1))
        _plain(report, one, LOOP, rows, at_once=1)
        _sync(report, one, singles)
        asyncio.run(_repeats(report, batches))
    return report


def port_down(number: int) -> Event:
    """One of many ports that is down."""
    device, port = divmod(number, 10)
    return Event(
        collector="snmp", source=f"10.{device >> 16}.{device >> 8 & 255}.{device & 255}", condition="link_down",
        kind=EventKind.RAISE, at_ms=SystemClock().now_ms(), object=f"ge-0/0/{port}", summary=f"ge-0/0/{port} is down",
        labels={"ifIndex": str(port), "ifDescr": f"ge-0/0/{port}", "ifAdminStatus": "up", "ifOperStatus": "down"},
    )  # fmt: skip


@contextmanager
def _timed(report: Report, case: str, program: str, count: int) -> Iterator[None]:
    wall_s, cpu_s = time.monotonic(), time.process_time()
    yield
    took_s = time.monotonic() - wall_s
    report.add(case, program, per_s=count / took_s, cpu_us=(time.process_time() - cpu_s) / count * 1e6)


async def _ours(report: Report, case: str, count: int, *, at_once: int) -> dict[str, list[tuple]]:
    """Through the engine; the rows that it wrote, by table."""
    folder = report.options.fresh("ours")
    async with open_sqlite(folder) as store:
        engine = Engine(
            store, judge=Judge(Rulebook((), defaults=_SETTING)), clock=SystemClock(), new_id=IdMaker(secrets.randbits),
            limits=EngineLimits(pending_max=2 * at_once, batch_max=at_once),
        )  # fmt: skip
        with _timed(report, case, OURS, count):
            for first in range(0, count, at_once):
                for number in range(first, first + at_once):
                    engine.offer(port_down(number))
                await engine.drain()
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        return {table: db.execute(words).fetchall() for table, (words, _) in _TABLES.items()}


def _plain(report: Report, case: str, program: str, rows: dict[str, list[tuple]], *, at_once: int) -> None:
    """The same rows by an INSERT each, or by one `executemany` a table, with a commit every ``at_once`` incidents."""
    with closing(connect(report.options.fresh("plain") / FILE_NAME)) as db:
        count = len(rows["incident"])
        with _timed(report, case, program, count):
            for first in range(0, count, at_once):
                db.execute("BEGIN IMMEDIATE")
                for table, of in rows.items():
                    words = _TABLES[table][1].format(", ".join("?" * len(of[0])))
                    share = len(of) * at_once // count  # entries of the timeline for each incident
                    part = of[first * share // at_once : (first + at_once) * share // at_once]
                    if program == MANY:
                        db.executemany(words, part)
                        continue
                    for row in part:
                        db.execute(words, row)
                db.execute("COMMIT")


def _sync(report: Report, case: str, count: int) -> None:
    """What the disk allows: a page written and synced, over and over."""
    file = os.open(report.options.fresh("sync") / "file", os.O_CREAT | os.O_WRONLY)
    try:
        with _timed(report, case, SYNC, count):
            for _ in range(count):
                os.write(file, bytes(4096))
                os.fdatasync(file)
    finally:
        os.close(file)


async def _repeats(report: Report, batches: int) -> None:
    """What was seen before: one row of each incident is written anew."""
    async with open_sqlite(report.options.fresh("repeats")) as store:
        engine = Engine(
            store, judge=Judge(Rulebook((), defaults=_SETTING)), clock=SystemClock(), new_id=IdMaker(secrets.randbits),
        )  # fmt: skip
        events = [port_down(number) for number in range(BATCH)]
        for one in events:
            engine.offer(one)
        await engine.drain()
        with _timed(report, f"open incidents that cry again, {BATCH:,} in a commit", OURS, batches * BATCH):
            for _ in range(batches):
                for one in events:
                    engine.offer(one)
                await engine.drain()

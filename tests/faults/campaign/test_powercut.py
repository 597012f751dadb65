"""The disk that forgets: what was synced is there after a power cut, what was not is not."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign.powercut import SECTOR, Disk, available, compiled

pytestmark = [pytest.mark.tools, pytest.mark.skipif(not available(), reason="gcc is not installed")]
WRITER = """
import sqlite3, sys
store = sqlite3.connect(sys.argv[1] + "/store.db", isolation_level=None)
store.execute("PRAGMA journal_mode = WAL")
store.execute("PRAGMA synchronous = " + sys.argv[2])
store.execute("CREATE TABLE IF NOT EXISTS said (number INTEGER PRIMARY KEY, text TEXT)")
number = store.execute("SELECT coalesce(max(number), 0) FROM said").fetchone()[0]
while True:
    number += 1
    store.execute("INSERT INTO said VALUES (?, ?)", (number, "x" * 2000))
    print(number, flush=True)
"""


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk.made(tmp_path, shim=compiled(tmp_path))


def committed(disk: Disk, synchronous: str, *, most: int) -> int:
    """Run the writer until it has said ``most``, and kill it; the last number that it said."""
    said = 0
    words = [sys.executable, "-c", WRITER, str(disk.live), synchronous]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, **disk.environ()}) as writer:
        for line in writer.stdout:
            said = int(line)
            if said % most == 0:
                break
        writer.kill()
        return max([said, *map(int, writer.stdout.read().split())])


def kept(disk: Disk) -> int:
    """The last number that the store has, which must be whole; read from a copy, since reading writes too."""
    copy = Path(tempfile.mkdtemp(dir=disk.live.parent))
    for path in disk.live.glob("store.db*"):
        shutil.copyfile(path, copy / path.name)
    store = sqlite3.connect(copy / "store.db")
    try:
        assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        last, count = store.execute("SELECT max(number), count(*) FROM said").fetchone()
        assert last == count
        return int(last)
    finally:
        store.close()


@pytest.mark.parametrize("torn", [False, True])
def test_what_was_synced_survives_any_number_of_power_cuts(disk: Disk, torn: bool) -> None:
    chance = random.Random(3)
    for most in (300, 37, 2000, 5):
        said = committed(disk, "FULL", most=most)
        disk.cut_power(chance, torn=torn)
        assert kept(disk) >= said


def test_a_kill_alone_loses_nothing_that_was_not_synced(disk: Disk) -> None:
    said = committed(disk, "NORMAL", most=300)
    assert kept(disk) >= said


def test_what_was_not_synced_is_lost(disk: Disk) -> None:
    committed(disk, "FULL", most=20)
    disk.cut_power(random.Random(1), torn=False)
    said = committed(disk, "NORMAL", most=300)
    disk.cut_power(random.Random(1), torn=False)
    assert kept(disk) < said


def test_what_an_earlier_process_left_unsynced_lasts_once_its_file_is_synced(disk: Disk) -> None:
    said = committed(disk, "NORMAL", most=100)
    assert committed(disk, "FULL", most=10) > said
    disk.cut_power(random.Random(1), torn=False)
    assert kept(disk) > said


def test_a_torn_disk_mixes_sectors_and_keeps_what_it_showed(disk: Disk) -> None:
    before, after = b"b" * 20 * SECTOR, b"a" * 20 * SECTOR
    disk.durable.joinpath("file").write_bytes(before)
    disk.live.joinpath("file").write_bytes(after)
    disk.live.joinpath("new").write_bytes(b"never synced")
    disk.cut_power(random.Random(5), torn=True)
    found = disk.live.joinpath("file").read_bytes()
    assert {found[at : at + 1] for at in range(0, len(found), SECTOR)} == {b"a", b"b"}
    assert disk.cut_power(random.Random(6), torn=False) == 0


KNOWS = """
import asyncio, sys
from pathlib import Path
from gateway.store.sqlite import open_sqlite

async def main():
    async with open_sqlite(Path(sys.argv[1])) as store:
        print("open", flush=True)
        if sys.argv[2] == "write":
            await store.run(lambda tx: tx.remember_upstream("mail:1", "0000000000001", at_ms=1))
        print(await store.run(lambda tx: tx.upstream("mail:1")), flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def test_what_a_new_daemon_takes_for_known_is_durable_though_the_old_one_died_before_its_sync(disk: Disk) -> None:
    """Else a mail that comes again is acknowledged as known, and the next power cut takes it."""

    def knows() -> str:
        return said(disk, "read", lambda process: process.stdout.readline().decode().strip())

    def dies_in_sync(_process: subprocess.Popen[bytes]) -> None:
        log = disk.live / "tocsin.db-wal"
        while b"mail:1" not in log.read_bytes():
            time.sleep(0.001)
        time.sleep(0.05)  # all pages are written, and the sync takes longer

    assert knows() == "None"
    said(replace(disk, fsync_us=400_000), "write", dies_in_sync)
    assert knows() == "0000000000001"
    disk.cut_power(random.Random(1), torn=False)
    assert knows() == "0000000000001"


def said(disk: Disk, what: str, hear: Callable[[subprocess.Popen[bytes]], Any]) -> Any:
    """What ``hear`` makes of a process that has opened the store, before it is killed."""
    words = [sys.executable, "-c", KNOWS, str(disk.live), what]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={**os.environ, **disk.environ()}) as process:
        assert process.stdout.readline() == b"open\n"
        heard = hear(process)
        process.kill()
        return heard

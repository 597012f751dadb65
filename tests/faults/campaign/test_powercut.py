"""The disk that forgets: what was synced is there after a power cut, what was not is not."""

import os
import random
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

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

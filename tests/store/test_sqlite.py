"""What only SQLite has: its file, its writer's thread, its group commit, and death by SIGKILL."""

import asyncio
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.store.api import StoreError
from gateway.store.sqlite import FILE_NAME, open_sqlite

WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.store.sqlite import open_sqlite

async def main():
    async with open_sqlite(Path(sys.argv[1])) as store:
        number = int(sys.argv[2])
        while True:
            jobs = [store.submit(lambda tx, n=n: tx.put(f"n{n}", b"x")) for n in range(number, number + 5)]
            for job in jobs:
                await job
                print(number, flush=True)
                number += 1

asyncio.run(main())
"""


async def _numbers(folder: Path) -> int:
    async with open_sqlite(folder) as store:
        number = 0
        while await store.run(lambda tx, number=number: tx.get(f"n{number}")):
            number += 1
        return number


async def test_what_a_finished_future_promised_survives_being_killed(tmp_path: Path) -> None:
    chance, number = random.Random(7), 0
    for _ in range(20):
        words = [sys.executable, "-c", WRITER, str(tmp_path), str(number)]
        process = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert await process.stdout.readline()  # it has begun
        await asyncio.sleep(chance.uniform(0, 0.05))
        os.kill(process.pid, signal.SIGKILL)
        promised = [int(line) for line in (await process.stdout.read()).split()]
        await process.wait()
        kept = await _numbers(tmp_path)
        assert kept > max(promised, default=number)
        number = kept


async def test_works_that_wait_share_one_commit(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        commits: list[str] = []
        store._db.set_trace_callback(commits.append)
        gate = asyncio.Event()
        loop = asyncio.get_running_loop()

        def slow(_tx: object) -> None:
            asyncio.run_coroutine_threadsafe(gate.wait(), loop).result()

        first = store.submit(slow)
        rest = [store.submit(lambda tx, n=n: tx.put(f"k{n}", b"v")) for n in range(50)]
        gate.set()
        await first
        for job in rest:
            await job
        assert commits.count("COMMIT") <= 2  # the slow one may have been alone
        store._db.set_trace_callback(None)


async def test_a_failing_work_undoes_itself_alone(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:

        def poisoned(tx) -> None:
            tx.put("poison", b"x")
            raise KeyError("poison")

        jobs = [store.submit(lambda tx: tx.put("before", b"x")), store.submit(poisoned)]
        jobs.append(store.submit(lambda tx: tx.put("after", b"x")))
        await asyncio.wait(jobs)
        assert [type(job.exception()) for job in jobs] == [type(None), KeyError, type(None)]
        with pytest.raises(KeyError):
            await store.run(poisoned)  # alone in its commit
        keys = ("before", "poison", "after")
        assert [await store.run(lambda tx, key=key: tx.get(key)) for key in keys] == [b"x", None, b"x"]


async def test_a_full_disk_refuses_and_a_freed_one_takes_again(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        await store.run(lambda tx: tx.put("first", b"x"))
        pages = store._db.execute("PRAGMA page_count").fetchone()[0]
        store._db.execute(f"PRAGMA max_page_count = {pages}")
        jobs = [store.submit(lambda tx, n=n: tx.put(f"big{n}", b"x" * 100_000)) for n in range(3)]
        await asyncio.wait(jobs)
        assert {type(job.exception()) for job in jobs} == {StoreError}
        with pytest.raises(StoreError, match="full"):
            await store.run(lambda tx: tx.put("alone", b"x" * 100_000))
        store._db.execute("PRAGMA max_page_count = 1000000")
        await store.run(lambda tx: tx.put("big", b"x" * 100_000))
        assert await store.run(lambda tx: (tx.get("first"), tx.get("big0"), tx.get("alone"))) == (b"x", None, None)


async def test_a_caller_that_is_cancelled_does_not_cancel_the_work(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path) as store:
        waiting = asyncio.Event()
        loop = asyncio.get_running_loop()
        first = store.submit(lambda _tx: asyncio.run_coroutine_threadsafe(waiting.wait(), loop).result())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await store.run(lambda tx: tx.put("k", b"v"))
        waiting.set()
        await first
        assert await store.run(lambda tx: tx.get("k")) == b"v"


async def test_closing_finishes_what_waits_even_if_every_thread_is_busy(tmp_path: Path) -> None:
    loop, gate = asyncio.get_running_loop(), asyncio.Event()
    block = [
        loop.run_in_executor(None, lambda: asyncio.run_coroutine_threadsafe(gate.wait(), loop).result())
        for _ in range(64)
    ]
    async with asyncio.timeout(5):
        async with open_sqlite(tmp_path) as store:
            jobs = [store.submit(lambda tx, n=n: tx.put(f"k{n}", b"v")) for n in range(10)]
        assert all(job.done() and job.exception() is None for job in jobs)
        with pytest.raises(StoreError, match="closed"):
            await store.run(lambda tx: tx.get("k0"))
    gate.set()
    await asyncio.wait(block)


async def test_a_fresh_store_has_the_schema_and_opens_again(tmp_path: Path) -> None:
    for _ in range(2):
        async with open_sqlite(tmp_path / "new" / "state") as store:
            assert await store.run(lambda tx: tx.stations()) == []
    path = tmp_path / "new" / "state"
    assert path.stat().st_mode & 0o777 == 0o700
    assert (path / FILE_NAME).stat().st_mode & 0o777 == 0o600


async def test_two_daemons_never_share_a_store(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path):
        with pytest.raises(StoreError, match="another Tocsin"):
            async with open_sqlite(tmp_path):
                pass


def _spoil_header(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def _spoil_pages(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 4096 * 3] = b"\xa5" * 8192
    path.write_bytes(bytes(content))


def _from_the_future(path: Path) -> None:
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 999")
    db.close()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_spoil_header, "damaged.*restore a backup"),
        (_spoil_pages, "damaged.*restore a backup"),
        (_from_the_future, "schema version 999.*install the newer"),
    ],
)
async def test_a_store_that_cannot_be_trusted_is_refused_in_one_sentence_and_left_alone(tmp_path, spoil, said) -> None:
    async with open_sqlite(tmp_path) as store:
        await store.run(lambda tx: tx.put("k", b"v"))
    spoil(tmp_path / FILE_NAME)
    before = (tmp_path / FILE_NAME).read_bytes()
    for _ in range(2):
        with pytest.raises(StoreError, match=said) as caught:
            async with open_sqlite(tmp_path):
                pass
        assert "\n" not in str(caught.value)
    assert (tmp_path / FILE_NAME).read_bytes()[:4096] == before[:4096]


async def test_a_folder_that_cannot_be_written_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot open the store .*check that the folder"):
        async with open_sqlite(tmp_path / "file" / "state"):
            pass


async def test_a_folder_with_letters_that_mean_something_in_a_uri(tmp_path: Path) -> None:
    async with open_sqlite(tmp_path / "50% #1?mode=rw") as store:
        assert (await store.reader.stations()).items == []


async def test_a_clean_stop_leaves_everything_in_the_one_file_though_somebody_has_read(tmp_path, say) -> None:
    async with say.open_sqlite(tmp_path) as store:
        await store.run(lambda tx: tx.write(say.decision(say.incident()), now_ms=say.now))
        assert (await store.reader.incidents()).items
    assert not list(tmp_path.glob("*-wal"))

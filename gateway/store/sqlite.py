"""SQLite: one file, one writer thread, group commit.

Works that arrive while a commit runs are committed together by the next one, so a commit's cost is shared by all that
wait. `synchronous=FULL`: what a finished future promised survives a power cut, not only a kill.
"""

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import structlog

from gateway.store.api import StoreError, Transaction
from gateway.store.care import Caretaker
from gateway.store.disk import Ballast, Files, is_full, is_of_disk, refusal
from gateway.store.place import BALLAST_NAME, FILE_NAME, connect, locked
from gateway.store.queries import SqliteReader
from gateway.store.transaction import SqliteTransaction

log = structlog.get_logger()

T = TypeVar("T")

BALLAST_BYTES = 16 << 20
_NO_ROOM = "the store refused to write: its disk is full; make room there"
VACUUM_PAGES = 100
VACUUMS = 10
"""So often so many free pages are given back to a full disk with one commit: the writer is never busy for long."""
_FAULTS_OF_WORKS = (
    sqlite3.IntegrityError,
    sqlite3.DataError,
    sqlite3.InterfaceError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
)
"""The disk is well: the work asked for what cannot be. To ask again would never help."""


@dataclass(slots=True)
class _Job:
    work: Callable[[Transaction], Any]
    future: asyncio.Future[Any]
    makes_room: bool = False
    result: Any = None
    error: Exception | None = None


class SqliteStore:
    """Implements `gateway.store.api.Store`."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        reader: SqliteReader,
        loop: asyncio.AbstractEventLoop,
        *,
        caretaker: Caretaker | None = None,
        ballast: Ballast | None = None,
        files: Files | None = None,
    ) -> None:
        self.reader = reader
        self.caretaker = caretaker or Caretaker(Path(FILE_NAME))
        self._ballast = ballast or Ballast()
        self._files = files or Files()
        self._full = False
        """The disk was full, and there is no room for the ballast yet."""
        self._lost = ""
        """Why nothing can be stored until a restart."""
        self._db = connection
        self._transaction = SqliteTransaction(connection)
        self._loop = loop
        self._jobs: list[_Job] = []
        self._wake = threading.Condition()
        self._closing = False
        self._closed: asyncio.Future[None] = loop.create_future()
        self._thread = threading.Thread(target=self._write_until_closed, name="store-writer", daemon=True)

    def submit(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue ``work`` for the writer's thread; the future holds its result when it is on disk."""
        return self._submit(work)

    async def make_room(self, work: Callable[[Transaction], T]) -> T:
        """`run` for a work that only forgets: it is done on a full disk, too, with the ballast's room."""
        return await asyncio.shield(self._submit(work, makes_room=True))

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """`submit`, awaited; a caller that is cancelled does not cancel the work."""
        return await asyncio.shield(self.submit(work))

    def start(self) -> None:
        """Take the ballast, and start the writer's thread."""
        if pages := self._ballast.log_pages:
            self._db.execute(f"PRAGMA wal_autocheckpoint = {pages}")
        if not self._ballast.make():
            log.warning("store.ballast_missing", cure="make room on the store's disk, and restart")
        self._files.lost()  # remembers which they are
        self._thread.start()

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        # Not by an executor: its threads may all be busy, and a stop must not wait for them.
        await asyncio.shield(self._closed)

    def _submit(self, work: Callable[[Transaction], T], *, makes_room: bool = False) -> asyncio.Future[T]:
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            if self._closing:
                future.set_exception(StoreError("the store is closed"))
                return future
            self._jobs.append(_Job(work, future, makes_room))
            self._wake.notify()
        return future

    # --- the writer's thread ---------------------------------------------------------------------

    def _write_until_closed(self) -> None:
        while jobs := self._next_jobs():
            self._commit(jobs)
            self._tell_loop(_release, jobs)
        self._db.close()  # here, for it may take a moment to bring the log into the file
        self._tell_loop(self._close_is_done)

    def _next_jobs(self) -> list[_Job]:
        """Wait for works; none means that the store is to be closed."""
        with self._wake:
            while not self._jobs and not self._closing:
                self._wake.wait()
            jobs, self._jobs = self._jobs, []
            return jobs

    def _tell_loop(self, callback: Callable[..., None], *arguments: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is gone, and with it everybody who waited
            self._loop.call_soon_threadsafe(callback, *arguments)

    def _commit(self, jobs: list[_Job]) -> None:
        welcome = self._welcome(jobs)
        if not welcome:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in welcome:
                self._run_one(job, alone=len(welcome) == 1)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            self._transaction.forget()
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            _refuse(welcome, refusal(error))
            if is_full(error):
                self._give_up_ballast()
        if self._full:
            self._shrink()
        if lost := self._files.lost():
            self._lost = lost
            self._save_log()  # what was acknowledged is in it, if not in the file
            _refuse(welcome, StoreError(lost))

    def _welcome(self, jobs: list[_Job]) -> list[_Job]:
        """The works that may be tried; the rest are refused."""
        if self._lost:
            _refuse(jobs, StoreError(self._lost))
            return []
        if self._full and not self._take_ballast_again():
            _refuse([job for job in jobs if not job.makes_room], StoreError(_NO_ROOM))
            return [job for job in jobs if job.makes_room]
        return jobs

    def _give_up_ballast(self) -> None:
        if not self._full:
            log.warning("store.ballast_released")
        self._full = True
        self._ballast.release()
        self._save_log_if_it_fits()

    def _take_ballast_again(self) -> bool:
        self._save_log_if_it_fits()
        self._full = not self._ballast.make()
        if not self._full:
            log.info("store.ballast_restored")
        return not self._full

    def _shrink(self) -> None:
        """Give free pages back to the disk, a few at a time: to move them takes room in the log."""
        with contextlib.suppress(sqlite3.Error):
            for _ in range(VACUUMS):
                if not self._db.execute("PRAGMA freelist_count").fetchone()[0]:
                    return
                # A page for each step, and `execute` makes only one where no column comes back.
                self._db.executescript(f"PRAGMA incremental_vacuum({VACUUM_PAGES})")
                self._save_log_if_it_fits()

    def _save_log_if_it_fits(self) -> None:
        """Empty the log unless there is no room in the file: to try would eat what is left."""
        with contextlib.suppress(sqlite3.Error):
            pages, size = (self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
            if self._files.may_grow_to(pages * size):
                self._save_log()

    def _save_log(self) -> None:
        """Bring the log into the file, and empty it."""
        with contextlib.suppress(sqlite3.Error):
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def _run_one(self, job: _Job, *, alone: bool) -> None:
        """Run one work; if it fails, undo it alone, so that a poisoned work spoils no other."""
        if not alone:
            self._db.execute("SAVEPOINT work")
        try:
            job.result = job.work(self._transaction)
            self._transaction.finish()
        except Exception as error:
            if is_of_disk(error):
                raise
            job.error = _as_told(error)
            self._transaction.forget()
            self._db.execute("ROLLBACK" if alone else "ROLLBACK TO work")
            if alone:
                self._db.execute("BEGIN IMMEDIATE")
        if not alone:
            self._db.execute("RELEASE work")

    def _commit_here(self, work: Callable[[Transaction], T], future: asyncio.Future[T]) -> None:
        """Do ``work`` on this thread, and settle its future: for a store without a writer's thread."""
        jobs = [_Job(work, future)]
        self._commit(jobs)
        _release(jobs)

    # --- on the event loop -----------------------------------------------------------------------

    def _close_is_done(self) -> None:
        self._thread.join()  # its last act was to call this
        if not self._closed.done():
            self._closed.set_result(None)


def _as_told(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error) and not isinstance(error, _FAULTS_OF_WORKS):
        return refusal(error)
    return error


def _refuse(jobs: list[_Job], why: StoreError) -> None:
    for job in jobs:
        job.error = job.error or why


def _release(jobs: list[_Job]) -> None:
    for job in jobs:
        if job.future.done():
            continue
        if job.error is not None:
            job.future.set_exception(job.error)
        else:
            job.future.set_result(job.result)


# --- opening ---------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def open_sqlite(state_dir: Path, *, ballast_bytes: int = BALLAST_BYTES) -> AsyncIterator[SqliteStore]:
    """Open (and, the first time, make) the store in ``state_dir``.

    Args:
        state_dir: the folder.
        ballast_bytes: room to keep for the day when the disk is full; 0 for none.

    Raises:
        StoreError: the folder is not writable, another daemon uses it, or the file is damaged or of a newer version;
            one sentence.
    """
    loop = asyncio.get_running_loop()
    path = state_dir / FILE_NAME
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader") as pool, locked(state_dir):
        connection = await loop.run_in_executor(pool, connect, path)
        reader = SqliteReader(path, pool)
        caretaker = Caretaker(path)
        ballast = Ballast(state_dir / BALLAST_NAME, ballast_bytes)
        store = SqliteStore(connection, reader, loop, caretaker=caretaker, ballast=ballast, files=Files(path))
        store.start()
        try:
            yield store
        finally:
            caretaker.close()
            try:
                await reader.close()  # before the writer: only the last to close brings the log into the file
            finally:
                await store.close()

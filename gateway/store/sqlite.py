"""SQLite: one file, one writer thread, group commit.

Works that arrive while a commit runs are committed together by the next one, so a commit's cost is shared by all that
wait. `synchronous=FULL`: what a finished future promised survives a power cut, not only a kill.
"""

import asyncio
import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from gateway.store.api import StoreError, StoreUnusable, Transaction
from gateway.store.migrate import migrate
from gateway.store.queries import SqliteReader
from gateway.store.transaction import SqliteTransaction

T = TypeVar("T")

FILE_NAME = "tocsin.db"
LOCK_NAME = "tocsin.lock"
_PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "busy_timeout = 5000",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 67108864",
    "cache_size = -65536",
    "temp_store = MEMORY",
)
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
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
    result: Any = None
    error: Exception | None = None


class SqliteStore:
    """Implements `gateway.store.api.Store`."""

    def __init__(self, connection: sqlite3.Connection, reader: SqliteReader, loop: asyncio.AbstractEventLoop) -> None:
        self.reader = reader
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
        future: asyncio.Future[T] = self._loop.create_future()
        with self._wake:
            if self._closing:
                future.set_exception(StoreError("the store is closed"))
                return future
            self._jobs.append(_Job(work, future))
            self._wake.notify()
        return future

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """`submit`, awaited; a caller that is cancelled does not cancel the work."""
        return await asyncio.shield(self.submit(work))

    def start(self) -> None:
        """Start the writer's thread."""
        self._thread.start()

    async def close(self) -> None:
        """Finish what waits, then close the file."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        # Not by an executor: its threads may all be busy, and a stop must not wait for them.
        await asyncio.shield(self._closed)

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
        try:
            self._db.execute("BEGIN IMMEDIATE")
            for job in jobs:
                self._run_one(job, alone=len(jobs) == 1)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self._db.execute("ROLLBACK")
            refused = StoreError(f"the store refused to write: {error}")
            for job in jobs:
                job.error = job.error or refused

    def _run_one(self, job: _Job, *, alone: bool) -> None:
        """Run one work; if it fails, undo it alone, so that a poisoned work spoils no other."""
        if not alone:
            self._db.execute("SAVEPOINT work")
        try:
            job.result = job.work(self._transaction)
        except Exception as error:  # noqa: BLE001 - whatever it is, it belongs to whoever asked for the work
            job.error = _as_told(error)
            self._db.execute("ROLLBACK" if alone else "ROLLBACK TO work")
            if alone:
                self._db.execute("BEGIN IMMEDIATE")
        if not alone:
            self._db.execute("RELEASE work")

    # --- on the event loop -----------------------------------------------------------------------

    def _close_is_done(self) -> None:
        self._thread.join()  # its last act was to call this
        if not self._closed.done():
            self._closed.set_result(None)


def _as_told(error: Exception) -> Exception:
    if isinstance(error, sqlite3.Error) and not isinstance(error, _FAULTS_OF_WORKS):
        return StoreError(f"the store refused: {error}")
    return error


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
async def open_sqlite(state_dir: Path) -> AsyncIterator[SqliteStore]:
    """Open (and, the first time, make) the store in ``state_dir``.

    Raises:
        StoreError: the folder is not writable, another daemon uses it, or the file is damaged or of a newer version;
            one sentence.
    """
    loop = asyncio.get_running_loop()
    path = state_dir / FILE_NAME
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-reader") as pool, _locked(state_dir):
        connection = await loop.run_in_executor(pool, _connect, path)
        reader = SqliteReader(path, pool)
        store = SqliteStore(connection, reader, loop)
        store.start()
        try:
            yield store
        finally:
            await store.close()
            await reader.close()


@contextlib.contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    """Make the folder and keep it to this process: two daemons on one store would open every ticket twice."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_open(state_dir / FILE_NAME, error) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another Tocsin runs on the store in {state_dir}: stop it first") from None
        yield
    finally:
        os.close(lock)


def _connect(path: Path) -> sqlite3.Connection:
    try:
        path.touch(mode=0o600)  # mails are in there
        _sync_log(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise _cannot_open(path, error) from None
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise _damaged(path, damage)
        migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE
        raise (_damaged(path, error) if damaged else _cannot_open(path, error)) from None
    except StoreError:
        connection.close()
        raise
    return connection


def _sync_log(path: Path) -> None:
    """Make durable what a process wrote that died before its sync: SQLite takes it for committed, and so shall we.

    Only before the store is opened: closing the descriptor would drop SQLite's locks.
    """
    with contextlib.suppress(FileNotFoundError):
        log = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(log)
        finally:
            os.close(log)


def _cannot_open(path: Path, why: object) -> StoreError:
    return StoreError(f"cannot open the store {path}: {why}; check that the folder exists and is writable")


def _damaged(path: Path, why: object) -> StoreUnusable:
    what = " ".join(str(why).split())
    return StoreUnusable(f"the store {path} is damaged ({what}): restore a backup, or move it away to begin anew")

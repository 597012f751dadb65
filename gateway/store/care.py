"""Looking after the store's file without keeping its writer waiting: is it sound, and a copy of it while it is used."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from gateway.store.api import StoreError

T = TypeVar("T")


def examine(path: Path, *, thorough: bool = False) -> str:
    """What is wrong with a database file, in SQLite's words; empty if it is sound.

    Args:
        path: the file; a running daemon may use it.
        thorough: compare indexes with tables, too.

    Raises:
        StoreError: it could not be looked at now.
    """
    return _reading(path, lambda db: _examine(db, thorough=thorough))


class Caretaker:
    """Works through a connection of its own that only reads, on a thread of its own: it may take its time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="store-care")
        self._busy: sqlite3.Connection | None = None
        self._closed = False

    async def examine(self) -> str:
        """What is wrong with the store's file (`examine`)."""
        return await self._run(self._path, _examine)

    async def copy(self, source: Path, target: Path) -> None:
        """Write a consistent, sound copy of the database ``source``, which may be in use, to the new file ``target``.

        Raises:
            StoreError: it cannot be read, or there is no room.
        """

        def work(db: sqlite3.Connection) -> None:
            target.touch(mode=0o600)  # SQLite takes an empty file, and mails are in there
            db.execute("VACUUM INTO ?", (str(target),))

        await self._run(source, work)

    def close(self) -> None:
        """Break off what is being done."""
        self._closed = True
        if self._busy is not None:
            with contextlib.suppress(sqlite3.Error):
                self._busy.interrupt()
        self._pool.shutdown()

    async def _run(self, path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._closed:
            raise StoreError("the store is closed")
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._work, path, work)

    def _work(self, path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
        def watched(db: sqlite3.Connection) -> T:
            self._busy = db
            if self._closed:
                raise StoreError("the store is closed")
            return work(db)

        try:
            return _reading(path, watched)
        finally:
            self._busy = None


def _reading(path: Path, work: Callable[[sqlite3.Connection], T]) -> T:
    try:
        with contextlib.closing(_connected(path)) as db:
            return work(db)
    except sqlite3.Error as error:
        raise StoreError(f"cannot read {path}: {error}") from None


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
    )


def _examine(db: sqlite3.Connection, *, thorough: bool = False) -> str:
    try:
        said = db.execute(f"PRAGMA {'integrity' if thorough else 'quick'}_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
            raise
        said = str(error)
    return "" if said == "ok" else " ".join(str(said).split())

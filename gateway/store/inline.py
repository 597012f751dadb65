"""A store in memory, written on the caller's own thread: for rehearsals, where nothing need last and nothing may wait."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from gateway.store.api import StoreError, Transaction
from gateway.store.migrate import migrate
from gateway.store.queries import SqliteReader
from gateway.store.sqlite import SqliteStore

T = TypeVar("T")

_NOWHERE = Path(":memory:")


class InlineStore(SqliteStore):
    """The store of `gateway.store.sqlite` without its thread and its file: a work is done when it is submitted."""

    def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Forget everything."""
        self._closing = True
        self._db.close()

    def _submit(self, work: Callable[[Transaction], T], *, makes_room: bool = False) -> asyncio.Future[T]:  # noqa: ARG002 - memory has no full disk
        future: asyncio.Future[T] = self._loop.create_future()
        if self._closing:
            future.set_exception(StoreError("the store is closed"))
            return future
        self._commit_here(work, future)
        return future


class _InlineReader(SqliteReader):
    """Reads by the writer's own connection."""

    def __init__(self, db: sqlite3.Connection, pool: ThreadPoolExecutor) -> None:
        super().__init__(_NOWHERE, pool)
        self._own = db

    async def _read(self, read: Callable[[sqlite3.Connection], Any]) -> Any:
        return read(self._own)


@contextlib.asynccontextmanager
async def open_inline() -> AsyncIterator[InlineStore]:
    """A new, empty store that is forgotten at the end of the block."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute("PRAGMA foreign_keys = ON")
    migrate(db)
    with ThreadPoolExecutor(max_workers=1) as unused:  # makes no thread until it is given work
        store = InlineStore(db, _InlineReader(db, unused), asyncio.get_running_loop())
        try:
            yield store
        finally:
            await store.close()

"""The product's own store, on memory: its commits run on the loop's thread, at instants where the process may die.

What a power cut leaves is what was synced. With ``synchronous = FULL`` that is every commit; with ``NORMAL`` SQLite
syncs its log only at checkpoints, so the commits since the last one are gone. (That real files behave so is shown by
the campaign, ``tests/faults/campaign``; here it is the model.)
"""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.store.api import Transaction
from gateway.store.migrate import migrate
from gateway.store.place import PRAGMAS
from gateway.store.queries import SqliteReader
from gateway.store.sqlite import SqliteStore, _release

if TYPE_CHECKING:
    from tests.faults.simulate.loop import SimLoop
    from tests.faults.simulate.world import World

T = TypeVar("T")
Image = tuple[tuple[str, tuple[tuple[Any, ...], ...]], ...]
"""The rows of every table."""

CHECKPOINT_EVERY = 12
"""Commits between checkpoints, where only those are synced."""


def products_synchronous() -> str:
    """What the product sets: ``FULL`` or ``NORMAL``."""
    chosen = dict(pragma.split(" = ") for pragma in PRAGMAS)
    return chosen["synchronous"]


class Disk:
    """The database, which outlives processes. One connection serves all schedules: its rows are put back, not the file."""

    def __init__(self) -> None:
        self.db = sqlite3.connect(":memory:", isolation_level=None)
        for pragma in PRAGMAS:
            self.db.execute(f"PRAGMA {pragma}")
        migrate(self.db)
        names = self.db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rootpage").fetchall()
        self._tables = [name for (name,) in names if not name.startswith("sqlite_stat")]
        self._inserts = {name: self._insert(name) for name in self._tables}
        self._cached: tuple[int, Image] | None = None
        self.blank = self.image()

    def image(self) -> Image:
        """Every row, as it is committed now."""
        if self._cached is None or self._cached[0] != self.db.total_changes:
            rows = tuple((name, tuple(self.db.execute(f"SELECT * FROM {name}"))) for name in self._tables)  # noqa: S608 - the schema's names
            self._cached = (self.db.total_changes, rows)
        return self._cached[1]

    def put_back(self, image: Image) -> None:
        """Make the rows those of ``image``."""
        if image is self.image():
            return
        self.db.execute("PRAGMA query_only = OFF")
        self.db.execute("PRAGMA foreign_keys = OFF")
        self.db.execute("BEGIN")
        for name, rows in image:
            self.db.execute(f"DELETE FROM {name}")  # noqa: S608 - the schema's names
            self.db.executemany(self._inserts[name], rows)
        self.db.execute("COMMIT")
        self.db.execute("PRAGMA foreign_keys = ON")
        self._cached = (self.db.total_changes, image)

    def _insert(self, name: str) -> str:
        width = len(self.db.execute(f"PRAGMA table_info({name})").fetchall())
        return f"INSERT INTO {name} VALUES ({', '.join('?' * width)})"  # noqa: S608 - the schema's names


class SimStore(SqliteStore):
    """`SqliteStore` without its thread; the group commit, its savepoints and its errors are the product's."""

    def __init__(self, world: "World", loop: "SimLoop") -> None:
        super().__init__(world.disk.db, _no_reader(), loop)
        self._world = world
        self._turning = False
        self.most_jobs = 0

    def submit(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        if self._world.dead:
            return self._loop.create_future()
        future = super().submit(work)
        self.most_jobs = max(self.most_jobs, len(self._jobs))
        if not self._turning:
            self._turning = True
            self._loop.call_soon(self._turn)
        return future

    def _turn(self) -> None:
        self._turning = False
        world = self._world
        if world.dead:
            return
        jobs = self._next_jobs()
        if not jobs:
            return
        before, prior = self._db.total_changes, world.snapshot_if_may_die()
        self._commit(jobs)
        if self._db.total_changes != before:
            if world.point("before a commit", prior):
                assert prior is not None
                world.disk.put_back(prior.image)  # it was never committed
                return
            world.committed()
            if world.point("after a commit"):
                return
        _release(jobs)


def _no_reader() -> SqliteReader:
    return SqliteReader.__new__(SqliteReader)  # faces read; no face runs here

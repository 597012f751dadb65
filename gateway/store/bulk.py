"""Rows that are written many at once, so that a batch of inputs costs few statements.

Each step of a statement gives up the interpreter's lock, and waits to get it back while the event loop decodes. What else
is asked of the database comes behind the rows that wait, so no statement sees less than was said before it.
"""

import sqlite3
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

SIZES = (100, 20, *range(10, 0, -1))
"""Rows of one statement: one for the few of a small batch, few texts for all numbers (`gateway.store.place.STATEMENTS`), and fewer
values than SQLite takes (SQLITE_MAX_VARIABLE_NUMBER)."""


@dataclass(frozen=True, slots=True, eq=False)  # each is one of its kind, and the key of the rows that wait for it
class Bulk:
    """A statement for any number of rows: ``{}`` stands for their values."""

    words: str
    width: int
    """Values in a row."""


class Writer:
    """The writer's connection, with the rows that wait."""

    def __init__(self, connection: sqlite3.Connection, order: Iterable[Bulk]) -> None:
        """``order``: how the rows that wait are written, those that others refer to first."""
        self._connection = connection
        self._waiting: dict[Bulk, dict[Hashable, Sequence[Any]]] = {bulk: {} for bulk in order}
        self._any = False

    def later(self, bulk: Bulk, row: Sequence[Any], *, key: Hashable = None) -> None:
        """Write ``row`` with others, in place of one that waits under the same key, if it has one."""
        waiting = self._waiting[bulk]
        waiting[len(waiting) if key is None else key] = row
        self._any = True

    def waits(self, bulk: Bulk, key: Hashable) -> bool:
        """Whether a row waits under this key."""
        return key in self._waiting[bulk]

    def execute(self, words: str, values: Any = ()) -> sqlite3.Cursor:
        """`sqlite3.Connection.execute`, behind what waits."""
        self.flush()
        return self._connection.execute(words, values)

    def executemany(self, words: str, rows: Iterable[Any]) -> sqlite3.Cursor:
        """`sqlite3.Connection.executemany`, behind what waits."""
        self.flush()
        return self._connection.executemany(words, rows)

    def look_at(self, bulk: Bulk, words: str, values: Any) -> sqlite3.Cursor:
        """`execute`, for a question that no rows but those of ``bulk`` concern."""
        if self._waiting[bulk]:
            self.flush()
        return self._connection.execute(words, values)

    def look_up(self, words: str, values: Iterable[Any], *, first: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """The rows that a question with ``IN ({})``, behind the parameters of ``first``, finds for ``values``."""
        self.flush()
        for words_of_size, some in _cut(words, 1, _filled([(value,) for value in values])):
            yield from self._connection.execute(words_of_size, (*first, *some)).fetchall()

    def flush(self) -> None:
        """Write what waits.

        Raises:
            sqlite3.Error: one of the rows cannot be; those behind it are forgotten.
        """
        if not self._any:
            return
        self._any = False
        for bulk, waiting in self._waiting.items():
            if waiting:
                written = list(waiting.values())
                waiting.clear()
                for words, values in _cut(bulk.words, bulk.width, written):
                    self._connection.execute(words, values)

    def forget(self) -> None:
        """Write nothing of what waits."""
        self._any = False
        for waiting in self._waiting.values():
            waiting.clear()


def _cut(words: str, width: int, rows: Sequence[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
    """The statements, with their values, that take all rows."""
    start = 0
    for size in SIZES:
        while len(rows) - start >= size:
            yield _of_size(words, width, size), list(chain.from_iterable(rows[start : start + size]))
            start += size


def _filled(rows: list[tuple[Any]]) -> list[tuple[Any]]:
    """So many as one statement asks for, by asking twice for the last; those of more than the greatest as they are."""
    size = min((size for size in SIZES if size >= len(rows)), default=0)
    return rows + rows[-1:] * (size - len(rows)) if rows else rows


@lru_cache(maxsize=200)
def _of_size(words: str, width: int, size: int) -> str:
    row = f"({', '.join('?' * width)})"
    return words.format(", ".join([row] * size))

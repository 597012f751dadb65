"""Sweeps in SQL for SQLite: which tickets are still to be looked for a second time, and when."""

from gateway.core.sweep import Sweep
from gateway.store.bulk import Writer

_COLUMNS = "sink, key, incident, since_ms, doubt_ms, next_ms, looks"


class SqliteSweeps:
    """The part of `gateway.store.api.Transaction` that is about sweeps, on the writer's connection."""

    _db: Writer

    def plan_sweep(self, sweep: Sweep) -> None:
        """Add a sweep unless there is one for this ticket."""
        self._db.execute(f"INSERT OR IGNORE INTO sweep ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", _row(sweep))

    def due_sweeps(self, sink: str, *, now_ms: int, limit: int) -> list[Sweep]:
        """Sweeps whose next look has come, the most overdue first."""
        found = self._db.execute(
            f"SELECT {_COLUMNS} FROM sweep WHERE sink = ? AND next_ms <= ? ORDER BY next_ms LIMIT ?",
            (sink, now_ms, limit),
        ).fetchall()
        return [Sweep(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in found]

    def settle_sweep(self, swept: Sweep, after: Sweep | None) -> None:
        """Put ``after`` in the place of ``swept``, or remove it."""
        if after is None:
            self._db.execute("DELETE FROM sweep WHERE sink = ? AND key = ?", (swept.sink, swept.key))
        else:
            self._db.execute(
                "UPDATE sweep SET next_ms = ?, looks = ? WHERE sink = ? AND key = ?",
                (after.next_ms, after.looks, after.sink, after.key),
            )

    def _shift_sweeps(self, by_ms: int) -> None:
        """After a step of the wall clock."""
        self._db.execute("UPDATE sweep SET next_ms = next_ms + ?, doubt_ms = doubt_ms + ?", (by_ms, by_ms))


def _row(sweep: Sweep) -> tuple[str | int, ...]:
    return (sweep.sink, sweep.key, sweep.incident, sweep.since_ms, sweep.doubt_ms, sweep.next_ms, sweep.looks)

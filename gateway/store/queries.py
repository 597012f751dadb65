"""Reading for faces: a connection of its own that can only read, on a thread of its own."""

import asyncio
import json
import math
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from gateway.core.incident import Incident, State
from gateway.core.operation import OperationState
from gateway.core.station import Station, StationState
from gateway.store import rows
from gateway.store.api import Page, StoreError

T = TypeVar("T")

MOST_ITEMS = 1000
"""Items on a page, however many are asked for."""
MOST_ID = 2**63 - 1

MOST_ENTRIES = 2000
"""Of an incident's timeline, the first; retention keeps it shorter."""


class SqliteReader:
    """Implements `gateway.store.api.Reader`. Cursors are the last item's key: stable while rows come and go."""

    def __init__(self, path: Path, pool: ThreadPoolExecutor) -> None:
        self._path = path
        self._pool = pool
        self._db: sqlite3.Connection | None = None

    async def incidents(
        self, *, states: Sequence[State] = (), source: str = "", cursor: str = "", limit: int = 100
    ) -> Page:
        """Incidents, newest first, with their tickets."""
        where, values = _filters(("state", states), ("source", [source] if source else []))
        if cursor:
            where, values = [*where, "id < ?"], [*values, cursor]
        return await self._page(
            "incident", rows.INCIDENT_COLUMNS, where, values, "id DESC", limit, self._incident, "id"
        )

    async def incident(self, incident_id: str) -> dict[str, Any] | None:
        """One incident with tickets and timeline."""

        def read(db: sqlite3.Connection) -> dict[str, Any] | None:
            row = db.execute(f"SELECT {rows.INCIDENT_COLUMNS} FROM incident WHERE id = ?", (incident_id,)).fetchone()
            if row is None:
                return None
            said = db.execute(
                "SELECT at_ms, reason, text FROM timeline WHERE incident = ? ORDER BY id LIMIT ?",
                (incident_id, MOST_ENTRIES),
            ).fetchall()
            timeline = [{"at_ms": at_ms, "reason": reason, "text": text} for at_ms, reason, text in said]
            return {**self._incident(db, row), "timeline": timeline}

        return await self._read(read)

    async def stations(self, *, cursor: str = "", limit: int = 100) -> Page:
        """Stations by name."""
        where, values = (["name > ?"], [cursor]) if cursor else ([], [])
        columns = "name, site, state, seen_ms, body"
        return await self._page("station", columns, where, values, "name", limit, _station_item, "station")

    async def tickets(self, *, cursor: str = "", limit: int = 100) -> Page:
        """Tickets, newest incident first."""
        where, values = ["ref IS NOT NULL"], []
        if cursor:
            incident, _, sink = cursor.partition("/")
            where.append("(incident < ? OR (incident = ? AND sink > ?))")
            values = [incident, incident, sink]
        return await self._page(
            "ticket", rows.TICKET_COLUMNS, where, values, "incident DESC, sink", limit, _ticket_item, "incident", "sink"
        )

    async def operations(self, *, states: Sequence[OperationState] = (), cursor: str = "", limit: int = 100) -> Page:
        """The outbox, oldest first."""
        where, values = _filters(("state", states))
        if cursor:
            where, values = [*where, "id > ?"], [*values, min(int(cursor), MOST_ID)]
        return await self._page("operation", rows.OPERATION_COLUMNS, where, values, "id", limit, _operation_item, "id")

    async def unknown(self, *, cursor: str = "", limit: int = 100) -> Page:
        """The catalogue of conditions that no rule knows."""
        where, values = (["condition > ?"], [cursor]) if cursor else ([], [])
        columns = "condition, count, first_seen_ms, last_seen_ms, sample"
        return await self._page("unknown", columns, where, values, "condition", limit, _unknown_item, "condition")

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Gauges for metrics; keys with two parts are joined by ``/``."""

        def read(db: sqlite3.Connection) -> dict[str, dict[str, int]]:
            return {name: dict(db.execute(sql).fetchall()) for name, sql in _COUNTS.items()}

        return await self._read(read)

    async def close(self) -> None:
        """Close the connection."""
        if self._db is not None:
            await asyncio.get_running_loop().run_in_executor(self._pool, self._db.close)

    # --- inside ----------------------------------------------------------------------------------

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        def work() -> T:
            if self._db is None:
                self._db = sqlite3.connect(
                    f"{self._path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False
                )
            try:
                return read(self._db)
            except sqlite3.Error as error:
                raise StoreError(f"the store cannot be read: {error}") from None

        return await asyncio.get_running_loop().run_in_executor(self._pool, work)

    async def _page(
        self,
        table: str,
        columns: str,
        where: list[str],
        values: list[Any],
        order: str,
        limit: int,
        item_of: Callable[[sqlite3.Connection, tuple[Any, ...]], dict[str, Any]],
        *cursor_of: str,
    ) -> Page:
        conditions = f" WHERE {' AND '.join(where)}" if where else ""
        sql = f"SELECT {columns} FROM {table}{conditions} ORDER BY {order} LIMIT ?"
        limit = max(1, min(limit, MOST_ITEMS))

        def read(db: sqlite3.Connection) -> Page:
            found = db.execute(sql, (*values, limit + 1)).fetchall()
            items = [item_of(db, row) for row in found[:limit]]
            more = len(found) > limit
            return Page(items=items, next="/".join(str(items[-1][name]) for name in cursor_of) if more else None)

        return await self._read(read)

    def _incident(self, db: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any]:
        incident = rows.incident_of(row)
        found = db.execute(f"SELECT {rows.TICKET_COLUMNS} FROM ticket WHERE incident = ? ORDER BY sink", (incident.id,))
        return {**_incident_item(incident), "tickets": [_ticket_item(db, ticket) for ticket in found.fetchall()]}


# By an index that has all of it: a scrape reads no incident.
_OPEN = "FROM incident INDEXED BY incident_counts WHERE state <> 'closed'"
_COUNTS = {
    "incidents": f"SELECT state, count(*) {_OPEN} GROUP BY state",
    "impacts": f"SELECT CAST(impact AS TEXT), count(*) {_OPEN} AND state IN ('open', 'recovering') GROUP BY impact",
    "muted": f"SELECT muted, count(*) {_OPEN} AND muted <> '' AND state = 'open' GROUP BY muted",
    "operations": "SELECT sink || '/' || state, count(*) FROM operation GROUP BY sink, state",
    "quarantine": "SELECT reason, count(*) FROM quarantine GROUP BY reason",
}


def _filters(*wanted: tuple[str, Sequence[str]]) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    for column, accepted in wanted:
        if accepted:
            where.append(f"{column} IN ({', '.join('?' * len(accepted))})")
            values += accepted
    return where, values


def _incident_item(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "fingerprint": incident.fingerprint,
        "source": incident.source,
        "condition": incident.condition,
        "object": incident.object,
        "impact": incident.impact.value,
        "priority": incident.impact.short,
        "severity": incident.severity,
        "state": incident.state.value,
        "occurrences": incident.occurrences,
        "first_seen_ms": incident.first_seen_ms,
        "last_seen_ms": incident.last_seen_ms,
        "due_ms": incident.due_ms,
        "summary": incident.summary,
        "description": incident.description,
        "labels": dict(incident.labels),
        "rule": incident.rule,
        "team": incident.team,
        "runbook": incident.runbook,
        "requester": incident.requester,
        "muted": sorted(incident.muted),
        "previous": incident.previous,
    }


def _ticket_item(_db: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any]:
    ticket = rows.ticket_of(row)
    ref = ticket.ref
    return {
        "incident": ticket.incident,
        "sink": ticket.sink,
        "ref": (ref.name or ref.id) if ref else None,
        "id": ref.id if ref else None,
        "url": ref.url if ref else "",
        "state": ticket.state.value if ticket.state else None,
        "impact": ticket.impact.value if ticket.impact else None,
    }


def _operation_item(_db: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any]:
    named = dict(zip(rows.OPERATION_COLUMNS.split(", "), row, strict=True))
    operation = rows.operation_of(row)
    named.update(impact=operation.impact.value, rank=operation.rank.name.lower(), body=json.loads(named["body"]))
    return named


def _finite(seconds: float) -> float | None:
    """JSON has no infinity: a station that owes no beats has no interval."""
    return seconds if math.isfinite(seconds) else None


def _station_item(_db: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any]:
    station = rows.station_of(row)
    return {
        "station": station.station,
        "site": station.site,
        "state": station.state.value,
        "fault": station.fault,
        "interval_s": _finite(station.interval_s),
        "interval_from": station.interval_from.value,
        "grace_s": _finite(station.grace_s),
        "seen_ms": station.seen_ms or None,
        "expected_ms": _expected_ms(station),
        "down_since_ms": station.down_since_ms or None,
        "beats": station.beats,
    }


def _expected_ms(station: Station) -> int | None:
    """When its next beat is due, as far as it owes one."""
    if station.state not in (StationState.NEW, StationState.UP, StationState.LATE) or not station.beats:
        return None
    if station.expected_ms or not math.isfinite(station.interval_s):
        return station.expected_ms or None
    return station.seen_ms + round(station.interval_s * 1000)


def _unknown_item(_db: sqlite3.Connection, row: tuple[Any, ...]) -> dict[str, Any]:
    return dict(zip(("condition", "count", "first_seen_ms", "last_seen_ms", "sample"), row, strict=True))

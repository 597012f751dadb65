"""What a unit of work does, in SQL for SQLite."""

import hashlib
import sqlite3
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from gateway.core.decision import Decision, Entry, OperationKind, Wish
from gateway.core.event import Attachment, Reference
from gateway.core.incident import Incident
from gateway.core.operation import Operation, OperationState, crashed
from gateway.core.station import Station
from gateway.core.ticket import Ticket
from gateway.store import rows

_UPSERT_INCIDENT = (
    f"INSERT INTO incident ({rows.INCIDENT_COLUMNS}) VALUES ({', '.join('?' * 14)}) "
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, impact = excluded.impact, "
    "occurrences = excluded.occurrences, last_seen_ms = excluded.last_seen_ms, due_ms = excluded.due_ms, "
    "closed_ms = excluded.closed_ms, version = excluded.version, body = excluded.body"
)
_SELECT_INCIDENT = f"SELECT {rows.INCIDENT_COLUMNS} FROM incident "
_SELECT_OPERATION = f"SELECT {rows.OPERATION_COLUMNS} FROM operation "
# Earlier operations of the same ticket go first. A dead one blocks only if it was to make or change the ticket itself.
_CLAIMABLE = (
    _SELECT_OPERATION + "AS o WHERE sink = ? AND state IN ('pending', 'unknown') AND next_ms <= ? AND NOT EXISTS ("
    "SELECT 1 FROM operation AS p WHERE p.incident = o.incident AND p.sink = o.sink AND p.id < o.id "
    "AND (p.state <> 'dead' OR p.kind = 'sync')) ORDER BY rank, impact, id LIMIT ?"
)


LOOK_LEASE_MS = 120_000
"""For so long nobody else takes an operation of unknown outcome that is being looked for."""


class SqliteTransaction:
    """Implements `gateway.store.api.Transaction` on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._db = connection

    # --- incidents -------------------------------------------------------------------------------

    def latest(self, fingerprint: str) -> Incident | None:
        return self._incident("WHERE fingerprint = ? ORDER BY id DESC LIMIT 1", fingerprint)

    def incident(self, incident_id: str) -> Incident | None:
        return self._incident("WHERE id = ?", incident_id)

    def resolve(self, reference: Reference) -> str | None:
        row = self._db.execute(
            "SELECT incident FROM thread AS t WHERE key = ? AND (? = '' OR EXISTS ("
            "SELECT 1 FROM thread AS a WHERE a.key = ? AND a.incident = t.incident)) ORDER BY incident DESC LIMIT 1",
            (reference.key, reference.also, reference.also),
        ).fetchone()
        return row[0] if row else None

    def write(self, decision: Decision, *, now_ms: int) -> None:
        incident = decision.incident
        if incident is None:
            return
        self._db.execute(_UPSERT_INCIDENT, rows.incident_row(incident))
        for entry in decision.entries:
            self.add_entry(incident.id, entry)
        for ticket in decision.tickets:
            self.save_ticket(ticket)
        self._db.executemany(
            "INSERT OR IGNORE INTO thread (key, incident) VALUES (?, ?)",
            [(key, incident.id) for key in decision.known_as],
        )
        hashes = [self._keep_attachment(incident.id, attachment) for attachment in decision.attachments]
        for wish in decision.wishes:
            self._wish(incident, wish, hashes, now_ms=now_ms)

    def add_entry(self, incident_id: str, entry: Entry) -> None:
        self._db.execute(
            "INSERT INTO timeline (incident, at_ms, reason, text) VALUES (?, ?, ?, ?)",
            (incident_id, entry.at_ms, entry.reason, entry.text),
        )

    def due(self, *, now_ms: int, limit: int) -> list[Incident]:
        found = self._db.execute(
            _SELECT_INCIDENT + "WHERE due_ms <= ? ORDER BY due_ms LIMIT ?", (now_ms, limit)
        ).fetchall()
        return [rows.incident_of(row) for row in found]

    def next_due_ms(self) -> int | None:
        return self._number("SELECT min(due_ms) FROM incident WHERE due_ms IS NOT NULL")

    def shift_deadlines(self, by_ms: int) -> None:
        # Deadlines are derived from these instants, so they move with them.
        for name in ("opened_ms", "cleared_ms", "resolved_ms", "raised_ms"):
            self._db.execute(
                f"UPDATE incident SET body = json_set(body, '$.{name}', json_extract(body, '$.{name}') + ?) "
                f"WHERE state <> 'closed' AND json_extract(body, '$.{name}') IS NOT NULL",
                (by_ms,),
            )
        self._db.execute(
            "UPDATE incident SET due_ms = due_ms + ?, first_seen_ms = first_seen_ms + ?, "
            "last_seen_ms = last_seen_ms + ? WHERE state <> 'closed'",
            (by_ms, by_ms, by_ms),
        )
        self._db.execute("UPDATE operation SET next_ms = next_ms + ?, created_ms = created_ms + ?", (by_ms, by_ms))

    # --- inputs ----------------------------------------------------------------------------------

    def upstream(self, identity: str) -> str | None:
        row = self._db.execute("SELECT incident FROM upstream WHERE identity = ?", (identity,)).fetchone()
        return row[0] if row else None

    def remember_upstream(self, identity: str, incident_id: str, *, at_ms: int) -> None:
        self._db.execute("INSERT OR IGNORE INTO upstream VALUES (?, ?, ?)", (identity, incident_id, at_ms))

    def count_unknown(self, condition: str, *, count: int, at_ms: int, sample: str) -> None:
        self._db.execute(
            "INSERT INTO unknown VALUES (?, ?, ?, ?, ?) ON CONFLICT (condition) DO UPDATE SET "
            "count = count + excluded.count, last_seen_ms = excluded.last_seen_ms",
            (condition, count, at_ms, at_ms, sample),
        )

    def quarantine(self, raw: bytes, *, reason: str, source: str, at_ms: int) -> None:
        self._db.execute(
            "INSERT INTO quarantine (at_ms, reason, source, raw) VALUES (?, ?, ?, ?)", (at_ms, reason, source, raw)
        )

    # --- tickets and operations ------------------------------------------------------------------

    def ticket(self, incident_id: str, sink: str) -> Ticket:
        row = self._db.execute(
            f"SELECT {rows.TICKET_COLUMNS} FROM ticket WHERE incident = ? AND sink = ?", (incident_id, sink)
        ).fetchone()
        return rows.ticket_of(row) if row else Ticket(incident=incident_id, sink=sink)

    def save_ticket(self, ticket: Ticket) -> None:
        self._db.execute(
            f"INSERT OR REPLACE INTO ticket ({rows.TICKET_COLUMNS}) VALUES ({', '.join('?' * 10)})",
            rows.ticket_row(ticket),
        )

    def claim(self, sink: str, *, now_ms: int, limit: int) -> list[Operation]:
        claimed = []
        for row in self._db.execute(_CLAIMABLE, (sink, now_ms, limit)).fetchall():
            operation = rows.operation_of(row)
            claimed.append(_taken(operation, now_ms=now_ms))
            self._save_operation(claimed[-1])
        return claimed

    def next_operation_ms(self, sink: str) -> int | None:
        return self._number(
            "SELECT min(next_ms) FROM operation WHERE sink = ? AND state IN ('pending', 'unknown')", sink
        )

    def settle(self, operation: Operation | None, *, claimed: Operation) -> bool:
        ours = self._db.execute(
            "SELECT 1 FROM operation WHERE id = ? AND state = ? AND attempts = ?",
            (claimed.id, claimed.state, claimed.attempts),
        ).fetchone()
        if ours is None:
            return False
        if operation is None:
            self._db.execute("DELETE FROM operation WHERE id = ?", (claimed.id,))
        else:
            self._save_operation(operation)
        return True

    def recover_operations(self, *, now_ms: int) -> int:
        found = self._db.execute(_SELECT_OPERATION + "WHERE state = 'inflight'").fetchall()
        for row in found:
            self._save_operation(crashed(rows.operation_of(row), now_ms=now_ms))
        return len(found)

    def requeue(self, operation_id: int, *, now_ms: int) -> bool:
        done = self._db.execute(
            "UPDATE operation SET state = 'pending', attempts = 0, crashes = 0, looks = 0, created_ms = ?, next_ms = ? "
            "WHERE id = ? AND state = 'dead'",
            (now_ms, now_ms, operation_id),
        )
        return done.rowcount == 1

    def drop(self, operation_id: int) -> bool:
        done = self._db.execute("DELETE FROM operation WHERE id = ? AND state = 'dead'", (operation_id,))
        return done.rowcount == 1

    def busy(self, incident_id: str, sink: str) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM operation WHERE incident = ? AND sink = ? AND kind = 'sync' AND state <> 'dead' LIMIT 1",
            (incident_id, sink),
        ).fetchone()
        return row is not None

    def observable(self, sink: str, *, closed_after_ms: int) -> list[Ticket]:
        columns = ", ".join(f"t.{name}" for name in rows.TICKET_COLUMNS.split(", "))
        found = self._db.execute(
            f"SELECT {columns} FROM ticket AS t JOIN incident AS i ON i.id = t.incident "
            "WHERE t.sink = ? AND t.ref IS NOT NULL AND (i.state <> 'closed' OR i.closed_ms > ?)",
            (sink, closed_after_ms),
        ).fetchall()
        return [rows.ticket_of(row) for row in found]

    def attachment(self, incident_id: str, sha256: str) -> Attachment | None:
        row = self._db.execute(
            "SELECT name, media_type, content FROM attachment WHERE incident = ? AND sha256 = ?", (incident_id, sha256)
        ).fetchone()
        return Attachment(name=row[0], media_type=row[1], content=row[2]) if row else None

    # --- stations, memory, retention -------------------------------------------------------------

    def stations(self) -> list[Station]:
        found = self._db.execute("SELECT name, site, state, seen_ms, body FROM station").fetchall()
        return [rows.station_of(row) for row in found]

    def save_stations(self, stations: Iterable[Station]) -> None:
        self._db.executemany(
            "INSERT OR REPLACE INTO station (name, site, state, seen_ms, body) VALUES (?, ?, ?, ?, ?)",
            [rows.station_row(station) for station in stations],
        )

    def get(self, key: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def put(self, key: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def prune(self, *, closed_before_ms: int, upstream_before_ms: int, quarantined_before_ms: int, limit: int) -> int:
        gone = 0
        for table, key, condition, before_ms in (
            # What still has an operation in the outbox stays, however old.
            (
                "incident",
                "id",
                "closed_ms < ? AND state = 'closed' AND id NOT IN (SELECT incident FROM operation)",
                closed_before_ms,
            ),
            ("upstream", "identity", "at_ms < ?", upstream_before_ms),
            ("quarantine", "id", "at_ms < ?", quarantined_before_ms),
        ):
            gone += self._db.execute(
                f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {condition} LIMIT ?)",
                (before_ms, limit),
            ).rowcount
        return gone

    # --- inside ----------------------------------------------------------------------------------

    def _incident(self, where: str, *values: Any) -> Incident | None:
        row = self._db.execute(_SELECT_INCIDENT + where, values).fetchone()
        return rows.incident_of(row) if row else None

    def _number(self, sql: str, *values: Any) -> int | None:
        found = self._db.execute(sql, values).fetchone()[0]
        return None if found is None else int(found)

    def _keep_attachment(self, incident_id: str, attachment: Attachment) -> str:
        sha256 = hashlib.sha256(attachment.content).hexdigest()
        self._db.execute(
            "INSERT OR IGNORE INTO attachment (incident, sha256, name, media_type, content) VALUES (?, ?, ?, ?, ?)",
            (incident_id, sha256, attachment.name, attachment.media_type, attachment.content),
        )
        return sha256

    def _wish(self, incident: Incident, wish: Wish, hashes: list[str], *, now_ms: int) -> None:
        """Put a wish into the outbox; a newer sync takes the place of an older one that was not sent."""
        body = dict(wish.body)
        if wish.kind is OperationKind.ATTACH:
            body["sha256"] = hashes[int(body.pop("number"))]
        if wish.kind is OperationKind.SYNC:
            superseded = self._db.execute(
                "UPDATE operation SET rank = min(rank, ?), impact = ?, reason = ?, state = 'pending', error = '', "
                "next_ms = CASE state WHEN 'dead' THEN ? ELSE next_ms END, "  # a back-off may obey a tracker's limit
                "created_ms = CASE state WHEN 'dead' THEN ? ELSE created_ms END "
                "WHERE incident = ? AND sink = ? AND kind = 'sync' AND state IN ('pending', 'dead')",
                (
                    *(wish.rank, incident.impact.rank, wish.reason, now_ms),
                    *(now_ms, incident.id, wish.sink),
                ),
            )
            if superseded.rowcount:
                return
        self._db.execute(
            "INSERT INTO operation (incident, sink, kind, rank, impact, reason, body, state, created_ms, next_ms) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?)",
            (
                *(incident.id, wish.sink, wish.kind, wish.rank, incident.impact.rank, wish.reason),
                *(rows.dump(body), now_ms, now_ms),
            ),
        )

    def _save_operation(self, operation: Operation) -> None:
        self._db.execute(
            "UPDATE operation SET state = ?, attempts = ?, crashes = ?, looks = ?, next_ms = ?, sent_ms = ?, "
            "unknown_ms = ?, error = ? WHERE id = ?",
            (
                *(operation.state, operation.attempts, operation.crashes, operation.looks, operation.next_ms),
                *(operation.sent_ms, operation.unknown_ms, operation.error, operation.id),
            ),
        )


def _taken(operation: Operation, *, now_ms: int) -> Operation:
    """The operation as claimed: in flight if it is to be sent; one that is only looked for stays unknown."""
    if operation.state is OperationState.UNKNOWN:
        return replace(operation, next_ms=now_ms + LOOK_LEASE_MS)
    return replace(
        operation,
        state=OperationState.INFLIGHT,
        attempts=operation.attempts + 1,
        sent_ms=now_ms if operation.sent_ms is None else operation.sent_ms,
    )

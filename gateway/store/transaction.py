"""What a unit of work does, in SQL for SQLite."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from gateway.core.decision import Decision, Entry
from gateway.core.event import Attachment, Reference
from gateway.core.incident import Incident
from gateway.core.mute import LONGEST_PLANNED_MS, Window
from gateway.core.station import Station
from gateway.core.ticket import Ticket
from gateway.store import rows
from gateway.store.api import Retention
from gateway.store.facets import SqliteFacets
from gateway.store.outbox import SqliteOutbox
from gateway.store.recent import Recent
from gateway.store.sweeps import SqliteSweeps

_UPSERT_INCIDENT = (
    f"INSERT INTO incident ({rows.INCIDENT_COLUMNS}) VALUES ({', '.join('?' * 17)}) "
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, impact = excluded.impact, "
    "occurrences = excluded.occurrences, last_seen_ms = excluded.last_seen_ms, "
    "raised_ms = excluded.raised_ms, due_ms = excluded.due_ms, closed_ms = excluded.closed_ms, "
    "version = excluded.version, muted = excluded.muted, parent = excluded.parent, body = excluded.body"
)
_COUNT = f"UPDATE incident SET {' = ?, '.join(rows.COUNT_COLUMNS)} = ? WHERE id = ?"
_SELECT_INCIDENT = f"SELECT {rows.INCIDENT_COLUMNS} FROM incident "
_UPSERT_TICKET = (
    f"INSERT INTO ticket ({rows.TICKET_COLUMNS}) VALUES ({', '.join('?' * 10)}) "
    "ON CONFLICT (incident, sink) DO UPDATE SET generation = excluded.generation, ref = excluded.ref, "
    "url = excluded.url, name = excluded.name, state = excluded.state, impact = excluded.impact, "
    "owned = excluded.owned, written_ms = excluded.written_ms"
)
# What still has an operation in the outbox stays, however old; so does what has a ticket that is open.
MOST_UNKNOWN = 10_000
"""Conditions that no rule knows, which devices may invent at will: those unheard for longest are forgotten."""
_FORGETTABLE = (
    "closed_ms < ? AND state = 'closed' AND id NOT IN (SELECT incident FROM operation) AND NOT EXISTS ("
    "SELECT 1 FROM ticket AS t WHERE t.incident = incident.id AND t.ref IS NOT NULL AND t.state = 'open')"
)
_BEYOND_BYTES = (
    "SELECT id FROM (SELECT id, sum(length(raw)) OVER (ORDER BY id DESC) AS total FROM quarantine) WHERE total > ?"
)
_MIDDLE_OF_TIMELINES = (
    "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY incident ORDER BY id) AS place, "
    "count(*) OVER (PARTITION BY incident) AS length FROM timeline "
    "WHERE incident IN (SELECT id FROM incident WHERE version > 10 AND version > ?)) "
    "WHERE length > ? AND place > ? AND place <= length - ?"
)
_IS_PLANNED = "coalesce(json_extract(body, '$.planned'), 0)"
_WINDOWS_OVER = f"SELECT id FROM mute WHERE until_ms < ? AND (from_ms < ? OR NOT {_IS_PLANNED})"

# One statement for all: each one that is run gives up the interpreter's lock, and waits to get it back.
_SAVE_STATIONS = "INSERT OR REPLACE INTO station (name, site, state, seen_ms, body) SELECT {} FROM json_each(?)".format(
    ", ".join(f"json_extract(value, '$[{place}]')" for place in range(5))
)


class SqliteTransaction(SqliteOutbox, SqliteSweeps, SqliteFacets):
    """Implements `gateway.store.api.Transaction` on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(connection)
        self._recent = Recent()

    def forget(self) -> None:
        """Remember nothing of what was written: it is undone, or something else changed it."""
        self._recent.clear()

    # --- incidents -------------------------------------------------------------------------------

    def latest(self, fingerprint: str) -> Incident | None:
        if known := self._recent.get(fingerprint):
            return known
        # Ids ascend with the clock, which may have been set back since the open one began.
        mark = rows.text(fingerprint)
        still = self._incident("WHERE fingerprint = ? AND state <> 'closed'", mark)
        if still is not None:
            self._recent.keep(still)
            return still
        return self._incident("WHERE fingerprint = ? ORDER BY id DESC LIMIT 1", mark)

    def incident(self, incident_id: str) -> Incident | None:
        return self._incident("WHERE id = ?", incident_id)

    def resolve(self, reference: Reference) -> str | None:
        key, also = rows.text(reference.key), rows.text(reference.also)
        row = self._db.execute(
            "SELECT incident FROM thread AS t WHERE key = ? AND (? = '' OR EXISTS ("
            "SELECT 1 FROM thread AS a WHERE a.key = ? AND a.incident = t.incident)) ORDER BY incident DESC LIMIT 1",
            (key, also, also),
        ).fetchone()
        return row[0] if row else None

    def write(self, decision: Decision, *, now_ms: int) -> None:
        incident = decision.incident
        if incident is None:
            return
        self._write_incident(incident)
        for entry in decision.entries:
            self.add_entry(incident.id, entry)
        for ticket in decision.tickets:
            self.save_ticket(ticket)
        self._db.executemany(
            "INSERT OR IGNORE INTO thread (key, incident) VALUES (?, ?)",
            [(rows.text(key), incident.id) for key in decision.known_as],
        )
        hashes = [self._keep_attachment(incident.id, attachment) for attachment in decision.attachments]
        for wish in decision.wishes:
            self._wish(incident, wish, hashes, now_ms=now_ms)

    def _write_incident(self, incident: Incident) -> None:
        before = self._recent.get(incident.fingerprint)
        if before is not None and rows.counted(before, incident):
            self._db.execute(_COUNT, (*rows.count_row(incident), incident.id))
        else:
            self._db.execute(_UPSERT_INCIDENT, rows.incident_row(incident))
        self._recent.keep(incident)

    def add_entry(self, incident_id: str, entry: Entry) -> None:
        self._db.execute(
            "INSERT INTO timeline (incident, at_ms, reason, text) VALUES (?, ?, ?, ?)",
            (incident_id, entry.at_ms, entry.reason, rows.text(entry.text)),
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
        for name in (
            "opened_ms",
            "counted_from_ms",
            "lapses_ms",
            "cleared_ms",
            "resolved_ms",
            "penalty_ms",
            "unquiet_ms",
            "calm_ms",
            "paused_ms",
            "quiet_from_ms",
            "age_from_ms",
        ):
            self._db.execute(
                f"UPDATE incident SET body = json_set(body, '$.{name}', json_extract(body, '$.{name}') + ?) "
                f"WHERE state <> 'closed' AND json_extract(body, '$.{name}') IS NOT NULL",
                (by_ms,),
            )
        self._db.execute(
            "UPDATE incident SET due_ms = due_ms + ?, first_seen_ms = first_seen_ms + ?, "
            "last_seen_ms = last_seen_ms + ?, raised_ms = raised_ms + ? WHERE state <> 'closed'",
            (by_ms, by_ms, by_ms, by_ms),
        )
        self.forget()
        self._db.execute(
            "UPDATE operation SET next_ms = next_ms + ?, created_ms = created_ms + ?, sent_ms = sent_ms + ?, "
            "unknown_ms = unknown_ms + ?",
            (by_ms, by_ms, by_ms, by_ms),
        )
        self._db.execute("UPDATE ticket SET written_ms = written_ms + ? WHERE written_ms > 0", (by_ms,))
        self._shift_sweeps(by_ms)

    # --- inputs ----------------------------------------------------------------------------------

    def upstream(self, identity: str) -> str | None:
        row = self._db.execute("SELECT incident FROM upstream WHERE identity = ?", (rows.text(identity),)).fetchone()
        return row[0] if row else None

    def remember_upstream(self, identity: str, incident_id: str, *, at_ms: int) -> None:
        self._db.execute("INSERT OR IGNORE INTO upstream VALUES (?, ?, ?)", (rows.text(identity), incident_id, at_ms))

    def count_unknown(self, condition: str, *, count: int, at_ms: int, sample: str) -> None:
        self._db.execute(
            "INSERT INTO unknown VALUES (?, ?, ?, ?, ?) ON CONFLICT (condition) DO UPDATE SET "
            "count = count + excluded.count, last_seen_ms = excluded.last_seen_ms",
            (rows.text(condition), count, at_ms, at_ms, rows.text(sample)),
        )

    def quarantine(self, raw: bytes, *, reason: str, source: str, at_ms: int) -> None:
        self._db.execute(
            "INSERT INTO quarantine (at_ms, reason, source, raw) VALUES (?, ?, ?, ?)",
            (at_ms, reason, rows.text(source), raw),
        )

    # --- tickets (operations: gateway.store.outbox) ------------------------------------------------------------------

    def ticket(self, incident_id: str, sink: str) -> Ticket:
        row = self._db.execute(
            f"SELECT {rows.TICKET_COLUMNS} FROM ticket WHERE incident = ? AND sink = ?", (incident_id, sink)
        ).fetchone()
        return rows.ticket_of(row) if row else Ticket(incident=incident_id, sink=sink)

    def save_ticket(self, ticket: Ticket) -> None:
        self._db.execute(_UPSERT_TICKET, rows.ticket_row(ticket))

    def ticket_at(self, sink: str, ref: str) -> Ticket | None:
        row = self._db.execute(
            f"SELECT {rows.TICKET_COLUMNS} FROM ticket WHERE sink = ? AND ref = ?", (sink, rows.text(ref))
        ).fetchone()
        return rows.ticket_of(row) if row else None

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

    # --- mutes -----------------------------------------------------------------------------------

    def muted(self, *, after: tuple[int, str], limit: int) -> list[Incident]:
        found = self._db.execute(
            _SELECT_INCIDENT
            + "WHERE muted <> '' AND state = 'open' AND (impact, id) > (?, ?) ORDER BY impact, id LIMIT ?",
            (*after, limit),
        ).fetchall()
        return [rows.incident_of(row) for row in found]

    def windows(self, *, since_ms: int = 0) -> list[Window]:
        found = self._db.execute(
            f"SELECT {rows.MUTE_COLUMNS} FROM mute WHERE until_ms > ? OR {_IS_PLANNED} ORDER BY from_ms, id",
            (since_ms,),
        ).fetchall()
        return [rows.mute_of(row) for row in found]

    def save_window(self, window: Window) -> None:
        self._db.execute(
            f"INSERT OR REPLACE INTO mute ({rows.MUTE_COLUMNS}) VALUES (?, ?, ?, ?, ?)", rows.mute_row(window)
        )

    # --- stations, inventory, memory, retention --------------------------------------------------

    def stations(self, *, after: str = "", most: int = -1) -> list[Station]:
        found = self._db.execute(
            "SELECT name, site, state, seen_ms, body FROM station WHERE name > ? ORDER BY name LIMIT ?", (after, most)
        )
        return [rows.station_of(row) for row in found]

    def save_stations(self, stations: Iterable[Station]) -> None:
        every = json.dumps([rows.station_row(station) for station in stations])
        self._db.execute(_SAVE_STATIONS, (every,))

    def told(self) -> list[tuple[str, str, str]]:
        return self._db.execute("SELECT kind, name, entry FROM told").fetchall()

    def save_told(self, kind: str, name: str, entry: str | None, *, at_ms: int) -> None:
        if entry is None:
            self._db.execute("DELETE FROM told WHERE kind = ? AND name = ?", (kind, name))
        else:
            self._db.execute(
                "INSERT OR REPLACE INTO told (kind, name, entry, at_ms) VALUES (?, ?, ?, ?)", (kind, name, entry, at_ms)
            )

    def get(self, key: str) -> bytes | None:
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return bytes(row[0]) if row else None

    def put(self, key: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (key, value))

    def prune(self, keep: Retention, *, limit: int) -> int:
        gone = 0
        half = keep.timeline_rows // 2
        for table, key, forgotten, values in (
            ("incident", "id", f"SELECT id FROM incident WHERE {_FORGETTABLE}", (keep.closed_after_ms,)),
            ("upstream", "identity", "SELECT identity FROM upstream WHERE at_ms < ?", (keep.upstream_after_ms,)),
            ("mute", "id", _WINDOWS_OVER, (keep.windows_after_ms, keep.windows_after_ms - LONGEST_PLANNED_MS)),
            ("quarantine", "id", "SELECT id FROM quarantine WHERE at_ms < ?", (keep.quarantined_after_ms,)),
            ("quarantine", "id", _BEYOND_BYTES, (keep.quarantine_bytes,)),
            ("tally", "(scope, key)", "SELECT scope, key FROM tally WHERE until_ms <= ?", (keep.tallies_after_ms,)),
            ("timeline", "id", _MIDDLE_OF_TIMELINES, (keep.timeline_rows, keep.timeline_rows, half, half)),
        ):
            gone += self._db.execute(
                f"DELETE FROM {table} WHERE {key} IN ({forgotten} LIMIT ?)", (*values, limit)
            ).rowcount
        beyond = max(0, (self._number("SELECT count(*) FROM unknown") or 0) - MOST_UNKNOWN)
        gone += self._db.execute(
            "DELETE FROM unknown WHERE condition IN (SELECT condition FROM unknown ORDER BY last_seen_ms LIMIT ?)",
            (min(limit, beyond),),
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
            (incident_id, sha256, rows.text(attachment.name), rows.text(attachment.media_type), attachment.content),
        )
        return sha256

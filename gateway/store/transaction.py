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
from gateway.store.bulk import Bulk, Writer
from gateway.store.clears import SqliteClears
from gateway.store.facets import FACET, TALLY, SqliteFacets
from gateway.store.outbox import OPERATION, SqliteOutbox
from gateway.store.recent import Recent
from gateway.store.sweeps import SqliteSweeps

_INCIDENT = Bulk(
    f"INSERT INTO incident ({rows.INCIDENT_COLUMNS}) VALUES {{}} "
    "ON CONFLICT (id) DO UPDATE SET state = excluded.state, impact = excluded.impact, "
    "occurrences = excluded.occurrences, last_seen_ms = excluded.last_seen_ms, "
    "raised_ms = excluded.raised_ms, due_ms = excluded.due_ms, closed_ms = excluded.closed_ms, "
    "version = excluded.version, muted = excluded.muted, parent = excluded.parent, body = excluded.body",
    17,
)
_COUNT = Bulk(
    f"UPDATE incident SET {', '.join(f'{name} = new.column{at}' for at, name in enumerate(rows.COUNT_COLUMNS, 2))} "
    "FROM (VALUES {}) AS new WHERE incident.id = new.column1",
    1 + len(rows.COUNT_COLUMNS),
)
_TIMELINE = Bulk("INSERT INTO timeline (incident, at_ms, reason, text) VALUES {}", 4)
_THREAD = Bulk("INSERT OR IGNORE INTO thread (key, incident) VALUES {}", 2)
_ATTACHMENT = Bulk("INSERT OR IGNORE INTO attachment (incident, sha256, name, media_type, content) VALUES {}", 5)
_LARGE = 65_536
"""Octets of a file that waits for no other: a statement holds a copy of all that it writes."""
_UPSTREAM = Bulk("INSERT OR IGNORE INTO upstream VALUES {}", 3)
_UNKNOWN = Bulk(
    "INSERT INTO unknown VALUES {} ON CONFLICT (condition) DO UPDATE SET "
    "count = count + excluded.count, last_seen_ms = excluded.last_seen_ms",
    5,
)
_ORDER = (_INCIDENT, _COUNT, FACET, _TIMELINE, _THREAD, _ATTACHMENT, OPERATION, _UPSTREAM, _UNKNOWN, TALLY)
_SELECT_INCIDENT = f"SELECT {rows.INCIDENT_COLUMNS} FROM incident "
# What a storm alone mutes waits for its end, and there may be thousands.
_NOT_IN_A_STORM = (
    "(muted <> 'storm' OR NOT EXISTS (SELECT 1 FROM incident AS storm WHERE storm.id = incident.parent "
    "AND storm.state IN ('pending', 'open', 'recovering')))"
)
_STILL_THERE = _SELECT_INCIDENT + "WHERE fingerprint IN ({}) AND state <> 'closed'"
# Ids ascend with the clock, which may have been set back since the open one began: that one is asked for first.
_LAST_CLOSED = _SELECT_INCIDENT + (
    "WHERE id IN (SELECT max(id) FROM incident WHERE fingerprint IN ({}) GROUP BY fingerprint)"
)
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


class SqliteTransaction(SqliteOutbox, SqliteSweeps, SqliteFacets, SqliteClears):
    """Implements `gateway.store.api.Transaction` on the writer's connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        super().__init__(Writer(connection, _ORDER))
        self._recent = Recent()
        self._upstream: dict[str, str | None] = {}
        """Identities that this work has read or written, and the incidents that they went to."""
        self._forget_kept()

    def forget(self) -> None:
        """Remember nothing of what was read and written: it is undone, or something else changed it."""
        self._db.forget()
        self._recent.clear()
        self._upstream.clear()
        self._forget_kept()

    def finish(self) -> None:
        """Write what waits: the work is done.

        Raises:
            sqlite3.Error: what the work wrote cannot be.
        """
        self._db.flush()
        self._recent.close_ahead()
        self._upstream.clear()

    # --- incidents -------------------------------------------------------------------------------

    def read_ahead(self, fingerprints: Iterable[str], identities: Iterable[str]) -> None:
        unknown = {mark: None for mark in map(rows.text, fingerprints) if not self._recent.knows(mark)}
        latest: dict[str, Incident | None] = dict.fromkeys(unknown)
        for words in (_STILL_THERE, _LAST_CLOSED):
            found = self._db.look_up(words, [mark for mark, incident in latest.items() if incident is None])
            latest.update((incident.fingerprint, incident) for incident in map(rows.incident_of, found))
        self._recent.read_ahead(latest)
        told = [rows.text(identity) for identity in identities]
        self._upstream = dict.fromkeys(told)
        self._upstream.update(self._db.look_up("SELECT identity, incident FROM upstream WHERE identity IN ({})", told))

    def latest(self, fingerprint: str) -> Incident | None:
        mark = rows.text(fingerprint)
        if self._recent.knows(mark):
            return self._recent.get(mark)
        # Ids ascend with the clock, which may have been set back since the open one began.
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
        self._write_incident(incident, began=decision.began)
        for entry in decision.entries:
            self.add_entry(incident.id, entry)
        for ticket in decision.tickets:
            self.save_ticket(ticket)
        for key in decision.known_as:
            self._db.later(_THREAD, (rows.text(key), incident.id))
        hashes = [self._keep_attachment(incident.id, attachment) for attachment in decision.attachments]
        for wish in decision.wishes:
            self._wish(incident, wish, hashes, began=decision.began, now_ms=now_ms)

    def _write_incident(self, incident: Incident, *, began: bool) -> None:
        before = None if began else self._recent.get(rows.text(incident.fingerprint))
        if before is not None and before.id != incident.id:
            before = None
        self._count_change(before, incident, began=began)
        self._recent.keep(incident)
        key = incident.id
        if before is not None and rows.counted(before, incident):
            self._db.later(_COUNT, (key, *rows.count_row(incident)), key=key)
            return
        if self._db.waits(_COUNT, key):
            self._db.flush()  # it is older, and would be written behind
        self._db.later(_INCIDENT, rows.incident_row(incident), key=key)

    def add_entry(self, incident_id: str, entry: Entry) -> None:
        self._db.later(_TIMELINE, (incident_id, entry.at_ms, str(entry.reason), rows.text(entry.text)))

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
        self._shift_clears(by_ms)

    # --- inputs ----------------------------------------------------------------------------------

    def upstream(self, identity: str) -> str | None:
        key = rows.text(identity)
        if key in self._upstream:
            return self._upstream[key]
        row = self._db.execute("SELECT incident FROM upstream WHERE identity = ?", (key,)).fetchone()
        return row[0] if row else None

    def remember_upstream(self, identity: str, incident_id: str, *, at_ms: int) -> None:
        key = rows.text(identity)
        if self._upstream.get(key) is not None:
            return
        if key in self._upstream:
            self._upstream[key] = incident_id
        self._db.later(_UPSTREAM, (key, incident_id, at_ms))

    def count_unknown(self, condition: str, *, count: int, at_ms: int, sample: str) -> None:
        self._db.later(_UNKNOWN, (rows.text(condition), count, at_ms, at_ms, rows.text(sample)))

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
            _SELECT_INCIDENT + f"WHERE muted <> '' AND state = 'open' AND {_NOT_IN_A_STORM} AND (impact, id) > (?, ?) "
            "ORDER BY impact, id LIMIT ?",
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
        self._db.later(
            _ATTACHMENT,
            (incident_id, sha256, rows.text(attachment.name), rows.text(attachment.media_type), attachment.content),
        )
        if len(attachment.content) > _LARGE:
            self._db.flush()
        return sha256

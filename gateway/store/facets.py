"""Facets in SQL for SQLite: how incidents that concern each other find each other."""

import sqlite3
from collections.abc import Iterable

from gateway.core.family import HELD_LISTED, LISTED, Family
from gateway.core.incident import Incident
from gateway.core.inhibit import Facet
from gateway.core.ticket import MARK_PREFIX
from gateway.store import rows

_COLUMNS = ", ".join(f"i.{name}" for name in rows.INCIDENT_COLUMNS.split(", "))
# Those that nothing inhibits come first: only they, and what leads to them, inhibit others. CROSS JOIN: facets lead the way.
_HOLDERS = (
    f"SELECT {_COLUMNS} FROM facet AS f CROSS JOIN incident AS i ON i.id = f.incident "
    "WHERE f.name = ? AND f.key = ? AND f.incident <> ? AND (f.both = 0 OR NOT ?) AND i.state IN ('open', 'recovering') "
    "ORDER BY instr(i.muted, 'inhibited') > 0, f.incident LIMIT ?"
)


_MEMBERS = (
    f"SELECT {_COLUMNS} FROM facet AS f CROSS JOIN incident AS i ON i.id = f.incident "
    "WHERE f.name = ? AND f.key = ? AND i.first_seen_ms >= ? AND i.state IN ('pending', 'open', 'recovering') LIMIT ?"
)


_CHILDREN_LEFT = (
    "SELECT count(*) FROM (SELECT 1 FROM incident WHERE parent = ? AND state <> 'closed' "
    "AND (instr(muted, 'flapping') OR (state <> 'resolved' AND NOT ?)) LIMIT ?)"
)


MOST_HELD = 200
"""Sources that are counted each by itself for one parent: with forged addresses there could be any number."""
_HOLD_BACK = (
    "INSERT INTO held SELECT :parent, CASE WHEN EXISTS (SELECT 1 FROM held WHERE parent = :parent AND source = :source) "
    "OR (SELECT count(*) FROM held WHERE parent = :parent) < :most THEN :source ELSE '' END, :count WHERE true "
    "ON CONFLICT (parent, source) DO UPDATE SET count = count + excluded.count"
)


class SqliteFacets:
    """The part of `gateway.store.api.Transaction` that is about facets, on the writer's connection."""

    _db: sqlite3.Connection

    def holders(self, facet: Facet, *, but: str, limit: int) -> list[Incident]:
        """Open incidents that hold the facet."""
        found = self._db.execute(_HOLDERS, (rows.text(facet.name), rows.text(facet.key), but, facet.both, limit))
        return [rows.incident_of(row) for row in found.fetchall()]

    def set_facets(self, incident_id: str, facets: Iterable[Facet]) -> bool:
        """Replace the facets of an incident; whether it had any."""
        had = self._db.execute("DELETE FROM facet WHERE incident = ?", (incident_id,)).rowcount > 0
        self._db.executemany(
            "INSERT OR IGNORE INTO facet (name, key, incident, both) VALUES (?, ?, ?, ?)",
            [(rows.text(one.name), rows.text(one.key), incident_id, one.both) for one in facets],
        )
        return had

    def members(self, facet: Facet, *, since_ms: int, limit: int) -> list[Incident]:
        """Incidents that hold the facet, are not over and began since then, the first ones."""
        found = self._db.execute(_MEMBERS, (rows.text(facet.name), rows.text(facet.key), since_ms, limit))
        return [rows.incident_of(row) for row in found.fetchall()]

    def children_left(self, parent: str, *, limit: int, flapping: bool) -> int:
        """How many children are not over, or flap; only the latter if ``flapping``."""
        row = self._db.execute(_CHILDREN_LEFT, (parent, flapping, limit)).fetchone()
        return int(row[0])

    def family(self, parent: str) -> Family:
        """What a parent's ticket tells of its children."""
        total, raised = self._db.execute(
            "SELECT count(*), coalesce(sum(state IN ('pending', 'open', 'recovering')), 0) FROM incident WHERE parent = ?",
            (parent,),
        ).fetchone()
        held_back = self._db.execute("SELECT coalesce(sum(count), 0) FROM held WHERE parent = ?", (parent,)).fetchone()[
            0
        ]
        held_by = self._db.execute(
            "SELECT source, count FROM held WHERE parent = ? AND source <> '' ORDER BY count DESC, source LIMIT ?",
            (parent, HELD_LISTED),
        )
        some = self._db.execute(
            "SELECT id, impact, condition, source, object, state FROM incident WHERE parent = ? "
            "ORDER BY state IN ('resolved', 'closed'), impact, id LIMIT ?",
            (parent, LISTED),
        ).fetchall()
        return Family(
            total=total,
            raised=raised,
            by_condition=self._most(parent, "condition"),
            by_source=self._most(parent, "source"),
            some=[f"{MARK_PREFIX}{ident} P{impact} {' '.join(filter(None, words))}" for ident, impact, *words in some],
            held_back=held_back,
            held_by_source=dict(held_by.fetchall()),
        )

    def count_alive(self, *, limit: int) -> int:
        """How many incidents are not over, up to ``limit``."""
        row = self._db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM incident WHERE state IN ('pending', 'open', 'recovering') LIMIT ?)",
            (limit,),
        ).fetchone()
        return int(row[0])

    def hold_back(self, parent: str, source: str, *, count: int) -> None:
        """Count what a cap held back; sources beyond the first so many are one number."""
        self._db.execute(_HOLD_BACK, {"parent": parent, "source": rows.text(source), "count": count, "most": MOST_HELD})

    def tally(self, scope: str, key: str, *, until_ms: int) -> int:
        """Count one more in the period that ends then; how many there are now."""
        row = self._db.execute(
            "INSERT INTO tally VALUES (?, ?, ?, 1) ON CONFLICT (scope, key) DO UPDATE SET "
            "count = CASE until_ms WHEN excluded.until_ms THEN count + 1 ELSE 1 END, until_ms = excluded.until_ms "
            "RETURNING count",
            (scope, rows.text(key), until_ms),
        ).fetchone()
        return int(row[0])

    def _most(self, parent: str, column: str) -> dict[str, int]:
        found = self._db.execute(
            f"SELECT {column}, count(*) AS number FROM incident WHERE parent = ? GROUP BY {column} "
            "ORDER BY number DESC, 1 LIMIT 5",
            (parent,),
        )
        return dict(found.fetchall())

    def alive(self, *, after: str, limit: int) -> list[Incident]:
        """Incidents that are not over, by id."""
        found = self._db.execute(
            f"SELECT {rows.INCIDENT_COLUMNS} FROM incident "
            "WHERE id > ? AND state IN ('pending', 'open', 'recovering') ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [rows.incident_of(row) for row in found.fetchall()]

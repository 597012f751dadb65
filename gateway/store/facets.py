"""Facets in SQL for SQLite: how incidents that concern each other find each other."""

import sqlite3
from collections.abc import Iterable

from gateway.core.family import LISTED, Family
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
        if not total:
            return Family()
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
        )

    def tally(self, scope: str, key: str, *, period: int) -> int:
        """Count one more in this period; how many there are now."""
        row = self._db.execute(
            "INSERT INTO tally VALUES (?, ?, ?, 1) ON CONFLICT (scope, key) DO UPDATE SET "
            "count = CASE period WHEN excluded.period THEN count + 1 ELSE 1 END, period = excluded.period RETURNING count",
            (scope, rows.text(key), period),
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

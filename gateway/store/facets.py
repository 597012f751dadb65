"""Facets in SQL for SQLite: how incidents that concern each other find each other."""

from collections.abc import Iterable
from typing import Any

from gateway.core.family import HELD_LISTED, LISTED, Family
from gateway.core.incident import Incident
from gateway.core.inhibit import Facet
from gateway.core.ticket import MARK_PREFIX
from gateway.store import rows
from gateway.store.bulk import Bulk, Writer

FACET = Bulk("INSERT OR IGNORE INTO facet (name, key, incident, both) VALUES {}", 4)
TALLY = Bulk(
    "INSERT INTO tally (scope, key, until_ms, count) VALUES {} "
    "ON CONFLICT (scope, key) DO UPDATE SET until_ms = excluded.until_ms, count = excluded.count",
    4,
)

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
    "SELECT count(*) FROM (SELECT 1 FROM incident INDEXED BY incident_parent "
    "WHERE parent = ? AND parent <> '' AND state <> 'closed' "
    "AND (instr(muted, 'flapping') OR (state <> 'resolved' AND NOT ?)) LIMIT ?)"
)


MOST_HELD = 200
"""Sources that are counted each by itself for one parent: with forged addresses there could be any number."""
MOST_UNHELD = 20_000
"""Facets remembered that nobody holds; at one more all are forgotten."""
MOST_TALLIES = 20_000
"""Tallies remembered; at one more all are read anew."""
_TALLIES_OF = "SELECT key, until_ms, count FROM tally WHERE scope = ? AND key IN ({})"
_HOLD_BACK = (
    "INSERT INTO held SELECT :parent, CASE WHEN EXISTS (SELECT 1 FROM held WHERE parent = :parent AND source = :source) "
    "OR (SELECT count(*) FROM held WHERE parent = :parent) < :most THEN :source ELSE '' END, :count WHERE true "
    "ON CONFLICT (parent, source) DO UPDATE SET count = count + excluded.count"
)


class SqliteFacets:
    """The part of `gateway.store.api.Transaction` that is about facets, on the writer's connection."""

    _db: Writer
    _tallies: dict[tuple[str, str], list[Any]]
    """Rows of `TALLY` by scope and key, as they are or wait to be: each that begins counts in several."""
    _alive: int | None
    """How many incidents are not over; None: to be counted."""
    _unheld: set[tuple[str, str]]
    """Names and keys of facets that no incident holds."""

    def holders(self, facet: Facet, *, but: str, limit: int) -> list[Incident]:
        """Open incidents that hold the facet."""
        pair = rows.text(facet.name), rows.text(facet.key)
        if self._nobody_has(pair):
            return []
        found = self._db.execute(_HOLDERS, (*pair, but, facet.both, limit))
        return [rows.incident_of(row) for row in found.fetchall()]

    def add_facets(self, incident_id: str, facets: Iterable[Facet]) -> None:
        """Let others find an incident."""
        for one in facets:
            pair = rows.text(one.name), rows.text(one.key)
            self._unheld.discard(pair)
            self._db.later(FACET, (*pair, incident_id, int(one.both)))

    def drop_facets(self, incident_id: str) -> bool:
        """Let nobody find an incident any more; whether anybody could."""
        return self._db.execute("DELETE FROM facet WHERE incident = ?", (incident_id,)).rowcount > 0

    def drop_all_facets(self) -> None:
        """Let nobody find any incident any more."""
        self._db.execute("DELETE FROM facet")

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
        if self._alive is not None:
            return min(self._alive, limit)
        row = self._db.execute(
            "SELECT count(*) FROM (SELECT 1 FROM incident WHERE state IN ('pending', 'open', 'recovering') LIMIT ?)",
            (limit,),
        ).fetchone()
        if row[0] < limit:
            self._alive = row[0]
        return int(row[0])

    def _nobody_has(self, pair: tuple[str, str]) -> bool:
        """Whether no incident holds a facet of this name and key: nearly always, and asked for each that begins."""
        if pair in self._unheld:
            return True
        if self._db.look_at(FACET, "SELECT 1 FROM facet WHERE name = ? AND key = ? LIMIT 1", pair).fetchone():
            return False
        if len(self._unheld) >= MOST_UNHELD:
            self._unheld.clear()
        self._unheld.add(pair)
        return True

    def _count_change(self, before: Incident | None, after: Incident, *, began: bool) -> None:
        """``before`` is None where it is not known what was there, or ``after`` began."""
        if self._alive is not None:
            known = began or before is not None
            self._alive = self._alive + after.alive - (before is not None and before.alive) if known else None

    def _forget_kept(self) -> None:
        self._alive = None
        self._tallies = {}
        self._unheld = set()

    def hold_back(self, parent: str, source: str, *, count: int) -> None:
        """Count what a cap held back; sources beyond the first so many are one number."""
        self._db.execute(_HOLD_BACK, {"parent": parent, "source": rows.text(source), "count": count, "most": MOST_HELD})

    def read_tallies(self, keys: Iterable[tuple[str, str]]) -> None:
        """Read at once what `tally` will be asked for."""
        if len(self._tallies) > MOST_TALLIES:
            self._tallies.clear()  # what waits is written before anything is read
        by_scope: dict[str, dict[str, None]] = {}
        for scope, key in keys:
            if (scope, key) not in self._tallies:
                by_scope.setdefault(scope, {})[rows.text(key)] = None
        for scope, unknown in by_scope.items():
            self._tallies.update(((scope, key), [scope, key, 0, 0]) for key in unknown)
            for key, until_ms, count in self._db.look_up(_TALLIES_OF, unknown, first=(scope,)):
                self._tallies[scope, key] = [scope, key, until_ms, count]

    def tally(self, scope: str, key: str, *, until_ms: int) -> int:
        """Count one more in the period that ends then; how many there are now."""
        mark = scope, rows.text(key)
        if mark not in self._tallies:
            self.read_tallies([mark])
        row = self._tallies[mark]
        count: int = row[3] + 1 if row[2] == until_ms else 1
        row[2:] = until_ms, count
        self._db.later(TALLY, row, key=mark)
        return count

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

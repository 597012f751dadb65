"""Clears that were heard lately, in SQL for SQLite: what they may have overtaken comes behind them."""

import json
from collections.abc import Iterable, Mapping

from gateway.core.overtaken import Clear
from gateway.store import rows
from gateway.store.bulk import Writer

_OF = (
    "SELECT value, at_ms, heard_ms, collector FROM json_each(?) CROSS JOIN cleared ON fingerprint = value "
    "WHERE heard_ms >= ?"
)
# One statement for all; "WHERE true" lets SQLite tell the upsert from a join.
_KEEP = (
    "INSERT INTO cleared (fingerprint, at_ms, heard_ms, collector) "
    "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), "
    "json_extract(value, '$[3]') FROM json_each(?) WHERE true "
    "ON CONFLICT (fingerprint) DO UPDATE SET at_ms = excluded.at_ms, heard_ms = excluded.heard_ms, "
    "collector = excluded.collector WHERE excluded.at_ms >= at_ms OR heard_ms < ?"
)
_FORGET = "DELETE FROM cleared WHERE fingerprint IN (SELECT fingerprint FROM cleared WHERE heard_ms < ? LIMIT ?)"
FORGET_EVERY = 100
"""Clears after which as many and more are forgotten that are too old: not with each, which would cost it a statement."""


class SqliteClears:
    """The part of `gateway.store.api.Transaction` that is about remembered clears, on the writer's connection."""

    _db: Writer
    _kept_since = FORGET_EVERY
    """Clears kept since old ones were forgotten; after a start it is time."""

    def clears(self, fingerprints: Iterable[str], *, since_ms: int) -> dict[str, Clear]:
        """The newest clear of each fingerprint that has one heard since then."""
        marks = {rows.text(mark): mark for mark in fingerprints}
        found = self._db.execute(_OF, (json.dumps([*marks]), since_ms)).fetchall()
        return {
            marks[mark]: Clear(at_ms=at_ms, heard_ms=heard_ms, collector=collector)
            for mark, at_ms, heard_ms, collector in found
        }

    def keep_clears(self, clears: Mapping[str, Clear], *, since_ms: int) -> None:
        """Remember clears by fingerprint, each if it is newer than the one there is; those heard before are forgotten."""
        found = [(rows.text(mark), one.at_ms, one.heard_ms, rows.text(one.collector)) for mark, one in clears.items()]
        self._db.execute(_KEEP, (json.dumps(found), since_ms))
        self._kept_since += len(found)
        if self._kept_since >= FORGET_EVERY:
            self._db.execute(_FORGET, (since_ms, 2 * self._kept_since))
            self._kept_since = 0

    def _shift_clears(self, by_ms: int) -> None:
        """After a step of the wall clock."""
        self._db.execute("UPDATE cleared SET at_ms = at_ms + ?, heard_ms = heard_ms + ?", (by_ms, by_ms))

"""The outbox in SQL for SQLite: how wishes become operations, who takes them, and how they end."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from gateway.core.decision import OperationKind, Wish
from gateway.core.incident import Incident
from gateway.core.operation import Operation, OperationState, crashed, with_next_comment
from gateway.core.reason import Reason
from gateway.store import rows
from gateway.store.bulk import Bulk, Writer

OPERATION = Bulk(
    "INSERT INTO operation (incident, sink, kind, rank, impact, reason, body, state, created_ms, next_ms) VALUES {}", 10
)
_SELECT = f"SELECT {rows.OPERATION_COLUMNS} FROM operation "
# Earlier operations of the same ticket go first. A dead one blocks only if it was to make or change the ticket itself.
_READY = (
    "sink = ? AND state IN ('pending', 'unknown') AND NOT looking AND NOT EXISTS ("
    "SELECT 1 FROM operation AS p WHERE p.incident = o.incident AND p.sink = o.sink AND p.id < o.id "
    "AND (p.state <> 'dead' OR p.kind = 'sync'))"
)
# `+next_ms` keeps the planner to the index that has this order: a long outbox is not sorted for each call.
_CLAIMABLE = _SELECT + f"AS o WHERE {_READY} AND +next_ms <= ? ORDER BY rank, impact, id LIMIT ?"
_NEXT = f"SELECT next_ms FROM operation AS o WHERE {_READY} ORDER BY next_ms LIMIT 1"
# What died while nobody knew how it ended is looked for before it is sent again.
_REVIVED = "CASE WHEN state = 'dead' AND unknown_ms IS NOT NULL THEN 'unknown' ELSE 'pending' END"
_SUPERSEDE = (
    f"UPDATE operation SET rank = min(rank, ?), impact = ?, reason = ?, state = {_REVIVED}, "
    "error = CASE state WHEN 'dead' THEN '' ELSE error END, "
    "attempts = CASE state WHEN 'dead' THEN 0 ELSE attempts END, "
    "looks = CASE state WHEN 'dead' THEN 0 ELSE looks END, "
    "next_ms = CASE state WHEN 'dead' THEN ? ELSE next_ms END, "  # a back-off may obey a tracker's limit
    "created_ms = CASE state WHEN 'dead' THEN ? ELSE created_ms END "
    "WHERE incident = ? AND sink = ? AND kind = 'sync' AND state IN ('pending', 'dead')"
)
_PASSING = frozenset({Reason.CLEARED, Reason.REOPENED})
"""Comments that only the newest of is worth reading, if nobody has read the one before it."""
_SAY_INSTEAD = (
    "UPDATE operation SET body = ?, impact = ? WHERE incident = ? AND sink = ? AND kind = 'comment' AND reason = ? "
    "AND state = 'pending'"
)
_REQUEUE = (
    f"UPDATE operation SET state = {_REVIVED}, attempts = 0, crashes = 0, looks = 0, created_ms = ?, next_ms = ? "
    "WHERE id = ? AND state = 'dead'"
)


class SqliteOutbox:
    """The part of `gateway.store.api.Transaction` that is about operations, on the writer's connection."""

    def __init__(self, db: Writer) -> None:
        self._db = db

    def claim(self, sink: str, *, now_ms: int, limit: int) -> list[Operation]:
        """Take what is ready, most pressing first: in flight if it is to be sent, or being looked for."""
        claimed = []
        for row in self._db.execute(_CLAIMABLE, (sink, now_ms, limit)).fetchall():
            claimed.append(_taken(self._folded(rows.operation_of(row)), now_ms=now_ms))
            self._save_operation(claimed[-1])
        return claimed

    def next_operation_ms(self, sink: str) -> int | None:
        """When the next operation that waits for nothing but its time is ready."""
        row = self._db.execute(_NEXT, (sink,)).fetchone()
        return row[0] if row else None

    def settle(self, operation: Operation | None, *, claimed: Operation) -> bool:
        """Write down how a claimed operation ended, if it is still ours."""
        ours = self._db.execute(
            "SELECT 1 FROM operation WHERE id = ? AND state = ? AND attempts = ? AND looking = ?",
            (claimed.id, claimed.state, claimed.attempts, claimed.looking),
        ).fetchone()
        if ours is None:
            return False
        if operation is None:
            self._db.execute("DELETE FROM operation WHERE id = ?", (claimed.id,))
        else:
            self._save_operation(replace(operation, looking=False))
            if operation.state is OperationState.DEAD and operation.kind is OperationKind.SYNC:
                self._revive_for_newer(operation)
        return True

    def recover_operations(self, *, now_ms: int) -> int:
        """What was sent or looked for when the process died has an unknown outcome; how many there were."""
        found = self._db.execute(_SELECT + "WHERE state = 'inflight' OR looking").fetchall()
        for row in found:
            self._save_operation(crashed(rows.operation_of(row), now_ms=now_ms))
        return len(found)

    def requeue(self, operation_id: int, *, now_ms: int) -> bool:
        """Repeat a dead operation."""
        return self._db.execute(_REQUEUE, (now_ms, now_ms, operation_id)).rowcount == 1

    def drop(self, operation_id: int) -> bool:
        """Remove a dead operation."""
        return self._db.execute("DELETE FROM operation WHERE id = ? AND state = 'dead'", (operation_id,)).rowcount == 1

    def busy(self, incident_id: str, sink: str) -> bool:
        """Whether the ticket is about to be changed by us."""
        row = self._db.execute(
            "SELECT 1 FROM operation WHERE incident = ? AND sink = ? AND kind = 'sync' AND state <> 'dead' LIMIT 1",
            (incident_id, sink),
        ).fetchone()
        return row is not None

    # --- inside ----------------------------------------------------------------------------------

    def _wish(self, incident: Incident, wish: Wish, hashes: list[str], *, began: bool, now_ms: int) -> None:
        """Put a wish into the outbox; a newer one takes the place of an older one that was not sent.

        Of comments only those do that tell of a passing state: else what flaps would bury the tracker under them.
        """
        body = dict(wish.body)
        if wish.kind is OperationKind.ATTACH and not body:
            for sha256, name in self._stored_files(incident.id):
                self._insert(incident, wish, {"sha256": sha256, "name": name}, now_ms=now_ms)
            return
        if wish.kind is OperationKind.ATTACH:
            body["sha256"] = hashes[int(body.pop("number"))]
        if wish.kind is OperationKind.SYNC and not began and self._supersede(incident, wish, now_ms=now_ms):
            return
        if wish.kind is OperationKind.COMMENT and self._say_instead(incident, wish, body):
            return
        self._insert(incident, wish, body, now_ms=now_ms)

    def _stored_files(self, incident_id: str) -> list[tuple[str, str]]:
        return self._db.execute(
            "SELECT sha256, name FROM attachment WHERE incident = ? ORDER BY rowid", (incident_id,)
        ).fetchall()

    def _insert(self, incident: Incident, wish: Wish, body: Mapping[str, str], *, now_ms: int) -> None:
        self._db.later(
            OPERATION,
            (
                *(incident.id, wish.sink, str(wish.kind), int(wish.rank), incident.impact.rank, str(wish.reason)),
                *(rows.dump(body), str(OperationState.PENDING), now_ms, now_ms),
            ),
        )

    def _folded(self, operation: Operation) -> Operation:
        """The operation; a comment with the text of those that wait right behind it, which are gone then."""
        if operation.kind is not OperationKind.COMMENT:
            return operation
        behind = self._db.execute(
            _SELECT + "WHERE incident = ? AND sink = ? AND id > ? ORDER BY id",
            (operation.incident, operation.sink, operation.id),
        ).fetchall()
        for later in map(rows.operation_of, behind):
            both = with_next_comment(operation, later)
            if both is None:
                break
            operation = both
            self._db.execute("DELETE FROM operation WHERE id = ?", (later.id,))
            self._db.execute("UPDATE operation SET body = ? WHERE id = ?", (rows.dump(both.body), both.id))
        return operation

    def _supersede(self, incident: Incident, wish: Wish, *, now_ms: int) -> bool:
        values: tuple[Any, ...] = (wish.rank, incident.impact.rank, wish.reason, now_ms, now_ms, incident.id, wish.sink)
        return self._db.execute(_SUPERSEDE, values).rowcount > 0

    def _revive_for_newer(self, died: Operation) -> None:
        """A newer wish waits behind what died: it takes its place, as it would had it come a moment later."""
        newer = self._db.execute(
            "DELETE FROM operation WHERE incident = ? AND sink = ? AND kind = 'sync' AND state = 'pending' AND id > ? "
            "RETURNING rank, impact, reason, next_ms, created_ms",
            (died.incident, died.sink, died.id),
        ).fetchall()
        if newer:
            self._db.execute(_SUPERSEDE, (*newer[-1], died.incident, died.sink))

    def _say_instead(self, incident: Incident, wish: Wish, body: dict[str, str]) -> bool:
        if wish.reason not in _PASSING:
            return False
        values = (rows.dump(body), incident.impact.rank, incident.id, wish.sink, wish.reason)
        return self._db.execute(_SAY_INSTEAD, values).rowcount > 0

    def _save_operation(self, operation: Operation) -> None:
        self._db.execute(
            "UPDATE operation SET state = ?, attempts = ?, crashes = ?, looks = ?, next_ms = ?, sent_ms = ?, "
            "unknown_ms = ?, error = ?, looking = ? WHERE id = ?",
            (
                *(operation.state, operation.attempts, operation.crashes, operation.looks, operation.next_ms),
                *(operation.sent_ms, operation.unknown_ms, rows.text(operation.error), operation.looking, operation.id),
            ),
        )


def _taken(operation: Operation, *, now_ms: int) -> Operation:
    """The operation as claimed: in flight if it is to be sent; one that is looked for stays unknown."""
    if operation.state is OperationState.UNKNOWN:
        return replace(operation, looking=True)
    return replace(
        operation,
        state=OperationState.INFLIGHT,
        attempts=operation.attempts + 1,
        sent_ms=now_ms if operation.sent_ms is None else operation.sent_ms,
    )

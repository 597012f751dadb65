"""The desk as a library: what the sink writes, what people do, what pages show; one SQLite file, any number of readers.

Every method is one transaction (or a part of the one of `Desk.together`), returns when it is on disk, and blocks: call it
off the event loop. What people do
(`Desk.close`, `Desk.set_impact`, ...) is signed with their name and seen later by `sinks.local.sink.LocalSink.observe`.
"""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from pydantic_core import to_json

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.ticket import TicketDraft, TicketField, TicketState
from sinks.local.schema import connect
from sinks.local.ticket import TOCSIN, Change, File, Remark, Ticket, name_of, storable

DAY_MS = 86_400_000
PRUNED_AT_ONCE = 20
OPENED = "opened"


class NoSuchTicket(LookupError):
    """There is no ticket of this number: it never was, or a person deleted it."""

    def __init__(self, number: int) -> None:
        super().__init__(f"there is no ticket {name_of(number)} on the local desk")


class Desk:
    """Tickets in a file. Use it as a context manager, from one thread at a time."""

    def __init__(self, path: Path, *, now_ms: Callable[[], int], busy_timeout_s: float = 5.0) -> None:
        self._db = connect(path, busy_timeout_s=busy_timeout_s)
        self._now_ms = now_ms

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self.shut()

    def shut(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let all that is done inside be one transaction; a method that fails inside is undone alone."""
        with self._transaction():
            yield

    @property
    def is_together(self) -> bool:
        """Whether the transaction of `together` lasts: SQLite ends it itself when the disk is full, or fails."""
        return self._db.in_transaction

    # --- what pages show ---

    def get(self, number: int) -> Ticket | None:
        """The ticket with its remarks, history, files and links; None if there is none."""
        found = self.take([number])
        if not found:
            return None
        query = self._db.execute
        remarks = query("SELECT * FROM remark WHERE ticket = ? ORDER BY id", (number,))
        history = query("SELECT at_ms, who, what, before, after FROM change WHERE ticket = ? ORDER BY id", (number,))
        files = query("SELECT mark, name, media_type, length(content) AS size FROM file WHERE ticket = ?", (number,))
        links = query(
            "SELECT high FROM link WHERE low = :it UNION SELECT low FROM link WHERE high = :it ORDER BY 1",
            {"it": number},
        )
        return replace(
            found[0],
            remarks=tuple(_remark(row) for row in remarks),
            history=tuple(Change(**row) for row in history),
            files=tuple(File(**row) for row in files),
            links=tuple(other for (other,) in links),
        )

    def list(self, *, state: TicketState | None = None, limit: int = 100, below: int | None = None) -> list[Ticket]:
        """Tickets, newest first, without details; ``below`` a number for the next page."""
        rows = self._db.execute(
            "SELECT * FROM ticket WHERE (:state IS NULL OR state = :state) AND (:below IS NULL OR number < :below)"
            " ORDER BY number DESC LIMIT :limit",
            {"state": state, "below": below, "limit": limit},
        )
        return [_ticket(row) for row in rows]

    def take(self, numbers: Iterable[int]) -> Sequence[Ticket]:
        """These tickets, without details, in no order; those that are not there are left out."""
        wanted = json.dumps(list(numbers))  # one parameter, however many numbers
        rows = self._db.execute("SELECT * FROM ticket WHERE number IN (SELECT value FROM json_each(?))", (wanted,))
        return [_ticket(row) for row in rows]

    def number_of(self, key: str) -> int | None:
        """The number of the ticket made for ``key``; None if there is none."""
        row = self._db.execute("SELECT number FROM ticket WHERE key = ?", (storable(key),)).fetchone()
        return None if row is None else int(row["number"])

    def content(self, number: int, mark: str) -> bytes | None:
        """The content of an attached file; None if there is none with this mark."""
        query = "SELECT content FROM file WHERE ticket = ? AND mark = ?"
        row = self._db.execute(query, (number, storable(mark))).fetchone()
        return None if row is None else bytes(row["content"])

    def has_remark(self, number: int, mark: str) -> bool:
        """Whether the daemon's remark with this mark is there."""
        row = self._db.execute("SELECT 1 FROM remark WHERE ticket = ? AND mark = ?", (number, storable(mark)))
        return row.fetchone() is not None

    def faults(self) -> Sequence[str]:
        """What SQLite finds wrong with the file; empty if it is whole."""
        found = tuple(str(row[0]) for row in self._db.execute("PRAGMA quick_check(10)"))
        return () if found == ("ok",) else found

    # --- what people do ---

    def close(self, number: int, *, who: str, wont_fix: bool = False) -> None:
        """Close it, or say that nobody will repair it.

        Raises:
            NoSuchTicket: as do all methods below.
        """
        self._change(number, who, state=TicketState.CLOSED, wont_fix=wont_fix)

    def reopen(self, number: int, *, who: str) -> None:
        """Say that it is not over."""
        self._change(number, who, state=TicketState.OPEN, wont_fix=False)

    def set_impact(self, number: int, impact: Impact, *, who: str) -> None:
        """Change its priority."""
        self._change(number, who, impact=impact)

    def assign(self, number: int, owner: str, *, who: str) -> None:
        """Give it to a team or a person."""
        self._change(number, who, owner=owner)

    def remark(self, number: int, text: str, *, who: str, mark: str = "", public: bool = False) -> None:
        """Write a comment; one with a ``mark`` that is there already is not written again."""
        with self._writing(number):
            self._db.execute(
                "INSERT OR IGNORE INTO remark (ticket, at_ms, author, text, mark, public) VALUES (?, ?, ?, ?, ?, ?)",
                (number, self._now_ms(), storable(who), storable(text), storable(mark) or None, public),
            )

    def delete(self, number: int) -> None:
        """Remove it with all that belongs to it; its number is never used again."""
        with self._writing(number):
            self._db.execute("DELETE FROM ticket WHERE number = ?", (number,))

    # --- what the sink writes ---

    def place(self, draft: TicketDraft) -> int:
        """Put the ticket on the desk; the number of the one that is there if its key is known."""
        now_ms = self._now_ms()
        values = {
            **_columns(draft),
            "key": storable(draft.key),
            "owner": storable(draft.team),
            "impact": draft.impact,
            "state": draft.state,
            "created_ms": now_ms,
            "changed_ms": now_ms,
        }
        names, places = ", ".join(values), ", ".join(f":{name}" for name in values)
        with self._transaction():
            made = self._db.execute(
                f"INSERT INTO ticket ({names}) VALUES ({places}) ON CONFLICT (key) DO NOTHING RETURNING number",  # noqa: S608 -- names are ours
                values,
            ).fetchone()
            if made is not None:
                self._record(made["number"], TOCSIN, OPENED)
        number = self.number_of(draft.key) if made is None else int(made["number"])
        if number is None:  # deleted between the two statements: the host repeats
            raise sqlite3.OperationalError("the ticket was deleted while it was opened")
        return number

    def revise(self, number: int, draft: TicketDraft) -> None:
        """Make the ticket look like ``draft``, except what people own; twice = once."""
        wanted: dict[str, Any] = _columns(draft)
        if TicketField.STATE not in draft.keep:
            wanted["state"] = draft.state
            if draft.state is TicketState.OPEN:
                wanted["wont_fix"] = False
        if TicketField.PRIORITY not in draft.keep:
            wanted["impact"] = draft.impact
        if TicketField.OWNER not in draft.keep:
            wanted["owner"] = draft.team
        self._change(number, TOCSIN, **wanted)

    def relate(self, first: int, second: int) -> None:
        """Link two tickets, once; a ticket is not linked to itself."""
        low, high = sorted((first, second))
        with self._writing(low, high):
            if low != high and self._insert("INSERT OR IGNORE INTO link (low, high) VALUES (?, ?)", low, high):
                self._record(low, TOCSIN, "link", after=name_of(high))
                self._record(high, TOCSIN, "link", after=name_of(low))

    def attach(self, number: int, attachment: Attachment, *, mark: str) -> None:
        """Keep a file, unless one with this ``mark`` is there."""
        name, media_type = storable(attachment.name), storable(attachment.media_type)
        with self._writing(number):
            if self._insert(
                "INSERT OR IGNORE INTO file (ticket, mark, name, media_type, content) VALUES (?, ?, ?, ?, ?)",
                *(number, storable(mark), name, media_type, attachment.content),
            ):
                self._record(number, TOCSIN, "file", after=name)

    def prune(self, *, closed_days: int) -> int:
        """Remove a few closed tickets that nobody touched for ``closed_days``; returns how many."""
        with self._transaction():
            return self._db.execute(
                "DELETE FROM ticket WHERE number IN"
                " (SELECT number FROM ticket WHERE state = ? AND changed_ms < ? ORDER BY changed_ms LIMIT ?)",
                (TicketState.CLOSED, self._now_ms() - closed_days * DAY_MS, PRUNED_AT_ONCE),
            ).rowcount

    # --- inside ---

    def _change(self, number: int, who: str, **wanted: Any) -> None:
        """Write what differs, and a line of history for what people look at."""
        with self._writing(number) as row:
            wanted = {name: storable(value) if isinstance(value, str) else value for name, value in wanted.items()}
            changed = {name: value for name, value in wanted.items() if row[name] != value}
            if not changed:
                return
            for name in sorted(changed.keys() & _TOLD):
                self._record(number, who, name, before=str(row[name]), after=str(changed[name]))
            settings = ", ".join(f"{name} = :{name}" for name in changed)
            self._db.execute(
                f"UPDATE ticket SET {settings}, changed_ms = :changed_ms WHERE number = :number",  # noqa: S608 -- names are ours
                {**changed, "changed_ms": self._now_ms(), "number": number},
            )

    def _insert(self, statement: str, *values: Any) -> bool:
        """Whether a row was added: it is not if its key is there already."""
        return self._db.execute(statement, values).rowcount > 0

    def _record(self, number: int, who: str, what: str, *, before: str = "", after: str = "") -> None:
        self._db.execute(
            "INSERT INTO change (ticket, at_ms, who, what, before, after) VALUES (?, ?, ?, ?, ?, ?)",
            (number, self._now_ms(), storable(who), what, before, after),
        )

    @contextmanager
    def _writing(self, *numbers: int) -> Iterator[sqlite3.Row]:
        """One transaction on tickets that must be there; gives the last one's row."""
        with self._transaction():
            for number in numbers:
                row = self._db.execute("SELECT * FROM ticket WHERE number = ?", (number,)).fetchone()
                if row is None:
                    raise NoSuchTicket(number)
            yield row

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        begin, end, *undo = _WITHIN if self._db.in_transaction else _ALONE
        self._db.execute(begin)
        try:
            yield
            self._db.execute(end)
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it itself after some errors
                for words in undo:
                    self._db.execute(words)
            raise


_ALONE = ("BEGIN IMMEDIATE", "COMMIT", "ROLLBACK")
_WITHIN = ("SAVEPOINT one", "RELEASE one", "ROLLBACK TO one", "RELEASE one")
"""How a transaction, and one within another, begins, ends, and is undone."""


_TOLD = frozenset({"state", "impact", "owner", "title"})
"""Columns whose changes are history; the rest changes with every occurrence."""


def _columns(draft: TicketDraft) -> dict[str, Any]:
    """Columns that are always ours, whatever people own."""
    return {
        "title": storable(draft.title),
        "description": storable(draft.description),
        "source": storable(draft.source),
        "condition": storable(draft.condition),
        "object": storable(draft.object),
        "fingerprint": storable(draft.fingerprint),
        "runbook": storable(draft.runbook),
        "labels": to_json({storable(k): storable(v) for k, v in sorted(draft.labels.items())}).decode(),
        "occurrences": draft.occurrences,
        "first_seen_ms": draft.first_seen_ms,
        "last_seen_ms": draft.last_seen_ms,
    }


def _ticket(row: sqlite3.Row) -> Ticket:
    columns = dict(row)
    columns |= {
        "impact": Impact(row["impact"]),
        "state": TicketState(row["state"]),
        "wont_fix": bool(row["wont_fix"]),
        "labels": MappingProxyType(json.loads(row["labels"])),
    }
    return Ticket(**columns)


def _remark(row: sqlite3.Row) -> Remark:
    return Remark(
        at_ms=row["at_ms"],
        author=row["author"],
        text=row["text"],
        mark=row["mark"] or "",
        public=bool(row["public"]),
    )

"""A store of an older version is brought to this one with all that was in it."""

import sqlite3
from pathlib import Path

import pytest

from gateway.store.migrate import scripts
from gateway.store.place import FILE_NAME, connect

BEFORE_ROWIDS = 12
CHILDREN = {
    "timeline": "INSERT INTO timeline (incident, at_ms, reason, text) VALUES (?, 1, 'first_raised', 'raised')",
    "thread": "INSERT INTO thread (key, incident) VALUES ('mail-1', ?)",
    "facet": "INSERT INTO facet (name, key, incident, both) VALUES ('parent', '', ?, 0)",
    "held": "INSERT INTO held (parent, source, count) VALUES (?, 'edge-1', 7)",
}


def older(path: Path, version: int) -> None:
    """A store as the program of that version left it, with an incident and what hangs on it."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    for script in scripts()[:version]:
        connection.executescript(script.read_text(encoding="utf-8"))
    connection.execute(f"PRAGMA user_version = {version}")
    connection.execute(
        "INSERT INTO incident (id, fingerprint, state, impact, source, condition, object, occurrences, first_seen_ms, "
        "last_seen_ms, raised_ms, due_ms, closed_ms, version, muted, parent, body) VALUES "
        "('0H00000000001', 'mark', 'open', 2, 'edge-1', 'link_down', 'ge-0/0/1', 3, 10, 20, 20, NULL, NULL, 4, 'storm', "
        "'0H00000000000', '{\"labels\":{}}')"
    )
    for words in CHILDREN.values():
        connection.execute(words, ("0H00000000001",))
    connection.close()


def test_an_incident_and_what_hangs_on_it_outlive_its_table(tmp_path: Path) -> None:
    older(tmp_path / FILE_NAME, BEFORE_ROWIDS)
    connection = connect(tmp_path / FILE_NAME)
    row = connection.execute(
        "SELECT id, fingerprint, state, impact, source, condition, object, occurrences, first_seen_ms, last_seen_ms, "
        "raised_ms, due_ms, closed_ms, version, muted, parent, body FROM incident"
    ).fetchall()
    assert row == [
        ("0H00000000001", "mark", "open", 2, "edge-1", "link_down", "ge-0/0/1", 3, 10, 20, 20, None, None, 4, "storm",
         "0H00000000000", '{"labels":{}}'),
    ]  # fmt: skip
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert {table: _count(connection, table) for table in CHILDREN} == dict.fromkeys(CHILDREN, 1)
    with pytest.raises(sqlite3.IntegrityError):  # one trouble, one incident
        connection.execute(
            "INSERT INTO incident SELECT '0H00000000002', fingerprint, state, impact, source, condition, object, occurrences, "
            "first_seen_ms, last_seen_ms, raised_ms, due_ms, closed_ms, version, muted, parent, body FROM incident"
        )
    connection.execute("DELETE FROM incident")
    assert {table: _count(connection, table) for table in CHILDREN} == dict.fromkeys(CHILDREN, 0)
    connection.close()


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - of our own list
    return int(count)

"""Tables of the desk's file, and how a connection to it is opened."""

import sqlite3
from pathlib import Path

VERSION = 1
"""Of the schema, kept in SQLite's ``user_version``."""

SCHEMA = """
CREATE TABLE ticket (
    number INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice, not even after a deletion
    key TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    impact TEXT NOT NULL,
    state TEXT NOT NULL,
    wont_fix INTEGER NOT NULL DEFAULT 0,
    owner TEXT NOT NULL,
    source TEXT NOT NULL,
    condition TEXT NOT NULL,
    object TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    runbook TEXT NOT NULL,
    labels TEXT NOT NULL,  -- a JSON object of strings
    occurrences INTEGER NOT NULL,
    first_seen_ms INTEGER NOT NULL,
    last_seen_ms INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX ticket_by_state ON ticket (state, changed_ms);
CREATE TABLE remark (
    id INTEGER PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES ticket ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    mark TEXT,  -- NULL for what people write: NULLs never collide
    public INTEGER NOT NULL,
    UNIQUE (ticket, mark)
) STRICT;
CREATE TABLE change (
    id INTEGER PRIMARY KEY,
    ticket INTEGER NOT NULL REFERENCES ticket ON DELETE CASCADE,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,
    what TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
) STRICT;
CREATE INDEX change_by_ticket ON change (ticket);
CREATE TABLE link (
    low INTEGER NOT NULL REFERENCES ticket ON DELETE CASCADE,
    high INTEGER NOT NULL REFERENCES ticket ON DELETE CASCADE,
    PRIMARY KEY (low, high),
    CHECK (low < high)
) STRICT;
CREATE INDEX link_by_high ON link (high);
CREATE TABLE file (
    ticket INTEGER NOT NULL REFERENCES ticket ON DELETE CASCADE,
    mark TEXT NOT NULL,
    name TEXT NOT NULL,
    media_type TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (ticket, mark)
) STRICT;
"""


def connect(path: Path, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the desk's file, making it if it is not there; transactions are begun by hand.

    Raises:
        ValueError: the file is of a newer version than this program.
        sqlite3.Error: it cannot be opened, or is no SQLite file.
    """
    path.touch(mode=0o600, exist_ok=True)  # tickets quote mails: nobody else's business
    # One thread works at a time, not always the same one: the sink's worker opens, a later one may close.
    db = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")  # what we said is done survives a power cut
        db.execute("PRAGMA foreign_keys = ON")
        db.row_factory = sqlite3.Row
        _migrate(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN IMMEDIATE")  # two processes may open a fresh file at once
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()
        _must_be_known(version, path)
        if version == 0:
            for statement in SCHEMA.split(";\n"):
                db.execute(statement)
            db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _must_be_known(version: int, path: Path) -> None:
    if version > VERSION:
        raise ValueError(f"{path} was written by a newer Tocsin (schema {version}, we know {VERSION}): upgrade")

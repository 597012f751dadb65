"""Where the store lies: the names in the state directory, who may use it, and how its file is opened."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from gateway.store.api import StoreError, StoreUnusable
from gateway.store.migrate import migrate

FILE_NAME = "tocsin.db"
LOCK_NAME = "tocsin.lock"
BALLAST_NAME = "ballast"
RESTORING_NAME = "restoring"
"""There while `tocsin restore` puts files in their places."""
PRAGMAS = (
    "journal_mode = WAL",
    "synchronous = FULL",
    "foreign_keys = ON",
    "busy_timeout = 5000",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 67108864",
    "cache_size = -65536",
    "temp_store = MEMORY",
)
STATEMENTS = 512
"""Kept prepared: `gateway.store.bulk` has one for each number of rows, of each of a dozen kinds."""
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@contextlib.contextmanager
def locked(state_dir: Path) -> Iterator[None]:
    """Make the folder and keep it to this process: two daemons on one store would open every ticket twice.

    Raises:
        StoreError: another one keeps it, or it cannot be made.
    """
    try:
        state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(state_dir / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _cannot_open(state_dir / FILE_NAME, error) from None
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StoreError(f"another Tocsin runs on the store in {state_dir}: stop it first") from None
        yield
    finally:
        os.close(lock)


def connect(path: Path) -> sqlite3.Connection:
    """Open the file, or make it; look whether it is sound; bring it to this program's version.

    Raises:
        StoreError: it cannot be opened.
        StoreUnusable: a person must act first.
    """
    if path.with_name(RESTORING_NAME).exists():
        raise StoreUnusable(f"a restore into {path.parent} was interrupted: run tocsin restore again")
    try:
        path.touch(mode=0o600)  # mails are in there
        _sync_log(path)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS)
    except (OSError, sqlite3.Error) as error:
        raise _cannot_open(path, error) from None
    try:
        if not path.stat().st_size:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # it can shrink when the disk is full
        for pragma in PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
        damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if damage != "ok":
            raise _damaged(path, damage)
        migrate(connection)
    except sqlite3.Error as error:
        connection.close()
        damaged = getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGE
        raise (_damaged(path, error) if damaged else _cannot_open(path, error)) from None
    except StoreError:
        connection.close()
        raise
    return connection


def _sync_log(path: Path) -> None:
    """Make durable what a process wrote that died before its sync: SQLite takes it for committed, and so shall we.

    Only before the store is opened: closing the descriptor would drop SQLite's locks.
    """
    with contextlib.suppress(FileNotFoundError):
        log = os.open(f"{path}-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(log)
        finally:
            os.close(log)


def _cannot_open(path: Path, why: object) -> StoreError:
    return StoreError(f"cannot open the store {path}: {why}; check that the folder exists and is writable")


def _damaged(path: Path, why: object) -> StoreUnusable:
    what = " ".join(str(why).split())
    return StoreUnusable(f"the store {path} is damaged ({what}): restore a backup, or move it away to begin anew")

"""Bring a database file to this program's version: numbered SQL files, each applied once, whole or not at all."""

import sqlite3
from importlib import resources
from importlib.resources.abc import Traversable

from gateway.store.api import StoreUnusable


def migrate(connection: sqlite3.Connection) -> None:
    """Apply what is missing; ``PRAGMA user_version`` counts what was applied.

    Raises:
        StoreUnusable: the file was written by a newer version.
    """
    known = scripts()
    have = connection.execute("PRAGMA user_version").fetchone()[0]
    if have > len(known):
        raise StoreUnusable(
            f"the store has schema version {have} and this program knows {len(known)}: install the newer Tocsin again"
        )
    # A table that is made anew must not take with it what refers to it.
    (kept,) = connection.execute("PRAGMA foreign_keys").fetchone()
    connection.execute("PRAGMA foreign_keys = OFF")
    for number, script in enumerate(known[have:], start=have + 1):
        text = script.read_text(encoding="utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")
    connection.execute(f"PRAGMA foreign_keys = {kept}")


def versions() -> int:
    """The newest schema version that this program knows."""
    return len(scripts())


def scripts() -> list[Traversable]:
    """All of them, the oldest first."""
    found = resources.files("gateway.store").joinpath("migrations").iterdir()
    return sorted((item for item in found if item.name.endswith(".sql")), key=lambda item: item.name)

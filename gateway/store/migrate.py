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
    scripts = _scripts()
    have = connection.execute("PRAGMA user_version").fetchone()[0]
    if have > len(scripts):
        raise StoreUnusable(
            f"the store has schema version {have} and this program knows {len(scripts)}: install the newer Tocsin again"
        )
    for number, script in enumerate(scripts[have:], start=have + 1):
        text = script.read_text(encoding="utf-8")
        connection.executescript(f"BEGIN IMMEDIATE;\n{text}\nPRAGMA user_version = {number};\nCOMMIT;")


def versions() -> int:
    """The newest schema version that this program knows."""
    return len(_scripts())


def _scripts() -> list[Traversable]:
    found = resources.files("gateway.store").joinpath("migrations").iterdir()
    return sorted((item for item in found if item.name.endswith(".sql")), key=lambda item: item.name)

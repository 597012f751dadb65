"""Tables for people: aligned columns, hostile text escaped, no wider than the terminal."""

import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from gateway.logs import printable

GAP = "  "
ENDLESS = 1 << 20
"""Columns of an output that is no terminal: nothing is cut."""


def table(head: Sequence[object], rows: Iterable[Sequence[object]], *, width: int | None = None) -> str:
    """``rows`` under ``head``, left-aligned; the last column is cut to what is left of ``width``."""
    width = width or shutil.get_terminal_size((ENDLESS, 24)).columns
    cells = [[printable("" if cell is None else str(cell)) for cell in row] for row in [head, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]
    lines = []
    for row in cells:
        line = GAP.join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        lines.append(line if len(line) <= width else line[: width - 1] + "…")
    return "\n".join(lines)


def ago(instant: str | None, now: datetime | None = None) -> str:
    """How long ago an RFC 3339 instant was, in one unit (``3m``); ``-`` if never."""
    if not instant:
        return "-"
    return _short(max(0, round(((now or datetime.now(UTC)) - datetime.fromisoformat(instant)).total_seconds())))


def until(instant: str | None, now: datetime | None = None) -> str:
    """How far ahead an RFC 3339 instant is, in one unit (``in 3m``), or how far behind (``3m late``); ``-`` if never."""
    if not instant:
        return "-"
    seconds = round((datetime.fromisoformat(instant) - (now or datetime.now(UTC))).total_seconds())
    return f"in {_short(seconds)}" if seconds >= 0 else f"{_short(-seconds)} late"


def _short(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def when(instant: str | None) -> str:
    """An RFC 3339 instant in the local time zone, which is named; ``-`` if never."""
    if not instant:
        return "-"
    return datetime.fromisoformat(instant).astimezone().strftime("%Y-%m-%d %H:%M:%S %Z")

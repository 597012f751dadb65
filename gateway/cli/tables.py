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


def ago(then_ms: int | None, now_ms: int) -> str:
    """How long ago, in one unit (``3m``); ``-`` if never."""
    if not then_ms:
        return "-"
    seconds = max(0, now_ms - then_ms) // 1000
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def when(at_ms: int | None) -> str:
    """An instant in the local time zone; ``-`` if never."""
    if not at_ms:
        return "-"
    return datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")

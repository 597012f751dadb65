"""An inventory as CSV: one entry in a row, options as columns, so that a spreadsheet can keep it.

The first row names the columns. ``kind`` says what a row is (``station``, ``source`` or ``site``; without it all are
stations), ``labels.NAME`` is one label, an empty cell says nothing. Commas or semicolons; the first row decides. What
comes out is what the same entries in TOML would give, so that all else (checks, sentences, lines) is the same.
"""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gateway.config.document import Document, read_text
from gateway.config.mistakes import Mistake, Source, did_you_mean

LARGEST = 67_108_864
"""Bytes; a hundred thousand stations are about six million."""
KINDS = ("station", "source", "site")
LABEL = "labels."
DURATIONS = ("interval", "grace", "must_appear_within")
"""Columns in which a bare number means seconds, as it does in TOML."""


def read_table(path: Path) -> Document | Mistake:
    """Read the CSV file at ``path``, or say in one sentence why that cannot be done."""
    text = read_text(path, largest=LARGEST)
    return text if isinstance(text, Mistake) else parse_table(text, name=str(path))


def parse_table(text: str, *, name: str) -> Document | Mistake:
    """Parse ``text``, which came from the file ``name``; the first thing wrong with it as a table is told."""
    first = text.partition("\n")[0]
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    data: dict[str, list[dict[str, Any]]] = {}
    lines: dict[tuple[str | int, ...], int] = {}
    try:
        head = [cell.strip() for cell in next(rows, [])]
        wrong = _wrong_head(head)
        if wrong:
            return Mistake(name, 1, "", wrong)
        for line, cells in _filled(rows):
            if len(cells) > len(head):
                cure = "quote cells that hold the separator"
                return Mistake(name, line, "", f"has {len(cells)} cells for {len(head)} columns; {cure}")
            entry = _entry(head, cells)
            kind = entry.pop("kind", KINDS[0])
            if kind not in KINDS:
                return Mistake(name, line, "kind", f'there is no kind "{kind}"; {did_you_mean(str(kind), KINDS)}')
            entries = data.setdefault(kind, [])
            lines[kind, len(entries)] = line
            entries.append(entry)
    except csv.Error as error:
        return Mistake(name, rows.line_num, "", f"is not valid CSV: {error}; correct the quotes of the row")
    return Document(dict(data), Source(name, lines))


def _wrong_head(head: list[str]) -> str:
    if "name" not in head:
        return "has no column name; the first row names the columns (name,site,interval,depends_on,labels.role)"
    twice = next((cell for cell in head if head.count(cell) > 1), None)
    return f'has the column "{twice}" twice; keep one' if twice is not None else ""


def _filled(rows: Any) -> Iterator[tuple[int, list[str]]]:
    """Rows that say something, each with the line on which it begins."""
    line = rows.line_num + 1
    for cells in rows:
        if any(cell.strip() for cell in cells):
            yield line, cells
        line = rows.line_num + 1


def _entry(head: list[str], cells: list[str]) -> dict[str, Any]:
    entry: dict[str, Any] = {}
    for column, cell in zip(head, cells, strict=False):
        text = cell.strip()
        if not text:
            continue
        if column.startswith(LABEL):
            entry.setdefault("labels", {})[column.removeprefix(LABEL)] = text
        elif column in DURATIONS and text.isascii() and text.isdecimal():
            entry[column] = int(text)
        else:
            entry[column] = text
    return entry

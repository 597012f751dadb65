"""One TOML file: read, parsed, and with the line of each key; what is wrong with it as a file, in one sentence."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.config.locate import locate
from gateway.config.mistakes import Mistake, Source

LARGEST = 4_194_304
"""Bytes; ten thousand rules are about two million."""

_WHERE = re.compile(
    r"(?P<what>.*?) \((?:at line (?P<line>\d+), column (?P<column>\d+)|at end of document)\)\Z", re.DOTALL
)
_CURES = {
    "Invalid value": "write text in quotes, numbers and true or false without",
    "Invalid initial character for a key part": "a line is KEY = VALUE, [TABLE], [[TABLE]] or # COMMENT",
    "Expected '=' after a key in a key/value pair": "a line is KEY = VALUE, [TABLE], [[TABLE]] or # COMMENT",
    "Expected newline or end of document after a statement": "one KEY = VALUE stands on each line, text in quotes",
    "Cannot overwrite a value": "the key is there twice: keep one",
    "Unclosed array": 'close it with "]"',
    "Unterminated string": "close its quotes",
    "Unescaped '\\' in a string": "write \\\\, or use single quotes",
    "Illegal character '\\n'": "close the quotes on the same line",
}


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content, and where its keys stand."""

    data: dict[str, Any]
    source: Source


def read(path: Path) -> Document | Mistake:
    """Read the TOML file at ``path``, or say in one sentence why that cannot be done."""
    text = read_text(path, largest=LARGEST)
    return text if isinstance(text, Mistake) else parse(text, name=str(path))


def read_text(path: Path, *, largest: int) -> str | Mistake:
    """What the file at ``path`` says, or why it cannot be read; ``largest`` is in bytes."""
    name = str(path)
    try:
        with path.open("rb") as file:
            raw = file.read(largest + 1)
    except FileNotFoundError:
        return Mistake(name, 0, "", "there is no such file; correct its path")
    except OSError as error:
        return Mistake(name, 0, "", f"cannot be read ({error.strerror}); make it a file that this user may read")
    if len(raw) > largest:
        return Mistake(name, 0, "", f"is larger than {largest} bytes; split it, and name each part in include")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        return Mistake(name, line, "", "is not UTF-8; save the file in that encoding")


def parse(text: str, *, name: str) -> Document | Mistake:
    """Parse ``text``, which came from the file ``name``; on a syntax error, the first one is told."""
    try:
        return Document(tomllib.loads(text), Source(name, locate(text)))
    except tomllib.TOMLDecodeError as error:
        return _syntax(str(error), text, name)
    except RecursionError:
        return Mistake(name, 0, "", "is nested too deeply; no option needs more than four levels")
    except ValueError as error:  # a date or number that Python cannot hold
        return Mistake(name, 0, "", f"holds a value that cannot be ({error}); correct it")


def _syntax(message: str, text: str, name: str) -> Mistake:
    found = _WHERE.match(message)
    what = found["what"] if found else message
    line = int(found["line"]) if found and found["line"] else text.rstrip().count("\n") + 1
    column = f" at column {found['column']}" if found and found["column"] else ""
    cure = next((cure for start, cure in _CURES.items() if what.startswith(start)), "correct the line")
    what = what[:1].lower() + what[1:]
    return Mistake(name, line, "", f"is not valid TOML: {what}{column}; {cure}")

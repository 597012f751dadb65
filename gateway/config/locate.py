"""Find the line of each key in a TOML document, since `tomllib` forgets lines.

Pure: text in, ``{key path: line}`` out. A path is made of table keys and array indices: ``("rule", 2, "name")``.
The text must be valid TOML (`tomllib` has read it before); on text that is not, lines may be wrong but nothing is raised.
"""

import re
import tomllib

Path = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\n]*")
_STRING = re.compile(
    r'"""(?:[^\\]|\\.)*?"""(?:"{0,2})'  # up to two more quotes belong to the text
    r"|'''.*?'''(?:'{0,2})"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'",
    re.DOTALL,
)


def locate(text: str) -> dict[Path, int]:
    """The line, counted from 1, on which each table, key and array element of ``text`` first stands."""
    return _Locator(text.replace("\r\n", "\n")).lines


class _Locator:
    """Walks the text once, from key to key."""

    def __init__(self, text: str) -> None:
        self.lines: dict[Path, int] = {}
        self._text = text
        self._at = 0
        self._line = 1
        self._counts: dict[Path, int] = {}
        table: Path = ()
        self._skip(_BLANK)
        while self._at < len(text):
            before = self._at
            table = self._header() if text[self._at] == "[" else self._pair(table)
            self._skip(_BLANK)
            if self._at == before:
                return  # not TOML: better no line than no end

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            return ""
        self._line += found[0].count("\n")
        self._at = found.end()
        return found[0]

    def _take(self, text: str) -> bool:
        if not self._text.startswith(text, self._at):
            return False
        self._at += len(text)
        return True

    def _note(self, path: Path, line: int) -> Path:
        self.lines.setdefault(path, line)
        return path

    def _keys(self) -> list[str]:
        keys = []
        while True:
            self._skip(_SPACE)
            quoted = self._skip(_STRING)
            keys.append(_unquoted(quoted) if quoted else self._skip(_BARE_KEY))
            self._skip(_SPACE)
            if not self._take("."):
                return keys

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``: the path of the table that follows."""
        line = self._line
        many = self._take("[[")
        if not many:
            self._take("[")
        path: Path = ()
        *parents, last = self._keys()
        for key in parents:
            path = self._note((*path, key), line)
            if path in self._counts:  # the parent is an array of tables: its last one is meant
                path = (*path, self._counts[path] - 1)
        path = self._note((*path, last), line)
        if many:
            index = self._counts.get(path, 0)
            self._counts[path] = index + 1
            path = self._note((*path, index), line)
        self._take("]]" if many else "]")
        return path

    def _pair(self, table: Path) -> Path:
        """``key = value`` within ``table``, which is returned."""
        line, path = self._line, table
        for key in self._keys():
            path = self._note((*path, key), line)
        self._take("=")
        self._skip(_SPACE)
        self._value(path)
        self._skip(_SPACE)
        return table

    def _value(self, path: Path) -> None:
        if self._skip(_STRING):
            return
        if self._take("["):
            self._array(path)
        elif self._take("{"):
            self._inline_table(path)
        else:
            self._skip(_SCALAR)

    def _array(self, path: Path) -> None:
        index = 0
        self._skip(_BLANK)
        while self._at < len(self._text) and not self._take("]"):
            before = self._at
            self._value(self._note((*path, index), self._line))
            index += 1
            self._skip(_BLANK)
            self._take(",")
            self._skip(_BLANK)
            if self._at == before:
                return

    def _inline_table(self, path: Path) -> None:
        self._skip(_BLANK)  # TOML 1.1 allows lines and comments here
        while self._at < len(self._text) and not self._take("}"):
            before = self._at
            self._pair(path)
            self._skip(_BLANK)
            self._take(",")
            self._skip(_BLANK)
            if self._at == before:
                return


def _unquoted(key: str) -> str:
    try:
        return next(iter(tomllib.loads(f"{key} = 0")))
    except (tomllib.TOMLDecodeError, StopIteration):
        return key

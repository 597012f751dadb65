"""Read MIB files as they are: a tolerant scanner, not a compiler.

Pure: text in, definitions and problems out. MIB files of vendors break every rule of ASN.1; what counts here is which
names have which numbers. So comments and texts are blanked, the file is cut at each ``::=``, and each piece is read on its
own: one that makes no sense is told with its line and costs nothing else. Work grows with the length of the text only.

Facts alone are taken: names, numbers, enumerations, display hints. No DESCRIPTION is kept.
"""

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

__all__ = ["Definition", "Module", "Problem", "Syntax", "scan"]

_SKIPPED: Final = re.compile(r'DISPLAY-HINT\s+"[^"\n]*"|"[^"]*"|--[^\n]*')
_ASSIGNMENT: Final = re.compile(r"::=")
_MODULE: Final = re.compile(
    r"([A-Za-z][\w-]*)\s*(?:\{[^{}]*\}\s*)?DEFINITIONS\b(?:\s+(?:IMPLICIT|EXPLICIT)\s+TAGS)?\s*\Z"
)
_FROM: Final = re.compile(r"\bFROM\s+([A-Za-z][\w-]*)")
_WORD: Final = re.compile(r"[A-Za-z][\w-]*")
_HEAD: Final = re.compile(
    r"(?<![\w-])([A-Za-z][\w-]*)\s+(OBJECT-TYPE|NOTIFICATION-TYPE|TRAP-TYPE|MODULE-IDENTITY|OBJECT-IDENTITY|OBJECT-GROUP"
    r"|NOTIFICATION-GROUP|MODULE-COMPLIANCE|AGENT-CAPABILITIES|OBJECT\s+IDENTIFIER)(?![\w-])"
)
_NO_NAMES: Final = frozenset({"SYNTAX", "WRITE-SYNTAX", "IMPORTS", "EXPORTS", "FROM", "OF", "BEGIN", "MACRO", "ACCESS"})
_VALUE: Final = re.compile(r"\s*(?:\{([^{}]*)\}|(\d{1,10})\b)")
_TYPE_NAME: Final = re.compile(r"([A-Za-z][\w-]*)\s*\Z")
_SYNTAX: Final = re.compile(
    r"\s*(?:\[[^\]]*\]\s*)?(?:IMPLICIT\s+)?([A-Za-z][\w.-]*(?:\s+(?:STRING|IDENTIFIER|OF)\b)?)\s*(?:\{([^{}]*)\})?"
)
_SYNTAX_CLAUSE: Final = re.compile(r"(?<![\w-])SYNTAX\b")
_HINT: Final = re.compile(r'DISPLAY-HINT\s+"([^"\n]*)"')
_NAMED_NUMBER: Final = re.compile(r"(?<![\w-])([A-Za-z][\w-]*)\s*\(\s*(-?\d{1,10})\s*\)")
_OBJECTS: Final = re.compile(r"(?<![\w-])(?:OBJECTS|VARIABLES)\s*\{([^{}]*)\}")
_ENTERPRISE: Final = re.compile(r"(?<![\w-])ENTERPRISE\s+(?:\{\s*)?([A-Za-z][\w.-]*)")
_MACROS_OF: Final = frozenset({"SNMPv2-SMI", "SNMPv2-TC", "SNMPv2-CONF", "RFC1155-SMI", "RFC-1212", "RFC-1215"})
"""Modules that define the language itself."""


class Problem(NamedTuple):
    """What is wrong, and where."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


class Syntax(NamedTuple):
    """A type: what it is called, and what it says itself of its values."""

    base: str
    enum: str = ""
    """``up=1 down=2``."""
    hint: str = ""
    """DISPLAY-HINT."""


class Definition(NamedTuple):
    """One name with its place in the tree."""

    name: str
    macro: str
    """``OBJECT-TYPE``, ``NOTIFICATION-TYPE``, ``TRAP-TYPE``, ...; ``OBJECT IDENTIFIER`` for the rest."""
    value: str
    """What is within the braces, or TRAP-TYPE's number."""
    line: int
    syntax: Syntax | None = None
    objects: tuple[str, ...] = ()
    enterprise: str = ""


@dataclass(slots=True)
class Module:
    """What one module defines."""

    name: str
    file: str
    line: int
    imports: dict[str, str] = field(default_factory=dict)
    """Module by symbol."""
    definitions: list[Definition] = field(default_factory=list)
    types: dict[str, Syntax] = field(default_factory=dict)
    rows: set[str] = field(default_factory=set)
    """Types of table rows."""


def scan(text: str, *, file: str) -> tuple[list[Module], list[Problem]]:
    """The modules in a file, and what is wrong with it.

    Args:
        text: of the file.
        file: its name, for problems.
    """
    scanner = _Scanner(text, file)
    scanner.run()
    return scanner.modules, scanner.problems


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        self.modules: list[Module] = []
        self.problems: list[Problem] = []
        self._text = _SKIPPED.sub(_blank, text)
        self._file = file
        self._lines = [found.start() for found in re.finditer("\n", self._text)]

    def run(self) -> None:
        text = self._text
        opened = _HINT.sub(_spaces, text).find('"')
        if opened >= 0:
            self._tell(opened, 'a text that begins here with " never ends')
        ends = [found.span() for found in _ASSIGNMENT.finditer(text)]
        at = 0
        for number, (begin, end) in enumerate(ends):
            later = ends[number + 1][0] if number + 1 < len(ends) else len(text)
            at = self._assignment(at, begin, end, later)
        if not self.modules:
            self._tell(0, "there is no MIB module in this file (NAME DEFINITIONS ::= BEGIN)")

    def _assignment(self, at: int, begin: int, end: int, later: int) -> int:
        """Take what stands between ``at`` and the ``::=`` at ``begin``, and its value; where the value ends."""
        piece = self._text[at:begin]
        found = _MODULE.search(piece[-500:])
        if found is not None:
            self.modules.append(Module(found[1], self._file, self._line(begin)))
            return end
        if not self.modules or self.modules[-1].name in _MACROS_OF:
            return end
        module = self.modules[-1]
        imports = piece.find("IMPORTS")
        ended = piece.find(";", imports) + 1 if imports >= 0 else 0
        if ended:
            module.imports |= dict(_imports(piece[imports + len("IMPORTS") : ended]))
            at += ended
            piece = piece[ended:]
        last = None
        for head in _HEAD.finditer(piece):
            if head[1] not in _NO_NAMES:
                last = head
        if last is None:
            self._type(module, piece, end, later)
            return end
        return self._definition(module, last, at, end)

    def _definition(self, module: Module, head: re.Match[str], at: int, end: int) -> int:
        name, macro = head[1], " ".join(head[2].split())
        value = _VALUE.match(self._text, end)
        if value is None:
            self._tell(at + head.start(), f"{name} has no number after ::=")
            return end
        body = head.string[head.end() :]
        objects = _OBJECTS.search(body)
        enterprise = _ENTERPRISE.search(body)
        made = Definition(
            name=name,
            macro=macro,
            value=value[1] if value[1] is not None else value[2],
            line=self._line(at + head.start()),
            syntax=_syntax(body) if macro == "OBJECT-TYPE" else None,
            objects=tuple(_WORD.findall(objects[1])) if objects else (),
            enterprise=enterprise[1] if enterprise else "",
        )
        if macro == "OBJECT IDENTIFIER" or value[1] is not None or macro == "TRAP-TYPE":
            module.definitions.append(made)
        else:
            self._tell(at + head.start(), f"{name} has a bare number, where its parent should be named, too")
        return value.end()

    def _type(self, module: Module, piece: str, end: int, later: int) -> None:
        named = _TYPE_NAME.search(piece[-200:])
        if named is None:
            return
        value = self._text[end : min(later, end + 100_000)]
        words = value.split(None, 1)
        if words and words[0] in {"SEQUENCE", "CHOICE"}:
            module.rows.add(named[1])
        elif words and words[0] == "TEXTUAL-CONVENTION":
            syntax = _syntax(value)
            if syntax is not None:
                module.types[named[1]] = syntax
        else:
            plain = _SYNTAX.match(value)
            if plain is not None:
                module.types[named[1]] = _made(plain, "")

    def _line(self, at: int) -> int:
        return bisect_right(self._lines, at - 1) + 1

    def _tell(self, at: int, text: str) -> None:
        self.problems.append(Problem(self._file, self._line(at), text))


def _blank(found: re.Match[str]) -> str:
    """Nothing, on as many lines; display hints stay."""
    text = found[0]
    return text if text.startswith("DISPLAY-HINT") else "\n" * text.count("\n") or " "


def _spaces(found: re.Match[str]) -> str:
    return " " * len(found[0])


def _imports(body: str) -> Iterator[tuple[str, str]]:
    parts = _FROM.split(body)
    for symbols, module in zip(parts[::2], parts[1::2], strict=False):
        for symbol in _WORD.findall(symbols):
            yield symbol, module


def _syntax(body: str) -> Syntax | None:
    """The type that the first SYNTAX clause names, with the hint before it."""
    clause = _SYNTAX_CLAUSE.search(body)
    found = _SYNTAX.match(body, clause.end()) if clause is not None else None
    if clause is None or found is None:
        return None
    hint = _HINT.search(body, 0, clause.start())
    return _made(found, hint[1] if hint else "")


def _made(found: re.Match[str], hint: str) -> Syntax:
    pairs: Mapping[str, str] = dict(_NAMED_NUMBER.findall(found[2] or ""))
    enum = " ".join(f"{word}={int(number)}" for word, number in pairs.items())
    return Syntax(" ".join(found[1].split()), enum, hint if hint.isprintable() else "")

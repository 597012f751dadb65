"""What the importers of other systems' trap definitions share: drafts of rules, their account, and TOML.

Pure. Each definition ends as carried (the rule says the same), changed (it says less or other, and what is told) or refused (no
rule could say it, and why). A rule that would match more than its definition is never made.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from collectors.snmp.names import Names
from gateway.core.match import Matcher
from gateway.core.text import toml_string

__all__ = [
    "Account",
    "Carried",
    "Draft",
    "Fields",
    "Words",
    "both_forms",
    "matcher",
    "plain",
    "summary",
    "toml_of",
    "words_of",
]

Words = Mapping[str, Mapping[int, str]]

_NAME: Final = re.compile(r"[^\w.-]+", re.ASCII)
_LONGEST_NAME: Final = 110
_LONGEST_SUMMARY: Final = 400


class Carried(StrEnum):
    """How a definition came over."""

    CARRIED = "carried"
    CHANGED = "changed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of one definition."""

    file: str
    line: int
    name: str
    how: Carried
    why: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.name}: {self.how}" + (f": {self.why}" if self.why else "")


@dataclass(slots=True, kw_only=True)
class Draft:
    """A rule in the making."""

    name: str
    conditions: Sequence[str] = ()
    match: list[str] = field(default_factory=list)
    proceed: bool = False
    drop: bool = False
    set_condition: str = ""
    kind: str = ""
    object: str = ""
    impact: str = ""
    summary: str = ""
    no_ticket: bool = False
    clear_after: str = ""

    def lines(self, name: str) -> Iterator[str]:
        """The rule as TOML, under this name."""
        yield "[[rule]]"
        yield f"name = {toml_string(name)}"
        yield 'collector = "snmp"'
        if self.conditions:
            yield f"condition = [{', '.join(map(toml_string, self.conditions))}]"
        if self.match:
            yield f"match = [{', '.join(map(toml_string, self.match))}]"
        if self.proceed:
            yield "continue = true"
        if self.drop:
            yield "drop = true"
        for key in ("set_condition", "kind", "object", "impact", "summary", "clear_after"):
            value = getattr(self, key)
            if value:
                yield f"{key} = {toml_string(value)}"
        if self.no_ticket:
            yield "sinks = []"


class Fields:
    """The fields that the varbinds of a trap have here."""

    def __init__(self, names: Names, oids: Sequence[str], words: Words) -> None:
        self.known = next((found for oid in oids if (found := names.notification(oid)) is not None), None)
        self._words = words

    def at(self, place: int) -> str:
        """The field of the varbind at ``place``, from 1."""
        objects = self.known.objects if self.known is not None else ()
        name = objects[place - 1] if 0 < place <= len(objects) else ""
        return name if name.strip("-") else f"varbind.{place}"

    def word(self, place: int, number: str) -> str:
        """What a number is shown as: a word if the object at this place has an enumeration."""
        if not re.fullmatch(r"-?\d{1,10}", number):
            return number
        return self._words.get(self.at(place), {}).get(int(number), number)


def words_of(names: Names) -> Words:
    """The enumerations of all known objects, by name."""
    return {known.name: known.enum for known in names.objects.values() if known.enum}


def both_forms(oid: str) -> list[str]:
    """An OID as agents of v2 and of v1 make it (RFC 3584 section 3.1)."""
    prefix, _, last = oid.rpartition(".")
    if prefix.endswith(".0"):
        return [oid, f"{prefix.removesuffix('.0')}.{last}"]
    return [oid, f"{prefix}.0.{last}"] if oid.startswith("1.3.6.1.4.1.") else [oid]


def matcher(name: str, operator: str, value: str) -> str:
    """A matcher as rules write it.

    Raises:
        ValueError: rules cannot say it; one sentence.
    """
    text = f'{name} {operator} "{value}"'
    parsed = Matcher.parse(text)
    if (parsed.field, parsed.operator, parsed.value) != (name, operator, value):
        raise ValueError(f"{value!r} cannot be written as a matcher")
    return text


def plain(text: str) -> str:
    """Text without braces, which would name a field, on one line."""
    return " ".join(text.replace("{", "(").replace("}", ")").split())


def summary(text: str) -> str:
    """A summary of bounded length; a field is never cut in two."""
    text = " ".join(text.split())
    if len(text) <= _LONGEST_SUMMARY:
        return text
    cut = text[:_LONGEST_SUMMARY]
    return cut[: cut.rindex("{")] if cut.rfind("{") > cut.rfind("}") else cut


def toml_of(drafts: Sequence[Draft], *, origin: str) -> str:
    """The rules as a file that ``tocsin check`` takes, each with a name of its own."""
    parts = [f"# Made by tocsin import from {plain(origin)}: read it before you use it.\n"]
    taken: set[str] = set()
    for draft in drafts:
        base = _NAME.sub("-", draft.name).strip("-")[:_LONGEST_NAME] or "rule"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        parts.append("\n".join(draft.lines(name)) + "\n")
    return "\n".join(parts)

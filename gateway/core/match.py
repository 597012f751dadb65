"""Matchers and templates: how rules look at an event and how they speak of it.

A matcher is ``FIELD OPERATOR VALUE``: ``ifDescr =~ "^ge-"``, ``temperature > 80``, ``site != lyon``. A template is text
with ``{field}`` in it. A field is one of the event's own (`EVENT_FIELDS`), else a label; a missing one is empty.
Regular expressions are RE2: linear in the length of hostile text, and without look-around or back-references.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from operator import attrgetter
from types import MappingProxyType
from typing import Any

import re2

from gateway.core.event import Event

EVENT_FIELDS = ("collector", "condition", "source", "object", "severity", "summary", "description", "kind", "requester")
_OF_EVENT: Mapping[str, Callable[[Event], Any]] = {name: attrgetter(name) for name in EVENT_FIELDS}
LONGEST_SUBJECT = 8192
"""Characters of a field's value that a matcher looks at."""

_GRAMMAR = re.compile(r"\s*(?P<field>[\w.:/-]+)\s*(?P<operator>=~|!~|!=|<=|>=|=|<|>)\s*(?P<value>.*?)\s*\Z", re.DOTALL)
_TEMPLATE = re.compile(r"\{([\w.:/-]+)\}")


class Operator(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    MATCHES = "=~"
    NOT_MATCHES = "!~"
    LESS = "<"
    LESS_OR_EQUAL = "<="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="


_NUMERIC: Mapping[Operator, Callable[[float, float], bool]] = {
    Operator.LESS: lambda a, b: a < b,
    Operator.LESS_OR_EQUAL: lambda a, b: a <= b,
    Operator.GREATER: lambda a, b: a > b,
    Operator.GREATER_OR_EQUAL: lambda a, b: a >= b,
}

NO_CAPTURES: Mapping[str, str] = MappingProxyType({})
"""What a matcher without named groups gives when it holds."""

Fields = Callable[[str], str]
"""Looks a field up by name; empty if there is none."""


def fields_of(event: Event, captures: Mapping[str, str] | None = None) -> Fields:
    """The lookup for one event; ``captures`` (a rule's named groups) come first."""
    labels = event.labels

    def look_up(name: str) -> str:
        if captures and name in captures:
            return captures[name]
        own = _OF_EVENT.get(name)
        return labels.get(name, "") if own is None else str(own(event))

    return look_up


@dataclass(frozen=True, slots=True, kw_only=True)
class Matcher:
    """One condition on one field."""

    field: str
    operator: Operator
    value: str
    number: float = 0.0
    pattern: Any = None

    @classmethod
    def parse(cls, text: str) -> "Matcher":
        """Read ``FIELD OPERATOR VALUE``; the value may stand in double quotes, and is taken as it is.

        Raises:
            ValueError: one sentence about what is wrong with ``text``.
        """
        found = _GRAMMAR.match(text)
        if found is None:
            raise ValueError(f"{text!r} is no matcher: write FIELD OPERATOR VALUE with one of = != =~ !~ < <= > >=")
        operator, value = Operator(found["operator"]), found["value"]
        if len(value) > 1 and value[0] == value[-1] == '"':
            value = value[1:-1]
        number, pattern = 0.0, None
        if operator in _NUMERIC:
            try:
                number = float(value)
            except ValueError:
                raise ValueError(f"{text!r} compares with {value!r}, which is no number") from None
        elif operator in (Operator.MATCHES, Operator.NOT_MATCHES):
            pattern = compile_pattern(value)
        return cls(field=found["field"], operator=operator, value=value, number=number, pattern=pattern)

    def match(self, fields: Fields) -> Mapping[str, str] | None:
        """The named groups it captured (often none) if it holds, else None."""
        subject = fields(self.field)
        match self.operator:
            case Operator.EQUAL:
                return NO_CAPTURES if subject == self.value else None
            case Operator.NOT_EQUAL:
                return NO_CAPTURES if subject != self.value else None
            case Operator.MATCHES:
                found = self.pattern.search(subject[:LONGEST_SUBJECT])
                if found is None:
                    return None
                return {name: text or "" for name, text in found.groupdict().items()}
            case Operator.NOT_MATCHES:
                return None if self.pattern.search(subject[:LONGEST_SUBJECT]) else NO_CAPTURES
            case _:
                return NO_CAPTURES if self._compares(subject) else None

    def _compares(self, subject: str) -> bool:
        try:
            number = float(subject)
        except ValueError:
            return False
        return _NUMERIC[self.operator](number, self.number)

    def __str__(self) -> str:
        plain = self.pattern is None and self.value.isalnum()
        value = self.value if plain else f'"{self.value}"'
        return f"{self.field} {self.operator} {value}"


def compile_pattern(text: str) -> Any:
    """Compile an RE2 pattern.

    Raises:
        ValueError: one sentence with RE2's own explanation.
    """
    options = re2.Options()
    options.log_errors = False  # RE2 prints to standard error otherwise
    try:
        return re2.compile(text, options)
    except re2.error as error:
        why = error.args[0].decode() if isinstance(error.args[0], bytes) else str(error.args[0])
        raise ValueError(f"the regular expression {text!r} is not RE2: {why}") from None


@dataclass(frozen=True, slots=True)
class Template:
    """Text with ``{field}`` in it; substitution only, no logic."""

    text: str
    _parts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    """Text and names of fields by turns, text first."""
    _constant: str | None = field(init=False, repr=False, compare=False)
    """The one line that it always says, if it names no field."""

    def __post_init__(self) -> None:
        parts = tuple(_TEMPLATE.split(self.text))
        object.__setattr__(self, "_parts", parts)
        object.__setattr__(self, "_constant", _one_line(self.text) if len(parts) == 1 else None)

    @property
    def flaw(self) -> str:
        """What a person who wrote it can't have meant, in one sentence; empty if nothing."""
        for said in self._parts[::2]:
            if "{" in said and "}" not in said.partition("{")[2]:
                begun = said[said.rindex("{") :]
                return f'"{begun}" has no end: write {{field}}, as in "{{source}} is down"'
        return ""

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of its fields."""
        return self._parts[1::2]

    def render(self, fields: Fields) -> str:
        """The text with each field's value put in; what is not a field name stays as it is."""
        said = list(self._parts)
        said[1::2] = map(fields, said[1::2])
        return "".join(said)

    def line(self, fields: Fields) -> str:
        """`render`, with every run of blanks made one."""
        return _one_line(self.render(fields)) if self._constant is None else self._constant


def _one_line(text: str) -> str:
    return " ".join(text.split())

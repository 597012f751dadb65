"""The small part of JQL that clients of the fake Jira speak."""

import re
from collections.abc import Callable
from dataclasses import dataclass

Row = dict[str, object]
"""What the index knows of an issue: id, key, project, summary, labels, created_ms."""


class JqlError(ValueError):
    """Jira would answer 400 with this text."""


@dataclass(frozen=True, slots=True)
class Query:
    """A parsed query."""

    matches: Callable[[Row], bool]
    newest_first: bool


def parse(jql: str, *, now_ms: int) -> Query:
    """Parse ``jql``; relative times count from ``now_ms``.

    Raises:
        JqlError: it is empty (Cloud refuses unbounded queries), or says something that the fake does not know.
    """
    restriction, _, order = re.sub(r"\s+", " ", jql).partition(" ORDER BY ")
    if not restriction.strip():
        raise JqlError("Unbounded JQL queries are not allowed here. Please add a search restriction to your query.")
    if order and not re.fullmatch(r"(created|key)( ASC| DESC)?", order.strip()):
        raise JqlError(f"Not able to sort using field '{order}'.")
    return Query(_Parser(restriction, now_ms).whole(), order.endswith("DESC"))


_TOKEN = re.compile(r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<sign>[()~,]|!=|<=|>=|[=<>])|(?P<word>[^\s()=<>~!,"]+))""")


class _Parser:
    def __init__(self, text: str, now_ms: int) -> None:
        self._now_ms = now_ms
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            found = _TOKEN.match(text, at)
            if found is None:
                raise JqlError(f"Error in the JQL Query near character {at}.")
            self._tokens.append((str(found.lastgroup), found[str(found.lastgroup)]))
            at = found.end()

    def whole(self) -> Callable[[Row], bool]:
        found = self._either()
        if self._tokens:
            raise JqlError(f"Error in the JQL Query: unexpected '{self._tokens[0][1]}'.")
        return found

    def _either(self) -> Callable[[Row], bool]:
        parts = [self._both()]
        while self._next_is("OR"):
            parts.append(self._both())
        return lambda row: any(part(row) for part in parts)

    def _both(self) -> Callable[[Row], bool]:
        parts = [self._one()]
        while self._next_is("AND"):
            parts.append(self._one())
        return lambda row: all(part(row) for part in parts)

    def _one(self) -> Callable[[Row], bool]:
        if self._next_is("("):
            inner = self._either()
            self._take(")")
            return inner
        field, operator = self._value().lower(), self._value().lower()
        values = self._list() if operator == "in" else [self._value()]
        return self._clause(field, operator, values)

    def _clause(self, field: str, operator: str, values: list[str]) -> Callable[[Row], bool]:
        match field, operator:
            case ("project" | "key" | "id", "=" | "in"):
                return lambda row: str(row[field]) in values
            case "labels", "=":
                return lambda row: values[0] in row["labels"]  # type: ignore[operator]
            case "summary", "~":
                return lambda row: _holds(str(row["summary"]), values[0])
            case "created", "<":
                before = self._now_ms - _minutes(values[0]) * 60_000
                return lambda row: int(str(row["created_ms"])) < before
        raise JqlError(f"Field '{field}' does not exist or does not take '{operator}'.")

    def _list(self) -> list[str]:
        self._take("(")
        values = [self._value()]
        while self._next_is(","):
            values.append(self._value())
        self._take(")")
        return values

    def _value(self) -> str:
        if not self._tokens:
            raise JqlError("Error in the JQL Query: unexpected end.")
        kind, value = self._tokens.pop(0)
        return re.sub(r"\\(.)", r"\1", value[1:-1]) if kind == "text" else value

    def _next_is(self, word: str) -> bool:
        if self._tokens and self._tokens[0][0] != "text" and self._tokens[0][1].upper() == word:
            self._tokens.pop(0)
            return True
        return False

    def _take(self, word: str) -> None:
        if not self._next_is(word):
            raise JqlError(f"Error in the JQL Query: expected '{word}'.")


def _minutes(text: str) -> int:
    found = re.fullmatch(r"-(\d+)m", text)
    if found is None:
        raise JqlError(f"Date value '{text}' is invalid.")
    return int(found[1])


def _holds(text: str, asked: str) -> bool:
    """Text search: a phrase in quotes must occur in order, other words in any order."""
    words = _words(text)
    wanted = _words(asked)
    if asked.startswith('"'):
        return any(words[at : at + len(wanted)] == wanted for at in range(len(words)))
    return set(wanted) <= set(words)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())

"""Which of many rules may match an event: found by what they demand of its fields, not by trying each.

Of each rule one matcher is looked at: an equality by a dictionary, else a regular expression by one automaton for all
patterns on that field (`re2.Set`). What is found is tried in full, so an index may only ever find too much.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import re2

from gateway.core.match import LONGEST_SUBJECT, Fields, Matcher, Operator

FEW = 8
"""Rules that are tried one by one sooner than looked up."""
_LEAST_MEMORY, _MEMORY_PER_PATTERN = 8 << 20, 16 << 10
"""Bytes that an automaton may take: they are used only by patterns that need them."""

Demands = tuple[int, Sequence[Matcher]]
"""A rule by its place in the order, and what it demands."""


class RuleIndex:
    """Some rules that look at the same events; immutable."""

    def __init__(self, rules: Sequence[Demands]) -> None:
        self._values: dict[str, dict[str, list[int]]] = {}
        always: list[int] = []
        patterns: dict[str, list[tuple[int, str]]] = {}
        shared = Counter((one.field, one.value) for _, matchers in rules for one in _equalities(matchers))
        for order, matchers in rules:
            equal = min(_equalities(matchers), key=lambda one: shared[one.field, one.value], default=None)
            like = next((one for one in matchers if one.operator is Operator.MATCHES), None)
            if len(rules) <= FEW:
                always.append(order)
            elif equal is not None:
                self._values.setdefault(equal.field, {}).setdefault(equal.value, []).append(order)
            elif like is not None:
                patterns.setdefault(like.field, []).append((order, like.value))
            else:
                always.append(order)
        self._patterns: dict[str, _Patterns] = {}
        for field, those in patterns.items():
            try:
                self._patterns[field] = _Patterns(those)
            except re2.error:  # too large for one automaton
                always += [order for order, _ in those]
        self.always = tuple(sorted(always))
        """Rules that every event must try."""
        self.selects = bool(self._values or self._patterns)
        """Whether `find` may find more than what is always tried."""

    def find(self, fields: Fields) -> list[int]:
        """The rules beside `always` that may match, in no order, none twice; the rest surely do not."""
        found: list[int] = []
        for field, by_value in self._values.items():
            found += by_value.get(fields(field), ())
        for field, patterns in self._patterns.items():
            found += patterns.find(fields(field)[:LONGEST_SUBJECT])
        return found


class _Patterns:
    """Patterns on one field, in one automaton."""

    def __init__(self, patterns: Sequence[tuple[int, str]]) -> None:
        options = re2.Options()
        options.log_errors = False
        options.max_mem = max(_LEAST_MEMORY, _MEMORY_PER_PATTERN * len(patterns))
        self._set: Any = re2.Set.SearchSet(options)
        self._orders = [order for order, _ in patterns]
        for _, pattern in patterns:
            self._set.Add(pattern)
        self._canary = self._set.Add("")  # always found; an automaton that ran out of memory finds nothing at all
        self._set.Compile()

    def find(self, subject: str) -> list[int]:
        try:
            found: list[int] = self._set.Match(subject) or []
        except UnicodeEncodeError:  # a lone surrogate: let each pattern say what it says of it
            found = []
        if self._canary not in found:
            return self._orders
        return [self._orders[number] for number in found if number != self._canary]


def _equalities(matchers: Iterable[Matcher]) -> list[Matcher]:
    return [one for one in matchers if one.operator is Operator.EQUAL]

"""The members of a payload as labels: flat, printable, bounded in number, depth and length."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

_NOT_OURS_TO_BELIEVE = frozenset({"site", "station", "source"})
"""Identity comes from the topic, which the broker's ACL protects."""


_PLAIN = (str, int, float)  # asked for first: asking whether something is a mapping takes long


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds of what one payload may become."""

    payload_bytes: int = 65_536
    labels: int = 64
    depth: int = 6
    key_chars: int = 120
    value_chars: int = 500
    description_chars: int = 2_000


class Labels(Mapping[str, str]):
    """What `flat` gives, made when somebody asks: of most beats nobody does."""

    __slots__ = ("_flat", "_limits", "_members")

    def __init__(self, members: Mapping[str, Any], limits: Limits) -> None:
        self._members, self._limits = members, limits
        self._flat: dict[str, str] | None = None

    def _made(self) -> dict[str, str]:
        if self._flat is None:
            self._flat = flat(self._members, self._limits)
        return self._flat

    def __getitem__(self, name: str) -> str:
        return self._made()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._made())

    def __len__(self) -> int:
        return len(self._made())

    def __repr__(self) -> str:
        return repr(self._made())


def flat(members: Mapping[str, Any], limits: Limits) -> dict[str, str]:
    """All leaves as ``path.to.leaf`` and text, in their order, no more and no deeper than the limits allow."""
    labels: dict[str, str] = {}
    own = ((key, value) for key, value in members.items() if key not in _NOT_OURS_TO_BELIEVE)
    _gather(own, labels, limits, prefix="", depth=1, left=limits.labels)
    return labels


def _gather(
    items: Iterable[tuple[str, Any]], labels: dict[str, str], limits: Limits, *, prefix: str, depth: int, left: int
) -> int:
    """Take the leaves under ``items``, as many as are ``left``; how many may follow."""
    for key, value in items:
        if not left:
            break
        path = (prefix + key)[: limits.key_chars]
        if isinstance(value, _PLAIN) or not isinstance(value, Mapping | list | tuple):
            left -= 1
            labels[path] = line(value, limits.value_chars)
        elif depth < limits.depth:
            below = _children(value, limits)
            left = _gather(below, labels, limits, prefix=f"{path}.", depth=depth + 1, left=left)
    return left


def _children(value: Any, limits: Limits) -> Iterator[tuple[str, Any]]:
    items = value.items() if isinstance(value, Mapping) else enumerate(value)
    return ((line(key, limits.key_chars), child) for key, child in islice(items, limits.labels))


def line(value: Any, chars: int) -> str:
    """A leaf as one printable line of at most ``chars`` characters."""
    text = value[: 2 * chars] if isinstance(value, str) else _text(value, chars)
    if not text.isprintable():  # control and bidirectional characters, lone surrogates
        text = "".join(character if character.isprintable() else " " for character in text)
    return (" ".join(text.split()) if " " in text else text)[:chars]


def _text(value: Any, chars: int) -> str:
    match value:
        case bool():
            text = "true" if value else "false"
        case float():
            text = f"{value:.15g}"
        case int():
            # Python refuses to write very long integers in decimal, and takes quadratic time for long ones.
            text = str(value) if value.bit_length() <= 64 else f"{value:#x}"  # noqa: PLR2004 - a machine word
        case None:
            text = ""
        case bytes():
            text = value[:chars].hex()
        case dt.datetime():
            text = value.isoformat()
        case _:
            text = type(value).__name__
    return text

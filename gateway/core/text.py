"""How instants, spans and outside text are written for people."""

import unicodedata
from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def utc(at_ms: int) -> str:
    """``2026-11-22 03:00:05 UTC``."""
    return datetime.fromtimestamp(at_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def span(length_ms: int) -> str:
    """The two greatest units: ``2 h 5 min``; less than a second is ``0 s``."""
    rest, said = max(0, length_ms) // 1000, []
    for seconds, unit in _UNITS:
        count, rest = divmod(rest, seconds)
        if count:
            said.append(f"{count} {unit}")
    return " ".join(said[:2]) or "0 s"


def one_line(text: str, longest: int = 250) -> str:
    """``text`` on one line, cut to ``longest`` characters, without control and bidirectional characters."""
    cleaned = " ".join(clean(text).split())
    return cleaned if len(cleaned) <= longest else cleaned[: longest - 1].rstrip() + "…"


def clean(text: str) -> str:
    r"""``text`` with line ends as ``\n`` and without control, format (bidirectional) and surrogate characters."""
    unified = text.replace("\r\n", "\n").replace("\r", "\n")
    if unified.isascii() and unified.isprintable():
        return unified
    return "".join(
        character
        for character in unified
        if character in "\n\t\u200d" or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co"}
    )

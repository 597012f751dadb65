"""How instants, spans and outside text are written for people."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime

# The categories Cc, Cf, Cs and Co but for line feed, tab and the joiner of emoji; a test compares them all.
_UNWANTED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b\u200c\u200e\u200f"
    "\u202a-\u202e\u2060-\u2064\u2066-\u206f\ud800-\uf8ff\ufeff\ufff9-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0001\U000e0020-\U000e007f\U000f0000-\U000ffffd\U00100000-\U0010fffd]"
)
_PRINTABLE = bytes(code for code in range(256) if chr(code).isprintable())
"""The characters of Latin-1 that Unicode calls printable; among them is one blank, the space."""
_SHORT = 500
"""Characters of a label that are kept twice without a thought."""
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


def many(count: int, one: str, more: str = "") -> str:
    """``1 sink``, ``3 sinks``; ``more`` where an s does not do."""
    return f"{count} {one if count == 1 else more or one + 's'}"


def one_line(text: str, longest: int = 250) -> str:
    """``text`` on one line, cut to ``longest`` characters, without control and bidirectional characters."""
    cleaned = " ".join(clean(text).split())
    return cleaned if len(cleaned) <= longest else cleaned[: longest - 1].rstrip() + "…"


def clean(text: str) -> str:
    r"""``text`` with line ends as ``\n`` and without control, format (bidirectional), private and surrogate characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    # What Unicode calls printable has nothing unwanted in it, and is told far faster than by the pattern.
    return lines if is_printable(lines, also=b"\n\t") else _UNWANTED.sub("", lines)


def is_printable(text: str, *, also: bytes = b"") -> bool:
    """What ``text.isprintable()`` says, were the ASCII characters of ``also`` printable; of Latin-1 in a fifth of its time."""
    try:
        return not text.encode("latin-1").translate(None, _PRINTABLE + also)
    except UnicodeEncodeError:
        for sign in also.decode("ascii"):
            text = text.replace(sign, "")
        return text.isprintable()


def shortened(labels: Mapping[str, str], text: str) -> dict[str, str | int]:
    """``labels`` to be kept beside ``text``: a long one that ``text`` begins with is how many characters that is."""
    return {
        name: len(value) if len(value) > _SHORT and text.startswith(value) else value for name, value in labels.items()
    }


def restored(labels: Mapping[str, str | int], text: str) -> dict[str, str]:
    """What `shortened` made ``labels`` of."""
    return {name: value if isinstance(value, str) else text[:value] for name, value in labels.items()}


def toml_string(text: str) -> str:
    """``text`` as a basic string of TOML; what is no character becomes a question mark."""
    whole = text.encode("utf-8", "replace").decode()
    escaped = "".join(
        _TOML_ESCAPES.get(sign) or (f"\\u{ord(sign):04x}" if sign < " " or sign == "\x7f" else sign) for sign in whole
    )
    return f'"{escaped}"'


_TOML_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t"}

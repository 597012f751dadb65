"""Text on its way to a tracker: untrusted, so never markup, never longer than the tracker takes, never cut in a character.

Pure. Sizes are in UTF-16 code units, the strictest way in which a tracker may count "characters": text that fits by
this count fits by code points too.
"""

import re
import unicodedata
from collections.abc import Callable

__all__ = ["cut", "disarm", "media_type", "one_line", "plain", "size", "unmention"]

_BREAKER = "\u2060"
"""WORD JOINER: invisible, breaks a mention without breaking a line; `plain` removes it from foreign text."""
_MAX_BACKING = 32
"""How far `cut` looks back for the start of a cluster: a heap of combining marks is not worth more."""
_DELETED = dict.fromkeys(
    [
        *(set(range(0x20)) - {0x09, 0x0A}),  # C0 controls without tab and line feed
        *range(0x7F, 0xA0),  # DEL and C1 controls
        0x061C,
        *range(0x200E, 0x2010),
        *range(0x202A, 0x202F),
        *range(0x2066, 0x206A),  # bidirectional controls: they show text in another order than it is
        *(0x200B, 0x2060, 0xFEFF),  # zero width: they hide differences (joiners stay: emoji and Persian need them)
        *range(0xFFF9, 0xFFFC),
        *(0xFFFE, 0xFFFF),  # no XML, and so no tracker that stores XML, takes these
        *range(0xE0000, 0xE0080),  # tag characters: invisible text
    ]
)
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
_SURROGATES = re.compile("[\ud800-\udfff]")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+_-]{0,100}", re.ASCII | re.IGNORECASE)
_MENTION = re.compile(r"(?<![\w.+-])@(?=\w)")


def plain(text: str) -> str:
    """The text without control, bidirectional and invisible characters, its lines ended by line feeds.

    Lone surrogates, which no UTF-8 encoder takes, become U+FFFD.
    """
    return _SURROGATES.sub("\ufffd", _LINE_ENDS.sub("\n", text)).translate(_DELETED)


def one_line(text: str) -> str:
    """The text as one line: `plain`, with each run of white space as one space."""
    return " ".join(plain(text).split())


def unmention(text: str) -> str:
    """The text with each ``@name`` broken invisibly, so that nobody is called by it; mail addresses stay whole."""
    return _MENTION.sub("@" + _BREAKER, text)


def disarm(text: str, *openers: str) -> str:
    """The text with each of ``openers`` (``[~``, ``{``) broken invisibly after its first character."""
    for opener in openers:
        text = text.replace(opener, opener[0] + _BREAKER + opener[1:])
    return text


def media_type(text: str) -> str:
    """A media type that can stand in a header; ``application/octet-stream`` for one that a sender made up."""
    return text if _MEDIA_TYPE.fullmatch(text) else "application/octet-stream"


def size(text: str) -> int:
    """Length in UTF-16 code units."""
    return len(text) + sum(char > "\uffff" for char in text)


def cut(text: str, limit: int, mark: str = "…", *, render: Callable[[str], str] | None = None) -> str:
    """The longest start of ``text`` that fits, ended by ``mark`` if anything is missing.

    Args:
        text: what to cut, not yet rendered.
        limit: greatest size of what the tracker gets, in UTF-16 code units.
        mark: says that something is missing; it counts.
        render: how the text will be sent (escaping makes it longer); a longer text must not render shorter.

    Returns:
        Text still to be rendered, whose rendered size is at most ``limit``. No character, combining sequence, joined
        emoji or flag is split.
    """
    shown = render or _as_it_is
    if size(shown(text)) <= limit:
        return text
    low, high = 0, min(len(text), limit)
    while low < high:
        middle = (low + high + 1) // 2
        if size(shown(text[:middle] + mark)) <= limit:
            low = middle
        else:
            high = middle - 1
    start = text[: _boundary(text, low)] + mark
    return start if size(shown(start)) <= limit else ""


def _as_it_is(text: str) -> str:
    return text


def _boundary(text: str, at: int) -> int:
    """The greatest index up to ``at`` that splits no cluster; ``at`` itself if none is near."""
    for index in range(at, max(0, at - _MAX_BACKING), -1):
        if index >= len(text) or not _joined(text, index):
            return index
    return 0 if at <= _MAX_BACKING else at


def _joined(text: str, index: int) -> bool:
    """Whether the characters before and at ``index`` are seen as one (a small part of UAX #29)."""
    before, after = text[index - 1], text[index]
    if before == "\u200d" or after == "\u200d" or unicodedata.category(after) in {"Mn", "Me", "Mc"}:
        return True
    if "\U0001f3fb" <= after <= "\U0001f3ff":  # skin tones
        return True
    return _flag(before) and _flag(after) and _flags_before(text, index) % 2 == 1


def _flag(char: str) -> bool:
    return "\U0001f1e6" <= char <= "\U0001f1ff"


def _flags_before(text: str, index: int) -> int:
    count = 0
    while count < min(index, _MAX_BACKING) and _flag(text[index - 1 - count]):
        count += 1
    return count

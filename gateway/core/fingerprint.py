"""The identity of a trouble: one readable, versioned string from what never changes while it lasts.

Made of condition, source, object and the rule's extra labels; never of severity or impact, which do change.
"""

import hashlib
from collections.abc import Sequence

VERSION = "1"
LONGEST = 400
"""Characters; a longer identity keeps its head readable and ends in a hash of the whole."""
_SEPARATORS = 2
"""In an identity of three parts, none of which has one inside."""


def fingerprint(condition: str, source: str, object_: str = "", extra: Sequence[tuple[str, str]] = ()) -> str:
    """``1:link_down|r1|ge-0/0/1`` and, with extra labels, ``|vlan=12`` for each.

    Equal arguments give equal fingerprints, and different arguments different ones: separators inside are escaped.
    """
    plain = f"{VERSION}:{condition}|{source}|{object_}"
    if not extra and len(plain) <= LONGEST and plain.count("|") == _SEPARATORS and "\\" not in plain:
        return plain  # nothing to escape: nearly always
    parts = [condition, source, object_, *(f"{_escaped(name, '=')}={value}" for name, value in extra)]
    text = f"{VERSION}:" + "|".join(_escaped(part, "|") for part in parts)
    if len(text) <= LONGEST:
        return text
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{text[: LONGEST - 34]}|#{digest}"


def _escaped(text: str, separator: str) -> str:
    if separator in text or "\\" in text:
        return text.replace("\\", "\\\\").replace(separator, "\\" + separator)
    return text

"""Headers of a mail to values, in one pass each: encoded words, addresses, parameters, identifiers. Never raises.

Our own, since the standard library's are quadratic in hostile headers, and raise on some real ones. A raw header is a
`str` whose bytes above 127 are surrogates (PEP 383), as the parser leaves them.
"""

import base64
import binascii
import quopri
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from collectors.smtp.charset import decode
from gateway.core.text import clean, one_line

LONGEST_ADDRESS = 254
LONGEST_NAME = 200
# RFC 2047 section 2; blanks are taken in the text, which mailers write though they must not.
_ENCODED_WORD = re.compile(r"=\?([^?\s]{1,60})\?([bBqQ])\?([^?]*)\?=")
_MESSAGE_ID = re.compile(r"<([^<>\s]{1,900})>")
_SPECIAL = re.compile(r'["()<>,;:\\]')
_ONE_MAILBOX = re.compile(r'([^"()<>,;:\\\r\n\t]*)<([^"()<>,;:\\\r\n\t]+)> *')
"""A mailbox as most programs write it, and alone."""


def raw_bytes(value: str) -> bytes:
    """A raw header's own bytes."""
    return value.encode("utf-8", "surrogateescape")


def text(value: str) -> str:
    """A raw header as people read it: unfolded, encoded words and 8-bit bytes decoded."""
    # What is ASCII says the same in every charset that a header may be in.
    plain = (value if value.isascii() else decode(raw_bytes(value))).replace("\r", "").replace("\n", "")
    if "=?" not in plain:
        return plain.strip()
    return "".join(_decoded(plain)).strip()


def _decoded(value: str) -> Iterator[str]:
    """Pieces of ``value``; neighbours of one charset are joined as bytes, since mailers cut characters in two."""
    position, pending, charset = 0, b"", ""
    for word in _ENCODED_WORD.finditer(value):
        between = value[position : word.start()]
        name = word[1].partition("*")[0].lower()  # RFC 2231 section 5: a language may follow
        if pending and (between.strip() or name != charset):
            yield decode(pending, charset)
            pending = b""
        if between.strip() or position == 0:
            yield between
        charset, position = name, word.end()
        pending += _word_bytes(word[2], word[3])
    if pending:
        yield decode(pending, charset)
    yield value[position:]


def _word_bytes(encoding: str, content: str) -> bytes:
    data = content.encode("utf-8", "surrogateescape")
    if encoding in "qQ":
        return quopri.decodestring(data.replace(b"_", b" "), header=False)
    return base64_bytes(data)


def base64_bytes(data: bytes) -> bytes:
    """What base64 ``data`` says, as far as it says anything."""
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", data)
    try:
        return base64.b64decode(kept[: len(kept) - (len(kept) % 4 == 1)] + b"==")
    except binascii.Error:
        return b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """One mailbox."""

    address: str
    """In lower case."""
    name: str = ""


def addresses(value: str, most: int) -> tuple[Address, ...]:
    """The mailboxes of a raw address header (RFC 5322 section 3.4), at most ``most``; what is none is left out."""
    found: list[Address] = []
    for name, spec in _mailboxes(value) if value else ():
        address = one_line(decode(raw_bytes(spec)), LONGEST_ADDRESS + 1).lower()
        local, at, domain = address.rpartition("@")
        if at and local and domain and " " not in address and len(address) <= LONGEST_ADDRESS:
            found.append(Address(address=address, name=one_line(text(name), LONGEST_NAME).strip("'\" ")))
            if len(found) >= most:
                break
    return tuple(found)


def _mailboxes(value: str) -> Iterator[tuple[str, str]]:
    """Pairs of display name and address."""
    if (usual := _ONE_MAILBOX.fullmatch(value)) is not None and usual[2].strip():
        return iter([(usual[1].strip(), usual[2].strip())])
    return _walk(value)


def _walk(value: str) -> Iterator[tuple[str, str]]:
    """What `_mailboxes` gives of any header, in one pass over the special characters."""
    box, quoted, depth, position = _Mailbox(), False, 0, 0
    folded = value.replace("\r", "").replace("\n", "").replace("\t", " ")
    while position < len(folded):
        special = _SPECIAL.search(folded, position)
        stop = special.start() if special else len(folded)
        into = box.comments if depth else box.words
        into.append(folded[position:stop])
        if special is None:
            break
        character, position = folded[stop], stop + 1
        if character == "\\":
            into.append(folded[position : position + 1])
            position += 1
        elif character == '"' and not depth:
            quoted = not quoted
        elif quoted:
            box.words.append(character)
        elif character in "()":
            depth = max(0, depth + (1 if character == "(" else -1))
        elif depth:
            box.comments.append(character)
        elif character in ",;":
            yield from box.finished()
            box = _Mailbox()
        else:
            box.turn(character)
    yield from box.finished()


class _Mailbox:
    """One mailbox as it is read: its words so far, and what the angle brackets made of them."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.comments: list[str] = []
        self._name = self._spec = ""

    def turn(self, character: str) -> None:
        """Take ``<``, ``>`` or ``:``."""
        before = "".join(self.words).strip()
        self.words = []
        if character == "<":
            self._name = before or self._name
        elif character == ">":
            self._spec = before or self._spec
        # A colon ends a group's name, or an obsolete route <@a,@b:user@domain>: neither is wanted.

    def finished(self) -> Iterator[tuple[str, str]]:
        """The mailbox, unless it is empty."""
        rest = "".join(self.words).strip()
        spec = self._spec or rest
        if spec:
            yield self._name or "".join(self.comments), spec


def message_ids(value: str, most: int = 50) -> tuple[str, ...]:
    """The identifiers ``<...>`` of a raw header, in its order; of too many, the last."""
    if not value:
        return ()
    return tuple(f"<{found}>" for found in _MESSAGE_ID.findall(clean(decode(raw_bytes(value)))))[-most:]


def parameters(value: str) -> tuple[str, Mapping[str, str]]:
    """A raw header like Content-Type: its first word in lower case, and its parameters with RFC 2231 joined."""
    if not value:
        return "", {}
    pieces = _pieces(value.replace("\r", "").replace("\n", ""))
    simple: dict[str, str] = {}
    continued: dict[str, dict[int, tuple[str, bool]]] = {}
    for piece in pieces[1:101]:
        key, equals, given = piece.partition("=")
        name, star, rest = key.strip().lower().partition("*")
        if not equals or not name:
            continue
        if not star:
            simple.setdefault(name, given.strip())
            continue
        number = rest.partition("*")[0][:3]
        encoded = key.strip().endswith("*")
        continued.setdefault(name, {})[int(number) if number.isdecimal() else 0] = (
            given.strip(),
            encoded,
        )
    for name, sections in continued.items():
        simple[name] = _joined([sections[number] for number in sorted(sections)])
    return pieces[0].strip().lower(), {name: text(given) for name, given in simple.items()}


def _pieces(value: str) -> list[str]:
    """``value`` split at semicolons outside quotes, with quotes and escapes taken off."""
    if '"' not in value:
        return value.split(";")
    pieces, current, quoted, escaped = [], [""], False, False
    for piece in re.split(r'([;"\\])', value):
        if escaped:
            current.append(piece)
            escaped = not piece
        elif piece == "\\" and quoted:
            escaped = True
        elif piece == '"':
            quoted = not quoted
        elif piece == ";" and not quoted:
            pieces.append("".join(current))
            current = []
        else:
            current.append(piece)
    pieces.append("".join(current))
    return pieces


def _joined(sections: list[tuple[str, bool]]) -> str:
    """RFC 2231 section 4: ``charset'language'percent-encoded`` in the first section, if that is encoded."""
    charset, data = "", b""
    for number, (given, encoded) in enumerate(sections):
        value = given
        if encoded and number == 0 and value.count("'") >= 2:  # noqa: PLR2004 - charset'language'value
            charset, _, value = value.split("'", 2)
        data += unquote_to_bytes(raw_bytes(value)) if encoded else raw_bytes(value)
    return decode(data, charset)

"""Look at a mail's bytes before anything parses them, and refuse what would make the parser slow or deep.

Only searches of the C library's kind are used here, so that a refusal costs far less than the parsing it prevents:
Python's mail parser is quadratic in long headers and recursive in nesting (cpython issue 136063).
"""

import re
from itertools import pairwise

from collectors.smtp.charset import decode
from collectors.smtp.limits import Limits, MailError, Unreadable

_BLANK_LINE = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")
_HEADER_START = re.compile(rb"(?:\A|\r\n|\n|\r)(?![ \t\r\n])")
_BOUNDARY = re.compile(rb"boundary[0-9*]*\s*=\s*(?:\"([^\"\r\n]{1,250})\"?|([^\s;\"]{1,250}))", re.IGNORECASE)
_ENCODED_BOUNDARY = re.compile(rb"boundary[0-9]*\*")
_BOUNDARY_SAID = re.compile(rb"boundary[0-9*]*\s*=", re.IGNORECASE)
_DASHES = re.compile(rb"[\r\n]--")
_GLIMPSE_CHARS = 300


def scan(raw: bytes, limits: Limits) -> None:
    """Refuse a mail beyond ``limits``.

    Raises:
        MailError: with the limit that it exceeds.
    """
    if len(raw) > limits.mail_bytes:
        raise MailError(Unreadable.SIZE, f"{len(raw)} bytes")
    block = raw[: header_end(raw, limits)]
    if not _surely_within(block, limits):
        _scan_headers(block, limits)
    lowered = raw.lower()
    containers = lowered.count(b"multipart/") + lowered.count(b"message/")
    if containers > limits.containers:
        raise MailError(Unreadable.CONTAINERS, f"more than {limits.containers}")
    if containers and raw.count(b"\r--") + raw.count(b"\n--") > limits.parts:
        _scan_parts(raw, limits)


def header_end(raw: bytes, limits: Limits) -> int:
    """Where the header block ends.

    Raises:
        MailError: it is longer than the limit.
    """
    blank = _BLANK_LINE.search(raw, 0, limits.header_block_bytes + 4)
    if blank is not None:
        return blank.start()
    if len(raw) > limits.header_block_bytes:
        raise MailError(Unreadable.HEADER_BLOCK, f"more than {limits.header_block_bytes} bytes")
    return len(raw)


def _surely_within(block: bytes, limits: Limits) -> bool:
    """Whether these headers are few and small, however they are folded: a cheap look."""
    return len(block) <= limits.header_bytes and block.count(b"\n") + block.count(b"\r") < limits.headers


def _scan_headers(block: bytes, limits: Limits) -> None:
    starts = [found.end() for found in _HEADER_START.finditer(block)]
    if len(starts) > limits.headers:
        raise MailError(Unreadable.HEADER_COUNT, f"{len(starts)} headers")
    for start, end in pairwise([*starts, len(block)]):
        if end - start > limits.header_bytes:
            raise MailError(Unreadable.HEADER_SIZE, f"{end - start} bytes")


def _scan_parts(raw: bytes, limits: Limits) -> None:
    """Count the lines that begin a part; where a boundary is hidden from a plain look, count every dashed line."""
    declared = [first or second for first, second in _BOUNDARY.findall(raw)]
    hidden = len(declared) < len(_BOUNDARY_SAID.findall(raw)) or any(b"\\" in each for each in declared)
    if hidden or has_encoded_boundary(raw) or not declared:
        lines = _DASHES
    else:
        # A boundary's first 40 characters are enough to count by, and keep the pattern small.
        starts = sorted({re.escape(each[:40]) for each in declared})
        lines = re.compile(rb"[\r\n]--(?:" + rb"|".join(starts) + rb")")
    for count, _ in enumerate(lines.finditer(raw)):
        if count > limits.parts:
            raise MailError(Unreadable.PARTS, f"more than {limits.parts} parts")


def has_encoded_boundary(raw: bytes) -> bool:
    """Whether a boundary is given in RFC 2231's form, which no real mailer does."""
    return b"*" in raw and _ENCODED_BOUNDARY.search(raw.lower()) is not None


def glimpse(raw: bytes, name: str) -> str:
    """The first line of a header of a mail that we will not parse, for people to recognise it by; cut, undecoded."""
    # From the start of the mail only: whoever sent this may have made the rest to be searched.
    found = re.search(
        rb"(?:\A|[\r\n])" + re.escape(name.encode("ascii")) + rb":([^\r\n]{0,2000})", raw[:65536], re.IGNORECASE
    )
    return decode(found[1]).strip()[:_GLIMPSE_CHARS] if found else ""

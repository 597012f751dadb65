"""A mail's bytes to one value, by accessors that are bounded and never trust what they read.

Structure comes from the standard library's parser with its old policy, which raised on none of 1,173 real mails and is
linear within the limits of `scan`; everything else (headers, addresses, charsets, names) is read by our own code.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from hashlib import sha256

from collectors.smtp import headers
from collectors.smtp.body import Body, Leaf, read_body
from collectors.smtp.headers import Address
from collectors.smtp.limits import HeavyError, Limits, MailError, Unreadable
from collectors.smtp.scan import has_encoded_boundary, scan
from gateway.core.text import is_printable, one_line

_DEEPEST = 50
_LONGEST_HEADER = 4_000
_FIELD = re.compile(r"[!-9;-~]+:")
_UNFOLDED = re.compile(r"\r\n(?![ \t])")
_LONGEST_SUBJECT = 500
_HASHED_AT_ONCE = 2047
"""Octets: of more, `hashlib` lets other threads run meanwhile, and to wait for them costs many times the hashing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """An attachment, named for display."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """What one mail says; all of it is untrusted."""

    message_id: str
    """``<...>``; made from the mail's own hash if it has none."""
    subject: str
    sender: Address | None
    """The author (From); None if it names no mailbox."""
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    """Oldest first."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """The first header of each name (in lower case): its decoded value, at most 4,000 characters."""
    media_type: str = "text/plain"
    media_parameters: Mapping[str, str] = field(default_factory=dict)
    new_text: str = ""
    """What the sender wrote."""
    old_text: str = ""
    """What was quoted below or above it, and the signature."""
    files: tuple[File, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be kept or read, one sentence each, for people."""
    original_id: str = ""
    """Message-ID of the mail that a bounce or report encloses."""
    calendar_method: str = ""
    digest: str = ""
    """SHA-256 of the text with blanks folded and of the attachments; equal for the same mail on other ways."""

    def header(self, name: str) -> str:
        """The first header of that name (in lower case), or empty."""
        return self.headers.get(name, "")

    def has(self, name: str) -> bool:
        """Whether there is a header of that name (in lower case)."""
        return name in self.headers


def parse(raw: bytes, limits: Limits, *, light: bool = False) -> Mail:
    """Read a mail.

    Args:
        raw: the mail as it came, with any line ends.
        limits: its bounds.
        light: read only what costs next to nothing and needs no native code.

    Raises:
        HeavyError: it was to be a light reading, and this mail needs more.
        MailError: it is beyond the limits, or the parser gave up.
    """
    try:
        scan(raw, limits)
        return _parse(raw, limits, light=light)
    except MailError:
        raise
    except (Exception, RecursionError) as error:
        raise MailError(Unreadable.PARSER, type(error).__name__) from error


def _parse(raw: bytes, limits: Limits, *, light: bool) -> Mail:
    if light and has_encoded_boundary(raw):
        raise HeavyError  # the library would decode it with any codec, quadratic ones included
    return _mail(_structure(raw), limits, light=light)


def _structure(raw: bytes) -> Message:
    """The parts of a mail, as the library sees them.

    It takes a mail line by line, and gets only such as are not put together as usual.
    """
    usual = _usual(raw) if raw.endswith(b"\r\n") else None
    return BytesParser(policy=compat32).parsebytes(raw) if usual is None else usual


def _usual(raw: bytes) -> Message | None:
    """The parts of a mail, or of a part, that leaves nothing to be guessed at; None for any other."""
    head, blank, body = raw.partition(b"\r\n\r\n")
    if not blank or not head:
        return None
    message = _headed(head.decode("ascii", "surrogateescape"))
    if message is None:
        return None
    main, _, sub = message.get_content_type().partition("/")
    if main == "message" or sub == "digest":  # a digest's parts are mails if they say nothing
        return None
    if main != "multipart":
        message.set_payload(body.decode("ascii", "surrogateescape"))
        return message
    return message if _take_apart(message, body) else None


def _headed(head: str) -> Message | None:
    """A message with these headers (RFC 5322 section 2.2), if each line belongs to one."""
    fields = _UNFOLDED.split(head)
    if not (all(map(_FIELD.match, fields)) and head.count("\r") == head.count("\n") == head.count("\r\n")):
        return None
    message = Message(policy=compat32)
    for each in fields:
        message.set_raw(*compat32.header_source_parse([each]))
    return message


def _take_apart(message: Message, body: bytes) -> bool:
    """Give a multipart its parts (RFC 2046 section 5.1.1); whether all of it was as usual."""
    boundary = message.get_boundary() or ""
    if not (boundary.isascii() and boundary.isprintable() and boundary):
        return False
    if not body.count(b"\r\n") == body.count(b"\r") == body.count(b"\n"):
        return False
    before, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("ascii"))
    if len(parts) < 2 or not (parts[-1] == b"--" or parts[-1].startswith(b"--\r\n")):  # noqa: PLR2004 - one, and the end
        return False
    children: list[Message | str] = []
    for part in parts[:-1]:
        child = _usual(part[2:]) if part.startswith(b"\r\n") else None
        if child is None:
            return False
        children.append(child)
    message.set_payload(children)
    message.preamble = before[2:].decode("ascii", "surrogateescape") if before else None
    message.epilogue = parts[-1][4:].decode("ascii", "surrogateescape") if parts[-1] != b"--" else None
    return True


def _mail(message: Message, limits: Limits, *, light: bool) -> Mail:
    raw_headers = [(str(name).lower(), str(value)) for name, value in message.raw_items()]
    first = dict(reversed(raw_headers))
    body = read_body(_leaves(message, limits), limits, light=light)
    sender = headers.addresses(first.get("from", ""), 1) or headers.addresses(first.get("sender", ""), 1)
    subject = one_line(headers.text(first.get("subject", "")), _LONGEST_SUBJECT)
    media_type, media_parameters = headers.parameters(first.get("content-type", "text/plain"))
    digest = _digest(body)
    made = sha256("\0".join([first.get("from", ""), first.get("date", ""), subject, digest]).encode("utf-8", "replace"))
    return Mail(
        message_id=next(
            iter(headers.message_ids(first.get("message-id", ""))), f"<{made.hexdigest()[:32]}@no-id.invalid>"
        ),
        subject=subject,
        sender=sender[0] if sender else None,
        to=headers.addresses(first.get("to", ""), limits.addresses),
        cc=headers.addresses(first.get("cc", ""), limits.addresses),
        in_reply_to=headers.message_ids(first.get("in-reply-to", ""), most=5),
        references=headers.message_ids(first.get("references", "")),
        headers={name: one_line(headers.text(value), _LONGEST_HEADER) for name, value in first.items()},
        media_type=media_type,
        media_parameters=media_parameters,
        new_text=body.new_text,
        old_text=body.old_text,
        files=tuple(File(name=name, media_type=kind, content=content) for name, kind, content in body.files),
        notes=tuple(body.notes),
        original_id=body.original_id,
        calendar_method=body.calendar_method,
        digest=digest,
    )


def _digest(body: Body) -> str:
    text = _folded(f"{body.new_text} {body.old_text}").encode("utf-8", "replace")
    whole = sha256()
    for start in range(0, len(text), _HASHED_AT_ONCE):
        whole.update(text[start : start + _HASHED_AT_ONCE])
    for _, _, content in body.files:
        whole.update(sha256(content).digest())
    return whole.hexdigest()


def _folded(text: str) -> str:
    """``text`` with one space for all blanks between words: what split and join give, in a fifth of their time."""
    line = text.replace("\n", " ").strip(" ")
    if not is_printable(line):  # of all blanks only the space is
        return " ".join(text.split())
    while "  " in line:
        line = line.replace("  ", " ")
    return line


def _leaves(message: Message, limits: Limits) -> Iterator[Leaf]:
    """The parts that hold content, in reading order; enclosed mails count as content, and are not entered."""
    waiting: list[tuple[Message, int, int, bool]] = [(message, 0, -1, False)]  # part, depth, alternative, in a report
    seen = alternatives = 0
    while waiting:
        part, depth, alternative, report = waiting.pop()
        seen += 1
        if seen > limits.parts + limits.containers:
            raise MailError(Unreadable.PARTS, f"more than {limits.parts}")
        if depth > _DEEPEST:
            raise MailError(Unreadable.CONTAINERS, f"nested more than {_DEEPEST} deep")
        media_type = part.get_content_type()
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            if media_type == "multipart/alternative":
                alternatives += 1
                alternative = alternatives
            report = report or media_type == "multipart/report"
            children = [each for each in part.get_payload() if isinstance(each, Message)]
            waiting.extend((each, depth + 1, alternative, report) for each in reversed(children))
        else:
            yield Leaf(part, media_type=media_type, alternative=alternative, report=report)

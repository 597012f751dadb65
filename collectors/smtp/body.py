"""What a mail's parts say: the text to read, the files to keep, and notes about what was not kept."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from functools import cached_property

from collectors.smtp import charset, headers
from collectors.smtp.limits import HeavyError, Limits
from collectors.smtp.reply import split_reply
from collectors.smtp.text import html_to_text, unflow
from gateway.core.text import clean, one_line

LONGEST_FILE_NAME = 120
_LONGEST_NOTE = 300
_STUB = re.compile(r"html", re.IGNORECASE)
_STUB_CHARS = 200
_CALENDAR_BYTES = 64 * 1024
_CALENDAR_LINE = re.compile(r"^(METHOD|SUMMARY|DTSTART|DTEND|LOCATION)(?:;[^:\n]{0,200})?:(.{0,300})$", re.MULTILINE)
_ENCRYPTED = {"application/pkcs7-mime", "application/x-pkcs7-mime", "application/pgp-encrypted"}
_EXTENSION = {"message/rfc822": ".eml", "text/calendar": ".ics", "text/html": ".html", "text/plain": ".txt"}
_UNSAFE_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f]')


class Leaf:
    """One part with content, read on demand."""

    def __init__(self, part: Message, *, media_type: str, alternative: int, report: bool) -> None:
        self._part = part
        self.media_type = media_type
        self.alternative = alternative
        """Number of the ``multipart/alternative`` it stands in; -1 for none."""
        self.report = report
        self._raw = {str(name).lower(): str(value) for name, value in reversed(list(part.raw_items()))}
        self._type_parameters = self._parameters("content-type")
        disposition, self._disposition_parameters = headers.parameters(self._raw.get("content-disposition", ""))
        self.attached = disposition == "attachment" or (bool(self.file_name) and not media_type.startswith("image/"))

    def _parameters(self, name: str) -> Mapping[str, str]:
        return headers.parameters(self._raw.get(name, ""))[1]

    @property
    def file_name(self) -> str:
        """The name it claims to have; empty if none."""
        return self._disposition_parameters.get("filename") or self._type_parameters.get("name", "")

    @property
    def content_id(self) -> str:
        """Its Content-ID without brackets, by which HTML shows it; empty if none."""
        return self._raw.get("content-id", "").strip().strip("<>")

    def parameter(self, name: str) -> str:
        """A parameter of its Content-Type, or empty."""
        return self._type_parameters.get(name, "")

    @cached_property
    def content(self) -> bytes:
        """Its bytes with the transfer encoding undone; an enclosed mail as it would be sent."""
        if self._part.is_multipart():
            enclosed = self._part.get_payload(0)
            return enclosed.as_bytes() if isinstance(enclosed, Message) else b""
        content = self._part.get_payload(decode=True)
        return content if isinstance(content, bytes) else b""

    def enclosed_id(self) -> str:
        """The Message-ID of the mail, or of the headers, that this part encloses; empty if none."""
        if self._part.is_multipart():
            enclosed = self._part.get_payload(0)
            items = enclosed.raw_items() if isinstance(enclosed, Message) else ()
            value = next((str(value) for name, value in items if str(name).lower() == "message-id"), "")
        else:
            found = _ENCLOSED_ID.search(self.content[:_CALENDAR_BYTES])
            value = found[1].decode("ascii", "replace") if found else ""
        return next(iter(headers.message_ids(value)), "")


_ENCLOSED_ID = re.compile(rb"^message-id:\s{0,80}(<[^<>\s]{1,900}>)", re.IGNORECASE | re.MULTILINE)


@dataclass(slots=True)
class Body:
    """All parts together."""

    new_text: str = ""
    old_text: str = ""
    files: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Name, media type, content."""
    notes: list[str] = field(default_factory=list)
    original_id: str = ""
    calendar_method: str = ""

    def note(self, sentence: str) -> None:
        """Tell people about something once."""
        line = one_line(sentence, _LONGEST_NOTE)
        if line not in self.notes:
            self.notes.append(line)


def read_body(leaves: Iterable[Leaf], limits: Limits, *, light: bool) -> Body:
    """Read all parts of a mail.

    Raises:
        HeavyError: it was to be a light reading, and a part has only HTML, or an unknown charset.
    """
    body = Body()
    texts, others = _sorted(list(leaves))
    html = ""
    for leaf in texts:
        if leaf.media_type == "text/html":
            if light:
                raise HeavyError
            markup = _text(leaf, limits.html_bytes, light=light)
            html += markup
            new, old = html_to_text(markup)
        else:
            new, old = split_reply(_plain(leaf, limits, light=light))
        body.new_text = _appended(body.new_text, new, limits.text_chars)
        body.old_text = _appended(body.old_text, old, limits.text_chars)
    for leaf in others:
        _take(leaf, body, limits, html=html)
    return body


def _sorted(leaves: list[Leaf]) -> tuple[list[Leaf], list[Leaf]]:
    """The parts to read and the parts to keep; of each alternative only the best is read, and HTML is the last resort."""
    texts: list[Leaf] = []
    others: list[Leaf] = []
    by_alternative: dict[int, list[Leaf]] = {}
    for leaf in leaves:
        if leaf.attached or leaf.media_type not in {"text/plain", "text/html", "text/enriched"}:
            others.append(leaf)
        elif leaf.alternative < 0:
            texts.append(leaf)
        else:
            if leaf.alternative not in by_alternative:
                texts.append(leaf)  # holds the place of the alternative
            by_alternative.setdefault(leaf.alternative, []).append(leaf)
    chosen = {group[0]: _best(group) for group in by_alternative.values()}
    return [each for leaf in texts for each in chosen.get(leaf, [leaf])], others


def _best(group: list[Leaf]) -> list[Leaf]:
    plain = [leaf for leaf in group if leaf.media_type != "text/html"]
    html = [leaf for leaf in group if leaf.media_type == "text/html"]
    if not html:
        return plain
    said = b" ".join(leaf.content for leaf in plain).strip()
    # "Your program cannot show HTML" is what some senders call an alternative.
    is_stub = len(said) < _STUB_CHARS and _STUB.search(said.decode("ascii", "replace")) is not None
    return html if not said or is_stub else plain


def _plain(leaf: Leaf, limits: Limits, *, light: bool) -> str:
    text = clean(_text(leaf, limits.text_chars, light=light))
    if leaf.parameter("format").lower() == "flowed":
        return unflow(text, delsp=leaf.parameter("delsp").lower() == "yes")
    return text


def _text(leaf: Leaf, most: int, *, light: bool) -> str:
    data, declared = leaf.content[:most], leaf.parameter("charset")
    if not charset.needs_guess(data, declared):
        return charset.decode(data, declared)
    if light:
        raise HeavyError
    return charset.decode(data, default=charset.guess(data))


def _appended(text: str, more: str, most: int) -> str:
    more = more.strip("\n")
    return f"{text}\n\n{more}".strip("\n")[:most] if more else text


def _take(leaf: Leaf, body: Body, limits: Limits, *, html: str) -> None:
    """Keep a part as a file, or note why it is not kept."""
    if leaf.report and leaf.media_type in {"message/rfc822", "text/rfc822-headers"} and not body.original_id:
        body.original_id = leaf.enclosed_id()
    if leaf.media_type == "text/calendar":
        _read_calendar(leaf, body)
    if leaf.media_type in _ENCRYPTED:
        body.note("This mail is encrypted or opaquely signed: what it says cannot be read here, the attachment has it.")
    if leaf.media_type == "application/ms-tnef":
        body.note("winmail.dat is Outlook's own container and is kept unopened.")
    content = leaf.content
    name = file_name(leaf.file_name, leaf.media_type)
    shown = leaf.media_type.startswith("image/") and leaf.content_id and f"cid:{leaf.content_id}" in html
    if not content or (shown and len(content) < limits.inline_image_bytes):
        return
    if len(content) > limits.attachment_bytes:
        body.note(f"Attachment {name} was not kept: {len(content)} bytes, at most {limits.attachment_bytes} are taken.")
    elif len(body.files) >= limits.attachments:
        body.note(f"Attachments beyond the first {limits.attachments} were not kept, {name} among them.")
    else:
        body.files.append((name, one_line(leaf.media_type, 100), content))


def _read_calendar(leaf: Leaf, body: Body) -> None:
    text = clean(charset.decode(leaf.content[:_CALENDAR_BYTES], leaf.parameter("charset") or "utf-8"))
    for name, value in _calendar_lines(text):
        if name == "METHOD":
            body.calendar_method = value.strip().upper()[:20]
        elif value.strip():
            body.note(f"Calendar {name.lower()}: {value}")


def _calendar_lines(text: str) -> Iterator[tuple[str, str]]:
    seen: set[str] = set()
    for found in _CALENDAR_LINE.finditer(text):
        if found[1] not in seen:
            seen.add(found[1])
            yield found[1], found[2]


def file_name(claimed: str, media_type: str = "") -> str:
    """A name that is safe to show: no path, no control or bidirectional characters, at most 120 characters."""
    base = one_line(unicodedata.normalize("NFC", claimed[:4096]), 4096).replace("\\", "/").rpartition("/")[2]
    safe = _UNSAFE_IN_NAMES.sub("_", base).strip(". ")
    if not safe:
        return "attachment" + _EXTENSION.get(media_type, "")
    if len(safe) <= LONGEST_FILE_NAME:
        return safe
    stem, dot, extension = safe.rpartition(".")
    if dot and len(extension) <= 10:  # noqa: PLR2004 - longer is no extension
        return stem[: LONGEST_FILE_NAME - len(extension) - 1] + dot + extension
    return safe[:LONGEST_FILE_NAME]

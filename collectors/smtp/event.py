"""A mail as an event: what it is about, what rules may match on, and how its incident is found again."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

from collectors.smtp import thread
from collectors.smtp.limits import MailError
from collectors.smtp.machine import Machine, recognise
from collectors.smtp.mail import Mail
from collectors.smtp.scan import glimpse
from collectors.smtp.trust import authentication
from gateway.core.event import Attachment, Event, EventKind
from gateway.core.text import one_line

CONDITION = "mail"
UNREADABLE = "mail_unreadable"
LONGEST_DESCRIPTION = 64 * 1024
LONGEST_BODY_LABEL = 8 * 1024
_LONGEST_LABEL = 500
_OBJECT_CHARS = 10
_NOBODY = "unknown"
_OLD_TEXT = "----- quoted text -----"
_NOTES = "----- notes -----"
_CUT = "\n[cut here: the mail says more]"
# These never begin an incident: they say something about a mail of ours, or nothing at all.
_NOTES_ONLY = {Machine.BOUNCE, Machine.AUTO_REPLY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A mail as it came in: its bytes, and what the SMTP session said of them."""

    raw: bytes
    at_ms: int
    envelope_from: str = ""
    """Empty for the null sender ``<>``."""
    recipients: tuple[str, ...] = ()
    peer: str = ""
    user: str = ""
    """Who logged in; empty for nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How mails become events."""

    collector: str
    keys: tuple[bytes, ...] = ()
    """Of address tokens, newest first."""
    ours: frozenset[str] = frozenset()
    """Our own addresses: no participants of a conversation."""
    authserv_id: str = ""
    authenticated_replies: bool = False
    """Let a mail follow an incident by forgeable signs only if our mail server authenticated its sender."""
    header_labels: tuple[str, ...] = ()


def event_of(mail: Mail, received: Received, policy: Policy) -> Event:
    """The event of a mail that was read."""
    found = recognise(mail, null_sender=not received.envelope_from)
    verdict = authentication(mail, policy.authserv_id)
    trusted = not policy.authenticated_replies or verdict == "pass" or bool(received.user)
    sender = mail.sender.address if mail.sender else one_line(received.envelope_from, 254).lower() or _NOBODY
    identity = _identity(sender, mail)
    references = thread.references(mail, recipients=received.recipients, keys=policy.keys, trusted=trusted)
    return Event(
        collector=policy.collector,
        source=sender,
        condition=CONDITION,
        kind=EventKind.NOTE if found.machine in _NOTES_ONLY else EventKind.RAISE,
        at_ms=received.at_ms,
        object=identity[:_OBJECT_CHARS],
        summary=mail.subject or "(no subject)",
        description=_description(mail),
        labels=_labels(mail, received, policy) | {"machine": found.machine.value, "authenticated_results": verdict},
        identity=f"mail:{identity}",
        references=references,
        known_as=thread.known_as(mail, ours=policy.ours),
        requester=sender if mail.sender is not None and found.machine is Machine.NONE else "",
        attachments=tuple(
            Attachment(name=file.name, media_type=file.media_type, content=file.content) for file in mail.files
        ),
    )


def event_of_unreadable(error: MailError, received: Received, policy: Policy) -> Event:
    """The event of a mail that was not read: it carries the whole mail, so that a person can."""
    sender = one_line(received.envelope_from, 254).lower() or _NOBODY
    subject = one_line(glimpse(received.raw, "subject"), _LONGEST_LABEL)
    digest = sha256(received.raw).hexdigest()
    claimed = one_line(glimpse(received.raw, "from"), _LONGEST_LABEL)
    return Event(
        collector=policy.collector,
        source=sender,
        condition=UNREADABLE,
        kind=EventKind.RAISE,
        at_ms=received.at_ms,
        object=digest[:_OBJECT_CHARS],
        summary=f"Oversized or unreadable mail: {subject or '(no subject)'}",
        description=(
            f"This mail was not opened ({error}). It is attached as it came, {len(received.raw)} bytes.\n"
            f"From: {claimed}\nSubject: {subject}\nEnvelope sender: {sender}"
        ),
        labels={
            "from": sender,
            "from_domain": sender.rpartition("@")[2],
            "to": _listed(received.recipients),
            "subject": thread.clean_subject(subject),
            "subject_raw": subject,
            "unreadable": error.reason.value,
            "machine": "",
        },
        identity=f"mail:{digest}",
        attachments=(Attachment(name="unreadable.eml", media_type="message/rfc822", content=received.raw),),
    )


def _identity(sender: str, mail: Mail) -> str:
    """What stays the same when a mail comes again: after a lost reply of ours, or by To and by Cc."""
    return sha256(f"{sender}\0{mail.message_id}\0{mail.digest}".encode("utf-8", "replace")).hexdigest()


def _labels(mail: Mail, received: Received, policy: Policy) -> dict[str, str]:
    sender = mail.sender
    labels = {
        "from": sender.address if sender else "",
        "from_domain": sender.address.rpartition("@")[2] if sender else "",
        "from_name": sender.name if sender else "",
        "to": _listed(received.recipients or tuple(each.address for each in mail.to)),
        "subject": thread.clean_subject(mail.subject),
        "subject_raw": mail.subject,
        "list_id": mail.header("list-id")[:_LONGEST_LABEL],
        "auto_submitted": mail.header("auto-submitted")[:_LONGEST_LABEL],
        "body": mail.new_text[:LONGEST_BODY_LABEL],
        "user": received.user,
    }
    return labels | _header_labels(mail, policy.header_labels)


def _header_labels(mail: Mail, wanted: Sequence[str]) -> dict[str, str]:
    return {f"header.{name}": mail.header(name)[:_LONGEST_LABEL] for name in wanted if mail.has(name)}


def _listed(addresses: Sequence[str]) -> str:
    return one_line(", ".join(addresses), _LONGEST_LABEL)


def _description(mail: Mail) -> str:
    """The new text first, then notes, then what was quoted, cut from its end."""
    parts = [mail.new_text]
    if mail.notes:
        parts.append("\n".join((_NOTES, *mail.notes)))
    if mail.old_text:
        parts.append(f"{_OLD_TEXT}\n{mail.old_text}")
    whole = "\n\n".join(part for part in parts if part)
    return whole if len(whole) <= LONGEST_DESCRIPTION else whole[: LONGEST_DESCRIPTION - len(_CUT)] + _CUT

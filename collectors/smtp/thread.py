"""Which incident a mail follows: tokens in addresses and subjects, Message-IDs, and the keys an incident is known by.

In order of trust: a token in the recipient's address (unguessable, it carries a code made with our key), In-Reply-To,
References (only with the same subject, since people start new topics by replying), a token in the subject (guessable,
so only from somebody who takes part already).
"""

import base64
import hmac
import re
from collections.abc import Iterable, Sequence
from hashlib import sha256

from collectors.smtp.mail import Mail
from gateway.core.event import Reference
from gateway.core.ids import is_id
from gateway.core.ticket import MARK_PREFIX

_CODE_BYTES = 5
_CODE_CHARS = 8
_ADDRESS_TOKEN = re.compile(r"\+toc-([0-9a-z]{13})\.([a-z2-7]{8})@", re.IGNORECASE)
_SUBJECT_TOKEN = re.compile(r"\[\s?#?TOC-([0-9A-Z]{13})\s?\]", re.IGNORECASE)
_REPLY_PREFIX = re.compile(
    r"^\s*(?:\[(?:external|extern|ext|sec=[\w-]{1,30})\]\s*:?|"
    r"(?:re|fwd?|aw|wg|sv|vs|vb|rv|tr|r|i|rif|odp|pd|antw|doorst|res|enc|ynt|ilt|ref|回复|答复|转发)\s?(?:\[\d{1,3}\]|\(\d{1,3}\))?\s?[:：])\s*",  # noqa: RUF001 - as written in Chinese
    re.IGNORECASE,
)
_MOST_REFERENCES = 20
_MOST_PARTICIPANTS = 20
_LONGEST_ID = 200
_LONGEST_SUBJECT = 200
_MOST_PREFIXES = 10


def address_token(incident: str, key: bytes) -> str:
    """``TOC-<id>.<code>``: what follows the plus sign in the address to which people answer.

    The code is 40 bits of HMAC-SHA256: enough, since each guess costs a mail and a wrong one opens a new incident.
    """
    return f"{MARK_PREFIX}{incident}.{_code(incident, key)}"


def incident_of_address(address: str, keys: Sequence[bytes]) -> str:
    """The incident whose token ``address`` carries, made with one of ``keys``; empty if none."""
    found = _ADDRESS_TOKEN.search(address)
    if found is None:
        return ""
    incident, code = found[1].upper(), found[2].upper()
    # All keys are tried, each in constant time: the answer's delay tells nothing.
    known = [hmac.compare_digest(_code(incident, key), code) for key in keys]
    return incident if any(known) and is_id(incident) else ""


def _code(incident: str, key: bytes) -> str:
    digest = hmac.digest(key, incident.encode("utf-8"), sha256)
    return base64.b32encode(digest[:_CODE_BYTES]).decode("ascii")[:_CODE_CHARS]


def incident_of_subject(subject: str) -> str:
    """The incident that a token ``[TOC-<id>]`` in ``subject`` names; empty if none."""
    found = _SUBJECT_TOKEN.search(subject)
    incident = found[1].upper() if found else ""
    return incident if is_id(incident) else ""


def clean_subject(subject: str) -> str:
    """``subject`` without our token and without ``Re:``, ``Fwd:`` and their like in other languages."""
    bare = " ".join(_SUBJECT_TOKEN.sub(" ", subject).split())
    for _ in range(_MOST_PREFIXES):
        shorter = _REPLY_PREFIX.sub("", bare, count=1)
        if shorter == bare:
            break
        bare = shorter
    return bare.strip()


def subject_key(subject: str) -> str:
    """The thread key of a subject."""
    return f"subject:{clean_subject(subject).casefold()[:_LONGEST_SUBJECT]}"


def message_key(message_id: str) -> str:
    """The thread key of a Message-ID; a very long one is hashed."""
    if len(message_id) > _LONGEST_ID:
        return f"mid:<sha256:{sha256(message_id.encode('utf-8', 'replace')).hexdigest()}>"
    return f"mid:{message_id}"


def references(mail: Mail, *, recipients: Iterable[str], keys: Sequence[bytes], trusted: bool) -> tuple[Reference, ...]:
    """What this mail may follow, most trusted first.

    Args:
        mail: the mail.
        recipients: the envelope's.
        keys: those of address tokens, newest first.
        trusted: whether what the sender can forge counts; if not, only address tokens do.
    """
    found: dict[Reference, None] = {}
    named = [each.address for each in (*mail.to, *mail.cc)]
    for address in (*recipients, *named, mail.header("delivered-to"), mail.header("x-original-to")):
        incident = incident_of_address(address, keys)
        if incident:
            found[Reference(key=f"incident:{incident}")] = None
    if trusted:
        found.update(dict.fromkeys(_forgeable(mail)))
    return tuple(found)


def _forgeable(mail: Mail) -> Iterable[Reference]:
    for message_id in mail.in_reply_to:
        yield Reference(key=message_key(message_id))
    if mail.original_id:
        yield Reference(key=message_key(mail.original_id))
    for message_id in list(reversed(mail.references))[:_MOST_REFERENCES]:
        yield Reference(key=message_key(message_id), also=subject_key(mail.subject))
    incident = incident_of_subject(mail.subject)
    if incident and mail.sender is not None:
        yield Reference(key=f"incident:{incident}", also=f"from:{mail.sender.address}")


def known_as(mail: Mail, *, ours: Iterable[str] = ()) -> tuple[str, ...]:
    """The thread keys by which later mails find this one's incident: its id, its participants, its subject.

    Args:
        mail: the mail.
        ours: our own addresses, which are no participants.
    """
    people = [mail.sender] if mail.sender else []
    own = set(ours)
    addresses = [each.address for each in (*people, *mail.cc, *mail.to) if each.address not in own]
    participants = [f"from:{address}" for address in addresses if not _ADDRESS_TOKEN.search(address)]
    keys = [message_key(mail.message_id), *participants[:_MOST_PARTICIPANTS]]
    if (subject := subject_key(mail.subject)) != subject_key(""):
        keys.append(subject)
    return tuple(dict.fromkeys(keys))

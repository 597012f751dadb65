"""Every real mail is survived, and what we make of them is counted."""

from collections import Counter
from pathlib import Path

import pytest

from collectors.smtp.event import Policy, Received, event_of, event_of_unreadable
from collectors.smtp.limits import HeavyError, Limits, MailError
from collectors.smtp.machine import Machine, recognise
from collectors.smtp.mail import parse

pytestmark = pytest.mark.shared

BOUNCES = "sisimai/set-of-emails/maildir/bsd"
NOT_ORDINARY = ("sisimai", "crisp-erp", "email_reply_parser", "/bounce/", "complaints", "multipart_report_emails")


def mails(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def test_every_mail_becomes_an_event(corpus: Path) -> None:
    counts: Counter[str] = Counter()
    policy = Policy(collector="smtp", header_labels=("x-mailer",))
    for path in mails(corpus):
        raw = path.read_bytes()
        received = Received(raw=raw, at_ms=0, envelope_from="someone@example.org", recipients=("support@example.com",))
        counts["mails"] += 1
        try:
            mail = parse(raw, Limits())
        except MailError as error:
            counts[f"unreadable: {error.reason}"] += 1
            event = event_of_unreadable(error, received, policy)
            assert event.attachments[0].content == raw
            continue
        event = event_of(mail, received, policy)
        assert event.identity
        assert len(event.description) <= 64 * 1024
        assert max(len(value) for value in event.labels.values()) <= 8 * 1024
        event.description.encode()
        "".join(event.labels.values()).encode()
        counts["read"] += 1
        counts["with text"] += bool(mail.new_text)
        counts["with quoted text"] += bool(mail.old_text)
        counts["attachments"] += len(mail.files)
        counts[f"from {recognise(mail).machine or 'a person'}"] += 1
        try:
            parse(raw, Limits(), light=True)
        except HeavyError:
            counts["needs the worker"] += 1
    print(f"\n{dict(sorted(counts.items()))}")
    assert counts["mails"] >= 1184
    assert counts["read"] >= counts["mails"] - 2
    assert counts["with text"] >= 0.94 * counts["read"]


def test_machines_are_recognised(corpus: Path) -> None:
    bounces: Counter[Machine] = Counter()
    ordinary: Counter[Machine] = Counter()
    for path in mails(corpus):
        where = path.relative_to(corpus).as_posix()
        try:
            found = recognise(parse(path.read_bytes(), Limits())).machine
        except MailError:
            continue
        if where.startswith(BOUNCES):
            bounces[found] += 1
        elif path.suffix != ".txt" and not any(word in where for word in NOT_ORDINARY):
            ordinary[found] += 1
    told = bounces[Machine.BOUNCE] / bounces.total()
    wrong = (ordinary[Machine.BOUNCE] + ordinary[Machine.AUTO_REPLY]) / ordinary.total()
    print(
        f"\nbounces: {told:.1%} of {bounces.total()} recognised; of {ordinary.total()} ordinary mails {wrong:.1%} taken for one"
    )
    assert told >= 0.92
    assert wrong <= 0.10


def test_reading_by_a_hair_less_never_changes_what_is_read(corpus: Path) -> None:
    """A light reading gives the same mail, or none."""
    for path in mails(corpus)[::7]:
        raw = path.read_bytes()
        try:
            light = parse(raw, Limits(), light=True)
        except MailError:
            continue
        assert light == parse(raw, Limits())


def test_quoted_replies_lose_nothing(corpus: Path) -> None:
    """Of every reply in twelve languages each word is in one of the halves."""
    from collectors.smtp.reply import split_reply

    parted = 0
    for path in sorted((corpus / "crisp-erp").rglob("*.txt")):
        text = path.read_text(encoding="utf-8", errors="replace").replace("\r\n", "\n")
        new, old = split_reply(text)
        assert Counter(new.split()) + Counter(old.split()) == Counter(text.split()), path.name
        parted += bool(old)
    print(f"\n{parted} replies parted")
    assert parted >= 55

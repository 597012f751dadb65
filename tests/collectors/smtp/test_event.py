"""What a mail means: its kind, its labels, its identity; and who is a machine."""

import pytest

from collectors.smtp.event import LONGEST_DESCRIPTION, Policy, Received, event_of, event_of_unreadable
from collectors.smtp.limits import Limits, MailError, Unreadable
from collectors.smtp.machine import Machine, recognise
from collectors.smtp.mail import parse
from gateway.core.event import Event, EventKind


def event(head: str, text: str = "hello", *, sender: str = "alice@example.org", **policy) -> Event:
    raw = f"{head}\r\n\r\n{text}".encode()
    received = Received(raw=raw, at_ms=7, envelope_from=sender, recipients=("support@example.com",))
    return event_of(parse(raw, Limits()), received, Policy(collector="mail-in", **policy))


def test_a_persons_mail() -> None:
    found = event(
        "From: Alice <Alice@Example.org>\r\nSubject: Re: Pump 7\r\nMessage-ID: <1@x>\r\nX-Priority: 1\r\nX-Other: y",
        "It leaks.\n\nOn 22 Nov 2026, s@example.com wrote:\n> older",
        header_labels=("x-priority", "x-absent"),
    )
    assert (found.collector, found.source, found.condition, found.kind, found.at_ms) == (
        "mail-in",
        "alice@example.org",
        "mail",
        EventKind.RAISE,
        7,
    )
    assert found.requester == "alice@example.org"
    assert found.summary == "Re: Pump 7"
    assert found.description.startswith("It leaks.\n\n----- quoted text -----\nOn 22 Nov 2026")
    assert dict(found.labels) == {
        "from": "alice@example.org",
        "from_domain": "example.org",
        "from_name": "Alice",
        "to": "support@example.com",
        "subject": "Pump 7",
        "subject_raw": "Re: Pump 7",
        "list_id": "",
        "auto_submitted": "",
        "machine": "",
        "body": "It leaks.",
        "user": "",
        "authenticated_results": "",
        "header.x-priority": "1",
    }
    assert len(found.object) == 10
    assert found.object in found.identity


def test_two_mails_are_two_troubles_and_the_same_mail_twice_is_one() -> None:
    head = "From: a@example.org\r\nSubject: x\r\nMessage-ID: <1@x>"
    first, again, other = event(head), event("Received: twice\r\n" + head), event(head, "another")
    assert first.identity == again.identity != other.identity
    assert first.object == again.object != other.object
    assert event(head.replace("a@example.org", "evil@example.net")).identity != first.identity


def test_a_long_mail_is_cut_and_says_so() -> None:
    found = event("From: a@example.org", "x" * 100_000)
    assert len(found.description) == LONGEST_DESCRIPTION
    assert found.description.endswith("[cut here: the mail says more]")
    assert len(found.labels["body"]) == 8192


@pytest.mark.parametrize(
    ("head", "machine", "kind"),
    [
        ("From: a@example.org", Machine.NONE, EventKind.RAISE),
        ("From: a@example.org\r\nAuto-Submitted: no", Machine.NONE, EventKind.RAISE),
        ("From: a@example.org\r\nAuto-Submitted: auto-replied", Machine.AUTO_REPLY, EventKind.NOTE),
        (
            "From: a@x.org\r\nIn-Reply-To: <1@x>\r\nSubject: Out of office: back on Monday",
            Machine.AUTO_REPLY,
            EventKind.NOTE,
        ),
        (
            "From: a@x.org\r\nReturn-Path: <>\r\nSubject: Out of office: back on Monday",
            Machine.AUTO_REPLY,
            EventKind.NOTE,
        ),
        ("From: a@example.org\r\nSubject: Out of office printer is on fire", Machine.NONE, EventKind.RAISE),
        ("From: a@example.org\r\nSubject: Vacation planner is down", Machine.NONE, EventKind.RAISE),
        ("From: a@example.org\r\nX-Autoreply: yes", Machine.AUTO_REPLY, EventKind.NOTE),
        ("From: a@example.org\r\nPrecedence: auto_reply", Machine.AUTO_REPLY, EventKind.NOTE),
        ("From: support@example.com\r\nX-Loop: tocsin", Machine.AUTO_REPLY, EventKind.NOTE),
        ("From: MAILER-DAEMON@example.org\r\nAuto-Submitted: auto-replied", Machine.BOUNCE, EventKind.NOTE),
        ("From: postmaster@example.org\r\nSubject: Our firewall is broken", Machine.NONE, EventKind.RAISE),
        ("From: Postmaster <alice@example.org>\r\nSubject: Our firewall is broken", Machine.NONE, EventKind.RAISE),
        ("From: postmaster@example.org\r\nSubject: Undeliverable: hello", Machine.BOUNCE, EventKind.NOTE),
        ("From: postmaster@example.org\r\nIn-Reply-To: <1@x>", Machine.BOUNCE, EventKind.NOTE),
        ("From: Mail Delivery System <x@example.org>", Machine.BOUNCE, EventKind.NOTE),
        ("From: a@example.org\r\nX-Failed-Recipients: b@c", Machine.BOUNCE, EventKind.NOTE),
        (
            "From: a@example.org\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b",
            Machine.BOUNCE,
            EventKind.NOTE,
        ),
        ("From: a@example.org\r\nList-Id: <list.example.org>", Machine.LIST, EventKind.RAISE),
        ("From: a@example.org\r\nPrecedence: bulk", Machine.MACHINE, EventKind.RAISE),
        ("From: a@example.org\r\nX-Auto-Response-Suppress: DR, OOF", Machine.MACHINE, EventKind.RAISE),
        ("From: no-reply@example.org", Machine.MACHINE, EventKind.RAISE),
        ("From: zabbix@example.org", Machine.MACHINE, EventKind.RAISE),
        ("From: montgomery@example.org", Machine.NONE, EventKind.RAISE),
        ("From: rootsbar@example.org", Machine.NONE, EventKind.RAISE),
    ],
)
def test_machines(head: str, machine: Machine, kind: EventKind) -> None:
    found = event(head)
    assert (found.labels["machine"], found.kind) == (machine, kind)
    assert bool(found.requester) == (machine is Machine.NONE)


def test_an_appliance_that_leaves_its_sender_empty_is_heard() -> None:
    found = event("From: ups-2@example.org\r\nSubject: On battery", sender="")
    assert (found.kind, found.labels["machine"], found.source) == (EventKind.RAISE, "machine", "ups-2@example.org")


def test_an_answer_to_an_invitation_opens_nothing() -> None:
    mail = parse(b"From: a@b.c\r\nContent-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\nMETHOD:REPLY\n", Limits())
    assert recognise(mail).machine is Machine.AUTO_REPLY


def test_a_mail_from_nobody_still_has_a_source() -> None:
    assert event("Subject: x", sender="").source == "unknown"
    assert event("Subject: x", sender="Device@Example.org").source == "device@example.org"


def test_a_mail_that_was_not_read_is_kept_whole() -> None:
    raw = b"Subject: =?bad\r\nFrom: A <a@example.org>\r\n" + b"X: y\r\n" * 2000
    received = Received(raw=raw, at_ms=7, envelope_from="A@example.org", recipients=("support@example.com",))
    found = event_of_unreadable(MailError(Unreadable.HEADER_COUNT, "2002 headers"), received, Policy(collector="smtp"))
    assert (found.condition, found.source, found.kind) == ("mail_unreadable", "a@example.org", EventKind.RAISE)
    assert found.attachments[0].content == raw
    assert found.labels["unreadable"] == "header_count"
    assert "2002 headers" in found.description
    assert found.identity.startswith("mail:")

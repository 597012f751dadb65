"""How a mail finds its incident, and what it may not be made to find."""

import pytest

from collectors.smtp import thread
from collectors.smtp.event import Policy, Received, event_of
from collectors.smtp.limits import Limits
from collectors.smtp.mail import parse
from gateway.core.event import EventKind, Reference
from gateway.core.ids import encode

ID = encode(1 << 60)
KEY, OLD_KEY = b"k" * 32, b"o" * 32


def event(head: str, *, recipients: tuple[str, ...] = (), text: str = "hello", **policy):
    raw = f"{head}\r\n\r\n{text}".encode()
    received = Received(raw=raw, at_ms=7, envelope_from="alice@example.org", recipients=recipients)
    return event_of(parse(raw, Limits()), received, Policy(collector="smtp", keys=(KEY, OLD_KEY), **policy))


@pytest.mark.parametrize("key", [KEY, OLD_KEY])
def test_the_token_in_the_address_is_trusted_whoever_writes(key: bytes) -> None:
    address = f"support+{thread.address_token(ID, key)}@example.com"
    for recipient in (address, address.lower()):
        found = event("From: bob@example.net\r\nSubject: hi", recipients=(recipient,))
        assert found.references == (Reference(key=f"incident:{ID}"),)
    assert event(f"From: bob@example.net\r\nTo: <{address}>").references == (Reference(key=f"incident:{ID}"),)


def test_a_forged_token_is_nothing() -> None:
    token = thread.address_token(ID, KEY)
    other = encode((1 << 60) + 1)
    for forged in (
        f"TOC-{ID}.AAAAAAAA",
        token.replace(ID, other),
        thread.address_token(ID, b"another"),
        token[:-1],
        token + "x",
    ):
        assert event("From: bob@example.net", recipients=(f"support+{forged}@example.com",)).references == ()


def test_references_are_tried_from_the_most_trusted_on() -> None:
    address = f"support+{thread.address_token(ID, KEY)}@example.com"
    found = event(
        f"From: Alice@example.org\r\nSubject: RE: Fwd: [TOC-{ID}] No  heartbeat\r\nIn-Reply-To: <3@x>\r\nReferences: <1@x> <2@x>",
        recipients=(address,),
    )
    assert found.references == (
        Reference(key=f"incident:{ID}"),
        Reference(key="mid:<3@x>"),
        Reference(key="mid:<2@x>", also="subject:no heartbeat"),
        Reference(key="mid:<1@x>", also="subject:no heartbeat"),
        Reference(key=f"incident:{ID}", also="from:alice@example.org"),
    )
    assert found.kind is EventKind.RAISE
    assert found.labels["subject"] == "No heartbeat"


def test_unauthenticated_mails_follow_by_the_address_only_where_that_is_wanted() -> None:
    head = "From: a@example.org\r\nIn-Reply-To: <3@x>\r\nSubject: x"
    assert event(head, authenticated_replies=True).references == ()
    passed = "Authentication-Results: mx.example.com; spf=fail; dmarc=pass (p=none)\r\n" + head
    forged = "Authentication-Results: evil.example; dmarc=pass\r\n" + head
    both = (
        "Authentication-Results: mx.example.com; dmarc=fail\r\nAuthentication-Results: mx.example.com; dmarc=pass\r\n"
        + head
    )
    for given, verdict, count in ((passed, "pass", 1), (forged, "", 0), (both, "fail", 0)):
        found = event(given, authenticated_replies=True, authserv_id="mx.example.com")
        assert (found.labels["authenticated_results"], len(found.references)) == (verdict, count)


def test_an_incident_is_known_by_its_mail_its_people_and_its_subject() -> None:
    found = event(
        "From: Alice <alice@example.org>\r\nTo: support@example.com, x@example.org\r\nCc: bob@example.net\r\n"
        "Subject: AW: Störung\r\nMessage-ID: <1@x>",
        ours=frozenset({"support@example.com"}),
    )
    assert found.known_as == (
        "mid:<1@x>",
        "from:alice@example.org",
        "from:bob@example.net",
        "from:x@example.org",
        "subject:störung",
    )


@pytest.mark.parametrize(
    ("subject", "clean"),
    [
        ("Re: Re[2]: FW: AW: x", "x"),
        ("TR : x", "x"),
        ("[EXTERNAL] Re: x", "x"),
        (f"[#TOC-{ID}] x", "x"),
        (f"Re: [TOC-{ID}]", ""),
        ("Rehearsal: x", "Rehearsal: x"),
        ("Problem: x", "Problem: x"),
        ("[FIRING:1] x", "[FIRING:1] x"),
    ],
)
def test_subjects(subject: str, clean: str) -> None:
    assert thread.clean_subject(subject) == clean


def test_what_cannot_be_stored_is_no_part_of_a_key() -> None:
    found = event("From: a@b.c\r\nMessage-ID: <a\0b\u202e@x>\r\nSubject: x\0y")
    assert found.known_as == ("mid:<ab@x>", "from:a@b.c", "subject:xy")


def test_a_very_long_message_id_is_hashed_alike_wherever_it_stands() -> None:
    long = f"<{'x' * 800}@y>"
    first = event(f"From: a@b.c\r\nMessage-ID: {long}")
    second = event(f"From: a@b.c\r\nIn-Reply-To: {long}")
    assert first.known_as[0] == second.references[0].key
    assert len(first.known_as[0]) < 250

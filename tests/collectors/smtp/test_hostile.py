"""Hostile mails cost little: most are refused before anything parses them, the rest is read in linear time."""

import contextlib
import time
from collections.abc import Callable

import pytest

from collectors.smtp.config import MailLimits
from collectors.smtp.limits import HeavyError, Limits, MailError, Unreadable
from collectors.smtp.mail import parse
from collectors.smtp.scan import scan

KIB = 1024
READ_S = MailLimits.model_fields["read_s"].default


def header(start: bytes, repeated: bytes) -> Callable[[int], bytes]:
    return lambda size: start + repeated * (size // len(repeated)) + b"\r\n\r\nhello"


def body(head: bytes, repeated: bytes) -> Callable[[int], bytes]:
    return lambda size: head + b"\r\n\r\n" + repeated * (size // len(repeated))


def nested(level: bytes) -> Callable[[int], bytes]:
    return lambda size: (
        b"From: a@b\r\n" + b"".join(level.replace(b"N", b"%d" % number) for number in range(size // len(level)))
    )


HEADERS = {
    "quotes in From": header(b"From: ", b'"'),
    "angles in From": header(b"From: ", b"<"),
    "brackets in From": header(b"From: ", b"("),
    "escapes in From": header(b"From: ", b"\\"),
    "commas in To": header(b"To: ", b","),
    "addresses in To": header(b"To: ", b"a@b.example, "),
    "a long Subject": header(b"Subject: ", b"word "),
    "encoded words": header(b"Subject: ", b"=?utf-8?q?a?= "),
    "half encoded words": header(b"Subject: ", b"=?a?q?"),
    "prefixes": header(b"Subject: ", b"Re: "),
    "parameters": header(b"Content-Type: text/plain", b"; a=b"),
    "RFC 2231 parameters": header(b"Content-Type: text/plain", b"; a*0*=b"),
    "quotes in a parameter": header(b'Content-Type: text/plain; a="', b'"'),
    "a slow codec": header(b"Content-Type: multipart/mixed; boundary*=punycode''", b"a"),
    "brackets in Message-ID": header(b"Message-ID: <", b"["),
    "references": header(b"References: ", b"<a@b> "),
}
BODIES = {
    "comments": body(b"Content-Type: text/html", b"<!--"),
    "open tags": body(b"Content-Type: text/html", b"<a"),
    "deep tags": body(b"Content-Type: text/html", b"<div>"),
    "deep quotes": body(b"Content-Type: text/html", b"<blockquote type=cite>"),
    "links": body(b"Content-Type: text/html", b'<a href="http://x">'),
    "attributes": body(b"Content-Type: text/html", b"<a b=c d>"),
    "angles": body(b"Content-Type: text/html", b"<"),
    "almost attributions": body(b"", b"On 1 x wrote:x\n"),
    "attributions": body(b"", b"On 1 x wrote:\n"),
    "colons": body(b"", b"a1:\n"),
    "quoted lines": body(b"", b"> x\n"),
    "From lines": body(b"", b"From: x\n"),
    "signatures": body(b"", b"-- \n"),
    "dashes": body(b"", b"-"),
    "blank lines": body(b"", b"\n"),
    "blanks": body(b"", b" \n"),
    "flowed": body(b"Content-Type: text/plain; format=flowed", b"a \n"),
    "no charset": body(b"", bytes(range(128, 256))),
    "base64": body(b"Content-Transfer-Encoding: base64", b"QUJD"),
    "uuencode": body(b"Content-Transfer-Encoding: x-uuencode", b"begin 644 x\n"),
    "calendar": body(b"Content-Type: text/calendar", b"METHOD:"),
}


def cpu_of(raw: bytes) -> float:
    """Seconds of processor time to read or refuse ``raw``."""
    begun = time.process_time()
    with contextlib.suppress(MailError):
        parse(raw, Limits())
    return time.process_time() - begun


def assert_linear(hostile: Callable[[int], bytes], size: int, *, harmless_s: float) -> None:
    """Eight times the size must not take 16 times as long: what is linear takes 8 times, what is quadratic 64.

    Seconds say little on a machine that has other work, so the two are compared, each at its best of five if the first
    is not good enough. Below ``harmless_s`` a growth is lost in the noise, and no harm at the size that is the limit.
    Whatever the growth, it must be read before the deadline that ends a worker.
    """
    small_s = large_s = float("inf")
    for _ in range(5):
        small_s = min(small_s, cpu_of(hostile(size // 8)))
        large_s = min(large_s, cpu_of(hostile(size)))
        if large_s < min(READ_S, max(harmless_s, 16 * small_s)):
            return
    pytest.fail(f"{size // 8} bytes take {small_s:.3f} s, {size} take {large_s:.3f} s")


@pytest.mark.parametrize("name", HEADERS)
def test_a_hostile_header_is_read_in_little_time_or_refused(name: str) -> None:
    assert_linear(HEADERS[name], 31 * KIB, harmless_s=0.1)
    for size in (64 * KIB, 1024 * KIB):
        with pytest.raises(MailError):
            scan(HEADERS[name](size), Limits())


@pytest.mark.parametrize("name", BODIES)
def test_a_hostile_body_costs_no_more_than_its_size(name: str) -> None:
    assert_linear(BODIES[name], 2048 * KIB, harmless_s=0.5)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"X: y\r\n" * 1001 + b"\r\n", Unreadable.HEADER_COUNT),
        (b"no colon\r\n" * 1001 + b"\r\n", Unreadable.HEADER_COUNT),
        (b"Subject: " + b"x" * 33 * KIB + b"\r\n\r\n", Unreadable.HEADER_SIZE),
        (b"Subject: x" + b"\r\n folded" * 5000 + b"\r\n\r\n", Unreadable.HEADER_SIZE),
        (b"Subject: x" * 20_000, Unreadable.HEADER_BLOCK),
        (b"x" * (25 * 1024 * KIB + 1), Unreadable.SIZE),
        (nested(b"Content-Type: multipart/mixed; boundary=bN\r\n\r\n--bN\r\n")(64 * KIB), Unreadable.CONTAINERS),
        (nested(b"Content-Type: message/rfc822\r\n\r\n")(64 * KIB), Unreadable.CONTAINERS),
        (nested(b"Content-Type: multipart/digest; boundary=bN\r\n\r\n--bN\r\n\r\n")(64 * KIB), Unreadable.CONTAINERS),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300, Unreadable.PARTS),
        (b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n\nx\n" * 300, Unreadable.PARTS),
        (b"Content-Type: multipart/mixed; boundary*0=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 300, Unreadable.PARTS),
        (b'Content-Type: multipart/mixed; boundary="b\\"c"\r\n\r\n' + b'--b"c\r\n\r\nx\r\n' * 300, Unreadable.PARTS),
        (b'Content-Type: multipart/mixed; boundary=""\r\n\r\n' + b"--\r\n\r\nx\r\n" * 300, Unreadable.PARTS),
    ],
    ids=lambda value: str(value) if isinstance(value, Unreadable) else "",
)
def test_what_is_beyond_a_limit_is_refused_before_it_is_parsed(raw: bytes, reason: Unreadable) -> None:
    with pytest.raises(MailError) as refusal:
        scan(raw, Limits())
    assert refusal.value.reason is reason


def test_a_boundary_that_needs_decoding_is_left_to_the_worker() -> None:
    raw = b"From: a@b.c\r\nContent-Type: multipart/mixed; boundary*=utf-8''b\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n"
    assert parse(raw, Limits()).new_text == "hello"
    with pytest.raises(HeavyError):
        parse(raw, Limits(), light=True)


def test_a_long_text_with_rules_of_dashes_is_no_flood_of_parts() -> None:
    raw = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n"
        + b"------------\r\nvalue\r\n" * 5000
        + b"--b--\r\n"
    )
    assert parse(raw, Limits()).new_text.count("value") == 5000


def test_a_hundred_containers_are_no_danger() -> None:
    raw = nested(b"Content-Type: multipart/mixed; boundary=bN\r\n\r\n--bN\r\n")(99 * 55)
    begun = time.process_time()
    with pytest.raises(MailError):
        parse(raw, Limits(containers=200))
    assert time.process_time() - begun < READ_S, "what takes twice as long for each would never end"

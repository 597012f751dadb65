"""Bytes of a mail to a value: texts, attachments, names, charsets, identifiers."""

import base64

import pytest

from collectors.smtp.body import file_name
from collectors.smtp.charset import codec_of, decode
from collectors.smtp.headers import addresses, parameters, text
from collectors.smtp.limits import HeavyError, Limits
from collectors.smtp.mail import Mail, parse


def mail(*parts: str, head: str = "", limits: Limits | None = None) -> Mail:
    """A mail of several parts, each written with its own headers."""
    inner = "".join(f"--b\r\n{part}\r\n" for part in parts)
    raw = f"From: a@example.org\r\n{head}Content-Type: multipart/mixed; boundary=b\r\n\r\n{inner}--b--\r\n"
    return parse(raw.encode(), limits or Limits())


def file_part(name: str, content: bytes, *, kind: str = "application/pdf", more: str = "") -> str:
    encoded = base64.encodebytes(content).decode()
    return (
        f'Content-Type: {kind}; name="{name}"\r\nContent-Disposition: attachment; filename="{name}"\r\n{more}'
        f"Content-Transfer-Encoding: base64\r\n\r\n{encoded}"
    )


def test_headers_are_read() -> None:
    raw = (
        "From: =?utf-8?q?Zo=C3=AB?= =?utf-8?q?_B.?= <Zoe@Example.ORG>\r\n"
        'To: "Support, N1" <support@example.com>, b@example.com\r\nCc: (boss) boss@example.org\r\n'
        "Subject: =?iso-8859-1?Q?d=E9faut?=\r\n =?utf-8?b?w6k=?=\r\nDate: Sun, 22 Nov 2026 04:00:00 +0100\r\n"
        "Message-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\nReferences: <a@x>\r\n <0@x>\r\nX-Priority: 1\r\n\r\nhello"
    )
    read = parse(raw.encode(), Limits())
    assert read.sender is not None
    assert (read.sender.address, read.sender.name) == ("zoe@example.org", "Zoë B.")
    assert [each.address for each in read.to] == ["support@example.com", "b@example.com"]
    assert read.to[0].name == "Support, N1"
    assert [(each.address, each.name) for each in read.cc] == [("boss@example.org", "boss")]
    assert read.subject == "défauté"
    assert (read.message_id, read.in_reply_to, read.references) == ("<1@x>", ("<0@x>",), ("<a@x>", "<0@x>"))
    assert read.header("x-priority") == "1"
    assert read.new_text == "hello"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("a@b.c", ["a@b.c"]),
        ("<a@b.c>", ["a@b.c"]),
        ("Group: a@b.c, d@e.f;", ["a@b.c", "d@e.f"]),
        ('"x <y@z>" <a@b.c>', ["a@b.c"]),
        ("<@r1,@r2:a@b.c>", ["a@b.c"]),
        ("undisclosed-recipients:;", []),
        ("a b c", []),
        ("=?utf-8?q?a=40evil.com?= <a@b.c>", ["a@b.c"]),
        ("a@b.c (a comment, with <x@y>)", ["a@b.c"]),
        ("<<a@b.c>>", ["a@b.c"]),
        ("x" * 300 + "@b.c", []),
        ("", []),
    ],
)
def test_addresses(raw: str, expected: list[str]) -> None:
    assert [each.address for each in addresses(raw, 10)] == expected


def test_a_word_cut_between_two_encoded_words_is_whole() -> None:
    encoded = base64.b64encode("ü".encode())
    halves = (base64.b64encode("ü".encode()[:1]), base64.b64encode("ü".encode()[1:]))
    assert text(f"=?utf-8?b?{encoded.decode()}?=") == "ü"
    assert text(f"=?utf-8?b?{halves[0].decode()}?= =?utf-8?b?{halves[1].decode()}?=") == "ü"


def test_parameters_of_rfc_2231() -> None:
    kind, found = parameters('Attachment; filename*0*=utf-8\'fr\'d%C3%A9; filename*1="faut; 1.pdf"; x="a\\"b"')
    assert kind == "attachment"
    assert found == {"filename": "défaut; 1.pdf", "x": 'a"b'}


def test_the_plain_alternative_is_read_and_html_is_not_needed_for_it() -> None:
    raw = (
        b"From: a@b.c\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
        b"--b\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n--b--\r\n"
    )
    assert parse(raw, Limits(), light=True).new_text == "plain"
    assert parse(raw, Limits()).files == ()


def test_html_is_the_last_resort() -> None:
    stub = b"Content-Type: text/plain\r\n\r\nYour program cannot show HTML.\r\n"
    raw = (
        b"From: a@b.c\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n"
        + stub
        + b"--b\r\nContent-Type: text/html\r\n\r\n"
        b"<html><head><title>no</title><style>x{}</style></head><body><p>Hello</p><table><tr><td>a</td><td>b</td></tr></table>"
        b"<ul><li>one<li>two</ul><a href='https://example.org/x'>here</a> <img alt='logo'><script>evil()</script></body></html>\r\n--b--\r\n"
    )
    with pytest.raises(HeavyError):
        parse(raw, Limits(), light=True)
    assert parse(raw, Limits()).new_text == "Hello\n\na b\n\n- one\n\n- two\n\nhere <https://example.org/x> [logo]"


def test_what_mail_programs_quote_in_html_is_not_new() -> None:
    raw = (
        b"From: a@b.c\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<div>It works again.</div><div class='gmail_quote'>"
        b"<div>On Monday X wrote:</div><blockquote>Please look</blockquote></div>"
    )
    read = parse(raw, Limits())
    assert read.new_text == "It works again."
    assert "Please look" in read.old_text
    outlook = b"From: a@b.c\r\nContent-Type: text/html\r\n\r\n<p>Yes</p><div id='divRplyFwdMsg'>From: X</div><p>Please look</p>"
    assert parse(outlook, Limits()).new_text == "Yes"


def test_a_forward_in_html_is_all_new() -> None:
    raw = b"From: a@b.c\r\nContent-Type: text/html\r\n\r\n<blockquote type=cite>Look at this</blockquote>"
    assert parse(raw, Limits()).new_text == "Look at this"


def test_attachments_are_kept_by_safe_names() -> None:
    read = mail("Content-Type: text/plain\r\n\r\nsee", file_part("../../etc/pass\u202ewd.pdf", b"%PDF"))
    assert [(each.name, each.media_type, each.content) for each in read.files] == [
        ("passwd.pdf", "application/pdf", b"%PDF")
    ]
    assert read.new_text == "see"


def test_an_enclosed_mail_is_kept_as_a_file() -> None:
    read = mail("Content-Type: text/plain\r\n\r\nsee", "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nhi")
    assert read.files[0].name == "attachment.eml"
    assert b"Subject: inner" in read.files[0].content
    assert read.new_text == "see"


def test_attachments_beyond_the_limits_are_told() -> None:
    limits = Limits(attachments=1, attachment_bytes=10)
    read = mail(file_part("big.bin", b"x" * 11), file_part("a.bin", b"a"), file_part("b.bin", b"b"), limits=limits)
    assert [each.name for each in read.files] == ["a.bin"]
    assert read.notes == (
        "Attachment big.bin was not kept: 11 bytes, at most 10 are taken.",
        "Attachments beyond the first 1 were not kept, b.bin among them.",
    )


def test_logos_that_the_html_shows_are_not_kept() -> None:
    logo = "Content-Type: image/png\r\nContent-ID: <logo>\r\nContent-Transfer-Encoding: base64\r\n\r\naWNvbg==\r\n"
    assert mail("Content-Type: text/html\r\n\r\n<img src='cid:logo'>hi", logo).files == ()
    assert len(mail("Content-Type: text/html\r\n\r\nhi", logo).files) == 1


def test_what_cannot_be_read_is_told() -> None:
    assert "encrypted" in mail(file_part("smime.p7m", b"x", kind="application/pkcs7-mime")).notes[0]
    assert "winmail" in mail(file_part("winmail.dat", b"x", kind="application/ms-tnef")).notes[0]
    invitation = "Content-Type: text/calendar\r\n\r\nBEGIN:VCALENDAR\r\nMETHOD:REQUEST\r\nSUMMARY:Works on line 7\r\nDTSTART;TZID=Paris:20261122T0300\r\n"
    read = mail(invitation)
    assert read.calendar_method == "REQUEST"
    assert read.notes == ("Calendar summary: Works on line 7", "Calendar dtstart: 20261122T0300")


def test_a_report_names_the_mail_it_is_about() -> None:
    raw = (
        b"From: MAILER-DAEMON@b.c\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n--b\r\n\r\nfailed\r\n"
        b"--b\r\nContent-Type: text/rfc822-headers\r\n\r\nSubject: x\r\nMessage-ID: <ours@example.com>\r\n--b--\r\n"
    )
    assert parse(raw, Limits()).original_id == "<ours@example.com>"


@pytest.mark.parametrize(
    ("data", "declared", "expected"),
    [
        (b"abc", "", "abc"),
        ("é".encode(), "iso-8859-1", "é"),
        (b"\xe9", "us-ascii", "é"),
        (b"\x80", "latin1", "€"),
        ("漢字".encode("gb18030"), "GB2312", "漢字"),
        ("カナ".encode("cp932"), "Shift_JIS", "カナ"),
        ("\u2460カナ".encode("iso2022_jp_ext", "replace"), "ISO-2022-JP", "?カナ"),
        ("한글".encode("cp949"), "ks_c_5601-1987", "한글"),
        ("é".encode(), "no-such-charset", "é"),
        (b"\xe9", "no-such-charset", "é"),
        (b"abc", "zlib", "abc"),
        (b"\xff", "utf-8", "\ufffd"),
        (b"+AGE-", "utf-7", "a"),
    ],
)
def test_charsets(data: bytes, declared: str, expected: str) -> None:
    assert decode(data, declared) == expected


@pytest.mark.parametrize(
    "name", ["punycode", "idna", "zlib", "base64", "rot13", "unicode_escape", "undefined", "../x", "\x00", ""]
)
def test_what_is_no_charset_of_text(name: str) -> None:
    assert codec_of(name) == ""


def test_a_charset_nobody_told_is_guessed_in_the_worker_only() -> None:
    words = "Станция не отвечает уже два часа, проверьте пожалуйста связь и питание."
    raw = b"From: a@b.c\r\n\r\n" + (words * 3).encode("cp1251")
    with pytest.raises(HeavyError):
        parse(raw, Limits(), light=True)
    assert parse(raw, Limits()).new_text == words * 3


def test_flowed_text_is_joined() -> None:
    raw = b"From: a@b.c\r\nContent-Type: text/plain; format=flowed\r\n\r\nThe station \r\nis silent.\r\n\r\nSince noon.\r\n"
    assert parse(raw, Limits()).new_text == "The station is silent.\n\nSince noon."


def test_the_same_mail_on_two_ways_has_one_digest() -> None:
    raw = b"From: a@b.c\r\nMessage-ID: <1@x>\r\n\r\nhello  there\r\n"
    other = b"Received: by x\r\nFrom: a@b.c\r\nMessage-ID: <1@x>\r\n\r\nhello there\r\n\r\n"
    assert parse(raw, Limits()).digest == parse(other, Limits()).digest
    assert parse(raw.replace(b"hello", b"bye"), Limits()).digest != parse(raw, Limits()).digest


def test_a_mail_without_an_id_gets_one_that_stays() -> None:
    raw = b"From: a@b.c\r\nSubject: x\r\n\r\nhello"
    first = parse(raw, Limits()).message_id
    assert first == parse(raw, Limits()).message_id != parse(raw + b"!", Limits()).message_id
    assert first.endswith("@no-id.invalid>")


@pytest.mark.parametrize(
    ("claimed", "safe"),
    [
        ("C:\\temp\\a.pdf", "a.pdf"),
        ("..", "attachment"),
        (".bashrc", "bashrc"),
        ("a\r\nb.txt", "a b.txt"),
        ("x" * 200 + ".jpeg", "x" * 115 + ".jpeg"),
        ("e\u0301.txt", "é.txt"),
        ("con|?.txt", "con__.txt"),
    ],
)
def test_names_of_files(claimed: str, safe: str) -> None:
    assert file_name(claimed) == safe

"""Whatever comes, the codec says `MailError` or gives a mail: nothing else is raised."""

import sys
from email.parser import BytesParser
from email.policy import compat32
from pathlib import Path
from types import SimpleNamespace

import hypothesis.strategies as st
from aiosmtpd.smtp import SMTP
from hypothesis import HealthCheck, example, given, settings

from collectors.smtp import charset, headers, mail, reply, scan, thread
from collectors.smtp.body import file_name
from collectors.smtp.event import Policy, Received, event_of, event_of_unreadable
from collectors.smtp.limits import Limits, MailError
from collectors.smtp.mail import parse
from collectors.smtp.reply import split_reply
from collectors.smtp.server import _USUAL_ADDRESS
from collectors.smtp.text import html_to_text, unflow
from collectors.smtp.worker import mail_of_wire, mail_to_wire, packed
from gateway.core.text import clean

PIECES = st.sampled_from(
    [
        b"From: ",
        b"To: ",
        b"Subject: ",
        b"Message-ID: <",
        b"Content-Type: multipart/mixed; boundary=b",
        b"Content-Type: multipart/alternative; boundary=b",
        b"Content-Type: multipart/report; report-type=delivery-status; boundary=b",
        b"Content-Type: text/html",
        b"Content-Type: text/plain; charset=",
        b"Content-Type: message/rfc822",
        b"Content-Type: text/calendar",
        b"Content-Type: text/plain; name*0*=utf-8''a; name*1=b",
        b"Content-Transfer-Encoding: base64",
        b"Content-Transfer-Encoding: quoted-printable",
        b"Content-Transfer-Encoding: x-uuencode",
        b"Content-Disposition: attachment; filename=",
        b"Content-ID: <x>",
        b"utf-7",
        b"punycode",
        b"iso-2022-jp",
        b"=?utf-8?b?",
        b"=?x?q?",
        b"?=",
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"--b",
        b"--b--",
        b'"',
        b"<",
        b">",
        b"(",
        b"\\",
        b";",
        b"begin 644 x\n",
        b"\x00",
        b"\xff\xfe",
        b"<img src=cid:x><blockquote type=cite><br></a>",
        b"On 1.1.2026 a@b wrote:\n> ",
        b"METHOD:REPLY\n",
        b"-- \n",
    ]
)
MAILS = st.lists(PIECES | st.binary(max_size=30), max_size=60).map(b"".join)
REAL = sorted((Path(__file__).parent / "samples").glob("*.eml"))


def survives(raw: bytes) -> None:
    received = Received(raw=raw, at_ms=0, envelope_from="a@b", recipients=("support+x@example.com",))
    policy = Policy(collector="smtp", keys=(b"k",), authserv_id="mx", header_labels=("x-mailer",))
    try:
        mail = parse(raw, Limits())
    except MailError as error:
        event_of_unreadable(error, received, policy)
        return
    event = event_of(mail, received, policy)
    for said in (event.description, event.summary, event.source, *event.labels.values(), *event.known_as):
        said.encode()
    packed(mail_to_wire(mail))
    assert mail_of_wire(mail_to_wire(mail)) == mail


@given(MAILS)
@settings(max_examples=400, deadline=None)
def test_no_bytes_raise_anything_else(raw: bytes) -> None:
    survives(raw)


@given(st.sampled_from(REAL), st.lists(st.tuples(st.integers(0, 5000), PIECES | st.binary(max_size=8)), max_size=8))
@settings(max_examples=200, deadline=None)
def test_no_mutation_of_a_sample_raises_anything_else(path: Path, mutations: list[tuple[int, bytes]]) -> None:
    raw = path.read_bytes()
    for position, inserted in mutations:
        at = position % (len(raw) + 1)
        raw = raw[:at] + inserted + raw[at + len(inserted) // 2 :]
    survives(raw)


@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_mutation_of_a_real_mail_raises_anything_else(corpus: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from(sorted(corpus.rglob("*.eml"))))
    raw = path.read_bytes()[:20_000]
    for position, inserted in data.draw(st.lists(st.tuples(st.integers(0, 20_000), PIECES), max_size=6)):
        at = position % (len(raw) + 1)
        raw = raw[:at] + inserted + raw[at + 1 :]
    survives(raw)


@given(
    st.binary(max_size=200),
    st.text(max_size=80) | st.sampled_from(["idna", "zlib", "undefined", "unicode_escape", "rot13"]),
)
def test_any_bytes_become_text(data: bytes, declared: str) -> None:
    assert isinstance(charset.decode(data, declared), str)
    charset.needs_guess(data, declared)


@given(st.text(max_size=300))
def test_any_header_is_read(value: str) -> None:
    raw = value.encode("utf-8", "surrogatepass").decode("ascii", "surrogateescape")
    headers.text(raw)
    headers.parameters(raw)
    headers.message_ids(raw)
    for address in headers.addresses(raw, 10):
        assert address.address.count("@") >= 1


@given(st.text(max_size=400))
def test_any_text_is_parted_without_loss(text: str) -> None:
    text = clean(text)
    new, old = split_reply(text)
    assert sorted(new.split() + old.split()) == sorted(text.split())


@given(st.text(alphabet=st.sampled_from("<>/abdivpqlo \"='&;!-\n\x00é"), max_size=300))
def test_any_html_becomes_text(html: str) -> None:
    new, old = html_to_text(html)
    assert "\0" not in new + old


@given(st.text(max_size=200))
def test_any_name_of_a_file_is_made_safe(name: str) -> None:
    safe = file_name(name)
    assert 0 < len(safe) <= 120
    assert not set(safe) & set('/\\:*?"<>|\0\r\n')
    assert not safe.startswith(".")


@given(st.text(max_size=200))
def test_a_clean_subject_is_clean(subject: str) -> None:
    once = thread.clean_subject(subject)
    assert len(thread.subject_key(subject)) <= 400
    assert "[TOC-" not in once or not thread.incident_of_subject(once)


@given(st.text(max_size=100), st.booleans())
def test_flowed_text_keeps_its_words(text: str, delsp: bool) -> None:
    if not delsp:
        assert unflow(text, delsp=delsp).split() == text.replace("\n ", "\n").split() or " " in text
    unflow(text, delsp=delsp)


LINES = st.sampled_from(
    ("Subject: a", "From: a@b", "Content-Type: text/plain", "Content-Type: multipart/mixed; boundary=x\n\n--x\n\na\n--x--", " folded", "x", "",
     "--x", "--x--", "Content-Type: message/rfc822", "no header", ":")
)  # fmt: skip


@given(
    st.lists(LINES, max_size=12),
    st.sampled_from(["\r\n", "\r\n", "\r\n", "\n", "\r"]),
    st.sampled_from(["", "\r\n\r\n", "\n"]),
)
def test_a_mail_of_one_part_is_what_the_library_makes_of_it(lines, end, last) -> None:
    raw = ("\n".join(lines).replace("\n", end) + last).encode()
    ours, theirs = mail._structure(raw), BytesParser(policy=compat32).parsebytes(raw)
    assert ours.as_bytes() == theirs.as_bytes()
    assert (ours.is_multipart(), ours.get_content_type()) == (theirs.is_multipart(), theirs.get_content_type())


_OFTEN = st.sampled_from(["A: b\r\n\r\na", "Content-Type: text/html\r\n\r\n", "A: b\r\n c\r\n\r\né\r\n\r\n"])
_SELDOM = st.sampled_from(
    ["", "\r\n\r\na", "no header\r\n\r\na", " folded\r\n\r\na", "A: b", "A: b\r\n\r\na\n", "A: b\r\n\r\n\r",
     "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\na", "A: b\r\n\r\n--x--", "A: b\r\n\r\n\r\n--xx\r\n"]
)  # fmt: skip


def _multiparts(parts):
    """Often as they should be, and seldom wrong in each way that there is."""
    return st.builds(
        lambda kind, mark, each, before, after, end: (
            f'Content-Type: multipart/{kind}; boundary="{mark}"\r\n\r\n{before}'
            + "".join(f"--{mark}\r\n{part}\r\n" for part in each)
            + f"--{mark}{end}{after}"
        ),
        st.sampled_from(["mixed", "alternative", "digest"]),
        st.sampled_from(["x", "x", "y", "=_z", "xx", "x--", 'y"', "é", ""]),
        st.lists(parts, min_size=1, max_size=2) | st.just([]),
        st.sampled_from(["", "", "", "a\r\n", "\r\n"]),
        st.sampled_from(["", "", "", "a", "a\r\n", "\r\n--x\r\n"]),
        st.sampled_from(["--\r\n", "--\r\n", "--\r\n", "--", "--", "", "a\r\n", "-- \r\n"]),
    )


def _seen(message):
    """All that can be asked of it."""
    below = [_seen(each) for each in message.get_payload()] if message.is_multipart() else message.get_payload()
    return message.items(), message.get_content_type(), message.preamble, message.epilogue, below


_X = "Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"
_Y = "Content-Type: multipart/mixed; boundary=y\r\n\r\n--y\r\nA: b\r\n\r\na\r\n--y--"


@given(_multiparts(st.recursive(_OFTEN | _OFTEN | _SELDOM, _multiparts, max_leaves=3)), st.sampled_from(["\r\n", ""]))
@settings(max_examples=200)
@example(f"{_X}{_Y}\r\n--x--", "\r\n")
@example(f"{_X}A: b\r\n\r\na\r\n--xyzA: b\r\n\r\na\r\n--x--", "\r\n")
@example(f"{_X}A: b\r\n\r\na\n--x\r\nA: b\r\n\r\na\r\n--x--", "\r\n")
def test_parts_are_what_the_library_makes_of_them(told, last) -> None:
    raw = (told + last).encode()
    assert _seen(mail._structure(raw)) == _seen(BytesParser(policy=compat32).parsebytes(raw))


@given(
    st.sampled_from(["a", "a.b", "a..b", ".a", "a.", "é", '"a b"', "a+b'%", "", "a b", "a" * 251]),
    st.sampled_from(["@b.example", "@b", "@b..c", "@.b", "@b.", "@é", "@[192.0.2.1]", "", "@"]),
    st.sampled_from(["", " SIZE=10", " BODY=8BITMIME SIZE=10", " ", "x"]),
)
def test_a_usual_address_is_what_the_library_makes_of_it(local, domain, parameters) -> None:
    told = f"<{local}{domain}>{parameters}"
    if (usual := _USUAL_ADDRESS.fullmatch(told)) is not None:
        theirs, rest = SMTP._getaddr(SimpleNamespace(local_part_limit=None), told)
        assert (usual[1], usual[3].split()) == (theirs, rest.split())


QUOTES = st.sampled_from(
    ("On 3 May, Max <max@example.org>\nWROTE", "wrote,", "Am 13.12. schrieb Max\n<m@example.org>:", "", "hello,",
     "Le 3 mai, Max <m@x.org> a écrit\n:", "From: a@b", "Sent: today\nTo: me", "-----Original Message-----", "  ", "-- ", "> q",
     "1.1.2026 a@b 写道\uff1a", "发件人\uff1a x\nSent\uff1a today\nTo\uff1a me", "*From:* a\nSent: b\nTo: c", "x" * 520 + ":",
     f"a {reply.MARKER}", "On 3 May a@b wrote\u2003", "\u3000> q", "-- \u00a0", "__________\nVon: a\nAn: b\nBetreff: c")
)  # fmt: skip


@given(st.lists(QUOTES, max_size=5).map("\n".join))
def test_the_cheap_look_for_quotes_misses_none(text) -> None:
    lines = text.split("\n")
    cut, _ = reply._first_quote(lines)
    shorts = [line[:500].strip() for line in lines]
    for index, short in enumerate(shorts[:cut]):
        assert not short.startswith(">")
        assert reply.MARKER not in short
        assert not (short and reply._is_separator(short, lines, index))
        assert not reply._begins_header_block(lines, index)
        assert not reply._attribution_length(lines, index)


def test_the_cheap_look_knows_every_blank() -> None:
    for blank in {chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()} - {"\n"}:
        assert 1 in reply._with_a_sign(["a", f"{blank}b"])
        assert 1 in reply._with_a_sign(["a", f"b{blank}"])


_NAMES = st.sampled_from(["", "A B", "A\tB", "A\u2003", '"A, B"', "A (b)", "A\\B", "A\r\n B", "<a@b>", "A:", "a@b"])


@given(
    _NAMES,
    st.sampled_from(
        ["<a@b>", "< a@b >", "<>", "< >", "<a\t@b>", "<a@b>\t", "<a,@b>", "a@b", "<a@b> , <c@d>", "<a@b> c"]
    ),
)
def test_a_usual_mailbox_is_what_the_walk_makes_of_it(name, address) -> None:
    assert list(headers._mailboxes(f"{name} {address}")) == list(headers._walk(f"{name} {address}"))


@given(st.lists(st.sampled_from([b"A: b", b" c", b"\r\n", b"\n", b"\r", b"\t"]), max_size=10).map(b"".join))
@example(b"A:\n" * 3 + b"A:")
def test_headers_that_are_surely_within_the_limits_are(block) -> None:
    limits = Limits(headers=3, header_bytes=20)
    if scan._surely_within(block, limits):
        scan._scan_headers(block, limits)


@given(st.text(st.sampled_from("ab \n\t\u00a0\u2028\u3000\x1f\x85\ud800é"), max_size=40))
def test_blanks_are_folded_as_split_and_join_do(text) -> None:
    assert mail._folded(text) == " ".join(text.split())

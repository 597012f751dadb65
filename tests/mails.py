"""Mails as a support desk gets them, made once so that a sender has nothing to do but send."""

import base64
import itertools
import quopri
import random
import struct
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from tests.daemon import pinned, tool

RECIPIENT = "support@example.com"
OCTETS = 10_000
"""Of a mail, about."""
CONNECTIONS = 10
PEOPLE = 500
_SAID = (
    "the link to floor three is down again since this morning and nobody at the site can reach the file server; the"
    " lamp on the switch beside the door blinks orange; we have restarted it twice; façade, Überspannung, naïve; since"
    " then the telephones ring but there is no sound, please call back before noon or write to the head of the"
    " warehouse, who has the key"
)
_WORDS = _SAID.split()


def mails(count: int, *, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """So many mails of about 10 KB, each with the address of its sender, no two alike.

    In turn: plain text in UTF-8, quoted-printable; text with its HTML twin, as most programs write; text with a file;
    what a monitoring system says.
    """
    chance = random.Random(seed)
    for number, kind in zip(range(count), itertools.cycle((_plain, _twin, _with_file, _plain, _machine)), strict=False):
        sender = f"person{chance.randrange(PEOPLE)}@customer{chance.randrange(20)}.example"
        yield sender, _head(number, sender, chance) + kind(chance)


def _head(number: int, sender: str, chance: random.Random) -> bytes:
    subject = " ".join(chance.choices(_WORDS[:20], k=6))
    lines = [
        "Received: from mail.customer.example (mail.customer.example [192.0.2.25])",
        f"\tby mx.example.com (Postfix) with ESMTPS id {number:012X}",
        f"\tfor <{RECIPIENT}>; Sat, 28 Nov 2026 10:00:00 +0100 (CET)",
        f"Message-ID: <{number:016x}.{chance.getrandbits(64):016x}@customer.example>",
        "Date: Sat, 28 Nov 2026 10:00:00 +0100",
        f"From: A Person <{sender}>",
        f"To: Support <{RECIPIENT}>",
        f"Subject: {subject} [{number}]",
        "MIME-Version: 1.0",
        "User-Agent: Mozilla Thunderbird",
        "X-Mailer: bench",
        "",
    ]
    return "\r\n".join(lines).encode()


def _text(chance: random.Random, octets: int) -> bytes:
    """Lines of prose, so many octets when they are quoted."""
    lines, size = [], 0
    while size < octets:
        line = quopri.encodestring(" ".join(chance.choices(_WORDS, k=9)).encode())
        lines.append(line.replace(b"\n", b"\r\n"))
        size += len(line) + 2
    return b"\r\n".join(lines) + b"\r\n"


_QUOTED = b'Content-Type: text/%s; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'


def _plain(chance: random.Random) -> bytes:
    return _QUOTED % b"plain" + _text(chance, OCTETS - 700)


def _parts(subtype: bytes, *parts: bytes) -> bytes:
    head = b'Content-Type: multipart/%s; boundary="=_limit"\r\n\r\n' % subtype
    return head + b"".join(b"--=_limit\r\n" + part + b"\r\n" for part in parts) + b"--=_limit--\r\n"


def _twin(chance: random.Random) -> bytes:
    text = _text(chance, OCTETS // 2 - 600)
    html = b"<html><body><p>" + text.replace(b"\r\n", b"</p>\r\n<p>") + b"</p></body></html>\r\n"
    return _parts(b"alternative", _QUOTED % b"plain" + text, _QUOTED % b"html" + html)


def _with_file(chance: random.Random) -> bytes:
    file = base64.encodebytes(chance.randbytes(5_000)).replace(b"\n", b"\r\n")
    head = b'Content-Type: image/png; name="lamp.png"\r\nContent-Transfer-Encoding: base64\r\n'
    head += b'Content-Disposition: attachment; filename="lamp.png"\r\n\r\n'
    return _parts(b"mixed", _QUOTED % b"plain" + _text(chance, OCTETS - 8_000), head + file)


def _machine(chance: random.Random) -> bytes:
    head = b"Auto-Submitted: auto-generated\r\n" + _QUOTED % b"plain"
    return head + b"***** Monitoring *****\r\n\r\nState: CRITICAL\r\n\r\n" + _text(chance, OCTETS - 800)


class Mailed(NamedTuple):
    """What came of the mails that were sent."""

    kept: int
    """Answered 250."""
    refused: int
    seconds: float
    median_ms: float
    """From a mail's end to its answer."""
    p99_ms: float


def write_mails(path: Path, letters: Iterable[tuple[str, bytes]]) -> Path:
    """Write what a `Mailer` sends."""
    with path.open("wb") as file:
        for sender, content in letters:
            told = content.replace(b"\r\n.", b"\r\n..") + b".\r\n"
            name = sender.encode()
            file.write(struct.pack("<H", len(name)) + name + struct.pack("<I", len(told)) + told)
    return path


class Mailer:
    """A sender of mails that outruns whoever takes them: a C program, compiled when it is needed."""

    def __init__(self, folder: Path, *, cores: Iterable[int] = ()) -> None:
        self._program = folder / "mailer"
        self._cores = tuple(cores)
        source = Path(__file__).with_name("mailer.c")
        subprocess.run([tool("gcc") or "gcc", "-O2", "-pthread", "-o", str(self._program), str(source)], check=True)

    def send(self, port: int, letters: Path, *, seconds: float) -> Mailed:
        """Send the file, once, for so long at most.

        Raises:
            RuntimeError: a connection broke.
        """
        words = [str(self._program), str(port), str(letters), RECIPIENT, str(CONNECTIONS), str(seconds)]
        ran = subprocess.run(pinned(words, self._cores), capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"the mailer ended with {ran.returncode}: {ran.stderr.strip()}")
        kept, refused, *times = ran.stdout.split()
        return Mailed(int(kept), int(refused), *map(float, times))

"""The real daemon on disks that fail, and those who wait for its acknowledgement."""

import contextlib
import os
import shutil
import smtplib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from collectors.snmp import ber
from tests.faults.lifecycle.conftest import Daemon

FAST = "[engine]\nlazy_ms = 20\n[retention]\nballast_mb = 4\n"
SHIM = Path(__file__).with_name("baddisk.c")


class House(Daemon):
    """A daemon whose senders know whether they were heard."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.configure(FAST + "[sinks.local]\n")
        self.acknowledged: list[str] = []
        """The condition's object, or the subject, of all that was acknowledged."""

    @property
    def store(self) -> Path:
        return self.state / "tocsin.db"

    def inform(self, number: int, *, wait_s: float = 5.0) -> bool:
        """Send an inform about the interface ``number`` once; whether it was answered."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.settimeout(wait_s)
            sender.sendto(_inform(number), ("127.0.0.1", self.ports["trap"]))
            try:
                sender.recv(2000)
            except TimeoutError:
                return False
        self.acknowledged.append(str(number))
        return True

    def mail(self, subject: str) -> int:
        """Send a mail; the last answer's code."""
        with smtplib.SMTP("127.0.0.1", self.ports["mail"], timeout=30) as server:
            try:
                server.sendmail("a@x.example", "support@example.com", f"Subject: {subject}\r\n\r\nHelp {subject}\r\n")
            except smtplib.SMTPDataError as error:
                return error.smtp_code
        self.acknowledged.append(subject)
        return 250

    def inform_until_refused(self, first: int) -> int:
        """The number of the first inform that was not answered."""
        for number in range(first, first + 3000):
            if not self.inform(number, wait_s=2):
                return number
        raise AssertionError("all informs were answered")

    def kept(self) -> set[str]:
        """What is an incident."""
        return {name for item in self.incidents() for name in (item["object"], item["summary"])}

    def lost(self) -> set[str]:
        """What was acknowledged and is not there; 0 is all that may be lost."""
        return set(self.acknowledged) - self.kept()

    def trouble(self) -> str:
        """The one sentence of a daemon that is not ready."""
        (sentence,) = httpx.get(f"{self.url}/readyz", trust_env=False).json()["troubles"]
        return sentence

    def refuses(self) -> bool:
        return not self.ready() and "tocsin_store_ok 0.0" in self.metrics()


def _inform(number: int) -> bytes:
    """An inform of linkDown, whose request and interface are ``number``."""

    def varbind(oid: str, value: bytes) -> bytes:
        return ber.encode_sequence(ber.encode_oid(oid), value)

    varbinds = ber.encode_sequence(
        varbind("1.3.6.1.2.1.1.3.0", ber.encode_integer(number, tag=0x43)),
        varbind("1.3.6.1.6.3.1.1.4.1.0", ber.encode_oid("1.3.6.1.6.3.1.1.5.3")),
        varbind(f"1.3.6.1.2.1.2.2.1.1.{number}", ber.encode_integer(number)),
    )
    pdu = ber.encode_sequence(
        ber.encode_integer(number), ber.encode_integer(0), ber.encode_integer(0), varbinds, tag=0xA6
    )
    return ber.encode_sequence(ber.encode_integer(1), ber.encode_octets(b"public"), pdu)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.state.mkdir(mode=0o700)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.process.kill()
        made.process.wait()


class SmallDisk:
    """A file system in memory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.filler = folder / "filler"

    def fill(self) -> None:
        """Let somebody else's file take all the room."""
        with contextlib.suppress(OSError), self.filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(4096))

    def empty(self) -> None:
        self.filler.unlink()


@contextlib.contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[SmallDisk]:
    folder.mkdir(exist_ok=True)
    words = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "none", str(folder)]
    if os.geteuid() or subprocess.run(words, capture_output=True, check=False).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield SmallDisk(folder)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def disk(house: House) -> Iterator[SmallDisk]:
    """The daemon's state directory is a disk of 16 MB."""
    with small_disk(house.state, 16) as made:
        yield made
        if house.process is not None:
            house.process.kill()
            house.process.wait()


@pytest.fixture
def scrap(tmp_path: Path) -> Iterator[SmallDisk]:
    """A disk of 8 MB."""
    with small_disk(tmp_path / "scrap", 8) as made:
        yield made


class Moods:
    """What the disk of the daemon does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def be(self, mood: str) -> Iterator[None]:
        (self._folder / mood).touch()
        yield
        (self._folder / mood).unlink()


@pytest.fixture
def moods(house: House, tmp_path: Path) -> Moods:
    """A daemon whose disk is bad when told to be."""
    if shutil.which("gcc") is None:
        pytest.skip("no gcc")
    folder, shim = tmp_path / "moods", tmp_path / "baddisk.so"
    folder.mkdir()
    words = ["gcc", "-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", str(shim), str(SHIM), "-ldl"]
    subprocess.run(words, check=True)
    live = str(house.state.resolve())
    house.environ.update(LD_PRELOAD=str(shim), BADDISK_LIVE=live, BADDISK_MOODS=str(folder))
    return Moods(folder)

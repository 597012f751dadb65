"""A sender of datagrams that outruns whoever hears them: a C program, compiled when it is needed."""

import struct
import subprocess
from collections.abc import Iterable
from ipaddress import IPv4Address
from pathlib import Path
from typing import NamedTuple

from tests.daemon import pinned, tool


class Sent(NamedTuple):
    """What the kernel took, and in which time."""

    count: int
    seconds: float

    @property
    def per_s(self) -> int:
        return round(self.count / self.seconds)


def write_datagrams(path: Path, datagrams: Iterable[tuple[str, bytes]]) -> Path:
    """Write what a `Sender` sends: for each datagram the address in 127.0.0.0/8 that it comes from, and its octets."""
    with path.open("wb") as file:
        for address, data in datagrams:
            file.write(IPv4Address(address).packed + struct.pack("<H", len(data)) + data)
    return path


class Sender:
    """The compiled program; `cores` is where it runs."""

    def __init__(self, folder: Path, *, cores: Iterable[int] = ()) -> None:
        self._program = folder / "sender"
        self._cores = tuple(cores)
        source = Path(__file__).with_name("sender.c")
        subprocess.run([tool("gcc") or "gcc", "-O2", "-o", str(self._program), str(source)], check=True)

    def start(
        self, port: int, datagrams: Path, *, seconds: float, rate: float = 0, count: int = 0
    ) -> "subprocess.Popen[str]":
        """Begin to send the file, over and over: ``rate`` a second (0: no pause), ``count`` at most (0: no end)."""
        words = [str(self._program), str(port), str(datagrams), str(seconds), str(rate), str(count)]
        return subprocess.Popen(pinned(words, self._cores), stdout=subprocess.PIPE, text=True)

    def send(self, port: int, datagrams: Path, *, seconds: float, rate: float = 0, count: int = 0) -> Sent:
        """The same, to the end."""
        return ended(self.start(port, datagrams, seconds=seconds, rate=rate, count=count))


def ended(process: "subprocess.Popen[str]") -> Sent:
    """Wait for a sender.

    Raises:
        RuntimeError: it failed.
    """
    told, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"the sender ended with {process.returncode}")
    count, seconds = told.split()
    return Sent(int(count), float(seconds))

"""Informs: a raw sender with many under way at once, and net-snmp's own tool beside it.

Both repeat until they are answered. The raw one writes its few bytes of BER itself, so that what the daemon reads was
not written by its own codec.
"""

import random
import select
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.faults.campaign.ledger import Names, Sender, Trouble

LINK_DOWN, LINK_UP = "1.3.6.1.6.3.1.1.5.3", "1.3.6.1.6.3.1.1.5.4"
IF_DESCR = "1.3.6.1.2.1.2.2.1.2.1"
_UPTIME, _TRAP = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"
_INTEGER, _OCTETS, _OID, _TICKS, _SEQUENCE, _INFORM = 0x02, 0x04, 0x06, 0x43, 0x30, 0xA6
REPEAT_S = 0.25
WINDOW = 48
"""Troubles under way at once."""
MOST_RAISES = 5
V2C = ("-v2c", "-c", "public", "-r", "120")


def inform(request: int, *, uptime: int, trap: str, name: str) -> bytes:
    """A v2c inform (RFC 3416 section 4.2.7) about the interface ``name``."""
    varbinds = ((_UPTIME, _number(_TICKS, uptime)), (_TRAP, _oid(trap)), (IF_DESCR, _tlv(_OCTETS, name.encode())))
    listed = b"".join(_tlv(_SEQUENCE, _oid(oid) + value) for oid, value in varbinds)
    zero = _number(_INTEGER, 0)
    pdu = _tlv(_INFORM, _number(_INTEGER, request) + zero + zero + _tlv(_SEQUENCE, listed))
    return _tlv(_SEQUENCE, _number(_INTEGER, 1) + _tlv(_OCTETS, b"public") + pdu)


def answered(datagram: bytes) -> int:
    """The request id of a Response with the community ``public``; 0 if it is anything else."""
    at = datagram.find(b"\x02\x01\x01\x04\x06public\xa2")
    if at < 0:
        return 0
    at += 12  # behind the PDU's tag
    at += 1 + (datagram[at] & 0x7F if datagram[at] & 0x80 else 0)
    return int.from_bytes(datagram[at + 2 : at + 2 + datagram[at + 1]], "big")


def _tlv(tag: int, body: bytes) -> bytes:
    length = bytes((len(body),)) if len(body) < 0x80 else bytes((0x82, len(body) >> 8, len(body) & 0xFF))
    return bytes((tag,)) + length + body


def _number(tag: int, value: int) -> bytes:
    return _tlv(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def _oid(oid: str) -> bytes:
    first, second, *rest = map(int, oid.split("."))
    out = bytearray((40 * first + second,))
    for arc in rest:
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(0x80 | arc & 0x7F)
        out += bytes(reversed(groups))
    return _tlv(_OID, bytes(out))


@dataclass(slots=True)
class _Talk:
    """One trouble being told: raise after raise, perhaps a clear, each sent until it is answered."""

    trouble: Trouble
    raises: int
    clears: bool
    request: int = 0
    datagram: bytes = b""
    sent_s: float = field(default=float("-inf"))

    @property
    def told(self) -> bool:
        return self.trouble.acknowledged == self.raises and (self.trouble.clear_acknowledged or not self.clears)

    def next(self, request: int) -> None:
        """Take up the next thing to say."""
        self.request, self.sent_s = request, float("-inf")
        if self.trouble.acknowledged < self.raises:
            self.trouble.raised += 1
            trap = LINK_DOWN
        else:
            self.trouble.clear_sent = True
            trap = LINK_UP
        # The request number in sysUpTime tells each from a repeat of the last one.
        self.datagram = inform(request, uptime=request, trap=trap, name=self.trouble.name)

    def heard(self) -> None:
        if self.trouble.clear_sent:
            self.trouble.clear_acknowledged = True
        else:
            self.trouble.acknowledged += 1


def raw(
    troubles: dict[str, Trouble], port: int, chance: random.Random, *, per_s: float, names: Iterator[str]
) -> Sender:
    """Begin ``per_s`` troubles a second, each told by one to `MOST_RAISES` informs."""

    def run(sender: Sender) -> None:
        talks: dict[int, _Talk] = {}
        request, credit, last_s = 1000, 0.0, time.monotonic()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.1", 0))
            while not sender.aborted.is_set() and (talks or not sender.closing.is_set()):
                now_s = time.monotonic()
                credit, last_s = min(5.0, credit + per_s * (now_s - last_s)), now_s
                while credit >= 1 and len(talks) < WINDOW and not sender.closing.is_set():
                    credit, request = credit - 1, request + 1
                    trouble = Trouble(next(names))
                    troubles[trouble.name] = trouble
                    talks[request] = _Talk(trouble, chance.randint(1, MOST_RAISES), chance.random() < 0.3)
                    talks[request].next(request)
                for talk in talks.values():
                    if now_s - talk.sent_s >= REPEAT_S:
                        sock.sendto(talk.datagram, ("127.0.0.1", port))
                        talk.sent_s = now_s
                select.select([sock], [], [], 0.02)
                for talk in _heard(sock, talks):
                    if not talk.told:
                        request += 1
                        talk.next(request)
                        talks[request] = talk

    return Sender(run, "informs")


def _heard(sock: socket.socket, talks: dict[int, _Talk]) -> Iterator[_Talk]:
    while True:
        try:
            datagram = sock.recv(2048, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return
        talk = talks.pop(answered(datagram), None)
        if talk is not None:
            talk.heard()
            yield talk


def by_tool(
    troubles: dict[str, Trouble], port: int, tool: str, *, who: Sequence[str], names: Names, pause_s: float
) -> Sender:
    """The same by net-snmp's ``snmpinform``, one after the other; ``who`` are its words for version, credentials and
    repeats."""

    def run(sender: Sender) -> None:
        while not sender.closing.wait(pause_s):
            trouble = Trouble(next(names), raised=1)
            troubles[trouble.name] = trouble
            words = [tool, *who, "-t", "1", f"127.0.0.1:{port}", "", LINK_DOWN]
            process = subprocess.Popen(
                [*words, IF_DESCR, "s", trouble.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            while process.poll() is None and not sender.aborted.wait(0.02):
                pass
            if process.poll() is None:
                process.kill()
            trouble.acknowledged += process.wait() == 0

    return Sender(run, f"snmpinform {who[0]}")

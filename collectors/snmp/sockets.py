"""Datagram sockets for traps: opened or taken over, with a large buffer, and honest about what the kernel dropped."""

import errno
import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from collectors.snmp import receiving
from collectors.snmp.config import Listen

# Linux, asm-generic/socket.h: Python's socket module does not name them.
_SO_RCVBUFFORCE: Final = 33
_SO_MEMINFO: Final = 55
_MEMINFO_DROPS: Final = 8
"""Index of SK_MEMINFO_DROPS among the u32 of SO_MEMINFO (linux/sock_diag.h)."""
_U32: Final = struct.Struct("=I")
_SIOCGSTAMPNS: Final = 0x8907
_TIMESPEC: Final = struct.Struct("@qq")
"""Linux, asm-generic/sockios.h: when the datagram that was received last had come, by the system's clock."""
_PROC_INODE, _PROC_DROPS = 9, 12

LATE_MS: Final = 2_000
"""What waited for less came when it was read: turns of the event loop are shorter."""
LONGEST_WAIT_MS: Final = 600_000
"""What seems to have waited for longer came before somebody set the system's clock."""

_CURES: Final = {
    errno.EADDRINUSE: "address already in use; stop the other receiver (snmptrapd?) or change listen",
    errno.EACCES: "not permitted; listen on a port above 1023, or let systemd open the socket",
    errno.EADDRNOTAVAIL: "this machine has no such address; change listen",
    errno.EAFNOSUPPORT: "this machine has no IPv6; change listen",
}


class Listener:
    """One bound socket; owns it."""

    def __init__(
        self, sock: socket.socket, *, buffer: int, largest: int, wall_ns: Callable[[], int] = time.time_ns
    ) -> None:
        """Take over a bound datagram socket.

        Args:
            sock: the socket.
            buffer: octets of receive buffer to ask for.
            largest: octets of the largest datagram to take.
            wall_ns: the system's clock, by which the kernel dates what comes.
        """
        sock.setblocking(False)
        self._sock = sock
        address = sock.getsockname()
        self.name = f"[{address[0]}]:{address[1]}" if sock.family == socket.AF_INET6 else f"{address[0]}:{address[1]}"
        self.port: int = address[1]
        self.buffer = _enlarge(sock, buffer)
        """Octets of receive buffer that the kernel gave."""
        # A sender discards an answer that comes from another address than it wrote to.
        on_all = address[0] in {"::", "0.0.0.0"}  # noqa: S104 - a comparison
        if on_all and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif on_all:
            sock.setsockopt(socket.IPPROTO_IP, receiving.IP_PKTINFO, 1)
        self.receive = receiving.receiver(sock, largest=largest, ancillary=on_all)
        """Takes what has come."""
        self._dropped = _kernel_drops(sock)
        self._wall_ns = wall_ns
        self._stamp = bytearray(_TIMESPEC.size)
        self._longest_ms = 0
        self.waited_ms()  # from now on the kernel keeps it

    def fileno(self) -> int:
        """The descriptor, for the event loop."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket."""
        self._sock.close()

    def answer(self, way: receiving.Way, data: bytes) -> bool:
        """Send ``data`` back, from the address that was written to; False if the kernel did not take it."""
        try:
            self._sock.sendmsg([data], way.ancillary, 0, way.address)
        except OSError:
            return False
        return True

    def waited_ms(self) -> int:
        """How long the datagram that was received last had waited in the buffer; 0 if not for long, or not known."""
        try:
            fcntl.ioctl(self._sock, _SIOCGSTAMPNS, self._stamp)
        except OSError:  # nothing was received yet, or a sandbox does not know it
            return 0
        seconds, nanoseconds = _TIMESPEC.unpack(self._stamp)
        waited_ms: int = (self._wall_ns() - nanoseconds) // 1_000_000 - seconds * 1000
        if not LATE_MS <= waited_ms <= LONGEST_WAIT_MS:
            return 0
        self._longest_ms = max(self._longest_ms, waited_ms)
        return waited_ms

    def longest_wait_ms(self) -> int:
        """The longest that was measured since the last call."""
        longest_ms, self._longest_ms = self._longest_ms, 0
        return longest_ms

    def dropped(self) -> int:
        """Datagrams that the kernel dropped, for want of buffer, since the last call (or since we took the socket)."""
        now = _kernel_drops(self._sock)
        new, self._dropped = (now - self._dropped) & 0xFFFF_FFFF, now
        return new


def bind(where: Listen) -> socket.socket:
    """Open and bind a socket.

    Raises:
        OSError: it cannot be bound; the text is one sentence with the cure.
    """
    name = f"[{where.address}]:{where.port}" if where.family == socket.AF_INET6 else f"{where.address}:{where.port}"
    sock = None
    try:
        info = socket.getaddrinfo(where.address, where.port, where.family, socket.SOCK_DGRAM, 0, socket.AI_NUMERICHOST)
        sock = socket.socket(where.family, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        if where.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)  # so that 0.0.0.0 and :: can both be given
        sock.bind(info[0][4])
    except OSError as error:
        if sock is not None:
            sock.close()
        why = _CURES.get(error.errno or 0, error.strerror or "it cannot be opened")
        raise OSError(f"cannot listen for traps on {name}/udp: {why}") from error
    return sock


def adopt(descriptor: int) -> socket.socket:
    """Take over a socket that systemd opened; the descriptor itself stays open, so that it can be taken again.

    Raises:
        OSError: it is no datagram socket; the text is one sentence with the cure.
    """
    sock = socket.socket(fileno=os.dup(descriptor))
    if sock.type != socket.SOCK_DGRAM or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        sock.close()
        raise OSError("the socket named snmp is no UDP socket: write ListenDatagram= in its .socket unit")
    return sock


def drops_in_proc(inode: int, lines: Sequence[str]) -> int:
    """A socket's drops from the lines of ``/proc/net/udp`` or ``udp6``; 0 if it is not there."""
    for line in lines:
        fields = line.split()
        if len(fields) > _PROC_DROPS and fields[_PROC_INODE] == str(inode):
            return int(fields[_PROC_DROPS])
    return 0


def _kernel_drops(sock: socket.socket) -> int:
    """The socket's own count, the one of SO_RXQ_OVFL and /proc/net/udp, but asked for without needing a datagram."""
    with suppress(OSError, struct.error):
        return int(_U32.unpack_from(sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 64), _MEMINFO_DROPS * 4)[0])
    with suppress(OSError):  # before Linux 4.12, and in some sandboxes
        table = "/proc/self/net/udp6" if sock.family == socket.AF_INET6 else "/proc/self/net/udp"
        with open(table, encoding="ascii") as lines:  # noqa: PTH123 - shorter than a Path, and no file
            return drops_in_proc(os.fstat(sock.fileno()).st_ino, lines.readlines())
    return 0


def _enlarge(sock: socket.socket, octets: int) -> int:
    """Ask for a receive buffer, and never make smaller what systemd gave (its ``ReceiveBuffer=`` needs no limit)."""
    if _buffer(sock) < octets:
        try:
            sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, octets)  # may pass net.core.rmem_max, if privileged
        except OSError:
            with socket.socket(sock.family, socket.SOCK_DGRAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)
                possible = _buffer(trial)
            if possible > _buffer(sock):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, octets)
    return _buffer(sock)


def _buffer(sock: socket.socket) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # the kernel doubles it for its own book-keeping

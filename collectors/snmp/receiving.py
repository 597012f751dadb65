"""Take datagrams from a socket: many in one system call where the C library has ``recvmmsg``, else one by one.

Both give the same. What the kernel says of a datagram besides its octets, whence it came and where it was sent to, is
the same for all that a device sends: it is put into words once and known again by its octets.
"""

import ctypes
import errno
import mmap
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any, Final, NamedTuple

MOST: Final = 64
"""Datagrams of one system call."""
WAYS: Final = 8192
"""Ways that are known again; all are forgotten when there are more."""
TRUNCATED: Final = int(socket.MSG_TRUNC)
"""As a plain number: an operator of Python's enumerations costs as much as reading the datagram."""

_ANCILLARY: Final = 96
"""Octets for what the kernel tells besides: where to, and room for what a ``.socket`` unit asked for."""
_NAMES: Final[dict[int, tuple[int, int]]] = {socket.AF_INET: (16, 16), socket.AF_INET6: (28, 32)}
"""Octets of a sender's address (linux/in.h, linux/in6.h), and with what aligns the next."""
_IPV4_NAME: Final = struct.Struct("!2xH4s")
_IPV6_NAME: Final = struct.Struct("!2xHI16s")
_SCOPE: Final = struct.Struct("=24xI")
_CMSG: Final = struct.Struct("@Nii")
"""Length of the whole, level and kind (man 3 cmsg)."""
_CMSG_ALIGN: Final = struct.calcsize("@N")
_DO_NOT_WAIT: Final = int(socket.MSG_DONTWAIT)

IP_PKTINFO: Final = 8
"""Linux, linux/in.h: Python's socket module does not name it."""
_IPV4_PACKET_INFO: Final = struct.Struct("=i4s4s")
_IPV6_PACKET_INFO: Final = struct.Struct("=16si")
_MAPPED: Final = "::ffff:"
_LINK_LOCAL: Final = b"\xfe\x80"

Ancillary = tuple[int, int, bytes]
"""Level, kind and content."""


class Way(NamedTuple):
    """The way back to a sender."""

    host: str
    """Its address; an IPv4 one is never shown mapped into IPv6."""
    port: int
    address: Any
    """The sender, as the socket names it."""
    ancillary: tuple[Ancillary, ...]
    """What to tell the kernel, so that an answer leaves from the address that was written to."""


Received = tuple[bytes, int, Way]
"""Octets, flags, and the way back; no more than a tuple, since there are many."""
Receive = Callable[[int], list[Received]]
"""Takes at most so many, and at most `MOST`; fewer than it may only if no more are there.

Raises OSError if the socket is broken.
"""
Recvmmsg = Callable[[int, int, int, int, None], int]
"""Of a descriptor, to the headers at an address, so many, by flags, without a time limit; how many came, or -1 and ``errno``."""


def receiver(sock: socket.socket, *, largest: int, ancillary: bool) -> Receive:
    """How to receive from a socket that does not block.

    Args:
        sock: the socket.
        largest: octets of the largest datagram to take whole.
        ancillary: whether the kernel tells where a datagram was sent to.
    """
    call = recvmmsg(sock.fileno())
    if call is None:
        return OneByOne(sock, largest=largest).receive
    return Batches(sock, call, largest=largest, ancillary=ancillary).receive


def way(address: Any, ancillary: tuple[Ancillary, ...]) -> Way:
    """The way back to a sender, of whom the socket says this."""
    host: str = address[0]
    if host.startswith(_MAPPED) and "." in host:
        host = host.removeprefix(_MAPPED)
    return Way(host, address[1], address, ancillary)


class OneByOne:
    """Receives by a system call for each."""

    def __init__(self, sock: socket.socket, *, largest: int) -> None:
        """As `receiver` says."""
        self._recvmsg, self._largest = sock.recvmsg, largest

    def receive(self, most: int) -> list[Received]:
        """As `Receive` says."""
        batch: list[Received] = []
        try:
            for _ in range(min(most, MOST)):
                data, ancillary, flags, address = self._recvmsg(self._largest, _ANCILLARY)
                batch.append((data, flags, way(address, _answering(ancillary))))
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            if not batch:  # else it is told by the next call
                raise
        return batch


class Batches:
    """Receives many by one system call, into memory that is laid out once.

    Of each of `MOST` datagrams there is a header, which the kernel reads and writes; in ``_said`` its sender's address
    and what is told besides; in ``_data`` its octets.
    """

    def __init__(self, sock: socket.socket, call: Recvmmsg, *, largest: int, ancillary: bool, ways: int = WAYS) -> None:
        """As `receiver` says, by ``call``; knows so many ways again."""
        name, room = _NAMES[sock.family]
        control = _ANCILLARY if ancillary else 0
        said = struct.Struct(f"{room + control}s")
        self._fileno, self._recvmmsg, self._ways = sock.fileno, call, _Ways(sock.family, ways)
        self._data, self._said = mmap.mmap(-1, MOST * largest), mmap.mmap(-1, MOST * said.size)
        self._offsets = range(0, MOST * largest, largest)
        self._iter_said, self._said_size, self._nothing_said = said.iter_unpack, said.size, bytes(MOST * said.size)
        self._vectors, self._headers = (_Vector * MOST)(), (_Header * MOST)()
        data_at, said_at, vectors_at = _where(self._data), _where(self._said), ctypes.addressof(self._vectors)
        for i, (vector, header) in enumerate(zip(self._vectors, self._headers, strict=True)):
            vector.base, vector.length = data_at + i * largest, largest
            message = header.message
            message.vectors, message.vectors_length = vectors_at + i * ctypes.sizeof(vector), 1
            message.name, message.name_length = said_at + i * said.size, name
            message.control, message.control_length = said_at + i * said.size + room, control
        octets = memoryview(self._headers).cast("B")
        self._octets, self._fresh, self._headers_at = octets, bytes(octets), ctypes.addressof(self._headers)
        words, step = octets.cast("I"), ctypes.sizeof(_Header) // 4
        self._flags = words[_Message.flags.offset // 4 :: step]
        self._lengths = words[_Header.length.offset // 4 :: step]

    def receive(self, most: int) -> list[Received]:
        """As `Receive` says."""
        self._octets[:] = self._fresh  # the kernel wrote what it used of the room that we gave
        self._said[:] = self._nothing_said
        count = self._recvmmsg(self._fileno(), self._headers_at, min(most, MOST), _DO_NOT_WAIT, None)
        if count < 0:
            code = ctypes.get_errno()
            if code in {errno.EAGAIN, errno.EINTR}:
                return []
            raise OSError(code, os.strerror(code))
        data, ways = self._data, self._ways
        said = self._iter_said(memoryview(self._said)[: count * self._said_size])
        parts = zip(self._offsets, self._lengths[:count].tolist(), self._flags[:count].tolist(), said, strict=False)
        return [(data[at : at + length], flags, ways[raw]) for at, length, flags, (raw,) in parts]


class _Ways(dict[bytes, Way]):
    """Ways by what the kernel wrote; makes those that are not known."""

    def __init__(self, family: int, most: int) -> None:
        super().__init__()
        self._family, self._most = family, most

    def __missing__(self, raw: bytes) -> Way:
        if len(self) >= self._most:
            self.clear()
        _, room = _NAMES[self._family]
        found = self[raw] = way(_address(self._family, raw), _answering_told(raw[room:]))
        return found


def _where(memory: mmap.mmap) -> int:
    """Its address."""
    return ctypes.addressof(ctypes.c_char.from_buffer(memory))


def _address(family: int, raw: bytes) -> tuple[str, int] | tuple[str, int, int, int]:
    """A sender's address as Python's sockets name it."""
    if family == socket.AF_INET:
        port, host = _IPV4_NAME.unpack_from(raw)
        return socket.inet_ntop(family, host), port
    port, flow, host = _IPV6_NAME.unpack_from(raw)
    return socket.inet_ntop(family, host), port, flow, *_SCOPE.unpack_from(raw)


@lru_cache(maxsize=64)  # we have few addresses
def _answering_told(octets: bytes) -> tuple[Ancillary, ...]:
    """As `_answering`, of what the kernel wrote."""
    return _answering(_told(octets))


def _told(octets: bytes) -> Iterator[Ancillary]:
    """What the kernel wrote; after it come zeros (man 3 cmsg)."""
    at = 0
    while at + _CMSG.size <= len(octets):
        length, level, kind = _CMSG.unpack_from(octets, at)
        if length < _CMSG.size:
            return
        yield level, kind, octets[at + _CMSG.size : at + length]
        at += -(-length // _CMSG_ALIGN) * _CMSG_ALIGN


def _answering(told: Iterable[Ancillary]) -> tuple[Ancillary, ...]:
    """What to tell the kernel, so that an answer leaves from the address that the question was sent to."""
    return tuple(answer for said in told if (answer := _same_address(said)))


def _same_address(said: Ancillary) -> Ancillary | None:
    """The same address, to send from; None if something else was told."""
    level, kind, content = said
    if (level, kind, len(content)) == (socket.IPPROTO_IP, IP_PKTINFO, _IPV4_PACKET_INFO.size):
        _, local, _ = _IPV4_PACKET_INFO.unpack(content)
        return level, kind, _IPV4_PACKET_INFO.pack(0, local, bytes(4))
    if (level, kind, len(content)) == (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO, _IPV6_PACKET_INFO.size):
        local, interface = _IPV6_PACKET_INFO.unpack(content)
        # Only a link-local address needs its interface; for others the routing table knows better.
        return level, kind, _IPV6_PACKET_INFO.pack(local, interface if local.startswith(_LINK_LOCAL) else 0)
    return None


# --- the C library -------------------------------------------------------------------------------


class _Vector(ctypes.Structure):
    """``struct iovec``."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Message(ctypes.Structure):
    """``struct msghdr`` (man 2 recvmsg)."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint32),
        ("vectors", ctypes.c_void_p),
        ("vectors_length", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_uint32),
    )


class _Header(ctypes.Structure):
    """``struct mmsghdr`` (man 2 recvmmsg)."""

    _fields_ = (("message", _Message), ("length", ctypes.c_uint32))


def recvmmsg(descriptor: int, *, platform: str = sys.platform) -> Recvmmsg | None:
    """``recvmmsg`` of the C library in this process; None if it, the system or a sandbox has none for this socket."""
    library = ctypes.CDLL(None, use_errno=True)  # gives up the interpreter's lock: the writer has its turn once a batch
    if platform != "linux" or not hasattr(library, "recvmmsg"):  # the layout above is Linux's
        return None
    call: Any = library.recvmmsg
    call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)
    asked_for_nothing: int = call(descriptor, None, 0, _DO_NOT_WAIT, None)
    return call if asked_for_nothing == 0 else None

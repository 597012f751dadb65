"""Ports of this machine that no other test has, in this process or another."""

import fcntl
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

_BLOCKS = range(20_000, 32_000, 100)
"""Below the ports that the kernel hands out to clients: nobody's connection comes to sit on one between two tests."""
_CLAIMS = Path(tempfile.gettempdir()) / f"tocsin-test-ports-{os.getuid()}"


def free_port() -> int:
    """A port that is free, for TCP and UDP, and that no other test is given while this process lives.

    Raises:
        OSError: none is left.
    """
    return next(_ports)


def _candidates() -> Iterator[int]:
    _CLAIMS.mkdir(exist_ok=True)
    first = os.getpid() % len(_BLOCKS)  # so that processes seldom ask for the same
    for block in (*_BLOCKS[first:], *_BLOCKS[:first]):
        # The lock is the claim: the kernel ends it with the process, however that ends.
        claim = os.open(_CLAIMS / str(block), os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(claim)
            continue
        yield from filter(_is_free, range(block, block + _BLOCKS.step))
    raise OSError("no port is free")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True


_ports = _candidates()

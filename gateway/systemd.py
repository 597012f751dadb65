"""What systemd and the daemon say to each other: readiness, the watchdog, and sockets passed at start.

Everything is silent where systemd is not the parent. See sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).
"""

import os
import socket
from collections.abc import Iterator, Mapping, MutableMapping, Sequence

FIRST_FD = 3
"""``SD_LISTEN_FDS_START``."""


def notify(*states: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Tell the service manager ``READY=1``, ``STOPPING=1``, ``RELOADING=1``, ``WATCHDOG=1``, ``STATUS=...``.

    Returns:
        Whether anybody listens. A manager that is gone is no reason to fail.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    if address.startswith("@"):  # Linux's abstract namespace
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as manager:
        try:
            manager.sendto("\n".join(states).encode(), address)
        except OSError:
            return False
    return True


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often to say ``WATCHDOG=1``: half of what the manager allows; None if it does not watch this process."""
    allowed_us = environ.get("WATCHDOG_USEC", "")
    if (
        not allowed_us.isdecimal()
        or int(allowed_us) == 0
        or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid())
    ):
        return None
    return int(allowed_us) / 2_000_000


class PassedSockets(Mapping[str, Sequence[int]]):
    """Descriptors by name, which knows those that nobody has asked for."""

    def __init__(self, passed: Mapping[str, Sequence[int]]) -> None:
        self._passed = passed
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> Sequence[int]:
        self._asked.add(name)
        return self._passed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._passed)

    def __len__(self) -> int:
        return len(self._passed)

    @property
    def idle(self) -> list[str]:
        """Names that nobody has asked for: what is sent there waits for ever."""
        return sorted(self._passed.keys() - self._asked)


def listen_fds(environ: MutableMapping[str, str] = os.environ) -> dict[str, list[int]]:
    """Take over the sockets that were passed, by ``FileDescriptorName``; none if they are meant for another process.

    The variables are removed and the descriptors closed on exec, so that no child takes them for its own.
    """
    pid, count, names = (environ.pop(f"LISTEN_{name}", "") for name in ("PID", "FDS", "FDNAMES"))
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    passed: dict[str, list[int]] = {}
    named = names.split(":")
    for index in range(int(count)):
        descriptor = FIRST_FD + index
        os.set_inheritable(descriptor, False)
        passed.setdefault(named[index] if index < len(named) else "unknown", []).append(descriptor)
    return passed

"""Who may come in, for whom, and how much at once: decisions of the SMTP server, without a socket."""

import hmac
import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping

from gateway.plugin import Secret

_UNKNOWN = "unknown"


class Recipients:
    """The addresses we take mail for."""

    def __init__(self, wanted: Iterable[str]) -> None:
        self._exact = {each.lower() for each in wanted}

    def accepts(self, address: str) -> bool:
        """Whether it is one of ours, with or without ``+anything`` in its local part."""
        local, at, domain = address.lower().rpartition("@")
        if not at or not local:
            return False
        return f"@{domain}" in self._exact or f"{local.partition('+')[0]}@{domain}" in self._exact

    @property
    def addresses(self) -> frozenset[str]:
        """Those that are whole addresses, in lower case."""
        return frozenset(each for each in self._exact if not each.startswith("@"))


class Networks:
    """The networks that may connect."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self._allowed = tuple(ipaddress.ip_network(each) for each in allowed)

    def admits(self, peer: str) -> bool:
        """Whether ``peer`` is in one of them; an IPv4 address in IPv6 clothes counts as IPv4."""
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self._allowed if network.version == plain.version)


class Users:
    """Who may log in."""

    def __init__(self, known: Mapping[str, Secret]) -> None:
        self._known = dict(known)

    def __bool__(self) -> bool:
        return bool(self._known)

    def verify(self, name: bytes, password: bytes) -> bool:
        """Whether the password is right; takes the same time for users who don't exist."""
        secret = self._known.get(name.decode("utf-8", "replace"))
        expected = secret.reveal().encode("utf-8") if secret is not None else b""
        return hmac.compare_digest(expected, password) and secret is not None


class Seats:
    """Counts connections, in all and by peer."""

    def __init__(self, *, most: int, most_per_peer: int) -> None:
        self._most, self._most_per_peer = most, most_per_peer
        self._by_peer: Counter[str] = Counter()
        self.taken = 0

    def take(self, peer: str) -> bool:
        """Take a seat if there is one."""
        if self.taken >= self._most or self._by_peer[peer or _UNKNOWN] >= self._most_per_peer:
            return False
        self.taken += 1
        self._by_peer[peer or _UNKNOWN] += 1
        return True

    def leave(self, peer: str) -> None:
        """Give back a seat that was taken."""
        self.taken -= 1
        self._by_peer[peer or _UNKNOWN] -= 1
        if not self._by_peer[peer or _UNKNOWN]:
            del self._by_peer[peer or _UNKNOWN]


class Budget:
    """Bytes of mail in memory, over all sessions."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.used = 0

    def take(self, size: int) -> bool:
        """Reserve ``size`` bytes if they are left."""
        if self.used + size > self._most:
            return False
        self.used += size
        return True

    def hold(self, size: int) -> None:
        """Count ``size`` bytes that are there already, whether or not they fit."""
        self.used += size

    def give(self, size: int) -> None:
        """Give back what was reserved."""
        self.used -= size

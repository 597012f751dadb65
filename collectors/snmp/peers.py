"""Who may send: networks looked up in time that does not grow with their number.

Pure. Source addresses of datagrams can be forged at will, so what is remembered of them is bounded.
"""

from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Final, NamedTuple

_MOST: Final = 65_536


class Peer(NamedTuple):
    """What the configuration says of an address."""

    allowed: bool
    relay: bool
    """It may name other devices as the source of what it forwards."""


class Networks:
    """A set of networks: one look-up per prefix length in use, however many networks there are."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._by_mask: dict[tuple[int, int], set[int]] = {}
        for text in networks:
            network = ip_network(text, strict=False)
            key = (network.version, int(network.netmask))
            self._by_mask.setdefault(key, set()).add(int(network.network_address))

    def __contains__(self, address: str) -> bool:
        parsed = ip_address(address)
        number = int(parsed)
        return any(
            version == parsed.version and number & mask in networks
            for (version, mask), networks in self._by_mask.items()
        )


class Peers:
    """Judges addresses, and remembers its answers."""

    def __init__(self, *, allow: Iterable[str], relays: Iterable[str]) -> None:
        self._allow, self._relays = Networks(allow), Networks(relays)
        self._known: dict[str, Peer] = {}

    def __getitem__(self, address: str) -> Peer:
        peer = self._known.get(address)
        if peer is None:
            peer = Peer(address in self._allow, address in self._relays)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[address] = peer
        return peer

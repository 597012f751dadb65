"""Remember what datagrams became, by the octets that they share with later ones.

Pure. Where a datagram differs from the next that is built alike is a matter of a few lengths, which stand in what it
shares. So these places are guessed from the length of the whole: if what is left without them is known, the guess was
right, and nothing had to be read.

Anybody may send anything: so what is remembered is bounded in number and in octets, and few places are tried.
"""

from typing import Final, Generic, TypeVar

LONGEST: Final = 1500
"""Longer datagrams are not remembered, so that the memory is bounded in octets, too."""
MOST_LAYOUTS: Final = 8
"""Of one length; at one more all is forgotten, so that no look-up takes long."""

Places = tuple[int, ...]
"""Offsets at which datagrams that are built alike are cut."""
K = TypeVar("K")
T = TypeVar("T")


class LookAside(Generic[K, T]):
    """What datagrams became, by what is left of them when they are cut; forgets all when full."""

    def __init__(self, most: int) -> None:
        """Remember at most ``most``; 0 turns it off."""
        self._most = most
        self._count = 0
        self._shelves: dict[int, list[tuple[Places, dict[K, T]]]] = {}
        """By the length of the datagram, nearly always one. Heirs look here themselves: a call costs as much as a look."""

    def _keeps(self, data: bytes) -> bool:
        """Whether it is none that is too long to be kept."""
        return self._most > 0 and len(data) <= LONGEST

    def _keep(self, data: bytes, places: Places, key: K, known: T) -> None:
        """Remember what ``data`` became, which is cut at ``places``; ``key`` is what is left."""
        if self._count >= self._most:
            self._forget()
        self._shelf(len(data), tuple(places))[key] = known
        self._count += 1

    def _shelf(self, length: int, places: Places) -> dict[K, T]:
        for others, shelf in self._shelves.get(length, ()):
            if places == others:
                return shelf
        if len(self._shelves.get(length, ())) >= MOST_LAYOUTS:
            self._forget()
        new: dict[K, T] = {}
        self._shelves.setdefault(length, []).append((places, new))
        return new

    def _forget(self) -> None:
        self._shelves.clear()
        self._count = 0

"""What is known of the engines of others: keys and clocks, within bounds, and as it is kept across restarts.

Pure. Only what an authenticated message brought is here. The table is bounded as a whole and for each source address, so that
one device, or one stolen password, cannot push out what is known of all others.
"""

import zlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from collectors.snmp.timeliness import RemoteClock

__all__ = ["Engines", "Remote", "Seen", "pack", "unpack"]

K = TypeVar("K")
Key = tuple[bytes, bytes]
"""Engine id and user."""
MOST_PACKED: Final = 256 << 20
"""Octets of what is kept, unpacked."""


@dataclass(slots=True)
class Remote(Generic[K]):
    """What is known of one user at one engine."""

    keys: K
    clock: RemoteClock
    source: str
    """The address that it was learned from."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What is kept of a user at an engine: nothing secret."""

    engine_id: bytes
    user: bytes
    boots: int
    time: int
    """Greatest engine time seen within these boots."""
    source: str


class Engines(Generic[K]):
    """Engines by id and user, so that one user's password does not set the clock by which another user is judged."""

    def __init__(self, *, most: int, most_of_source: int) -> None:
        self._most, self._most_of_source = most, most_of_source
        self._known: OrderedDict[Key, Remote[K]] = OrderedDict()
        self._of_source: dict[str, OrderedDict[Key, None]] = {}

    def __len__(self) -> int:
        return len(self._known)

    def get(self, key: Key) -> Remote[K] | None:
        """What is known of this engine and user."""
        return self._known.get(key)

    def heard(self, key: Key) -> None:
        """Count it as heard last."""
        self._known.move_to_end(key)
        self._of_source[self._known[key].source].move_to_end(key)

    def learn(self, key: Key, keys: K, clock: RemoteClock, *, source: str) -> Remote[K]:
        """Remember one more; the one unheard for longest is forgotten, of the source if that has too many, else of all."""
        remote = self._known[key] = Remote(keys, clock, source)
        own = self._of_source.setdefault(source, OrderedDict())
        own[key] = None
        if len(own) > self._most_of_source:
            self._forget(next(iter(own)))
        elif len(self._known) > self._most:
            self._forget(next(iter(self._known)))
        return remote

    def _forget(self, key: Key) -> None:
        source = self._known.pop(key).source
        own = self._of_source[source]
        del own[key]
        if not own:
            del self._of_source[source]

    def seen(self) -> list[Seen]:
        """All that is to be kept, the latest heard last."""
        return [
            Seen(engine_id, user, remote.clock.boots, remote.clock.latest_s, remote.source)
            for (engine_id, user), remote in self._known.items()
        ]

    def recall(self, seen: Iterable[Seen], keys: Callable[[Seen], K | None], *, now_s: float) -> None:
        """Take what was kept; who has no keys any more is left out.

        The time that passed meanwhile is not counted, since nobody knows it: a message must not be older than the last one
        of its engine before the stop, but for the window.
        """
        for one in seen:
            made = keys(one)
            if made is not None and (one.engine_id, one.user) not in self._known:
                self.learn((one.engine_id, one.user), made, RemoteClock(one.boots, one.time, now_s), source=one.source)


def pack(seen: Iterable[Seen]) -> bytes:
    """As it is kept."""
    lines = [f"{one.engine_id.hex()} {one.user.hex()} {one.boots} {one.time} {one.source}" for one in seen]
    return zlib.compress("\n".join(lines).encode())


def unpack(data: bytes) -> list[Seen]:
    """What was kept; what cannot be read is left out: then first messages are believed, as from a new engine."""
    try:
        text = zlib.decompressobj().decompress(data, MOST_PACKED).decode()
    except (zlib.error, UnicodeDecodeError):
        return []
    found = []
    for line in text.split("\n"):
        try:
            engine_id, user, boots, time, source = line.split(" ")
            found.append(Seen(bytes.fromhex(engine_id), bytes.fromhex(user), int(boots), int(time), source))
        except ValueError:
            continue
    return found

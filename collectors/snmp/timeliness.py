"""Whether an authenticated SNMPv3 message is fresh: the time window (RFC 3414 section 3.2 step 7) and exact repeats.

Pure: every method is told the time, in monotonic seconds. What is remembered comes from authenticated messages only, so
nobody without a key can fill it.
"""

from typing import Final

WINDOW_S: Final = 150
"""How far an engine's time may lie off (RFC 3414 section 2.2.3)."""
LAST_BOOTS: Final = 2**31 - 1
"""An engine whose boots reached this is never in time: its keys must be changed (RFC 3414 section 2.2.2)."""


class RemoteClock:
    """What we believe of another engine's boots and time."""

    __slots__ = ("boots", "latest_s", "seen_s")

    def __init__(self, boots: int, time: int, now_s: float) -> None:
        self.boots = boots
        self.latest_s = time
        """Greatest engine time seen within these boots."""
        self.seen_s = now_s
        """When it was seen."""

    def judge(self, boots: int, time: int, now_s: float) -> str:
        """Take in an authenticated message's boots and time.

        Returns:
            Why it is outside the window, or an empty string if it is within.
        """
        if boots >= LAST_BOOTS:
            return "engine boots are used up"
        if boots < self.boots:
            return f"engine boots went back from {self.boots} to {boots}"
        if boots > self.boots or time > self.latest_s:
            self.boots, self.latest_s, self.seen_s = boots, time, now_s
            return ""
        behind_s = self.latest_s + (now_s - self.seen_s) - time
        return f"engine time is {behind_s:.0f} s behind" if behind_s > WINDOW_S else ""


class OwnClock:
    """Our own boots and time: what informs must match."""

    def __init__(self, boots: int, now_s: float) -> None:
        self.boots = boots
        self._started_s = now_s

    def time(self, now_s: float) -> int:
        """Seconds since these boots began."""
        return int(now_s - self._started_s)

    def judge(self, boots: int, time: int, now_s: float) -> str:
        """Why boots and time are outside our window, or an empty string if they are within."""
        if boots != self.boots or boots >= LAST_BOOTS:
            return f"engine boots are {boots}, ours {self.boots}"
        off_s = time - self.time(now_s)
        return f"engine time is {off_s} s off ours" if abs(off_s) > WINDOW_S else ""


class Repeats:
    """Remembers MACs for at least a time window, within a bound.

    Two sets that take turns: an entry lives one to two windows. When ``most`` is reached the older set goes early: the
    time window of the sender's clock still stands behind it.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._new: set[bytes] = set()
        self._old: set[bytes] = set()
        self._turned_s = float("-inf")

    def seen(self, mac: bytes, now_s: float) -> bool:
        """Whether ``mac`` came before, within the window; remembers it."""
        if now_s - self._turned_s >= WINDOW_S or len(self._new) * 2 >= self._most:
            stale = now_s - self._turned_s >= 2 * WINDOW_S
            self._old, self._new, self._turned_s = set() if stale else self._new, set(), now_s
        if mac in self._new or mac in self._old:
            return True
        self._new.add(mac)
        return False

    def __len__(self) -> int:
        return len(self._new) + len(self._old)

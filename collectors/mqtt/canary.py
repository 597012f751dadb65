"""A message that we send to ourselves: while it comes back, the way of the beats to us is open.

A connection may be there and bring nothing (half open, a broker that hangs): the broker's answers to our pings prove
only that somebody answers. Instants are monotonic seconds, given by the caller.
"""

import math
from dataclasses import dataclass, field

MISSED = 2
"""So many canaries in a row must be missing before we take ourselves for deaf,"""
GIVEN_UP = 6
"""... and before we connect anew, if nothing else comes either."""
BEHIND = 60
"""So many, if other messages come: the canary may wait behind them, and a new connection would repeat some of them."""
_REMEMBERED = 16


@dataclass(slots=True, kw_only=True)
class Canary:
    """The canaries of one connection."""

    every_s: float
    mark: str
    """Tells the canaries of this connection from those that the broker kept for us from an earlier one."""
    proven: bool = False
    """One has come back: from now on their absence means something."""
    _serial: int = 0
    _brought_s: float = -math.inf
    _away: dict[bytes, float] = field(default_factory=dict)
    """Those that have not come back, with the instant of each."""

    def next(self, now_s: float) -> bytes:
        """The payload of the next one."""
        self._serial += 1
        payload = f"{self.mark}-{self._serial}".encode()
        if len(self._away) < _REMEMBERED:
            self._away[payload] = now_s
        return payload

    def heard(self, payload: bytes) -> bool:
        """Take one that came back; whether it is ours and new. Those sent before it may still come, and no longer matter."""
        sent_s = self._away.get(payload)
        if sent_s is None:
            return False
        self.proven = True
        self._away = {other: at_s for other, at_s in self._away.items() if at_s > sent_s}
        return True

    def brought(self, now_s: float) -> None:
        """Something else came."""
        self._brought_s = now_s

    def missing_s(self, now_s: float) -> float:
        """For how long the oldest that has not come back is away."""
        return max((now_s - at_s for at_s in self._away.values()), default=0.0)

    def deaf(self, now_s: float) -> bool:
        """Whether we cannot hear."""
        return self.proven and self.missing_s(now_s) > MISSED * self.every_s

    def lost(self, now_s: float) -> bool:
        """Whether the connection is of no use."""
        missing_s = self.missing_s(now_s)
        idle_s = min(missing_s, now_s - self._brought_s)
        return self.proven and (idle_s > GIVEN_UP * self.every_s or missing_s > BEHIND * self.every_s)

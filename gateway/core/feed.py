"""Decide whether what we hear of the fleet can be believed, and keep the clock that passes only while it can.

All stations' deadlines are on the *observed clock*: an outage of ours moves every one of them at once and costs nothing.
It stands still while a collector is deaf, while we stood still ourselves, while far fewer beats come than should and no
round trip proves that the way to us is open, and after each of these until the fleet has had its time to come back.

Instants are monotonic seconds, given by the caller.
"""

from collections import deque
from dataclasses import dataclass, field

STILL_S = 5.0
"""A look that comes later than this proves that we stood still: what was sent meanwhile still waits to be read."""
WARM_AFTER_S = 30.0
"""Having stood still for longer, we wait for the fleet as after a lost connection: it may have lost its own."""
WINDOW_S = 15.0
"""Beats are counted for at least so long before their number is judged."""
LONGEST_WINDOW_S = 300.0
FEWEST_EXPECTED = 20.0
"""So many beats must have been due in the window; of fewer, chance may keep most away."""
QUIET = 0.25
"""Hearing less than this part of what is due, we hear nothing."""
ALL_BACK = 0.98
"""The warm-up ends when this part of the stations that were up has been heard."""
MOST_BACK = 0.5
"""It also ends when more than this part was heard and nobody new came for one interval."""
LONGEST_WARM_UP_S = 300.0


@dataclass(slots=True)
class _WarmUp:
    """The time after a return in which nobody's silence counts yet."""

    began_s: float
    expected: int
    grown_s: float
    heard: set[str] = field(default_factory=set)

    def over(self, now_s: float, interval_s: float) -> bool:
        back = len(self.heard)
        settled = back > MOST_BACK * self.expected and now_s - self.grown_s >= interval_s
        return back >= ALL_BACK * self.expected or settled or now_s - self.began_s >= LONGEST_WARM_UP_S


class Feed:
    """The observed clock, and why it stands still."""

    def __init__(self, *, now_s: float) -> None:
        self.live = 0
        """Stations that are up or late."""
        self.per_s = 0.0
        """Beats that they owe together in a second."""
        self.quiet = False
        """Far fewer beats come than are due."""
        self._observed_s = 0.0
        self._read_s = 0.0
        """What was last read of it: it does not go back behind that."""
        self._looked_s = now_s
        self._deaf: set[str] = set()
        self._proven: dict[str, bool] = {}
        """Collectors that brought beats, and whether a round trip proves their way to us."""
        self._warm_up: _WarmUp | None = None
        self._beats = 0
        self._window: deque[tuple[float, int]] = deque([(now_s, 0)])

    @property
    def deaf(self) -> frozenset[str]:
        """The collectors that cannot hear."""
        return frozenset(self._deaf)

    @property
    def warming_up(self) -> bool:
        """Whether the fleet is still coming back."""
        return self._warm_up is not None

    @property
    def doubted(self) -> bool:
        """Whether far too few beats come, and nothing proves that it isn't our way to the fleet that is broken."""
        return self.quiet and not (self._proven and all(self._proven.values()))

    @property
    def trusted(self) -> bool:
        """Whether the clock runs."""
        return not self._deaf and self._warm_up is None and not self.doubted

    def feeds(self, collector: str) -> None:
        """Beats came by this collector, now or before a restart."""
        self._proven.setdefault(collector, False)

    def heard(self, station: str, collector: str, *, was_live: bool, now_s: float) -> None:
        """Take a sign of life, of a station that ``was_live`` before it or not: which matters only while `warming_up`."""
        if collector not in self._proven:
            self.feeds(collector)
        self._beats += 1
        warm_up = self._warm_up
        if warm_up is not None and was_live and station not in warm_up.heard:
            warm_up.heard.add(station)
            warm_up.grown_s = now_s

    def connected(self, collector: str, *, up: bool, proven: bool, now_s: float) -> None:
        """A collector can hear, or cannot; ``proven`` if a round trip shows that what is sent to us arrives."""
        self.look(now_s)
        if collector in self._proven or proven:
            self._proven[collector] = proven
        if not up:
            self._deaf.add(collector)
            self._warm_up = None
            self._forget(now_s)
        elif collector in self._deaf:
            self._deaf.discard(collector)
            if not self._deaf and collector in self._proven:
                self._begin(now_s)

    def observed_s(self, now_s: float) -> float:
        """The observed clock."""
        passed_s = now_s - self._looked_s
        if self.trusted and passed_s <= STILL_S:
            self._read_s = self._observed_s + passed_s
        return self._read_s

    def look(self, now_s: float) -> None:
        """Look at the time: the clock moves on, unless we did not look for too long."""
        passed_s = now_s - self._looked_s
        self._observed_s = self.observed_s(now_s)
        self._looked_s = now_s
        if passed_s > STILL_S:
            self._forget(now_s)
            if passed_s > WARM_AFTER_S and not self._deaf:
                self._begin(now_s)
        if self._warm_up is not None and self._warm_up.over(now_s, self.live / self.per_s if self.per_s else 0.0):
            self._warm_up = None
            self._forget(now_s)
        if not self._deaf and self._warm_up is None:
            self._count(now_s)

    def _begin(self, now_s: float) -> None:
        """Wait for the fleet to come back, if there is one."""
        if self.live:
            self._warm_up = _WarmUp(began_s=now_s, expected=self.live, grown_s=now_s)

    def _forget(self, now_s: float) -> None:
        """Begin to count beats anew."""
        self.quiet = False
        self._window.clear()
        self._window.append((now_s, self._beats))

    def _count(self, now_s: float) -> None:
        """Compare the beats that came with those that were due."""
        window = self._window
        length_s = max(WINDOW_S, FEWEST_EXPECTED / self.per_s) if self.per_s else LONGEST_WINDOW_S
        window.append((now_s, self._beats))
        while len(window) > 1 and now_s - window[1][0] >= length_s:
            window.popleft()
        began_s, before = window[0]
        if not self.per_s or length_s > LONGEST_WINDOW_S or now_s - began_s < length_s:
            return
        was_doubted = self.doubted
        self.quiet = self._beats - before < QUIET * self.per_s * (now_s - began_s)
        if was_doubted and not self.quiet:
            self._begin(now_s)

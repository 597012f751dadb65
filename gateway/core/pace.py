"""How fast a sink is called: a budget of calls, and a breaker that stops hammering a dead tracker. Time is an argument."""

from dataclasses import dataclass, field

_ONE = 1 - 1e-3
"""A token, but for the rounding of floats: without it, waiting may come ever closer to one and never reach it."""
SPARED_S = 5.0
"""How long a tracker is spared that says that we are too fast, and not for how long."""
LONGEST_SPARED_S = 3600.0


@dataclass(slots=True)
class Budget:
    """A token bucket: ``per_s`` calls a second, ``burst`` at once; it begins full."""

    per_s: float
    burst: float
    tokens: float = field(init=False)
    at_s: float = 0.0

    def __post_init__(self) -> None:
        self.tokens = self.burst

    def wait_s(self, *, now_s: float) -> float:
        """Seconds until a call may be made; 0 if it may be made now."""
        self._fill(now_s)
        return 0.0 if self.tokens >= _ONE else (1 - self.tokens) / self.per_s

    def spend(self, *, now_s: float) -> None:
        """Count one call."""
        self._fill(now_s)
        self.tokens -= 1

    def pause(self, seconds: float, *, now_s: float) -> None:
        """Allow nothing for ``seconds``: the tracker said that the budget is spent."""
        self._fill(now_s)
        self.tokens = min(self.tokens, 1 - seconds * self.per_s)

    def _fill(self, now_s: float) -> None:
        self.tokens = min(self.burst, self.tokens + max(0.0, now_s - self.at_s) * self.per_s)
        self.at_s = max(self.at_s, now_s)


@dataclass(slots=True)
class Breaker:
    """Closed: calls flow. After ``threshold`` failures in a row it opens; then one probe at a time is let through.

    An optimisation only: the outbox is the truth, and a restart forgets the breaker.
    """

    threshold: int = 5
    first_s: float = 30.0
    longest_s: float = 300.0
    failures: int = 0
    opened: int = 0
    open_until_s: float = 0.0
    spared_until_s: float = 0.0
    """The tracker said that it takes no more calls until then. That is no failure: it answered."""

    @property
    def closed(self) -> bool:
        """Whether calls flow freely."""
        return self.opened == 0

    def wait_s(self, *, now_s: float) -> float:
        """Seconds until a call (or the next probe) may be made."""
        return max(0.0, self.spared_until_s - now_s, 0.0 if self.closed else self.open_until_s - now_s)

    def spares(self, *, now_s: float) -> bool:
        """Whether the tracker is to be asked nothing that can wait: it fails, or said that it takes no more calls."""
        return not self.closed or now_s < self.spared_until_s

    def spare(self, after_s: float | None, *, now_s: float) -> float:
        """The tracker said that it takes no more calls, for ``after_s`` if it said how long; seconds that it is spared."""
        seconds = min(after_s or SPARED_S, LONGEST_SPARED_S)
        self.spared_until_s = max(self.spared_until_s, now_s + seconds)
        return seconds

    def succeeded(self) -> None:
        """A call came through: close."""
        self.failures = self.opened = 0

    def failed(self, *, now_s: float) -> None:
        """A call failed for reasons of the tracker's or the network's."""
        self.failures += 1
        if self.failures >= self.threshold or not self.closed:
            self.pause(self.first_s, now_s=now_s)

    def pause(self, first_s: float, *, now_s: float) -> None:
        """Open for ``first_s``, twice as long each time in a row, at most `longest_s`; the next call is a probe."""
        if not self.closed and now_s < self.open_until_s:
            return  # of a call that was under way when it opened: no news
        seconds = min(first_s * 2**self.opened, self.longest_s)
        self.opened = min(self.opened + 1, 10)
        self.open_until_s = now_s + seconds

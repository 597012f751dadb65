"""What is on disk already: one more of the same is a mere number there, so it need not be written at once.

Pure. It may forget at any time: what is not known here is committed as soon as anything else.
"""

from gateway.core.event import EventKind
from gateway.core.impact import Impact
from gateway.core.rules import Verdict

NEVER_MS = 2**62
"""Later than any deadline."""

_Judged = tuple[EventKind, Impact, bool]


class Repeats:
    """Fingerprints whose last commit left them so that one more of the same is counted, and changes nothing else."""

    def __init__(self, most: int) -> None:
        """Remember at most ``most`` fingerprints; at one more all are forgotten."""
        self._most = most
        self._known: dict[str, tuple[_Judged, int]] = {}

    def keep(self, verdict: Verdict, until_ms: int | None) -> None:
        """What is judged so is merely counted until that instant, its incident's next deadline; None: it is not."""
        if until_ms is None:
            self._known.pop(verdict.fingerprint, None)
            return
        if len(self._known) >= self._most:
            self._known.clear()
        self._known[verdict.fingerprint] = _judged(verdict), until_ms

    def forget(self, fingerprint: str) -> None:
        """Something else than a repeat came to its incident."""
        self._known.pop(fingerprint, None)

    def clear(self) -> None:
        """Forget all, for instants have moved."""
        self._known.clear()

    def knows(self, verdict: Verdict, *, until_ms: int) -> bool:
        """Whether what is judged so is merely counted, now and until that instant."""
        judged, counts_until_ms = self._known.get(verdict.fingerprint, (None, 0))
        return until_ms < counts_until_ms and judged == _judged(verdict)


def _judged(verdict: Verdict) -> _Judged:
    return verdict.kind, verdict.impact, verdict.drop

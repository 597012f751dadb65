"""Incidents that were written or read lately, so that a storm's repeats read no row and decode no body.

There is one writer, so what it wrote is what is there. After anything else than a commit the memory is forgotten.
Fingerprints are as the store says them (`gateway.store.rows.text`).
"""

from collections.abc import Mapping

from gateway.core.incident import Incident, State
from gateway.store.rows import text

MOST = 8192
"""Incidents remembered; at one more all are forgotten."""
LONGEST = 4096
"""Characters of a description; a mail's incident is not remembered."""


class Recent:
    """The latest incident of fingerprints: of each at most one is not closed, and that one is the latest."""

    def __init__(self) -> None:
        self._known: dict[str, Incident] = {}
        """Those that are not closed."""
        self._ahead: dict[str, Incident | None] = {}
        """What was read for the work that is going on; None: there is none."""

    def knows(self, fingerprint: str) -> bool:
        """Whether `get` tells the truth about it."""
        return fingerprint in self._known or fingerprint in self._ahead

    def get(self, fingerprint: str) -> Incident | None:
        """The latest one."""
        return self._known.get(fingerprint) or self._ahead.get(fingerprint)

    def read_ahead(self, latest: Mapping[str, Incident | None]) -> None:
        """So it is in the store."""
        self._ahead = dict(latest)

    def close_ahead(self) -> None:
        """The work is done for which was read ahead."""
        self._ahead = {}

    def keep(self, incident: Incident) -> None:
        """It is in the store as it is here, or will be before anybody looks."""
        mark = text(incident.fingerprint)
        self._ahead.pop(mark, None)
        if incident.state is State.CLOSED or len(incident.description) > LONGEST:
            self._known.pop(mark, None)
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[mark] = incident

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()
        self._ahead.clear()

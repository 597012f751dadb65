"""Incidents that were written or read lately, so that a storm's repeats read no row and decode no body.

There is one writer, so what it wrote is what is there. After anything else than a commit the memory is forgotten.
"""

from gateway.core.incident import Incident, State
from gateway.store.rows import text

MOST = 8192
"""Incidents remembered; at one more all are forgotten."""
LONGEST = 4096
"""Characters of a description; a mail's incident is not remembered."""


class Recent:
    """Incidents that are not closed, by fingerprint: there is one for each."""

    def __init__(self) -> None:
        self._known: dict[str, Incident] = {}

    def get(self, fingerprint: str) -> Incident | None:
        """The one that is not closed; None: it is not remembered."""
        return self._known.get(text(fingerprint))

    def keep(self, incident: Incident) -> None:
        """It is in the store as it is here."""
        if incident.state is State.CLOSED or len(incident.description) > LONGEST:
            self._known.pop(text(incident.fingerprint), None)
            return
        if len(self._known) >= MOST:
            self._known.clear()
        self._known[text(incident.fingerprint)] = incident

    def clear(self) -> None:
        """Forget all."""
        self._known.clear()

"""Mutes what is open already when a silence or a maintenance window begins.

What opens later asks by itself (`gateway.engine.around`). Which windows have begun is on disk, so each begins once: a
person who lifts a mute has lifted it, also across a restart, and a window that began while no daemon ran is found.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.decision import Decision, WindowBegan
from gateway.core.incident import Incident
from gateway.core.mute import Planned
from gateway.engine.applying import apply
from gateway.engine.around import Surroundings
from gateway.store.api import Transaction

BITE = 200
"""Incidents looked at in one transaction."""
BEGUN = "tocsin/windows_begun"


@dataclass(slots=True)
class Beginnings:
    """One pass over all that is not over, for the windows that have begun since the pass before."""

    more: bool = True
    """Whether there are incidents left to look at."""
    _after: str = ""
    _new: tuple[Planned, ...] | None = None
    """Those that had begun when the pass did: one that begins meanwhile has missed some, and is for the next."""

    def some(self, tx: Transaction, around: Surroundings) -> Sequence[Incident]:
        """The next ones to look at; none if no window has begun, or all are through. Then it is noted what has."""
        self.more = False  # what cannot be asked now is asked by the next pass
        on, begun = around.windows_on(), set(json.loads(tx.get(BEGUN) or b"[]"))
        if self._new is None:
            self._new = tuple(one for one in on if one.window.id not in begun)
        found = tx.alive(after=self._after, limit=BITE) if self._new else []
        if found:
            self._after, self.more = found[-1].id, True
            return found
        through = {one.window.id for one in on} & (begun | {one.window.id for one in self._new})
        if through != begun:  # in a transaction of its own, which no incident can spoil
            tx.put(BEGUN, json.dumps(sorted(through)).encode())
        return ()

    def mute(self, tx: Transaction, incident: Incident, around: Surroundings, now_ms: int) -> Decision | None:
        """Let its ticket wait if one of the windows matches."""
        found = [window.mutes(incident, now_ms=now_ms) for window in self._new or ()]
        mutes = tuple(mute for mute in found if mute is not None)
        decision = apply(tx, incident, WindowBegan(mutes=mutes), now_ms=now_ms, around=around)
        return None if decision.incident is incident else decision

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
    _new: tuple[Planned, ...] = ()

    def some(self, tx: Transaction, around: Surroundings) -> Sequence[Incident]:
        """The next ones to look at; none if no window has begun. With the last ones it is noted what has."""
        on = {one.window.id: one for one in around.windows_on()}
        begun = set(json.loads(tx.get(BEGUN) or b"[]"))
        self._new = tuple(on[name] for name in on.keys() - begun)
        found = tx.alive(after=self._after, limit=BITE) if self._new else []
        self._after, self.more = (found[-1].id if found else ""), len(found) == BITE
        if not self.more and on.keys() != begun:
            tx.put(BEGUN, json.dumps(sorted(on)).encode())
        return found

    def mute(self, tx: Transaction, incident: Incident, around: Surroundings, now_ms: int) -> Decision | None:
        """Let its ticket wait if one of the windows matches."""
        found = [window.mutes(incident, now_ms=now_ms) for window in self._new]
        mutes = tuple(mute for mute in found if mute is not None)
        decision = apply(tx, incident, WindowBegan(mutes=mutes), now_ms=now_ms, around=around)
        return None if decision.incident is incident else decision

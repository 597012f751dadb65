"""Remembers which trackers refuse our credentials: one incident each tells, in the sinks that still work, and its end."""

import json
from collections.abc import Callable

from gateway.core.blind import Said
from gateway.core.event import Event, EventKind
from gateway.store.api import Store

CONDITION = "sink_unauthorized"
_KEPT = "tocsin/refused"


class Refusals:
    """Sinks whose trackers refuse our credentials, as an open incident tells."""

    def __init__(self, store: Store, *, tell: Callable[[Event], bool], event: Callable[..., Event]) -> None:
        """``tell`` takes what ``event`` makes: an event about ourselves."""
        self._store = store
        self._tell, self._event = tell, event
        self._sinks: frozenset[str] = frozenset()

    async def load(self) -> None:
        """Remember what the process before had told."""
        kept = await self._store.run(lambda tx: tx.get(_KEPT))
        self._sinks = frozenset(json.loads(kept)) if kept else frozenset()

    def refused(self, sink: str, why: str) -> None:
        """A tracker refuses our credentials."""
        self._remember(self._sinks | {sink})
        said = Said(kind=EventKind.RAISE, summary=f"{sink} refuses our credentials")
        self._tell(self._event(CONDITION, said, about=sink, description=why))

    def accepted(self, sink: str) -> None:
        """A tracker takes our credentials: what was told of it, maybe before a restart, is over."""
        if sink not in self._sinks:
            return
        self._remember(self._sinks - {sink})
        said = Said(kind=EventKind.CLEAR, summary=f"{sink} takes our credentials")
        self._tell(self._event(CONDITION, said, about=sink))

    def _remember(self, sinks: frozenset[str]) -> None:
        self._sinks = sinks
        kept = json.dumps(sorted(sinks)).encode()
        # If the disk refuses, the incident stays for a person to close.
        self._store.submit(lambda tx: tx.put(_KEPT, kept)).add_done_callback(lambda done: done.exception())

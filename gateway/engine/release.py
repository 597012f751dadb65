"""Lets go what nothing mutes any more: looks at what waits whenever a cause may be over, and at a bounded rate.

What mutes an incident is asked anew each time, from the store and the configuration as they are: a window that was ended,
a reload and a restart need nothing remembered.

On failure: what is looked at together is looked at one by one, and who cannot be borne is told and left out.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import structlog

from gateway.core.decision import Decision, Look
from gateway.core.incident import Incident
from gateway.core.reason import Reason
from gateway.engine.applying import apply
from gateway.engine.around import Surroundings
from gateway.engine.beginnings import Beginnings
from gateway.engine.gathering import look_at_parent
from gateway.plugin import Clock
from gateway.store.api import StoreError, Transaction

log = structlog.get_logger()

LOOK_S = 30.0
"""What waits is looked at this often, at least."""
REST_S = 1.0
"""Between two looks, at least."""
BITE = 200
"""Incidents looked at in one transaction."""
MINUTE_MS = 60_000
FIRST = (0, "")

Work = Callable[[Transaction, int], list[Decision]]
Ask = Callable[[Transaction, Surroundings], Sequence[Incident]]
LookAt = Callable[[Transaction, Incident, Surroundings, int], Decision | None]


class Releases:
    """Looks at what is muted; `run` serves until cancelled."""

    def __init__(
        self,
        clock: Clock,
        *,
        decide: Callable[[Work], Awaitable[list[Decision]]],
        around: Callable[[Transaction, int], Surroundings],
        per_min: int,
    ) -> None:
        """Decide by ``decide``; release at most ``per_min`` incidents a minute."""
        self._clock = clock
        self._decide = decide
        self._around = around
        self._per_min = per_min
        self._minute = 0
        self._released = 0
        self._stirred = asyncio.Event()
        self._edge_ms: int | None = None
        """When the next window begins or ends."""

    def stir(self) -> None:
        """Say that something that mutes may be over."""
        self._stirred.set()

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            self._stirred.clear()
            wait_s = LOOK_S
            try:
                wait_s = await self.look()
            except StoreError:
                wait_s = REST_S  # the timers tell of a disk that refuses
            await self._clock.wait(self._stirred, wait_s)
            await self._clock.sleep(REST_S)

    async def look(self) -> float:
        """Look at what windows begin to mute, at the greater incidents, then at all that waits; seconds until the next look is due.

        Raises:
            StoreError: the disk refused; look again.
        """
        beginnings = Beginnings()
        while beginnings.more:
            await self._each(beginnings.some, beginnings.mute)
        await self._each(lambda _tx, around: around.parents(), look_at_parent)
        after, more = FIRST, True
        while more:
            found = await self._each(lambda tx, _around, after=after: tx.muted(after=after, limit=BITE), self._release)  # type: ignore[misc]
            more = len(found) == BITE and self._room(self._clock.now_ms()) > 0
            after = (found[-1].impact.rank, found[-1].id) if found else FIRST
        now_ms = self._clock.now_ms()
        if self._room(now_ms) == 0:
            return (MINUTE_MS - now_ms % MINUTE_MS) / 1000
        return LOOK_S if self._edge_ms is None else min(LOOK_S, max(0.0, (self._edge_ms - now_ms) / 1000))

    def _room(self, now_ms: int) -> int:
        if now_ms // MINUTE_MS != self._minute:
            self._minute, self._released = now_ms // MINUTE_MS, 0
        return max(0, self._per_min - self._released)

    async def _each(self, ask: Ask, look_at: LookAt) -> Sequence[Incident]:
        """Look at each that ``ask`` finds, in one transaction, so that one which cannot be borne holds up no other."""
        found: Sequence[Incident] = ()

        def all_at_once(tx: Transaction, now_ms: int) -> list[Decision]:
            nonlocal found
            around = self._around(tx, now_ms)
            found = ask(tx, around)
            self._edge_ms = around.next_edge_ms()
            decided = (look_at(tx, incident, around, now_ms) for incident in found)
            return [decision for decision in decided if decision is not None]

        def one_alone(tx: Transaction, now_ms: int, incident_id: str) -> list[Decision]:
            incident = tx.incident(incident_id)
            decision = look_at(tx, incident, self._around(tx, now_ms), now_ms) if incident else None
            return [] if decision is None else [decision]

        try:
            await self._counted(all_at_once)
        except StoreError:
            raise
        except Exception:
            log.exception("releases.failed")
            for incident in found:
                try:
                    await self._counted(partial(one_alone, incident_id=incident.id))
                except StoreError:
                    raise
                except Exception:
                    log.exception("release.failed", incident=incident.id)
        return found

    async def _counted(self, work: Work) -> None:
        """Decide; what was released in a transaction that failed does not count."""
        released = self._released
        try:
            await self._decide(work)
        except Exception:
            self._released = released
            raise

    def _release(self, tx: Transaction, incident: Incident, around: Surroundings, now_ms: int) -> Decision | None:
        """Let it go if nothing mutes it any more, while there is room in this minute."""
        if self._room(now_ms) == 0:
            return None
        decision = apply(tx, incident, Look(), now_ms=now_ms, around=around)
        if decision.reason is not Reason.RELEASED:
            return None
        self._released += 1
        return decision

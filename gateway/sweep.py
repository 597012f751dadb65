"""The sweeper: closes the second ticket that a create of unknown outcome made where the tracker has no unique key.

Failure semantics: what is to be looked at, and when, is on disk. A search that fails says nothing and is made again. The
incident's ticket is changed on disk before anything is closed, so that our own closing is never taken for a person's;
after a crash in between, the next look finds the other one still open and closes it. Calls are made beside delivery's,
but only ever about a ticket that delivery does not know of, or no longer.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from gateway import metrics
from gateway.core.decision import Decision, Entry, OperationKind, Rank, Wish
from gateway.core.draft import draft
from gateway.core.incident import Incident
from gateway.core.pace import Breaker
from gateway.core.reason import Failed, Reason
from gateway.core.sweep import Sweep, Verdict, judge, later, looked
from gateway.core.text import one_line
from gateway.core.ticket import MARK_PREFIX, Comment, Observation, Ticket, TicketField, TicketRef, TicketState
from gateway.plugin import Clock, FindsComments, FindsDuplicates, Reject, Retry, Sink
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

TURN_S = 60.0
"""A look may come so much late; nobody waits for it."""
SWEEPS_PER_TURN = 10
LOOK_TIMEOUT_S = 300.0


class SweptSink(Sink, FindsDuplicates, Protocol):
    """A sink whose tracker has no unique key."""


@dataclass(frozen=True, slots=True)
class _Case:
    """What we know of the ticket when a look begins."""

    incident: Incident
    ticket: Ticket
    busy: bool
    """Whether an operation is about to change it."""


class SinkSweeper:
    """Sweeps one sink; `run` serves until cancelled."""

    def __init__(
        self, name: str, sink: SweptSink, *, store: Store, clock: Clock, breaker: Breaker, wake: Callable[[], None]
    ) -> None:
        """Sweep ``sink`` unless ``breaker`` (delivery's) spares it; ``wake`` delivery when the outbox holds more."""
        self._name = name
        self._sink = sink
        self._store = store
        self._clock = clock
        self._breaker = breaker
        self._wake = wake
        self._failing = False

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._clock.sleep(TURN_S)
            try:
                await self.turn()
            except StoreError as error:
                log.warning("sweep.delayed", sink=self._name, why=str(error))

    async def turn(self) -> None:
        """Make the looks that are due, as long as the tracker is not spared.

        Raises:
            StoreError: the store could not be asked; what was not written down is looked at again.
        """
        now_ms = self._clock.now_ms()
        due = await self._store.run(lambda tx: tx.due_sweeps(self._name, now_ms=now_ms, limit=SWEEPS_PER_TURN))
        for sweep in due:
            if self._breaker.spares(now_s=self._clock.monotonic_s()):
                return
            after = await self._tried(sweep)
            await self._store.run(lambda tx, sweep=sweep, after=after: tx.settle_sweep(sweep, after))  # type: ignore[misc]

    async def _tried(self, sweep: Sweep) -> Sweep | None:
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                after = await self._look(sweep)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything; a look that failed is made again
            if isinstance(error, Retry) and error.reason is Failed.RATE_LIMITED:
                self._breaker.spare(error.after_s, now_s=self._clock.monotonic_s())
            after = later(sweep, now_ms=self._clock.now_ms())
            why = one_line(str(error) or type(error).__name__, 500)
            if not self._failing or after is None:
                log.warning("sweep.failed", sink=self._name, incident=sweep.incident, why=why, given_up=after is None)
            self._failing = True
            return after
        self._failing = False
        return after

    async def _look(self, sweep: Sweep) -> Sweep | None:
        """Look once; the sweep as it goes on."""
        case = await self._store.run(lambda tx: self._case(tx, sweep))
        if case is None:
            return None
        if case.busy:
            return later(sweep, now_ms=self._clock.now_ms())
        verdict = await self._verdict(sweep, case)
        if verdict is not None:
            kept = await self._store.run(lambda tx: self._keep(tx, sweep, case, verdict.keep))
            if not kept:
                return later(sweep, now_ms=self._clock.now_ms())
            self._wake()
            for ref in verdict.close:
                await self._close(sweep, ref, verdict.keep.ref)
        return looked(sweep, now_ms=self._clock.now_ms())

    def _case(self, tx: Transaction, sweep: Sweep) -> _Case | None:
        """None if there is nothing to compare with: the ticket was deleted by a person."""
        incident, ticket = tx.incident(sweep.incident), tx.ticket(sweep.incident, sweep.sink)
        deleted = ticket.ref is None and ticket.state is not None
        if incident is None or ticket.key != sweep.key or deleted:
            return None
        return _Case(incident, ticket, tx.busy(incident.id, sweep.sink))

    async def _verdict(self, sweep: Sweep, case: _Case) -> Verdict | None:
        """What to do; None if all is well."""
        ours = case.ticket.ref
        found = await self._sink.find_all(sweep.key, since_ms=sweep.since_ms)
        if ours is not None and ours.id not in {ref.id for ref in found}:
            found = [ours, *found]  # renamed or moved by people: they know it, so it goes before what nobody knows
        if not found or (ours is not None and len(found) == 1):
            return None
        seen = await self._sink.observe(found)
        verdict = judge(seen, ours=ours, over=not case.incident.alive)
        if verdict is None or (ours is not None and ours.id == verdict.keep.ref.id and not verdict.close):
            return None
        return verdict

    def _keep(self, tx: Transaction, sweep: Sweep, case: _Case, keep: Observation) -> bool:
        """Make ``keep`` the incident's ticket, unless the ticket changed since we began; whether it is now."""
        now = self._case(tx, sweep)
        if now is None or now.busy or now.ticket.ref != case.ticket.ref:
            return False
        if now.ticket.ref is not None and now.ticket.ref.id in {keep.ref.id, keep.asked}:
            return True
        now_ms = self._clock.now_ms()
        owned = now.ticket.owned if keep.state.done else now.ticket.owned - {TicketField.STATE}
        ticket = replace(now.ticket, ref=keep.ref, state=keep.state, owned=owned, written_ms=now_ms)
        said = f"ticket {_name(keep.ref)} in {self._name} was there first and is kept"
        # Its text may be of the first hour: written as the incident is now.
        wish = Wish(kind=OperationKind.SYNC, sink=self._name, rank=Rank.PRIORITY, reason=Reason.DUPLICATE_TICKET)
        decision = Decision(
            reason=Reason.DUPLICATE_TICKET,
            incident=now.incident,
            entries=(Entry(at_ms=now_ms, reason=Reason.DUPLICATE_TICKET, text=said),),
            wishes=(wish,),
            tickets=(ticket,),
        )
        tx.write(decision, now_ms=now_ms)
        return True

    async def _close(self, sweep: Sweep, ref: TicketRef, keep: TicketRef) -> None:
        """Link, comment and close the second ticket; each step may be made twice."""
        try:
            await self._sink.mark_duplicate(ref, of=keep)
        except Reject as error:
            log.warning("duplicate.not_linked", sink=self._name, ticket=_name(ref), why=str(error))
        mark = f"{MARK_PREFIX}{sweep.key}-duplicate"
        if not isinstance(self._sink, FindsComments) or not await self._sink.has_comment(ref, mark):
            text = (
                f"This ticket was made twice, since an answer got lost. Work goes on in {_name(keep)} {keep.url}\n"
                "This one is closed as its duplicate."
            )
            await self._sink.comment(ref, Comment(mark=mark, text=text))
        case = await self._store.run(lambda tx: self._case(tx, sweep))
        if case is None:
            return
        wanted = draft(case.incident, case.ticket)
        wanted = replace(wanted, state=TicketState.CLOSED, keep=frozenset({TicketField.PRIORITY, TicketField.OWNER}))
        said = f"a second ticket {_name(ref)} in {self._name} was closed as a duplicate of {_name(keep)}"
        try:
            await self._sink.update(ref, wanted)
        except Reject as error:
            said = f"a second ticket {_name(ref)} in {self._name} could not be closed: {one_line(str(error), 300)}"
        metrics.TICKET_DUPLICATES.labels(self._name).inc()
        log.warning("duplicate.found", sink=self._name, incident=sweep.incident, ticket=_name(ref), kept=_name(keep))
        entry = Entry(at_ms=self._clock.now_ms(), reason=Reason.DUPLICATE_TICKET, text=said)
        await self._store.run(lambda tx: tx.add_entry(sweep.incident, entry))


def _name(ref: TicketRef) -> str:
    return ref.name or ref.id

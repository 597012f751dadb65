"""A tracker with a memory that fails as it is told, and the sink that speaks to it.

It stands where the vendors' fakes of ``tests/trackers`` stand in other tests, one floor higher: it raises what a sink
may raise (`gateway.plugin`), since thousands of schedules a second leave no time for HTTP.
"""

import asyncio
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.reason import Failed
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import Reject, Retry, Unauthorized, UnknownOutcome

if TYPE_CHECKING:
    from tests.faults.simulate.world import World

LATENCY_S = 0.02
LATE_S = 20.0
"""How long after the client gave up a request still comes out of a proxy's queue."""


class Fault(Enum):
    """How one call goes wrong."""

    REFUSED = "connection refused"
    RESET_BEFORE = "reset, nothing was done"
    RESET_AFTER = "reset after it was done"
    TIMEOUT_AFTER = "no answer for 60 s, it was done"
    LATE = "no answer for 60 s, done 20 s after the request"
    ERROR_BEFORE = "500, nothing was done"
    ERROR_AFTER = "500 after it was done"
    LIMITED = "429"
    LIMITED_AFTER = "429, Retry-After 40"
    UNAUTHORIZED = "401"
    REJECTED = "400"
    NONSENSE_AFTER = "an answer that crashes the sink, it was done"
    SLOW = "done and answered after 30 s"


DONE = frozenset({Fault.RESET_AFTER, Fault.TIMEOUT_AFTER, Fault.ERROR_AFTER, Fault.NONSENSE_AFTER, Fault.SLOW})
TAKES_S = {Fault.TIMEOUT_AFTER: 60.0, Fault.LATE: 60.0, Fault.SLOW: 30.0}


def raised_by(fault: Fault) -> Exception | None:  # noqa: PLR0911 - one line a fault
    """What the sink says of it."""
    match fault:
        case Fault.REFUSED:
            return Retry("refused", reason=Failed.CONNECTION)
        case Fault.LIMITED:
            return Retry("429", reason=Failed.RATE_LIMITED)
        case Fault.LIMITED_AFTER:
            return Retry("429", reason=Failed.RATE_LIMITED, after_s=40)
        case Fault.UNAUTHORIZED:
            return Unauthorized("401")
        case Fault.REJECTED:
            return Reject("400")
        case Fault.NONSENSE_AFTER:
            return KeyError("id")
        case Fault.SLOW:
            return None
        case _:
            return UnknownOutcome(fault.value)


@dataclass(slots=True, kw_only=True)
class Written:
    """A ticket as the tracker keeps it."""

    id: str
    key: str
    created_s: float
    state: TicketState
    impact: Impact
    deleted: bool = False
    drafts: list[tuple[int, TicketState]] = field(default_factory=list)
    """What was written, in order: occurrences and state."""
    comments: list[str] = field(default_factory=list)
    """Marks, in order."""
    attached: list[str] = field(default_factory=list)
    duplicate_of: str = ""
    touched: bool = False
    """By a person."""

    def copy(self) -> "Written":
        twin = copy(self)
        twin.drafts, twin.comments, twin.attached = list(self.drafts), list(self.comments), list(self.attached)
        return twin


@dataclass(slots=True, kw_only=True)
class Tracker:
    """One tracker's memory, and how it will fail."""

    name: str
    unique_key: bool = False
    lag_s: float = 0.0
    """How long its search does not know of a new ticket."""
    faults: tuple[tuple[int, Fault], ...] = ()
    """Which of its calls go wrong (observations are not counted)."""
    calls: int = 0
    tickets: list[Written] = field(default_factory=list)
    late: list[tuple[float, TicketDraft]] = field(default_factory=list)

    def copy(self) -> "Tracker":
        return replace(self, tickets=[ticket.copy() for ticket in self.tickets], late=list(self.late))

    def next_fault(self) -> Fault | None:
        number, self.calls = self.calls, self.calls + 1
        return next((fault for at, fault in self.faults if at == number), None)

    def come_late(self, now_s: float) -> None:
        """Do what came out of a queue by now."""
        for at_s, draft in [pair for pair in self.late if pair[0] <= now_s]:
            self.late.remove((at_s, draft))
            self.open(draft, at_s)

    def open(self, draft: TicketDraft, now_s: float) -> TicketRef:
        there = next((ticket for ticket in self.tickets if ticket.key == draft.key and not ticket.deleted), None)
        if there is None or not self.unique_key:
            there = Written(
                id=f"{self.name}-{len(self.tickets) + 1}",
                key=draft.key,
                created_s=now_s,
                state=draft.state,
                impact=draft.impact,
            )
            there.drafts.append((draft.occurrences, draft.state))
            self.tickets.append(there)
        return TicketRef(id=there.id, name=there.id)

    def at(self, ref: TicketRef) -> Written:
        there = next((ticket for ticket in self.tickets if ticket.id == ref.id), None)
        if there is None or there.deleted:
            raise Reject("there is no such ticket")
        return there

    def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        there = self.at(ref)
        if TicketField.STATE not in draft.keep:
            there.state = draft.state
        if TicketField.PRIORITY not in draft.keep:
            there.impact = draft.impact
        there.drafts.append((draft.occurrences, draft.state))

    def seen(self, ref: TicketRef) -> Observation:
        there = next((ticket for ticket in self.tickets if ticket.id == ref.id), None)
        if there is None or there.deleted:
            return Observation(ref=ref, exists=False)
        return Observation(ref=ref, state=there.state, impact=there.impact)


class ScriptedSink:
    """Implements `gateway.plugin.Sink`, and every ability, on a `Tracker`."""

    def __init__(self, world: "World", tracker: Tracker) -> None:
        self._world = world
        self._tracker = tracker

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        found = await self.find_all(key, since_ms=since_ms)
        return found[0] if found else None

    async def find_all(self, key: str, *, since_ms: int) -> list[TicketRef]:
        def search() -> list[TicketRef]:
            horizon_s = self._world.now_s - self._tracker.lag_s
            return [
                TicketRef(id=ticket.id, name=ticket.id)
                for ticket in self._tracker.tickets
                if ticket.key == key and ticket.created_s <= horizon_s and not ticket.deleted
            ]

        return await self._call("find", search)

    async def mark_duplicate(self, ref: TicketRef, *, of: TicketRef) -> None:
        def mark() -> None:
            self._tracker.at(ref).duplicate_of = of.id

        await self._call("mark", mark)

    async def open(self, draft: TicketDraft) -> TicketRef:
        return await self._call("open", lambda: self._tracker.open(draft, self._world.now_s), late=draft)

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        await self._call("update", lambda: self._tracker.update(ref, draft))

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        await self._call("comment", lambda: self._tracker.at(ref).comments.append(comment.mark))

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        return await self._call("has_comment", lambda: mark in self._tracker.at(ref).comments)

    async def link(self, ref: TicketRef, other: TicketRef) -> None:
        await self._call("link", lambda: None)

    async def attach(self, ref: TicketRef, attachment: Attachment, *, mark: str) -> None:
        def attach() -> None:
            there = self._tracker.at(ref)
            if mark not in there.attached:
                there.attached.append(mark)

        await self._call("attach", attach)

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        if self._world.dead:
            await self._world.never()
        self._tracker.come_late(self._world.now_s)
        await asyncio.sleep(LATENCY_S)
        return [self._tracker.seen(ref) for ref in refs]

    async def _call(self, what: str, effect: Callable[[], Any], *, late: TicketDraft | None = None) -> Any:
        world, tracker = self._world, self._tracker
        if world.point(f"before {what} at {tracker.name}"):
            await world.never()
        tracker.come_late(world.now_s)
        fault = tracker.next_fault()
        await asyncio.sleep(LATENCY_S)
        if world.dead:
            await world.never()
        result = effect() if fault is None or fault in DONE else None
        if fault is Fault.LATE and late is not None:
            tracker.late.append((world.now_s + LATE_S, late))
        if world.point(f"after {what} at {tracker.name}"):
            await world.never()
        if fault is None:
            return result
        await asyncio.sleep(TAKES_S.get(fault, 0.0))
        error = raised_by(fault)
        if error is not None:
            raise error
        return result

"""The incident, its states and the total table of what moves it.

The table is data: the documentation's diagram is drawn from it, and `gateway.core.heard`, `due` and `ending` have one function per `Move`.
"""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, assert_never

from gateway.core.event import no_labels
from gateway.core.impact import Impact
from gateway.core.reason import Muted


class State(StrEnum):
    """Where an incident is in its life."""

    PENDING = "pending"
    """Raised, and held back in case it clears by itself."""
    OPEN = "open"
    RECOVERING = "recovering"
    """Cleared; waits for the clear hold in case it is raised again."""
    RESOLVED = "resolved"
    """Over; a raise within ``reopen_within`` opens it again."""
    CLOSED = "closed"
    """Over for good; a raise begins a new incident that is linked to this one."""


class Trigger(StrEnum):
    """What can move an incident."""

    RAISE = "raise"
    CLEAR = "clear"
    DUE = "due"
    TICKET_CLOSED = "ticket closed by a person"


class Move(StrEnum):
    """What the table says to do."""

    IGNORE = "ignore"
    BEGIN = "begin: pending if held, else open"
    COUNT = "count; impact may rise"
    CANCEL = "close silently"
    OPEN = "open, unless muted; close silently if raised too seldom"
    CLEAR = "recovering, or resolved without clear hold"
    AGE = "timers act"
    POLICY = "by policy"
    RAISE_AGAIN = "open"
    RESOLVE = "resolve"
    REOPEN = "open again"
    CLOSE = "close"
    BEGIN_LINKED = "begin a new incident, linked to this one"


TABLE: Mapping[tuple[State | None, Trigger], Move] = MappingProxyType(
    {
        (None, Trigger.RAISE): Move.BEGIN,
        (None, Trigger.CLEAR): Move.IGNORE,
        (None, Trigger.DUE): Move.IGNORE,
        (None, Trigger.TICKET_CLOSED): Move.IGNORE,
        (State.PENDING, Trigger.RAISE): Move.COUNT,
        (State.PENDING, Trigger.CLEAR): Move.CANCEL,
        (State.PENDING, Trigger.DUE): Move.OPEN,
        (State.PENDING, Trigger.TICKET_CLOSED): Move.IGNORE,
        (State.OPEN, Trigger.RAISE): Move.COUNT,
        (State.OPEN, Trigger.CLEAR): Move.CLEAR,
        (State.OPEN, Trigger.DUE): Move.AGE,
        (State.OPEN, Trigger.TICKET_CLOSED): Move.POLICY,
        (State.RECOVERING, Trigger.RAISE): Move.RAISE_AGAIN,
        (State.RECOVERING, Trigger.CLEAR): Move.IGNORE,
        (State.RECOVERING, Trigger.DUE): Move.RESOLVE,
        (State.RECOVERING, Trigger.TICKET_CLOSED): Move.RESOLVE,
        (State.RESOLVED, Trigger.RAISE): Move.REOPEN,
        (State.RESOLVED, Trigger.CLEAR): Move.IGNORE,
        (State.RESOLVED, Trigger.DUE): Move.CLOSE,
        (State.RESOLVED, Trigger.TICKET_CLOSED): Move.CLOSE,
        (State.CLOSED, Trigger.RAISE): Move.BEGIN_LINKED,
        (State.CLOSED, Trigger.CLEAR): Move.IGNORE,
        (State.CLOSED, Trigger.DUE): Move.IGNORE,
        (State.CLOSED, Trigger.TICKET_CLOSED): Move.IGNORE,
    }
)


@dataclass(frozen=True, kw_only=True)  # without slots, for `changed`
class Incident:
    """One trouble, from first raise to close. Instants are epoch milliseconds."""

    id: str
    """Public id: 13 characters of Crockford's base 32, ascending with time."""
    fingerprint: str
    condition: str
    source: str
    state: State
    impact: Impact
    first_seen_ms: int
    last_seen_ms: int
    raised_ms: int
    """Event time of the last raise: a clear older than this changes nothing."""
    object: str = ""
    severity: str = ""
    summary: str = ""
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=no_labels)
    rule: str = ""
    runbook: str = ""
    team: str = ""
    sinks: tuple[str, ...] = ()
    requester: str = ""
    occurrences: int = 1
    opened_ms: int | None = None
    cleared_ms: int | None = None
    resolved_ms: int | None = None
    closed_ms: int | None = None
    counted: int = 0
    """Raises so far of those that its rule asks for (`gateway.core.counting`); 0 while none are counted."""
    counted_from_ms: int | None = None
    """When the first of them was."""
    lapses_ms: int | None = None
    """When the count is over, should no raise come."""
    hold_ms: int = 0
    clear_hold_ms: int = 0
    clear_after_ms: int = 0
    """It counts as cleared when it has not been raised for so long; 0: never."""
    reopen_within_ms: int = 0
    impact_after: tuple[tuple[int, Impact], ...] = ()
    impact_owned: bool = False
    """A person set the impact: ours no longer overrides it."""
    needs_person: bool = False
    """A person reopened the ticket: only a person closes it again."""
    muted: frozenset[Muted] = frozenset()
    """Marks for which tickets wait; clears pass."""
    parent: str = ""
    """The greater incident that it belongs to, or last belonged to."""
    unseen: bool = False
    """Muted since it began: nobody has been told of it, and it has no ticket."""
    penalty: float = 0.0
    """What its last transition left to be decayed (`gateway.core.flap`)."""
    penalty_ms: int | None = None
    """When that was."""
    transitions: int = 0
    """From raised to cleared or back, since it was last calm."""
    unquiet_ms: int | None = None
    """When the first of them was."""
    calm_ms: int | None = None
    """When what flaps is calm, unless it changes again; None if it does not flap."""
    began_in: str = ""
    """What muted it when it began, for its ticket to tell; empty if nothing did."""
    paused_ms: int | None = None
    """Since when its deadlines stand still, for maintenance; None if they don't."""
    quiet_from_ms: int | None = None
    """What ``clear_after`` counts from, if a pause has moved it and no raise came since."""
    age_from_ms: int | None = None
    """What ``impact_after`` counts from, if a pause has moved it since it opened."""
    previous: str = ""
    """The closed incident with the same fingerprint that came before."""
    version: int = 1
    """Grows with each stored change."""
    due_ms: int | None = None
    """The earliest of all its deadlines; None if it has none."""

    @property
    def alive(self) -> bool:
        """Raised and not over: pending, open or recovering."""
        return self.state in _ALIVE

    @property
    def counting(self) -> bool:
        """Raised too seldom so far: it is no trouble yet, and none to others."""
        return self.state is State.PENDING and self.lapses_ms is not None

    @property
    def wants_ticket(self) -> bool:
        """Whether a ticket should be made if there is none."""
        flaps = Muted.FLAPPING in self.muted
        lasts = self.state in _TICKETED or (flaps and self.state is State.RESOLVED)
        return lasts and not self.muted - {Muted.FLAPPING}


_FIELDS = frozenset(item.name for item in fields(Incident))


def changed(incident: Incident, **changes: Any) -> Incident:
    """`dataclasses.replace`, which takes twenty times as long for so many fields: each raise comes by here.

    Raises:
        AttributeError: an incident has no such field.
    """
    after = object.__new__(Incident)
    said = vars(after)
    said.update(vars(incident))
    said.update(changes)
    if len(said) != len(_FIELDS):
        raise AttributeError(f"an incident has no {', '.join(sorted(changes.keys() - _FIELDS))}")
    return after


_DEFAULTS = Incident(
    id="", fingerprint="", condition="", source="", state=State.OPEN, impact=Impact.LOW, first_seen_ms=0,
    last_seen_ms=0, raised_ms=0,
)  # fmt: skip
_REQUIRED = frozenset(
    item.name for item in fields(Incident) if item.default is MISSING and item.default_factory is MISSING
)


def made(**said: Any) -> Incident:
    """`Incident(...)`, which takes five times as long for so many fields: each trouble begins by here.

    Raises:
        AttributeError: an incident has no such field, or needs one that is not there.
    """
    if not said.keys() >= _REQUIRED:
        raise AttributeError(f"an incident needs {', '.join(sorted(_REQUIRED - said.keys()))}")
    return changed(_DEFAULTS, **said)


NOT_COUNTING: Mapping[str, Any] = MappingProxyType({"counted": 0, "counted_from_ms": None, "lapses_ms": None})
"""What an incident has whose raises are not counted, or no longer."""
LATE_MS = 2_000
"""A count that is over is put away so much later: what came in time may still wait to be written."""
_ALIVE = frozenset({State.PENDING, State.OPEN, State.RECOVERING})
_TICKETED = frozenset({State.OPEN, State.RECOVERING})


def due_of(incident: Incident) -> int | None:
    """The earliest deadline of ``incident``; None if nothing is due by time alone."""
    if incident.calm_ms is not None and incident.state is State.RESOLVED:
        return incident.calm_ms  # what flaps is not closed before it is calm
    return _earlier(_due_by_state(incident), incident.calm_ms)


def _earlier(first: int | None, second: int | None) -> int | None:
    if not first or not second:
        return first or second or None
    return min(first, second)


def _due_by_state(incident: Incident) -> int | None:
    match incident.state:
        case State.PENDING:
            if incident.lapses_ms is not None:
                return incident.lapses_ms + LATE_MS
            return incident.first_seen_ms + incident.hold_ms
        case State.OPEN:
            return _earlier(_next_impact_ms(incident), quiet_ms(incident))
        case State.RECOVERING:
            return (incident.cleared_ms or 0) + incident.clear_hold_ms
        case State.RESOLVED:
            return (incident.resolved_ms or 0) + incident.reopen_within_ms
        case State.CLOSED:
            return None
        case _:
            assert_never(incident.state)


def quiet_ms(incident: Incident) -> int | None:
    """When an incident that nobody clears counts as cleared; None if it never does, or not while it is paused."""
    if not incident.clear_after_ms or incident.needs_person or incident.paused_ms is not None:
        return None
    return _quiet_from_ms(incident) + incident.clear_after_ms


def pause(incident: Incident, *, now_ms: int) -> Incident:
    """Let the deadlines that its silence or age would bring stand still in maintenance, and count on where they stopped.

    Neither says anything of a device on which somebody works (the clocks of Jira Service Management do the same).
    """
    wanted = Muted.MAINTENANCE in incident.muted
    if wanted is (incident.paused_ms is not None):
        return incident
    if wanted:
        return changed(incident, paused_ms=now_ms)
    paused_ms = incident.paused_ms or now_ms
    quiet_ms, age_ms = _quiet_from_ms(incident), _age_from_ms(incident)
    return changed(
        incident,
        paused_ms=None,
        quiet_from_ms=quiet_ms + max(0, now_ms - max(paused_ms, quiet_ms)),
        age_from_ms=age_ms + max(0, now_ms - max(paused_ms, age_ms)),
    )


def _quiet_from_ms(incident: Incident) -> int:
    return max(incident.raised_ms, incident.quiet_from_ms or 0)


def _age_from_ms(incident: Incident) -> int:
    return max(incident.opened_ms or incident.first_seen_ms, incident.age_from_ms or 0)


def _next_impact_ms(incident: Incident) -> int | None:
    if not incident.impact_after or incident.impact_owned or incident.paused_ms is not None:
        return None
    begun = _age_from_ms(incident)
    return next((begun + age for age, impact in incident.impact_after if impact.rank < incident.impact.rank), None)


def impact_by_age(incident: Incident, *, now_ms: int) -> Impact:
    """The impact that the incident's age gives it at least; its own if none."""
    begun = _age_from_ms(incident)
    reached = [impact for age, impact in incident.impact_after if now_ms - begun >= age]
    return min([incident.impact, *reached], key=lambda impact: impact.rank)

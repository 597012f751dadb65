"""The store's interface: what engine, delivery, observation and faces may ask of it."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gateway.core.decision import Decision, Entry
from gateway.core.event import Attachment, Reference
from gateway.core.family import Family
from gateway.core.incident import Incident, State
from gateway.core.inhibit import Facet
from gateway.core.mute import Window
from gateway.core.operation import Operation, OperationState
from gateway.core.overtaken import Clear
from gateway.core.station import Station
from gateway.core.sweep import Sweep
from gateway.core.ticket import Ticket

T = TypeVar("T")


class StoreError(Exception):
    """The disk refused; nothing of the unit of work is stored. The text is one sentence for people."""


class StoreUnusable(StoreError):
    """A person must act before the store can be opened: it is damaged, or of a newer version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What is kept; the rest is forgotten in small bites. As it is made, it forgets nothing."""

    closed_after_ms: int = 0
    """Incidents closed since then."""
    windows_after_ms: int = 0
    """Silences and maintenance windows that ended since then; and planned ones while the plan may hold them."""
    tallies_after_ms: int = 0
    """Counts whose period ends later."""
    upstream_after_ms: int = 0
    """Identities of inputs acknowledged since then."""
    quarantined_after_ms: int = 0
    quarantine_bytes: int = 2**62
    """Of quarantined inputs, the newest."""
    timeline_rows: int = 2**31
    """Of one incident's timeline: half of them the first, half the latest."""


class Transaction(Protocol):
    """What a unit of work can do; valid only while it runs, on the writer's thread."""

    # incidents
    def latest(self, fingerprint: str) -> Incident | None:
        """The newest incident with this fingerprint: the open one, else the last closed one."""
        ...

    def incident(self, incident_id: str) -> Incident | None:
        """The incident with this id."""
        ...

    def read_ahead(self, fingerprints: Iterable[str], identities: Iterable[str]) -> None:
        """Read at once what `latest` and `upstream` will be asked for by this work."""
        ...

    def resolve(self, reference: Reference) -> str | None:
        """The id of the newest incident for which the reference holds."""
        ...

    def write(self, decision: Decision, *, now_ms: int) -> None:
        """Store all that a decision changed: incident, timeline, operations, tickets, thread keys, attachments."""
        ...

    def add_entry(self, incident_id: str, entry: Entry) -> None:
        """Add a line to an incident's timeline."""
        ...

    def due(self, *, now_ms: int, limit: int) -> list[Incident]:
        """Incidents whose deadline has come, the most overdue first."""
        ...

    def next_due_ms(self) -> int | None:
        """The earliest deadline of all; None if there is none."""
        ...

    def shift_deadlines(self, by_ms: int) -> None:
        """Move every stored instant that a timer acts on, after a step of the wall clock."""
        ...

    # inputs
    def upstream(self, identity: str) -> str | None:
        """The incident that an acknowledged input with this identity went to (may be empty); None if it is new."""
        ...

    def remember_upstream(self, identity: str, incident_id: str, *, at_ms: int) -> None:
        """Remember an acknowledged input, to fold its retransmissions."""
        ...

    def clears(self, fingerprints: Iterable[str], *, since_ms: int) -> dict[str, Clear]:
        """The newest clear of each fingerprint that has one heard since then."""
        ...

    def keep_clears(self, clears: Mapping[str, Clear], *, since_ms: int) -> None:
        """Remember clears by fingerprint, each if it is newer than the one there is; those heard before are forgotten."""
        ...

    def count_unknown(self, condition: str, *, count: int, at_ms: int, sample: str) -> None:
        """Catalogue a condition that no rule knows."""
        ...

    def quarantine(self, raw: bytes, *, reason: str, source: str, at_ms: int) -> None:
        """Keep what could not be parsed."""
        ...

    # tickets and operations
    def ticket(self, incident_id: str, sink: str) -> Ticket:
        """The ticket's row; one without a ref if there is none yet."""
        ...

    def save_ticket(self, ticket: Ticket) -> None:
        """Store the ticket's row."""
        ...

    def ticket_at(self, sink: str, ref: str) -> Ticket | None:
        """The ticket of ours that has this external id; no two incidents share one."""
        ...

    def claim(self, sink: str, *, now_ms: int, limit: int) -> list[Operation]:
        """Take operations that are ready, most pressing first, and commit the intent: they are in flight now."""
        ...

    def next_operation_ms(self, sink: str) -> int | None:
        """When the next operation of this sink is ready that waits for nothing but its time; None if none does."""
        ...

    def settle(self, operation: Operation | None, *, claimed: Operation) -> bool:
        """Replace the claimed operation by ``operation``, or remove it (done); False: it was no longer ours."""
        ...

    def recover_operations(self, *, now_ms: int) -> int:
        """After a start: what was sent or looked for has an unknown outcome now; how many there were."""
        ...

    def requeue(self, operation_id: int, *, now_ms: int) -> bool:
        """Repeat a dead operation (look first, if nobody knew how it ended); False if there is no dead one."""
        ...

    def drop(self, operation_id: int) -> bool:
        """Remove a dead operation; False if there is no dead one with this id."""
        ...

    def busy(self, incident_id: str, sink: str) -> bool:
        """Whether an operation for this ticket still waits or is under way."""
        ...

    def observable(self, sink: str, *, closed_after_ms: int) -> list[Ticket]:
        """Tickets worth looking at: those of incidents not closed, or closed after that instant."""
        ...

    def attachment(self, incident_id: str, sha256: str) -> Attachment | None:
        """A stored file."""
        ...

    # sweeps
    def plan_sweep(self, sweep: Sweep) -> None:
        """Add a sweep unless there is one for this ticket."""
        ...

    def due_sweeps(self, sink: str, *, now_ms: int, limit: int) -> list[Sweep]:
        """Sweeps whose next look has come, the most overdue first."""
        ...

    def settle_sweep(self, swept: Sweep, after: Sweep | None) -> None:
        """Put ``after`` in the place of ``swept``, or remove it."""
        ...

    # mutes
    def muted(self, *, after: tuple[int, str], limit: int) -> list[Incident]:
        """Open incidents that something mutes, the gravest first, behind ``after`` (rank of the impact, id).

        Without those that a storm alone mutes while it is not over.
        """
        ...

    def windows(self, *, since_ms: int = 0) -> list[Window]:
        """Every stored silence and maintenance window; of those that ended before ``since_ms`` only planned ones."""
        ...

    def save_window(self, window: Window) -> None:
        """Store a window in place of the one with its id."""
        ...

    def holders(self, facet: Facet, *, but: str, limit: int) -> list[Incident]:
        """Open incidents that hold ``facet``, without the one with the id ``but``; those that nothing inhibits first.

        If ``facet.both``, without those that hold it on both sides.
        """
        ...

    def members(self, facet: Facet, *, since_ms: int, limit: int) -> list[Incident]:
        """Incidents that hold ``facet``, are not over and began since then; at most ``limit``."""
        ...

    def children_left(self, parent: str, *, limit: int, flapping: bool) -> int:
        """How many children of an incident are not over, or flap (``flapping``: only the latter), up to ``limit``."""
        ...

    def family(self, parent: str) -> Family:
        """What a parent's ticket tells of its children."""
        ...

    def read_tallies(self, keys: Iterable[tuple[str, str]]) -> None:
        """Read at once what `tally` will be asked for: scopes and keys."""
        ...

    def tally(self, scope: str, key: str, *, until_ms: int) -> int:
        """Count one more in the period that ends then; how many there are now."""
        ...

    def count_alive(self, *, limit: int) -> int:
        """How many incidents are pending, open or recovering, up to ``limit``."""
        ...

    def hold_back(self, parent: str, source: str, *, count: int) -> None:
        """Count what a cap held back of ``source``, for the parent's ticket to tell."""
        ...

    def add_facets(self, incident_id: str, facets: Iterable[Facet]) -> None:
        """Let others find an incident by these facets, too."""
        ...

    def drop_facets(self, incident_id: str) -> bool:
        """Let nobody find an incident any more; whether anybody could."""
        ...

    def drop_all_facets(self) -> None:
        """Let nobody find any incident any more."""
        ...

    def alive(self, *, after: str, limit: int) -> list[Incident]:
        """Incidents that are pending, open or recovering, by id behind ``after``."""
        ...

    # stations, inventory, memory, retention
    def stations(self, *, after: str = "", most: int = -1) -> list[Station]:
        """Stations by name, the first ``most`` (negative: all) behind ``after``."""
        ...

    def save_stations(self, stations: Iterable[Station]) -> None:
        """Store the state of these stations."""
        ...

    def told(self) -> list[tuple[str, str, str]]:
        """Kind, name and JSON of every entry of the inventory that was told."""
        ...

    def save_told(self, kind: str, name: str, entry: str | None, *, at_ms: int) -> None:
        """Store what was told last of this name; None: forget it."""
        ...

    def get(self, key: str) -> bytes | None:
        """A value of the durable memory."""
        ...

    def put(self, key: str, value: bytes) -> None:
        """Set a value of the durable memory."""
        ...

    def prune(self, keep: Retention, *, limit: int) -> int:
        """Remove at most ``limit`` rows of each kind that are older; open incidents stay. How many went."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """One page of a list."""

    items: list[dict[str, Any]]
    next: str | None
    """Cursor of the next page; None at the end."""


class Reader(Protocol):
    """Reading for faces: sees what is committed, and never keeps the writer waiting. Keys in ``_ms`` are instants."""

    async def incidents(
        self, *, states: Sequence[State] = (), source: str = "", cursor: str = "", limit: int = 100
    ) -> Page:
        """Incidents, newest first, with their tickets."""
        ...

    async def incident(self, incident_id: str) -> dict[str, Any] | None:
        """One incident with tickets and timeline."""
        ...

    async def stations(self, *, cursor: str = "", limit: int = 100) -> Page:
        """Stations by name."""
        ...

    async def tickets(self, *, cursor: str = "", limit: int = 100) -> Page:
        """Tickets, newest incident first."""
        ...

    async def operations(self, *, states: Sequence[OperationState] = (), cursor: str = "", limit: int = 100) -> Page:
        """The outbox, oldest first."""
        ...

    async def unknown(self, *, cursor: str = "", limit: int = 100) -> Page:
        """The catalogue of conditions that no rule knows."""
        ...

    async def counts(self) -> Mapping[str, Mapping[str, int]]:
        """Gauges for metrics: incidents by state, open ones by impact, operations by sink and state, stations."""
        ...


class Caretaker(Protocol):
    """Looks after what lies on the disk, and never keeps the writer waiting."""

    async def examine(self) -> str:
        """What is wrong with the store's file, in the database's words; empty if it is sound.

        Raises:
            StoreError: it could not be looked at now.
        """
        ...

    async def copy(self, source: Path, target: Path) -> None:
        """Write a consistent copy of the database file ``source``, which may be in use, to the new file ``target``.

        Raises:
            StoreError: it cannot be read, or there is no room.
        """
        ...


class Store(Protocol):
    """A store, open."""

    @property
    def reader(self) -> Reader:
        """Reading for faces."""
        ...

    def submit(self, work: Callable[[Transaction], T]) -> asyncio.Future[T]:
        """Queue ``work`` for the writer's thread; the future holds its result when it is on disk.

        Raises (from the future):
            StoreError: the disk refused; nothing of ``work`` is stored.
            Exception: what ``work`` raised, a broken constraint among them; nothing of it is stored, and no other work
                is concerned.
        """
        ...

    async def run(self, work: Callable[[Transaction], T]) -> T:
        """`submit`, awaited; a caller that is cancelled does not cancel the work."""
        ...

    async def make_room(self, work: Callable[[Transaction], T]) -> T:
        """`run` for a work that only forgets: it is done on a full disk, too."""
        ...

    @property
    def caretaker(self) -> Caretaker:
        """Looking after the file."""
        ...

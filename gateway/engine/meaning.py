"""What an input comes to, inside a transaction: load the incident concerned, let the core decide, write the answer."""

from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.core.decision import Decision, Due, Heard, Seen
from gateway.core.event import Event, EventKind
from gateway.core.gather import Gatherings
from gateway.core.incident import TABLE, Incident, Move, State, Trigger, due_of
from gateway.core.overflow import begins
from gateway.core.reason import Reason
from gateway.core.rules import DEFAULT_RULE
from gateway.core.ticket import Observation, Ticket, TicketState
from gateway.core.value import value
from gateway.engine.applying import apply
from gateway.engine.around import Surroundings
from gateway.engine.clears import Clears
from gateway.engine.gathering import Gatherer
from gateway.engine.overflow import BEGUN, Overflow
from gateway.pending import Run
from gateway.repeats import NEVER_MS
from gateway.store.api import Transaction

LONGEST_CONDITION = 400
LONGEST_SAMPLE = 2000
READ_LAG_MS = 5_000
"""So long after our own write a tracker may still answer what was there before."""
POSTPONE_MS = 3_600_000
"""A deadline that the core cannot act on is looked at again after this long."""


@value
class Outcome:
    """What became of one run: the incident, the reason, how many of its events were new and how many known."""

    incident: str
    reason: Reason
    fresh: int = 0
    repeated: int = 0
    wishes: bool = False
    before: tuple[Reason, ...] = ()
    """What deadlines that had passed decided first."""
    counts_until_ms: int | None = None
    """Until when one more of the same would be merely counted; None: it would do more than that, or may."""


# --- runs ------------------------------------------------------------------------------------------


def write_batch(
    tx: Transaction,
    batch: Sequence[Run],
    *,
    now_ms: int,
    new_id: Callable[[int], str],
    around: Surroundings,
    overtake_ms: int = 0,
) -> list[Outcome]:
    """Decide each run of events; what would begin more incidents than a cap allows is counted in a greater one."""
    _read_ahead(tx, batch, around.gatherings)
    overflow = Overflow(tx, around.gatherings.caps, now_ms=now_ms)
    outcomes = []
    gatherer = Gatherer(tx, around, now_ms=now_ms, new_id=new_id)
    clears = Clears(tx, batch, within_ms=overtake_ms, now_ms=now_ms)
    for number, run in enumerate(batch):
        fresh, known = _fresh(tx, run)
        if fresh == 0:
            outcomes.append(Outcome(incident=known, reason=Reason.DUPLICATE, repeated=run.count))
            continue
        incident, follow_up, before = _concerned(tx, run, now_ms=now_ms, around=around)
        if begins(incident, run.event, run.verdict) and overflow.takes(number, run, fresh=fresh):
            counted = Outcome(
                incident="", reason=Reason.HELD_BACK, fresh=fresh, repeated=run.count - fresh, before=_reasons(before)
            )
            outcomes.append(counted)
            continue
        decision = _decide_run(
            tx, run, incident, follow_up=follow_up, count=fresh, now_ms=now_ms, around=around,
            cleared_ms=clears.over_at_ms(run, incident),
            new_id="" if incident is not None and incident.state is not State.CLOSED else new_id(now_ms),
        )  # fmt: skip
        outcomes.append(_settled(tx, run, decision, before, fresh=fresh, now_ms=now_ms))
        clears.hear(run, all_fresh=fresh == run.count, follow_up=follow_up)
        if decision.incident is not None and _begins_to_matter(decision):
            gatherer.took(run, decision.incident)
        if decision.reason is Reason.NOTED and decision.incident is None:
            _keep_unmatched(tx, run.event, now_ms=now_ms)
        if run.verdict.rule == DEFAULT_RULE and "trap_oid" in run.event.labels:
            sample = run.event.description[:LONGEST_SAMPLE]
            tx.count_unknown(run.event.condition[:LONGEST_CONDITION], count=fresh, at_ms=run.last_ms, sample=sample)
    for held in overflow.held.values():
        incident, follow_up, before = _concerned(tx, held.run, now_ms=now_ms, around=around)
        decision = _decide_run(
            tx, held.run, incident, follow_up=follow_up, count=held.run.offered, now_ms=now_ms,
            new_id=new_id(now_ms), around=around,
        )  # fmt: skip
        told = _settled(tx, held.run, decision, before, fresh=held.run.offered, now_ms=now_ms)
        held.settle(tx, told.incident)
        for number in held.members:
            outcomes[number] = replace(outcomes[number], incident=told.incident, wishes=told.wishes)
        gatherer.decisions += [*before, decision]
    gatherer.flush()
    clears.flush()
    if gatherer.decisions:
        last, told_of = outcomes[-1], gatherer.decisions
        wishes = last.wishes or any(one.wishes for one in told_of)
        outcomes[-1] = replace(last, wishes=wishes, before=(*last.before, *_reasons(told_of)))
    return outcomes


def _read_ahead(tx: Transaction, batch: Sequence[Run], gatherings: Gatherings) -> None:
    """Read in few statements what the runs of the batch will ask for."""
    tx.read_ahead(
        [run.verdict.fingerprint for run in batch],
        [identity for run in batch for identity, _ in run.waiters if identity],
    )
    tallies: dict[tuple[str, str], None] = {}
    for run in batch:
        verdict = run.verdict
        if begins(tx.latest(verdict.fingerprint), run.event, verdict):
            tallies[BEGUN, verdict.source] = None
            for storm in gatherings.storms_at(verdict.source, verdict.object, verdict.rule):
                tallies[storm.condition, storm.fingerprint] = None
    tx.read_tallies(tallies)


def _begins_to_matter(decision: Decision) -> bool:
    """Whether storms and groups count it from now on: what is over, or raised too seldom, is no part of any."""
    if decision.began and decision.incident is not None:
        return decision.incident.alive and not decision.incident.counting
    return decision.reason is Reason.COUNTED


def _settled(
    tx: Transaction, run: Run, decision: Decision, before: list[Decision], *, fresh: int, now_ms: int
) -> Outcome:
    """The outcome, with the upstream identities remembered."""
    touched = decision.incident.id if decision.incident else ""
    for identity, _ in run.waiters:
        if identity:
            tx.remember_upstream(identity, touched, at_ms=now_ms)
    return Outcome(
        incident=touched,
        reason=decision.reason,
        fresh=fresh,
        repeated=run.count - fresh,
        wishes=bool(decision.wishes) or any(one.wishes for one in before),
        before=_reasons(before),
        counts_until_ms=_counts_until_ms(run, decision),
    )


def _counts_until_ms(run: Run, decision: Decision) -> int | None:
    """See `Outcome`: what a rule drops is only counted for ever, a raise until the incident's next deadline."""
    if decision.reason is Reason.DROPPED:
        return NEVER_MS
    incident = decision.incident
    if run.verdict.frequency is not None:
        return None
    if incident is None or run.verdict.kind is not EventKind.RAISE or incident.fingerprint != run.verdict.fingerprint:
        return None
    if TABLE[incident.state, Trigger.RAISE] is not Move.COUNT:
        return None
    return NEVER_MS if incident.due_ms is None else incident.due_ms


def _keep_unmatched(tx: Transaction, event: Event, *, now_ms: int) -> None:
    """A note that belongs to no incident was acknowledged all the same: its words are kept where a person finds them."""
    said = f"{event.summary}\n\n{event.description}".strip()
    tx.quarantine(said.encode("utf-8", "replace"), reason="unmatched_note", source=event.source, at_ms=now_ms)


def _reasons(decisions: Sequence[Decision]) -> tuple[Reason, ...]:
    return tuple([one.reason for one in decisions]) if decisions else ()


def _fresh(tx: Transaction, run: Run) -> tuple[int, str]:
    """How many events of the run are new, and the incident that the others went to."""
    if not run.waiters:
        return run.offered, ""
    fresh, known = run.offered, ""
    if not run.waiters:
        return fresh, known
    seen: set[str] = set()
    for identity, _ in run.waiters:
        incident_id = tx.upstream(identity) if identity else None
        if incident_id is not None:
            known = incident_id
        elif identity not in seen:
            fresh += 1
        if identity:
            seen.add(identity)
    return fresh, known


def _decide_run(
    tx: Transaction,
    run: Run,
    incident: Incident | None,
    *,
    follow_up: bool,
    count: int,
    now_ms: int,
    new_id: str,
    around: Surroundings,
    cleared_ms: int | None = None,
) -> Decision:
    heard = Heard(
        event=run.event, verdict=run.verdict, count=count, first_ms=run.first_ms, last_ms=run.last_ms,
        follow_up=follow_up, cleared_ms=cleared_ms,
    )  # fmt: skip
    if run.verdict.kind is EventKind.CLEAR and run.first_ms < run.last_ms:
        # The first clear is the one that counts; a later one only if the first came too late to be true.
        early = replace(heard, last_ms=run.first_ms)
        decision = apply(tx, incident, early, now_ms=now_ms, new_id=new_id, around=around)
        if decision.reason is not Reason.STALE_CLEAR:
            return decision
    return apply(tx, incident, heard, now_ms=now_ms, new_id=new_id, around=around)


def _concerned(
    tx: Transaction, run: Run, *, now_ms: int, around: Surroundings
) -> tuple[Incident | None, bool, list[Decision]]:
    """The incident that the run is about, whether a reference names it, and what its passed deadlines decided.

    What a machine says is about the trouble that it names, whatever it answers: monitoring systems thread the recovery
    under the problem. What a person says is about what it answers. A reference to what is closed makes no follow-up: a
    new incident begins that is linked to it, unless one with the run's own fingerprint is not closed yet.
    """
    decided: list[Decision] = []
    linked: Incident | None = None
    if run.event.references and not run.event.requester:
        own = _up_to_date(tx, tx.latest(run.verdict.fingerprint), decided, now_ms=now_ms, around=around)
        if own is not None and own.state is not State.CLOSED:
            return own, False, decided
    for reference in run.event.references:
        incident_id = tx.resolve(reference)
        incident = _up_to_date(
            tx, tx.incident(incident_id) if incident_id else None, decided, now_ms=now_ms, around=around
        )
        if incident is not None and incident.state is not State.CLOSED:
            return incident, True, decided
        linked = linked or incident
    incident = _up_to_date(tx, tx.latest(run.verdict.fingerprint), decided, now_ms=now_ms, around=around)
    if linked is not None and (incident is None or incident.state is State.CLOSED):
        return linked, True, decided
    return incident, False, decided


def _up_to_date(
    tx: Transaction, incident: Incident | None, decided: list[Decision], *, now_ms: int, around: Surroundings
) -> Incident | None:
    """Let a deadline that has passed act before the event does: the ticker may be a moment behind."""
    while incident is not None and incident.due_ms is not None and incident.due_ms <= now_ms:
        decision = apply(tx, incident, Due(), now_ms=now_ms, around=around)
        if decision.incident is incident:
            break
        decided.append(decision)
        incident = decision.incident
    return incident


# --- deadlines -------------------------------------------------------------------------------------


def act_on_deadline(tx: Transaction, incident: Incident, *, now_ms: int, around: Surroundings) -> Decision:
    """Let a deadline act; one that has nothing to say is set right, so that it does not come up for ever."""
    decision = apply(tx, incident, Due(), now_ms=now_ms, around=around)
    if decision.incident is incident:
        due_ms = due_of(incident)
        right = now_ms + POSTPONE_MS if due_ms is not None and due_ms <= now_ms else due_ms
        tx.write(replace(decision, incident=replace(incident, due_ms=right)), now_ms=now_ms)
    return decision


def postpone(tx: Transaction, incident_id: str, *, now_ms: int) -> None:
    """Look at an incident's deadline again later."""
    incident = tx.incident(incident_id)
    if incident is not None:
        later = replace(incident, due_ms=now_ms + POSTPONE_MS)
        tx.write(Decision(reason=Reason.UNCHANGED, incident=later), now_ms=now_ms)


# --- observations ----------------------------------------------------------------------------------


def look_at(
    tx: Transaction,
    sink: str,
    seen: Sequence[tuple[Ticket, Observation]],
    *,
    since_ms: int,
    now_ms: int,
    around: Surroundings,
) -> list[Decision]:
    """Decide what was seen of tickets; what was asked before or right after our own last write says nothing."""
    decisions = []
    for asked, observation in seen:
        ticket = tx.ticket(asked.incident, sink)
        stale = ticket.ref is None or asked.ref is None or asked.ref.id != ticket.ref.id
        if stale or ticket.written_ms + READ_LAG_MS >= since_ms or tx.busy(asked.incident, sink):
            continue
        incident = tx.incident(asked.incident)
        last = tx.latest(incident.fingerprint) if incident else None
        succeeded = last is not None and last.id != asked.incident
        told = Seen(ticket=ticket, observation=_as_ours(tx, ticket, observation), succeeded=succeeded)
        decisions.append(apply(tx, incident, told, now_ms=now_ms, around=around))
    return decisions


def _as_ours(tx: Transaction, ticket: Ticket, observation: Observation) -> Observation:
    """The observation; a ticket that a person merged into another incident's one is closed, not shared."""
    if ticket.ref is None or observation.ref.id == ticket.ref.id:
        return observation
    owner = tx.ticket_at(ticket.sink, observation.ref.id)
    if owner is None or owner.incident == ticket.incident:
        return observation
    return Observation(ref=ticket.ref, state=TicketState.CLOSED)

"""The end of a shadow: what was only recorded becomes true, for whatever is still wrong.

While a sink is in shadow its tickets are dry: they have a ref that no tracker knows. When it steps out, the incidents that
are not over get their tickets, and tickets that were real before are brought up to date.
"""

from gateway.core.decision import Decision, OperationKind, Rank, Wish
from gateway.core.incident import Incident
from gateway.core.reason import Reason
from gateway.core.ticket import Ticket
from gateway.dry import is_dry
from gateway.store.api import Transaction

_KEPT = "tocsin/shadow/"


def follow_shadow(tx: Transaction, sink: str, *, shadow: bool, now_ms: int) -> int:
    """Remember that ``sink`` is in shadow, or bring its tickets to life if it was; how many there were.

    Call before the sink is asked for anything.
    """
    since = tx.get(_KEPT + sink)
    if shadow:
        if not since:
            tx.put(_KEPT + sink, str(now_ms).encode())
        return 0
    if not since:
        return 0
    tx.put(_KEPT + sink, b"")
    tickets = tx.observable(sink, closed_after_ms=int(since))
    for ticket in tickets:
        _bring_to_life(tx, ticket, now_ms=now_ms)
    return len(tickets)


def _bring_to_life(tx: Transaction, ticket: Ticket, *, now_ms: int) -> None:
    incident = tx.incident(ticket.incident)
    never_made = is_dry(ticket.ref)
    if never_made:
        tx.save_ticket(Ticket(incident=ticket.incident, sink=ticket.sink, generation=ticket.generation))
    if incident is None or (never_made and not incident.wants_ticket):
        return
    rank = Rank.CREATE if never_made else Rank.REOPEN if incident.alive else Rank.CLOSE
    tx.write(_wished(incident, ticket.sink, rank), now_ms=now_ms)


def _wished(incident: Incident, sink: str, rank: Rank) -> Decision:
    wish = Wish(kind=OperationKind.SYNC, sink=sink, rank=rank, reason=Reason.UNCHANGED)
    return Decision(reason=Reason.UNCHANGED, incident=incident, wishes=(wish,))

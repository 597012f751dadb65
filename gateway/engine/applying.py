"""Decide one input about one incident, and write what changed."""

from gateway.core.decide import decide
from gateway.core.decision import Decision, Input
from gateway.core.incident import Incident
from gateway.engine.around import Surroundings
from gateway.store.api import Transaction


def apply(
    tx: Transaction, incident: Incident | None, what: Input, *, now_ms: int, around: Surroundings, new_id: str = ""
) -> Decision:
    """Decide, and write what changed."""
    decision = decide(incident, what, now_ms=now_ms, new_id=new_id, around=around)
    if decision.incident is not incident or decision.tickets or decision.wishes or decision.entries:
        tx.write(decision, now_ms=now_ms)
        around.settle(incident, decision.incident)
    return decision

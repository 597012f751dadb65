"""How an incident ends: cleared, cancelled within its hold, resolved, closed."""

from collections.abc import Callable, Mapping

from gateway.core.decision import Decision, Heard, Rank
from gateway.core.incident import Move, State
from gateway.core.making import MUTED_UNTIL_CLEAR, Making
from gateway.core.reason import Muted, Reason
from gateway.core.text import span, utc


def clear(making: Making, heard: Heard) -> Decision:
    """A clear of what is open: it waits for its clear hold, or for the person who reopened the ticket, or is resolved."""
    incident = making.incident
    making.change(cleared_ms=heard.last_ms)
    if incident.needs_person:
        making.note(Reason.CLEARED, "cleared; a person reopened the ticket, so a person closes it")
        return making.decision(Reason.CLEARED)
    if incident.clear_hold_ms > 0:
        making.change(state=State.RECOVERING)
        making.note(Reason.CLEARING, f"cleared; resolved in {span(incident.clear_hold_ms)} unless raised again")
        return making.decision(Reason.CLEARING)
    return resolve(making)


def cancel(making: Making, heard: Heard) -> Decision:
    """A clear of what is held: nobody was told, and nobody will be."""
    making.change(state=State.CLOSED, cleared_ms=heard.last_ms, closed_ms=making.now_ms)
    if heard.cleared_ms is not None:
        making.note(Reason.OVERTAKEN, f"over at {utc(heard.cleared_ms)}, before it was heard of; nobody was told")
        return making.decision(Reason.OVERTAKEN)
    making.note(Reason.CLEARED_IN_HOLD, "cleared within its hold; nobody was told")
    return making.decision(Reason.CLEARED_IN_HOLD)


ON_CLEAR: Mapping[Move, Callable[[Making, Heard], Decision]] = {Move.CLEAR: clear, Move.CANCEL: cancel}
"""What a clear does to an incident that it concerns."""


def resolve(making: Making) -> Decision:
    """The trouble is over; a raise within ``reopen_within`` opens it again."""
    incident = making.incident
    text = f"Cleared after {span((incident.cleared_ms or making.now_ms) - incident.first_seen_ms)}, "
    text += f"{incident.occurrences} occurrence{'s' if incident.occurrences != 1 else ''}."
    making.change(state=State.RESOLVED, resolved_ms=making.now_ms)
    making.note(Reason.CLEARED, text)
    making.sync(Rank.CLOSE, Reason.CLEARED)
    making.comment(Reason.CLEARED, text)  # before the mute is lifted: who closed it needs no word of the clear
    if Muted.FLAPPING not in incident.muted:  # else until calm
        making.change(muted=incident.muted - MUTED_UNTIL_CLEAR)
    making.over()
    return making.decision(Reason.CLEARED)


def close(making: Making) -> Decision:
    """It was over long enough: over for good."""
    making.change(state=State.CLOSED, closed_ms=making.now_ms)
    making.note(Reason.CLOSED, f"quiet for {span(making.incident.reopen_within_ms)}")
    making.sync(Rank.CLOSE, Reason.CLOSED)
    return making.decision(Reason.CLOSED)

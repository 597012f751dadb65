"""What begins and ends around an incident that is open: it joins a greater one, a window begins, what muted it is over."""

from typing import assert_never

from gateway.core.decision import Decision, Join, Look, Rank, WindowBegan
from gateway.core.incident import Incident, State
from gateway.core.making import Making
from gateway.core.mute import FROM_OUTSIDE, Around
from gateway.core.reason import Muted, Reason
from gateway.core.text import utc

_TOLD = frozenset({State.OPEN, State.RECOVERING})


def decide_around(
    incident: Incident | None, what: Join | WindowBegan | Look, *, now_ms: int, around: Around
) -> Decision:
    """What it means for ``incident`` that something around it has begun or ended."""
    match what:
        case Join():
            return _join(incident, what, now_ms=now_ms)
        case WindowBegan():
            return _window_began(incident, what, now_ms=now_ms)
        case Look():
            return _look(incident, now_ms=now_ms, around=around)
        case _:
            assert_never(what)


def _join(incident: Incident | None, joined: Join, *, now_ms: int) -> Decision:
    """Let it wait for the greater incident; if it has a ticket, that tells so. Who is held is asked when the hold ends."""
    if incident is None or not incident.alive or joined.mute.by == incident.parent:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making = Making(incident, now_ms=now_ms)
    if incident.state is State.PENDING:
        making.change(parent=joined.mute.by)
        making.note(Reason.CHILD, f"it belongs to {joined.mute.why}")
        return making.decision(Reason.CHILD)
    making.comment(Reason.CHILD, f"It belongs to {joined.mute.why}, which has the ticket.")
    making.mute((joined.mute,), told=True)
    return making.decision(Reason.CHILD)


def _window_began(incident: Incident | None, began: WindowBegan, *, now_ms: int) -> Decision:
    """Let the tickets of what is open wait from now on. Who is held is asked when the hold ends."""
    told = incident is not None and incident.state in _TOLD
    new = tuple(mute for mute in began.mutes if incident is not None and mute.mark not in incident.muted)
    if incident is None or not told or not new:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making = Making(incident, now_ms=now_ms)
    making.mute(new, told=True)
    return making.decision(Reason.MUTED)


def _look(incident: Incident | None, *, now_ms: int, around: Around) -> Decision:
    """Take away the marks whose cause is over; none is added, and what recovers waits for its end."""
    if incident is None or incident.state is not State.OPEN or not incident.muted & FROM_OUTSIDE:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    gone = (incident.muted & FROM_OUTSIDE) - {mute.mark for mute in around(incident)}
    if not gone:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making = Making(incident, now_ms=now_ms)
    making.change(muted=incident.muted - gone)
    making.note(Reason.RELEASED, f"no longer muted by {', '.join(sorted(gone))}")
    if not making.incident.muted - {Muted.FLAPPING}:
        during = f" It began during {incident.began_in}." if incident.began_in else ""
        making.sync(Rank.CREATE if incident.unseen else Rank.REOPEN, Reason.RELEASED, though_flapping=True)
        making.tell()
        text = f"Still raised, and no longer muted; first seen at {utc(incident.first_seen_ms)}.{during}"
        making.comment(Reason.RELEASED, text, though_flapping=True)
    return making.decision(Reason.RELEASED)

"""Decide a survivor afresh: what muted an incident may be over while its trouble lasts."""

from gateway.core.decision import Decision, Join, Rank
from gateway.core.incident import Incident, State
from gateway.core.making import Making
from gateway.core.mute import FROM_OUTSIDE, Around
from gateway.core.reason import Muted, Reason
from gateway.core.text import utc


def join(incident: Incident | None, joined: Join, *, now_ms: int) -> Decision:
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


def look(incident: Incident | None, *, now_ms: int, around: Around) -> Decision:
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

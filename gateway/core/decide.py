"""Decide what an input means for an incident.

``decide`` is total: every input meets every state, by the table of `gateway.core.incident`. It is pure: the same
incident, input, time and id always give the same decision.
"""

from typing import assert_never

from gateway.core.decision import Command, Decision, Due, Heard, Input, Join, Look, Rank, Seen, Verb, WindowBegan
from gateway.core.due import decide_due
from gateway.core.heard import decide_heard
from gateway.core.incident import Incident, State
from gateway.core.making import Making
from gateway.core.mute import Around, nothing
from gateway.core.person import decide_seen
from gateway.core.reason import Muted, Reason
from gateway.core.release import decide_around


def decide(
    incident: Incident | None, what: Input, *, now_ms: int, new_id: str = "", around: Around = nothing
) -> Decision:
    """What ``what`` means for ``incident``.

    Args:
        incident: the latest one with the fingerprint concerned; None if there has been none.
        what: the input.
        now_ms: the time, epoch milliseconds.
        new_id: the id for a new incident, should one begin; needed for events only.
        around: tells what mutes an incident now; asked when it opens, and when that may be over.
    """
    match what:
        case Heard():
            return decide_heard(incident, what, now_ms=now_ms, new_id=new_id, around=around)
        case Due():
            return decide_due(incident, now_ms=now_ms, around=around)
        case Join() | WindowBegan() | Look():
            return decide_around(incident, what, now_ms=now_ms, around=around)
        case Seen():
            return decide_seen(incident, what, now_ms=now_ms)
        case Command():
            return _command(incident, what, now_ms=now_ms)
        case _:
            assert_never(what)


def _command(incident: Incident | None, command: Command, *, now_ms: int) -> Decision:
    if incident is None or incident.state is State.CLOSED:
        return Decision(reason=Reason.UNCHANGED, incident=incident)
    making = Making(incident, now_ms=now_ms)
    if command.verb is Verb.UNMUTE:
        making.change(muted=frozenset(), calm_ms=None)
        making.note(Reason.PERSON, f"{command.actor} lifted every mute")
        making.sync(Rank.CREATE, Reason.PERSON)
        making.tell()
        return making.decision(Reason.PERSON)
    making.change(state=State.CLOSED, resolved_ms=incident.resolved_ms or now_ms, closed_ms=now_ms)
    making.over()
    making.change(muted=making.incident.muted - {Muted.FLAPPING}, calm_ms=None)
    making.note(Reason.PERSON, f"closed by {command.actor}")
    making.sync(Rank.CLOSE, Reason.PERSON)
    return making.decision(Reason.PERSON)

"""What is raised too seldom so far for its rule: it waits, counts, and comes to nothing if no more follows."""

from typing import Any

from gateway.core.counting import Frequency, Tally
from gateway.core.decision import Decision, Heard
from gateway.core.incident import NOT_COUNTING, State
from gateway.core.making import Making
from gateway.core.reason import Reason


def counted_from(heard: Heard) -> dict[str, Any]:
    """The count that a raise begins; empty if the raise is enough."""
    frequency = heard.verdict.frequency
    if frequency is None:
        return {}
    tally = frequency.add(None, heard.count, at_ms=heard.last_ms)
    return {} if frequency.reached(tally, at_ms=heard.last_ms) else _as_fields(tally, frequency)


def too_seldom(making: Making, heard: Heard) -> bool:
    """Count a raise of what is not raised as often as its rule asks for; False if it is, or nothing is counted."""
    incident, frequency = making.incident, heard.verdict.frequency
    if incident.state is State.OPEN or (incident.state is State.PENDING and not incident.counting):
        return False
    if frequency is None:
        return False
    before = None if incident.counted_from_ms is None else Tally(incident.counted, incident.counted_from_ms)
    tally = frequency.add(before, heard.count, at_ms=heard.last_ms)
    if frequency.reached(tally, at_ms=heard.last_ms):
        making.change(**NOT_COUNTING)
        return False
    making.count(heard)
    making.change(**_as_fields(tally, frequency))
    if incident.state is State.PENDING:
        making.raise_impact(heard.verdict.impact, f"rule {heard.verdict.rule}")
    return True


def lapse(making: Making) -> Decision:
    """No more came in time: nobody is told."""
    making.change(state=State.CLOSED, closed_ms=making.now_ms)
    making.note(Reason.LAPSED, f"raised {making.incident.counted} times, too seldom for its rule; nobody was told")
    return making.decision(Reason.LAPSED)


def _as_fields(tally: Tally, frequency: Frequency) -> dict[str, Any]:
    return {"counted": tally.raises, "counted_from_ms": tally.from_ms, "lapses_ms": frequency.lapses_ms(tally)}

"""How an incident begins: open, held, or counted, with what it inherits from the one before it."""

from dataclasses import replace
from typing import Any

from gateway.core.decision import Decision, Heard, Rank
from gateway.core.ending import ON_CLEAR
from gateway.core.flapping import count_transition
from gateway.core.gather import is_parent
from gateway.core.incident import TABLE, Incident, State, Trigger, made
from gateway.core.making import Making
from gateway.core.mute import Around
from gateway.core.reason import Muted, Reason
from gateway.core.seldom import counted_from
from gateway.core.text import one_line, span

_MUTED_ACROSS = frozenset({Muted.WONT_FIX})
"""Marks that a new incident inherits from the one before it."""


def begin(heard: Heard, *, previous: Incident | None, now_ms: int, new_id: str, around: Around) -> Decision:
    """A new incident for a raise, open or held, and linked to ``previous`` if there is one."""
    verdict, event, over = heard.verdict, heard.event, heard.cleared_ms is not None
    count = {} if over else counted_from(heard)
    held = verdict.hold_ms > 0 or bool(count) or over
    incident = made(
        id=new_id,
        fingerprint=verdict.fingerprint,
        condition=verdict.condition,
        source=verdict.source,
        object=verdict.object,
        state=State.PENDING if held else State.OPEN,
        impact=verdict.impact,
        severity=verdict.severity,
        summary=one_line(verdict.summary),
        description=event.description,
        labels=event.labels,
        rule=verdict.rule,
        runbook=verdict.runbook,
        team=verdict.team,
        sinks=verdict.sinks,
        requester=event.requester,
        occurrences=heard.count,
        first_seen_ms=heard.first_ms,
        last_seen_ms=heard.last_ms,
        raised_ms=heard.last_ms,
        opened_ms=None if held else now_ms,
        **count,
        hold_ms=verdict.hold_ms,
        clear_hold_ms=verdict.clear_hold_ms,
        clear_after_ms=verdict.clear_after_ms,
        reopen_within_ms=verdict.reopen_within_ms,
        impact_after=verdict.impact_after,
        muted=_inherited_mutes(previous, verdict.fingerprint),
        **_inherited_unrest(previous, verdict.fingerprint),
        previous=previous.id if previous else "",
    )
    making = Making(incident, now_ms=now_ms, began=True)
    reason = Reason.RAISED_AGAIN if previous else Reason.FIRST_RAISED
    if held:
        reason = Reason.COUNTING if count else Reason.OVERTAKEN if over else Reason.HELD
    wait = f"; held for {span(verdict.hold_ms)}" if verdict.hold_ms else ""
    wait += f"; counts if raised {verdict.frequency}" if count else ""
    before = f", after {previous.id}" if previous else ""
    making.note(reason, f"raised by rule {verdict.rule} as {verdict.impact.short}{wait}{before}")
    if not held:
        making.mute(around(incident), told=False)
        making.sync(Rank.CREATE, reason)
    count_transition(making, verdict.flap, at_ms=heard.first_ms, around=around)
    making.attach(event.attachments)
    if heard.cleared_ms is not None:
        count_transition(making, verdict.flap, at_ms=heard.cleared_ms, around=around)
        ON_CLEAR[TABLE[making.incident.state, Trigger.CLEAR]](making, replace(heard, last_ms=heard.cleared_ms))
    return making.decision(reason, known_as=(f"incident:{new_id}", *event.known_as), attachments=event.attachments)


def _inherited_mutes(previous: Incident | None, fingerprint: str) -> frozenset[Muted]:
    """What a person said of this fingerprint; what was said of another, which a mail merely answers, is no matter.

    What was said of a storm or a group holds for that one: the next one may be of other troubles.
    """
    if previous is None or previous.fingerprint != fingerprint or is_parent(previous):
        return frozenset()
    return previous.muted & _MUTED_ACROSS


def _inherited_unrest(previous: Incident | None, fingerprint: str) -> dict[str, Any]:
    """What closes at each clear may flap all the same."""
    if previous is None or previous.fingerprint != fingerprint:
        return {}
    return {name: getattr(previous, name) for name in ("penalty", "penalty_ms", "transitions", "unquiet_ms")}

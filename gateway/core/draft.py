"""The ticket as a pure function of the incident."""

from gateway.core.family import Family
from gateway.core.incident import Incident, State
from gateway.core.reason import Muted
from gateway.core.text import clean, one_line, span, utc
from gateway.core.ticket import MARK_PREFIX, Ticket, TicketDraft, TicketField, TicketState

NOBODY = Family()
LONGEST_TITLE = 250
LONGEST_DESCRIPTION = 16_000

_STATES = {
    State.PENDING: TicketState.OPEN,
    State.OPEN: TicketState.OPEN,
    State.RECOVERING: TicketState.OPEN,
    State.RESOLVED: TicketState.RESOLVED,
    State.CLOSED: TicketState.CLOSED,
}


def draft(incident: Incident, ticket: Ticket, *, page: str = "", family: Family = NOBODY) -> TicketDraft:
    """How ``incident``'s ticket in ``ticket.sink`` should look now; ``page`` links to the incident (``{incident}``)."""
    return TicketDraft(
        key=ticket.key,
        title=title(incident, ticket.key),
        description=description(
            incident,
            deleted_once=ticket.generation > 1,
            page=page.replace("{incident}", incident.id),
            family=family,
        ),
        impact=incident.impact,
        state=TicketState.OPEN if Muted.FLAPPING in incident.muted else _STATES[incident.state],
        fingerprint=incident.fingerprint,
        source=incident.source,
        condition=incident.condition,
        object=incident.object,
        occurrences=incident.occurrences,
        first_seen_ms=incident.first_seen_ms,
        last_seen_ms=incident.last_seen_ms,
        labels=incident.labels,
        team=incident.team,
        runbook=incident.runbook,
        keep=kept_fields(incident, ticket),
    )


def kept_fields(incident: Incident, ticket: Ticket) -> frozenset[TicketField]:
    """What people own: their priority, the owner once it is made, and the state while they hold it closed."""
    if ticket.ref is None:
        return frozenset()
    held_closed = bool(incident.muted & {Muted.HUMAN_CLOSED, Muted.WONT_FIX})
    closed_by_person = TicketField.STATE in ticket.owned and not incident.alive
    state = {TicketField.STATE} if held_closed or closed_by_person else set()
    return (ticket.owned - {TicketField.STATE}) | {TicketField.OWNER} | state


def title(incident: Incident, key: str) -> str:
    """``[P2] link_down on r1 ge-0/0/1 [TOC-...]``: one line, with the mark whole however long the rest is."""
    mark = f" [{MARK_PREFIX}{key}]"
    what = incident.summary or " ".join(filter(None, (incident.condition, "on", incident.source, incident.object)))
    return one_line(f"[{incident.impact.short}] {what}", LONGEST_TITLE - len(mark)) + mark


def description(incident: Incident, *, deleted_once: bool = False, page: str = "", family: Family = NOBODY) -> str:
    """Plain text: the facts, one a line, then what the event said."""
    facts = [
        ("What", incident.condition),
        ("Source", incident.source),
        ("Object", incident.object),
        ("Impact", f"{incident.impact.short} ({incident.impact})"),
        ("Severity claimed", incident.severity),
        ("First seen", utc(incident.first_seen_ms)),
        ("Last seen", f"{utc(incident.last_seen_ms)}, {incident.occurrences} in {_age(incident)}"),
        ("Flapping", f"since {utc(incident.unquiet_ms or 0)}" if Muted.FLAPPING in incident.muted else ""),
        ("Began during", incident.began_in),
        ("Part of", f"{MARK_PREFIX}{incident.parent}" if incident.parent else ""),
        ("Requester", incident.requester),
        ("Runbook", incident.runbook),
        ("Rule", incident.rule),
        ("Incident", page),
        ("Before", f"{MARK_PREFIX}{incident.previous}" if incident.previous else ""),
        ("Note", "an earlier ticket was deleted while the trouble lasted" if deleted_once else ""),
    ]
    head = "\n".join(f"{name}: {one_line(value, 500)}" for name, value in facts if value)
    body = clean(f"{family.told}\n\n{incident.description}").strip()
    text = f"{head}\n\n{body}" if body else head
    return text if len(text) <= LONGEST_DESCRIPTION else text[: LONGEST_DESCRIPTION - 1] + "…"


def _age(incident: Incident) -> str:
    return span(incident.last_seen_ms - incident.first_seen_ms)

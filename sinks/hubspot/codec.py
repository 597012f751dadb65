"""HubSpot's JSON, both ways: drafts to properties, records to observations. Pure.

Sources: HubSpot's OpenAPI documents of the dated API (``API_VERSION``) and the guides for tickets, notes and errors at
developers.hubspot.com.
"""

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gateway.core.impact import Impact
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketField, TicketRef, TicketState
from sinks._text import cut, one_line, plain
from sinks.hubspot.config import HubspotConfig

API_VERSION = "2026-09"
"""The dated version of every CRM path."""
FILES_VERSION = "2026-03"
"""The file manager's own version, which moves by itself."""
TICKETS = f"/crm/objects/{API_VERSION}/tickets"
NOTES = f"/crm/objects/{API_VERSION}/notes"
PIPELINES = f"/crm/pipelines/{API_VERSION}/tickets"
OWNERS = f"/crm/owners/{API_VERSION}"
PROPERTIES = f"/crm/properties/{API_VERSION}/tickets"
ACCOUNT = f"/account-info/{API_VERSION}/details"
FILES = f"/files/{FILES_VERSION}/files"

STAGE, PIPELINE, PRIORITY, OWNER = "hs_pipeline_stage", "hs_pipeline", "hs_ticket_priority", "hubspot_owner_id"
BATCH = 100
"""Records that one ``batch/read`` takes."""
NOTE_LIMIT = 65_536
"""Characters of a note's body, markup included (guide for notes)."""
TEXT_LIMIT = 65_536
"""Characters of a property of type string."""
SUBJECT_LIMIT = 250
_NOTE_TO_TICKET = {"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 228}
"""Guide for associations, table "Note to object"."""
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
_CUT = "\n… (cut: the whole text is in Tocsin)"


@dataclass(frozen=True, slots=True)
class Record:
    """A CRM record as we need it."""

    id: str
    properties: Mapping[str, str]
    url: str


# --- out -----------------------------------------------------------------------------------------


def properties_of(draft: TicketDraft, config: HubspotConfig) -> dict[str, str]:
    """What the ticket's properties should be now, without stage, pipeline, owner and key; HubSpot takes strings only.

    A priority that a person owns is left out.
    """
    wanted = {
        "subject": cut(_untagged(one_line(draft.title)), SUBJECT_LIMIT),
        "content": cut(_untagged(plain(_description(draft))), TEXT_LIMIT, _CUT),
    }
    priority = config.priorities.of(draft.impact)
    if priority and TicketField.PRIORITY not in draft.keep:
        wanted[PRIORITY] = priority
    if config.extra_properties:
        wanted |= {config.property_prefix + name: value for name, value in _extra(draft).items()}
    return wanted


def create_body(draft: TicketDraft, config: HubspotConfig, *, owner: str) -> dict[str, Any]:
    """Body of the create call; ``owner`` is an owner's id, or empty."""
    properties = properties_of(draft, config) | {
        config.key_property: draft.key,
        PIPELINE: config.pipeline,
        STAGE: config.stages.of(draft.state),
    }
    if owner:
        properties[OWNER] = owner
    return {"properties": properties}


def changes(
    draft: TicketDraft, seen: Record, seen_state: TicketState, config: HubspotConfig, *, owner: str
) -> dict[str, str]:
    """The properties that must change so that the ticket looks like the draft; empty if it does already.

    A person may move a ticket between stages of the same meaning ("New" to "Waiting on us"): it stays there.
    """
    wanted = properties_of(draft, config)
    if owner and TicketField.OWNER not in draft.keep:
        wanted[OWNER] = owner
    if TicketField.STATE not in draft.keep and not _settled(seen_state, draft.state):
        wanted[STAGE] = config.stages.of(draft.state)
    return {name: value for name, value in wanted.items() if (seen.properties.get(name) or "") != value}


def _settled(seen: TicketState, wanted: TicketState) -> bool:
    """Whether the stage already says what we want; a closed ticket need not become merely resolved."""
    return seen is wanted or (wanted is TicketState.RESOLVED and seen is TicketState.CLOSED)


def read_back(config: HubspotConfig) -> list[str]:
    """Names of the properties that `changes` and `observation` look at."""
    names = ["subject", "content", STAGE, PIPELINE, PRIORITY, OWNER, config.key_property]
    return names + [config.property_prefix + name for name in EXTRA if config.extra_properties]


EXTRA: Mapping[str, tuple[str, str, str]] = {
    "fingerprint": ("string", "text", "Same for each incident of this kind on this object."),
    "source": ("string", "text", "The device, station, service or sender it is about."),
    "condition": ("string", "text", "What is wrong."),
    "object": ("string", "text", "The part of the source concerned."),
    "occurrences": ("number", "number", "How often it was raised."),
    "first_seen": ("datetime", "date", "When it was raised first."),
    "last_seen": ("datetime", "date", "When it was raised last."),
}
"""Our properties beside the key: type, field type, description."""


def _extra(draft: TicketDraft) -> dict[str, str]:
    texts = {
        "fingerprint": draft.fingerprint,
        "source": draft.source,
        "condition": draft.condition,
        "object": draft.object,
    }
    return {name: cut(_untagged(one_line(text)), TEXT_LIMIT) for name, text in texts.items()} | {
        "occurrences": str(draft.occurrences),
        "first_seen": iso(draft.first_seen_ms),
        "last_seen": iso(draft.last_seen_ms),
    }


def _description(draft: TicketDraft) -> str:
    if not draft.runbook or draft.runbook in draft.description:
        return draft.description
    return f"Runbook: {draft.runbook}\n\n{draft.description}"


def _untagged(text: str) -> str:
    """The text with each ``<`` that could begin a tag broken invisibly: HubSpot may show it as plain text or as HTML."""
    return _TAG.sub("<\u2060", text)


def note_body(comment: Comment, *, ticket: str, now_ms: int) -> dict[str, Any]:
    """Body of a note on ``ticket``. HubSpot's notes are internal: the requester sees neither kind of comment there."""
    tail = f"<p>{_html(comment.mark)}</p>"
    text = cut(plain(comment.text), NOTE_LIMIT - len(tail) - len("<p></p>"), _CUT, render=_html)
    return _note(f"<p>{_html(text)}</p>{tail}", ticket=ticket, now_ms=now_ms)


def attachment_note_body(name: str, *, mark: str, file: str, ticket: str, now_ms: int) -> dict[str, Any]:
    """Body of the note that hangs the uploaded ``file`` on ``ticket``; ``file`` empty: it could not be uploaded."""
    said = f"Attachment: {one_line(name)}" if file else f"Attachment left out, since it is too large: {one_line(name)}"
    body = _note(f"<p>{_html(cut(said, 1000))}</p><p>{_html(mark)}</p>", ticket=ticket, now_ms=now_ms)
    if file:
        body["properties"]["hs_attachment_ids"] = file
    return body


def _note(markup: str, *, ticket: str, now_ms: int) -> dict[str, Any]:
    return {
        "properties": {"hs_timestamp": iso(now_ms), "hs_note_body": markup},
        "associations": [{"to": {"id": ticket}, "types": [_NOTE_TO_TICKET]}],
    }


def _html(text: str) -> str:
    return html.escape(text).replace("\n", "<br>")


def iso(at_ms: int) -> str:
    """An instant as HubSpot's datetime properties take and return it: ``2026-11-22T03:00:00Z``."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def batch_body(ids: list[str], properties: list[str]) -> dict[str, Any]:
    """Body of ``batch/read``, for up to `BATCH` records."""
    return {"properties": properties, "propertiesWithHistory": [], "inputs": [{"id": each} for each in ids]}


def marked_notes_query(ticket: str) -> dict[str, Any]:
    """Body of the search for the newest notes of a ticket (search is behind by some moments)."""
    return {
        "filterGroups": [{"filters": [{"propertyName": "associations.ticket", "operator": "EQ", "value": ticket}]}],
        "properties": ["hs_note_body"],
        "sorts": ["-hs_createdate"],
        "limit": BATCH,
    }


# --- in ------------------------------------------------------------------------------------------


def record(body: Any) -> Record:
    """One record.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: it is none.
    """
    id_ = str(body["id"])
    if not is_id(id_):
        raise ValueError("a record's id is a decimal number")
    properties = {name: value for name, value in body["properties"].items() if isinstance(value, str)}
    url = body.get("url")
    return Record(id_, properties, url if isinstance(url, str) and url.startswith("https://") else "")


def records(body: Any) -> list[Record]:
    """The ``results`` of a batch or a search.

    Raises:
        KeyError, TypeError, ValueError, AttributeError: there are none.
    """
    return [record(each) for each in body["results"]]


def is_id(text: str) -> bool:
    """Whether a text can be a record's id: HubSpot's are decimal numbers."""
    return text.isascii() and text.isdecimal()


def ref(found: Record, config: HubspotConfig) -> TicketRef:
    """Where the ticket is."""
    url = found.url
    if not url and config.portal_id:
        url = f"{config.app_url}/contacts/{config.portal_id}/record/0-5/{found.id}"
    return TicketRef(id=found.id, url=url, name=found.id)


def known_state(stage: str, config: HubspotConfig) -> TicketState | None:
    """What a stage means by configuration alone; None if it is not named there."""
    named = dict.fromkeys(config.wont_fix_stages, TicketState.CLOSED) | {
        config.stages.resolved: TicketState.RESOLVED,
        config.stages.closed: TicketState.CLOSED,
        config.stages.open: TicketState.OPEN,
    }
    return named.get(stage)


def stage_states(body: Any) -> dict[str, TicketState]:
    """Whether each stage of each pipeline is done, by its ``ticketState``.

    Raises:
        KeyError, TypeError, AttributeError: the body lists no pipelines.
    """
    return {
        stage["id"]: TicketState.CLOSED if stage["metadata"].get("ticketState") == "CLOSED" else TicketState.OPEN
        for pipeline in body["results"]
        for stage in pipeline["stages"]
    }


def observation(found: Record, state: TicketState, config: HubspotConfig, *, asked: str) -> Observation:
    """What was seen of the ticket that was asked for by the id ``asked``."""
    priority = found.properties.get(PRIORITY, "")
    impacts = [impact for impact in Impact if priority and config.priorities.of(impact) == priority]
    return Observation(
        ref=ref(found, config),
        asked=asked if asked != found.id else "",
        state=state,
        wont_fix=found.properties.get(STAGE, "") in config.wont_fix_stages,
        impact=impacts[0] if len(impacts) == 1 else None,  # an option that stands for two impacts says neither
        owner=found.properties.get(OWNER, ""),
    )


def associated_notes(body: Any) -> tuple[list[str], bool]:
    """Ids of the notes on a ticket, the newest first, and whether there are more than the answer lists.

    Raises:
        KeyError, TypeError, AttributeError: the body is no record.
    """
    notes = (body.get("associations") or {}).get("notes") or {"results": []}
    ids = {str(each["id"]) for each in notes["results"]}  # one id for each label of the association
    return sorted(ids, key=lambda each: (len(each), each), reverse=True), bool((notes.get("paging") or {}).get("next"))


def owner_id(body: Any, email: str) -> str:
    """Id of the owner with this address in a list of owners; empty if none has it.

    Raises:
        KeyError, TypeError, AttributeError: the body lists no owners.
    """
    matching = [str(each["id"]) for each in body["results"] if str(each.get("email", "")).lower() == email.lower()]
    return matching[0] if matching else ""


def holds_mark(markup: str, mark: str) -> bool:
    """Whether a note's body holds this very mark, not a longer one that begins like it."""
    return re.search(rf"(?<![\w-]){re.escape(_html(mark))}(?![\w-])", markup) is not None

"""The API's OpenAPI document, made from one table of what each face gives."""

from importlib.metadata import version
from typing import Any

from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.operation import OperationState
from gateway.core.reason import Dropped
from gateway.core.station import StationState, StationVerb
from gateway.core.ticket import TicketState

_TEXT: dict[str, Any] = {"type": "string"}
_NUMBER: dict[str, Any] = {"type": "integer"}
_INSTANT: dict[str, Any] = {"type": "string", "format": "date-time"}
_LABELS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}


def _maybe(schema: dict[str, Any]) -> dict[str, Any]:
    return {**schema, "type": [schema["type"], "null"]}


def _words(closed: Any) -> dict[str, Any]:
    return {"type": "string", "enum": [word.value for word in closed]}


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


_TICKET = _object(
    incident=_TEXT,
    sink=_TEXT,
    ref=_maybe(_TEXT),
    id=_maybe(_TEXT),
    url=_TEXT,
    state={"enum": [*(state.value for state in TicketState), None]},
    impact={"enum": [*(impact.value for impact in Impact), None]},
)
_INCIDENT = _object(
    id=_TEXT,
    fingerprint=_TEXT,
    source=_TEXT,
    condition=_TEXT,
    object=_TEXT,
    impact=_words(Impact),
    priority={"type": "string", "enum": ["P1", "P2", "P3", "P4"]},
    severity=_TEXT,
    state=_words(State),
    occurrences=_NUMBER,
    first_seen=_INSTANT,
    last_seen=_INSTANT,
    due=_maybe(_INSTANT),
    summary=_TEXT,
    description=_TEXT,
    labels=_LABELS,
    rule=_TEXT,
    team=_TEXT,
    runbook=_TEXT,
    requester=_TEXT,
    muted={"type": "array", "items": _TEXT},
    previous=_TEXT,
    tickets={"type": "array", "items": _ref("Ticket")},
)
_SCHEMAS = {
    "Incident": _INCIDENT,
    "IncidentWithTimeline": _object(
        **_INCIDENT["properties"],
        timeline={"type": "array", "items": _object(at=_INSTANT, reason=_TEXT, text=_TEXT)},
    ),
    "Ticket": _TICKET,
    "Station": _object(
        station=_TEXT,
        site=_TEXT,
        state=_words(StationState),
        fault=_TEXT,
        interval_s=_maybe({"type": "number"}),
        interval_from=_TEXT,
        grace_s=_maybe({"type": "number"}),
        seen=_maybe(_INSTANT),
        expected=_maybe(_INSTANT),
        down_since=_maybe(_INSTANT),
        beats=_NUMBER,
    ),
    "Mute": _object(
        id=_TEXT,
        kind={"type": "string", "enum": ["silence", "maintenance"]},
        state={"type": "string", "enum": ["planned", "on", "ended"]},
        match={"type": "array", "items": _TEXT},
        **{"from": _INSTANT},
        until=_INSTANT,
        name=_TEXT,
        author=_TEXT,
        comment=_TEXT,
    ),
    "MuteWanted": {
        "type": "object",
        "properties": {
            "kind": {"type": "string", "enum": ["silence", "maintenance"], "default": "silence"},
            "match": {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 50},
            "for": _TEXT,
            "from": _TEXT,
            "name": _TEXT,
            "author": _TEXT,
            "comment": _TEXT,
        },
        "required": ["match", "for"],
        "additionalProperties": False,
    },
    "Operation": _object(
        id=_NUMBER,
        incident=_TEXT,
        sink=_TEXT,
        kind=_TEXT,
        rank=_TEXT,
        impact=_words(Impact),
        reason=_TEXT,
        body=_LABELS,
        state=_words(OperationState),
        attempts=_NUMBER,
        crashes=_NUMBER,
        looks=_NUMBER,
        created=_INSTANT,
        next=_INSTANT,
        sent=_maybe(_INSTANT),
        unknown=_maybe(_INSTANT),
        error=_TEXT,
    ),
    "Drill": _object(
        ok={"type": "boolean"},
        legs={
            "type": "array",
            "items": _object(
                collector=_TEXT,
                ok={"type": "boolean"},
                skipped={"type": "boolean"},
                why=_TEXT,
                incident=_TEXT,
                stages={"type": "object", "additionalProperties": {"type": "number"}},
            ),
        },
    ),
    "Unknown": _object(condition=_TEXT, count=_NUMBER, first_seen=_INSTANT, last_seen=_INSTANT, sample=_TEXT),
    "Drops": _object(
        collector=_TEXT,
        source=_TEXT,
        reason=_words(Dropped),
        count=_NUMBER,
        first_seen=_INSTANT,
        last_seen=_INSTANT,
        detail=_TEXT,
    ),
    "Error": _object(error=_TEXT),
    "Done": _object(id=_NUMBER, done=_TEXT),
}


def _answer(schema: dict[str, Any], what: str) -> dict[str, Any]:
    return {"description": what, "content": {"application/json": {"schema": schema}}}


_PAGE_OF_MUTES = _object(items={"type": "array", "items": _ref("Mute")}, next=_maybe(_TEXT))
_ERROR = _answer(_ref("Error"), "One sentence: what is wrong.")


def _query(name: str, what: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": what, "schema": schema or _TEXT}


def _path(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _list(of: str, what: str, *more: dict[str, Any]) -> dict[str, Any]:
    page = _object(items={"type": "array", "items": _ref(of)}, next=_maybe(_TEXT))
    limit = {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
    return {
        "get": {
            "summary": what,
            "parameters": [*more, _query("cursor", "`next` of the page before."), _query("limit", "Items.", limit)],
            "responses": {"200": _answer(page, what), "400": _ERROR, "503": _ERROR},
        }
    }


def _command(what: str, answer: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    responses = {"200": _answer(answer, what), "401": _ERROR, "403": _ERROR, "404": _ERROR, "503": _ERROR}
    return {
        "post": {"summary": what, "parameters": list(parameters), "security": [{"token": []}], "responses": responses}
    }


def document() -> dict[str, Any]:
    """The document, OpenAPI 3.1."""
    reasons = _query("reason", "Only these reasons, comma-separated.")
    states = _query("state", "Only these states, comma-separated.")
    return {
        "openapi": "3.1.0",
        "info": {"title": "Tocsin", "version": version("tocsin"), "license": {"name": "Apache-2.0"}},
        "paths": {
            "/api/v1/incidents": _list(
                "Incident", "Incidents, newest first.", states, _query("source", "Only of this source.")
            ),
            "/api/v1/incidents/{id}": {
                "get": {
                    "summary": "One incident with its timeline.",
                    "parameters": [_path("id", _TEXT)],
                    "responses": {
                        "200": _answer(_ref("IncidentWithTimeline"), "The incident."),
                        "404": _ERROR,
                        "503": _ERROR,
                    },
                }
            },
            "/api/v1/incidents/{id}/{verb}": _command(
                "Close an incident, or lift its mutes.",
                _ref("IncidentWithTimeline"),
                _path("id", _TEXT),
                _path("verb", {"type": "string", "enum": ["close", "unmute"]}),
            ),
            "/api/v1/mutes": {
                "get": {
                    "summary": "Silences and maintenance windows, by their beginning.",
                    "responses": {"200": _answer(_PAGE_OF_MUTES, "All of them."), "503": _ERROR},
                },
                "post": {
                    "summary": "Begin or plan a silence or a maintenance.",
                    "security": [{"token": []}],
                    "requestBody": {"required": True, "content": {"application/json": {"schema": _ref("MuteWanted")}}},
                    "responses": {
                        "201": _answer(_ref("Mute"), "It as it is stored."),
                        **dict.fromkeys(("400", "401", "403", "409", "413", "503"), _ERROR),
                    },
                },
            },
            "/api/v1/mutes/{id}/{verb}": _command(
                "End a window now, or let it last longer.",
                _ref("Mute"),
                _path("id", _TEXT),
                _path("verb", {"type": "string", "enum": ["end", "extend"]}),
                _query("by", 'How much longer: `"2h"`; for `extend`.'),
            ),
            "/api/v1/stations": _list("Station", "Stations, by name."),
            "/api/v1/stations/{name}/{verb}": _command(
                "Retire a station, let it sleep, or wake it.",
                _ref("Done"),
                _path("name", _TEXT),
                _path("verb", {"type": "string", "enum": list(StationVerb)}),
            ),
            "/api/v1/tickets": _list("Ticket", "Tickets, newest incident first."),
            "/api/v1/outbox": _list("Operation", "Operations that wait, oldest first.", states),
            "/api/v1/outbox/{id}/{verb}": _command(
                "Repeat or forget a dead operation.",
                _ref("Done"),
                _path("id", _NUMBER),
                _path("verb", {"type": "string", "enum": ["requeue", "drop"]}),
            ),
            "/api/v1/unknown": _list("Unknown", "Conditions that no rule knows."),
            "/api/v1/drops": _list("Drops", "What was not kept, by source and reason, the latest first.", reasons),
            "/api/v1/drill": _command("Drill every collector; answered when it has ended.", _ref("Drill")),
        },
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }

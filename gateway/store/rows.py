"""Between values of the core and rows: the columns are searched or constrained, ``body`` is the rest as JSON."""

import json
import sys
from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter, itemgetter
from typing import Any

from pydantic_core import to_json

from gateway.core.decision import OperationKind, Rank
from gateway.core.impact import Impact
from gateway.core.incident import Incident, State, made
from gateway.core.mute import Window
from gateway.core.operation import Operation, OperationState
from gateway.core.reason import Muted
from gateway.core.station import IntervalFrom, Station, StationState
from gateway.core.text import restored, shortened
from gateway.core.ticket import Ticket, TicketField, TicketRef, TicketState

IMPACTS = tuple(Impact)
"""Impact by rank, from 1."""

INCIDENT_COLUMNS = (
    "id, fingerprint, state, impact, source, condition, object, occurrences, first_seen_ms, last_seen_ms, raised_ms, "
    "due_ms, closed_ms, version, muted, parent, body"
)
_IN_COLUMNS = frozenset(INCIDENT_COLUMNS.split(", ")) - {"body"}
_IN_BODY = tuple((item.name, item.default) for item in fields(Incident) if item.name not in _IN_COLUMNS)

COUNT_COLUMNS = ("occurrences", "last_seen_ms", "raised_ms", "due_ms", "version")
"""What one more occurrence changes."""
count_row = attrgetter(*COUNT_COLUMNS)
"""Their values of an incident."""
_rest = itemgetter(*(item.name for item in fields(Incident) if item.name not in COUNT_COLUMNS))


def counted(before: Incident, after: Incident) -> bool:
    """Whether ``after`` is ``before`` with other values of `COUNT_COLUMNS`."""
    return bool(_rest(vars(before)) == _rest(vars(after)))


def incident_row(incident: Incident) -> tuple[Any, ...]:
    """The row in the order of `INCIDENT_COLUMNS`; the body leaves out what goes without saying.

    A row of more than 4,061 bytes takes pages of its own (https://www.sqlite.org/fileformat2.html, 1.6).
    """
    said = vars(incident)
    body = {name: value for name, default in _IN_BODY if (value := said[name]) is not default and value != default}
    body["labels"] = shortened(incident.labels, incident.description)
    return (
        incident.id,
        text(incident.fingerprint),
        str(incident.state),
        incident.impact.rank,
        text(incident.source),
        text(incident.condition),
        text(incident.object),
        incident.occurrences,
        incident.first_seen_ms,
        incident.last_seen_ms,
        incident.raised_ms,
        incident.due_ms,
        incident.closed_ms,
        incident.version,
        ",".join(sorted(incident.muted)) if incident.muted else "",
        incident.parent,
        dump(body),
    )


def incident_of(row: tuple[Any, ...]) -> Incident:
    """The incident in a row of `INCIDENT_COLUMNS`."""
    (*columns, muted, parent, body) = row
    ident, mark, state, impact, source, condition, obj, count, first_ms, last_ms, raised_ms, due_ms, *ends = columns
    closed_ms, version = ends
    rest: dict[str, Any] = json.loads(body)
    rest["labels"] = restored(rest["labels"], rest.get("description", ""))
    rest["sinks"] = tuple(rest.get("sinks", ()))
    rest["impact_after"] = tuple((age, Impact(word)) for age, word in rest.get("impact_after", ()))
    return made(
        id=ident,
        fingerprint=mark,
        state=State(state),
        impact=IMPACTS[impact - 1],
        source=source,
        condition=condition,
        object=obj,
        occurrences=count,
        first_seen_ms=first_ms,
        last_seen_ms=last_ms,
        raised_ms=raised_ms,
        due_ms=due_ms,
        closed_ms=closed_ms,
        version=version,
        muted=frozenset(map(Muted, muted.split(","))) if muted else frozenset(),
        parent=parent,
        **rest,
    )


MUTE_COLUMNS = "id, kind, from_ms, until_ms, body"


def mute_row(window: Window) -> tuple[Any, ...]:
    """The row in the order of `MUTE_COLUMNS`."""
    body = {name: getattr(window, name) for name in ("match", "name", "author", "comment", "planned")}
    return text(window.id), window.kind, window.from_ms, window.until_ms, dump(body)


def mute_of(row: tuple[Any, ...]) -> Window:
    """The window in a row of `MUTE_COLUMNS`."""
    ident, kind, from_ms, until_ms, body = row
    rest: dict[str, Any] = json.loads(body)
    rest["match"] = tuple(rest["match"])
    return Window(id=ident, kind=Muted(kind), from_ms=from_ms, until_ms=until_ms, **rest)


TICKET_COLUMNS = "incident, sink, generation, ref, url, name, state, impact, owned, written_ms"


def ticket_row(ticket: Ticket) -> tuple[Any, ...]:
    """The row in the order of `TICKET_COLUMNS`."""
    ref = ticket.ref
    return (
        ticket.incident,
        ticket.sink,
        ticket.generation,
        text(ref.id) if ref else None,
        text(ref.url) if ref else "",
        text(ref.name) if ref else "",
        ticket.state,
        ticket.impact,
        ",".join(sorted(ticket.owned)),
        ticket.written_ms,
    )


def ticket_of(row: tuple[Any, ...]) -> Ticket:
    """The ticket in a row of `TICKET_COLUMNS`."""
    incident, sink, generation, ref, url, name, state, impact, owned, written_ms = row
    return Ticket(
        incident=incident,
        sink=sink,
        generation=generation,
        ref=TicketRef(id=ref, url=url, name=name) if ref is not None else None,
        state=TicketState(state) if state else None,
        impact=Impact(impact) if impact else None,
        owned=frozenset(TicketField(word) for word in owned.split(",") if word),
        written_ms=written_ms,
    )


OPERATION_COLUMNS = (
    "id, incident, sink, kind, rank, impact, reason, body, state, attempts, crashes, looks, created_ms, next_ms, "
    "sent_ms, unknown_ms, error, looking"
)


def operation_of(row: tuple[Any, ...]) -> Operation:
    """The operation in a row of `OPERATION_COLUMNS`."""
    named = dict(zip(OPERATION_COLUMNS.split(", "), row, strict=True))
    named["kind"] = OperationKind(named["kind"])
    named["rank"] = Rank(named["rank"])
    named["impact"] = IMPACTS[named["impact"] - 1]
    named["state"] = OperationState(named["state"])
    named["body"] = json.loads(named["body"])
    named["looking"] = bool(named["looking"])
    return Operation(**named)


_STATION_COLUMNS = ("station", "site", "state", "seen_ms")
_FLEETING = ("deadline_s", "counted_s")
"""On the observed clock, which begins anew with each process: `gateway.core.heartbeat.resumed` sets them."""
_STATION_BODY = tuple(item.name for item in fields(Station) if item.name not in (*_STATION_COLUMNS, *_FLEETING))


def station_row(station: Station) -> tuple[Any, ...]:
    """Name, site, state, seen_ms, body."""
    body = {name: getattr(station, name) for name in _STATION_BODY}
    return (text(station.station), text(station.site), station.state, station.seen_ms, dump(body))


def station_of(row: tuple[Any, ...]) -> Station:
    """The station in a row of `station_row`."""
    name, site, state, seen_ms, body = row
    rest: dict[str, Any] = json.loads(body)
    rest["interval_from"] = IntervalFrom(rest["interval_from"])
    rest["gaps"] = tuple(rest["gaps"])
    rest["crossed"] = tuple(rest.get("crossed", ()))
    rest["doubted"] = tuple(rest["doubted"]) if rest["doubted"] else None
    rest.setdefault("told", state == StationState.DOWN and not rest["covered"])  # older rows lack it
    rest["collector"] = sys.intern(rest["collector"])
    return Station(station=name, site=sys.intern(site), state=StationState(state), seen_ms=seen_ms, **rest)


def text(value: str) -> str:
    """``value`` as a text column holds it: lone surrogates, which UTF-8 cannot say, are escaped.

    A member of an enumeration is better said by `str`: `sqlite3` looks for an adapter for what is not quite a string,
    which takes four times as long as to store it.
    """
    return value if value.isascii() else value.encode("utf-8", "backslashreplace").decode()


def dump(value: Mapping[str, Any]) -> str:
    """Compact JSON, safe for any text (lone surrogates are escaped)."""
    try:
        return to_json(value).decode()
    except ValueError:  # a lone surrogate, which UTF-8 cannot say
        return _encode(value)


_encode = json.JSONEncoder(separators=(",", ":")).encode

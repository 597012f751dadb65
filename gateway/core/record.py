"""An input as the journal keeps it: what was heard, how often and when, without its files; and back again."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from gateway.core.event import Event, EventKind, Reference
from gateway.core.judge import own_labels
from gateway.core.text import restored, shortened

_LEFT_OUT = ("kind", "labels", "references", "known_as", "attachments", "at_ms")
_TEXTS = tuple(item.name for item in fields(Event) if item.name not in _LEFT_OUT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """Equal events in a row, as one commit took them."""

    event: Event
    """The first of them, as its collector told it: without what the inventory of the day added, and without files."""
    first_ms: int
    last_ms: int
    count: int = 1
    incident: str = ""
    """Public id of the incident that it touched; empty if it touched none."""


def as_record(recorded: Recorded) -> dict[str, Any]:
    """A JSON object; what is empty is left out."""
    event = recorded.event
    record: dict[str, Any] = {"first_ms": recorded.first_ms, "last_ms": recorded.last_ms, "count": recorded.count}
    record["kind"] = event.kind.value
    if recorded.incident:
        record["incident"] = recorded.incident
    for name in _TEXTS:
        if text := getattr(event, name):
            record[name] = text
    if labels := own_labels(event):
        record["labels"] = shortened(labels, event.description)
    if event.references:
        record["references"] = [[one.key, one.also] for one in event.references]
    if event.known_as:
        record["known_as"] = event.known_as
    return record


def of_record(record: Mapping[str, Any]) -> Recorded:
    """What `as_record` made an object of.

    Raises:
        LookupError, TypeError, ValueError: it is none.
    """
    event = Event(
        **{"source": "", "condition": "", "collector": ""} | {name: record[name] for name in _TEXTS if name in record},
        kind=EventKind(record["kind"]),
        at_ms=record["first_ms"],
        labels=restored(record.get("labels", {}), record.get("description", "")),
        references=tuple(Reference(key=key, also=also) for key, also in record.get("references", ())),
        known_as=tuple(record.get("known_as", ())),
    )
    return Recorded(
        event=event,
        first_ms=record["first_ms"],
        last_ms=record["last_ms"],
        count=record["count"],
        incident=record.get("incident", ""),
    )


def at_once(recorded: Recorded) -> list[Event]:
    """The events that were folded, the first and the last at their instants."""
    last = replace(recorded.event, at_ms=recorded.last_ms)
    return [recorded.event, *[last] * (recorded.count - 1)]

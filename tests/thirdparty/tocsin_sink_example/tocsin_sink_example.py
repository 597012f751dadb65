"""Tickets as lines of JSON, one per change, for people who work with ``tail -f`` and ``jq``.

On failure: a file that cannot be written is `Retry`, since nothing was kept; an unknown ticket is `Reject`.
"""

import json
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.core.impact import Impact
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import Host, PluginConfig, Reject, Retry, SinkPlugin

OWNED = {"state": TicketField.STATE, "impact": TicketField.PRIORITY}


class JsonLinesConfig(PluginConfig):
    path: Path
    """The file that lines are appended to."""


class JsonLinesSink:
    """Implements `gateway.plugin.Sink` and `gateway.plugin.FindsComments`."""

    def __init__(self, path: Path, tickets: dict[str, dict[str, Any]]) -> None:
        self._path, self._tickets = path, tickets

    async def find(self, key: str, *, since_ms: int) -> TicketRef | None:
        return next((TicketRef(id=id_) for id_, ticket in self._tickets.items() if ticket["key"] == key), None)

    async def open(self, draft: TicketDraft) -> TicketRef:
        ref = await self.find(draft.key, since_ms=0)
        if ref is None:
            ref = TicketRef(id=str(len(self._tickets) + 1))
            self._append(ref.id, {**_shown(draft), "key": draft.key, "comments": []})
        return ref

    async def update(self, ref: TicketRef, draft: TicketDraft) -> None:
        old = self._ticket(ref)
        new = old | {name: it for name, it in _shown(draft).items() if OWNED.get(name) not in draft.keep}
        if new != old:
            self._append(ref.id, new)

    async def comment(self, ref: TicketRef, comment: Comment) -> None:
        old = self._ticket(ref)
        self._append(ref.id, old | {"comments": [*old["comments"], f"{comment.text} [{comment.mark}]"]})

    async def has_comment(self, ref: TicketRef, mark: str) -> bool:
        return any(text.endswith(f"[{mark}]") for text in self._ticket(ref)["comments"])

    async def observe(self, refs: Sequence[TicketRef]) -> list[Observation]:
        return [_seen(ref, self._tickets.get(ref.id)) for ref in refs]

    def _ticket(self, ref: TicketRef) -> dict[str, Any]:
        if ref.id not in self._tickets:
            raise Reject(f"there is no ticket {ref.id!r} in {self._path}")
        return self._tickets[ref.id]

    def _append(self, id_: str, ticket: dict[str, Any]) -> None:
        try:  # a short line on a local disk; anything slower is awaited, so that no other input waits for it
            with self._path.open("a", encoding="ascii") as file:
                file.write(json.dumps({"id": id_, **ticket}) + "\n")
        except OSError as error:
            raise Retry(f"{self._path} cannot be written: {error.strerror}") from error
        self._tickets[id_] = ticket


def _shown(draft: TicketDraft) -> dict[str, Any]:
    return {"title": draft.title, "text": draft.description, "state": draft.state, "impact": draft.impact}


def _seen(ref: TicketRef, ticket: dict[str, Any] | None) -> Observation:
    if ticket is None:
        return Observation(ref=ref, exists=False)
    return Observation(ref=ref, state=TicketState(ticket["state"]), impact=Impact(ticket["impact"]))


@asynccontextmanager
async def build(config: JsonLinesConfig, host: Host) -> AsyncIterator[JsonLinesSink]:
    lines = config.path.read_text("ascii").splitlines() if config.path.exists() else []
    yield JsonLinesSink(config.path, {ticket.pop("id"): ticket for ticket in map(json.loads, lines)})


plugin = SinkPlugin(name="jsonlines", config=JsonLinesConfig, build=build, unique_key=True)


def conformance() -> Iterator[tuple[dict[str, Any], None]]:
    """Lend a fresh file to ``pytest --sink tocsin_sink_example``."""
    with tempfile.TemporaryDirectory() as folder:
        yield {"path": Path(folder) / "tickets.jsonl"}, None

"""A decision in the making: what the moves of `gateway.core.decide` and `gateway.core.person` write into."""

from dataclasses import replace
from typing import Any

from gateway.core.decision import Decision, Entry, OperationKind, Rank, Wish
from gateway.core.event import Attachment
from gateway.core.incident import Incident, State, due_of
from gateway.core.reason import Reason
from gateway.core.ticket import Ticket

LONGEST_DESCRIPTION = 64_000
"""Characters of an incident's description, with what joined it while it was held."""


class Making:
    """Collects the changes of one decision; `decision` gives the immutable result."""

    def __init__(self, incident: Incident, *, now_ms: int, began: bool = False) -> None:
        self.incident = incident
        self.now_ms = now_ms
        self._before = None if began else incident
        self._began = began
        self._entries: list[Entry] = []
        self._wishes: list[Wish] = []
        self._tickets: list[Ticket] = []

    def change(self, **changes: Any) -> None:
        """Replace fields of the incident."""
        self.incident = replace(self.incident, **changes)

    def keep_ticket(self, ticket: Ticket) -> None:
        """Store a changed ticket row."""
        self._tickets.append(ticket)

    def note(self, reason: Reason, text: str) -> None:
        """Add a line to the timeline."""
        self._entries.append(Entry(at_ms=self.now_ms, reason=reason, text=text))

    def sync(self, rank: Rank, reason: Reason) -> None:
        """Wish that every ticket look like the incident; a muted incident's tickets wait, unless it is over."""
        if self.incident.muted and self.incident.alive:
            return
        self._wishes += [
            Wish(kind=OperationKind.SYNC, sink=sink, rank=rank, reason=reason) for sink in self.incident.sinks
        ]

    def comment(self, reason: Reason, text: str, *, only: str = "", though_muted: bool = False) -> None:
        """Wish for a comment on every ticket, or on that of the sink ``only``; muted incidents say nothing by themselves."""
        if self.incident.state is State.PENDING:
            # Nobody is told yet: it joins what the ticket will say.
            said = f"{self.incident.description}\n\n{text}".strip()
            self.change(description=said[:LONGEST_DESCRIPTION])
            return
        if self.incident.muted and not though_muted:
            return
        self._wishes += [
            Wish(kind=OperationKind.COMMENT, sink=sink, rank=Rank.COMMENT, reason=reason, body={"text": text})
            for sink in self.incident.sinks
            if only in ("", sink)
        ]

    def attach(self, attachments: tuple[Attachment, ...]) -> None:
        """Wish that each file be attached to every ticket; what nobody is told of yet is attached when it opens."""
        if self.incident.state is State.PENDING or (self._began and self.incident.muted):
            return
        self._wishes += [
            Wish(
                kind=OperationKind.ATTACH,
                sink=sink,
                rank=Rank.COMMENT,
                reason=Reason.NOTED,
                body={"number": str(number), "name": attachment.name},
            )
            for sink in self.incident.sinks
            for number, attachment in enumerate(attachments)
        ]

    def attach_stored(self) -> None:
        """Wish that every file that came so far be attached: the ticket is only made now."""
        self._wishes += [
            Wish(kind=OperationKind.ATTACH, sink=sink, rank=Rank.COMMENT, reason=Reason.NOTED)
            for sink in self.incident.sinks
        ]

    def decision(
        self, reason: Reason, *, known_as: tuple[str, ...] = (), attachments: tuple[Attachment, ...] = ()
    ) -> Decision:
        """The result; a changed incident gets its next deadline and version."""
        incident = self.incident
        if incident is not self._before:
            incident = replace(incident, due_ms=due_of(incident), version=1 if self._began else incident.version + 1)
        return Decision(
            reason=reason,
            incident=incident,
            entries=tuple(self._entries),
            wishes=tuple(self._wishes),
            tickets=tuple(self._tickets),
            known_as=known_as,
            attachments=attachments,
            began=self._began,
        )

"""A decision in the making: what the moves of `gateway.core.heard` and its neighbours write into."""

from typing import Any

from gateway.core.decision import Decision, Entry, Heard, OperationKind, Rank, Wish
from gateway.core.event import Attachment
from gateway.core.impact import Impact, graver
from gateway.core.incident import Incident, State, changed, due_of, pause
from gateway.core.mute import FROM_OUTSIDE, Mute
from gateway.core.reason import Muted, Reason
from gateway.core.ticket import Ticket

_BY_PARENT = frozenset({Muted.CHILD, Muted.STORM})
MUTED_UNTIL_CLEAR = frozenset({Muted.HUMAN_CLOSED})
"""Marks that are lifted when the trouble is over, or graver."""
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
        self.incident = changed(self.incident, **changes)

    def count(self, heard: Heard) -> None:
        """Add the occurrences that were heard of."""
        incident = self.incident
        self.change(
            occurrences=incident.occurrences + heard.count,
            last_seen_ms=max(incident.last_seen_ms, heard.last_ms),
            raised_ms=max(incident.raised_ms, heard.last_ms),
        )

    def keep_ticket(self, ticket: Ticket) -> None:
        """Store a changed ticket row."""
        self._tickets.append(ticket)

    def note(self, reason: Reason, text: str) -> None:
        """Add a line to the timeline."""
        self._entries.append(Entry(at_ms=self.now_ms, reason=reason, text=text))

    def mute(self, mutes: tuple[Mute, ...], *, told: bool) -> None:
        """Let its tickets wait for ``mutes``, if there are any; ``told``: people know of the incident already."""
        incident, changes = self.incident, dict[str, Any]()
        muted = incident.muted.union([one.mark for one in mutes])
        if mutes:
            parents = [one.by for one in mutes if one.mark in _BY_PARENT]
            changes = {"muted": muted, "parent": (*parents, incident.parent)[0]}
            self.note(Reason.MUTED, f"its ticket waits for {'; '.join([one.why for one in mutes])}")
        if not told:
            changes |= {"unseen": bool(muted - {Muted.FLAPPING}), "began_in": mutes[0].why if mutes else ""}
        if changes:
            self.change(**changes)

    def tell(self) -> None:
        """Nothing mutes it any more: with its ticket goes what came while nobody was told."""
        if self.incident.unseen:
            self.change(unseen=False)
            self.attach_stored()

    def over(self) -> None:
        """The trouble is over: what is around it mutes it no longer."""
        if self.incident.muted & FROM_OUTSIDE:
            self.change(muted=self.incident.muted - FROM_OUTSIDE)

    def sync(self, rank: Rank, reason: Reason, *, but: str = "", though_flapping: bool = False) -> None:
        """Wish that every ticket look like the incident; a muted incident's tickets wait, unless it is over.

        Of what flaps only the impact is told, and what is said ``though_flapping``. The ticket of the sink ``but`` is so
        already.
        """
        muted = self.incident.muted - {Muted.FLAPPING}
        flaps = muted != self.incident.muted and rank is not Rank.PRIORITY and not though_flapping
        if flaps or (muted and self.incident.alive):
            return
        self._wishes += [
            Wish(kind=OperationKind.SYNC, sink=sink, rank=rank, reason=reason)
            for sink in self.incident.sinks
            if sink != but
        ]

    def comment(
        self, reason: Reason, text: str, *, only: str = "", though_muted: bool = False, though_flapping: bool = False
    ) -> None:
        """Wish for a comment on every ticket, or on that of the sink ``only``; muted incidents say nothing by themselves."""
        if self.incident.state is State.PENDING or (self.incident.unseen and though_muted):
            # Nobody is told yet: it joins what the ticket will say.
            said = f"{self.incident.description}\n\n{text}".strip()
            self.change(description=said[:LONGEST_DESCRIPTION])
            return
        muted = self.incident.muted - {Muted.FLAPPING} if though_flapping else self.incident.muted
        if muted and not though_muted:
            return
        self._wishes += [
            Wish(kind=OperationKind.COMMENT, sink=sink, rank=Rank.COMMENT, reason=reason, body={"text": text})
            for sink in self.incident.sinks
            if only in ("", sink)
        ]

    def attach(self, attachments: tuple[Attachment, ...]) -> None:
        """Wish that each file be attached to every ticket; what nobody is told of yet is attached when it opens."""
        if self.incident.state is State.PENDING or self.incident.unseen:
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

    def raise_impact(self, impact: Impact, why: str, reason: Reason = Reason.IMPACT_CHANGED) -> None:
        """Let it be as grave as ``impact`` at least, unless a person set how grave it is; and say so."""
        incident = self.incident
        if incident.impact_owned or graver(impact, incident.impact) is incident.impact:
            return
        self.change(impact=impact, muted=incident.muted - MUTED_UNTIL_CLEAR)
        text = f"Impact raised from {incident.impact.short} to {impact.short}: {why}."
        self.note(reason, text)
        if incident.state is not State.PENDING:
            self.sync(Rank.PRIORITY, reason)
            self.comment(reason, text)

    def decision(
        self, reason: Reason, *, known_as: tuple[str, ...] = (), attachments: tuple[Attachment, ...] = ()
    ) -> Decision:
        """The result; a changed incident gets its next deadline and version."""
        incident = self.incident
        if incident is not self._before:
            incident = pause(incident, now_ms=self.now_ms)
            incident = changed(incident, due_ms=due_of(incident), version=1 if self._began else incident.version + 1)
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

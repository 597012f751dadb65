"""Devices, brokers and mail servers: they outlive our process, and repeat what we did not acknowledge."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum

from gateway.core.event import Attachment, Beat, BeatKind, Event, EventKind, Reference, no_labels

REPEAT_S = 1.5
"""How long a sender waits for an acknowledgement."""


class How(Enum):
    """How something is sent."""

    INFORM = "inform"
    """Repeated until acknowledged; each has an identity."""
    QOS1 = "qos 1"
    """Repeated until acknowledged, without identity."""
    MAIL = "mail"
    TRAP = "trap"
    """Sent once; nobody acknowledges it."""
    BEAT = "beat"
    """A sign of life; one that tells a fault is repeated until acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One thing that a sender says. ``at_s`` is counted from the beginning of the schedule."""

    at_s: float
    how: How = How.INFORM
    kind: EventKind = EventKind.RAISE
    condition: str = "link_down"
    object: str = "1"
    severity: str = "minor"
    reply_to: str = ""
    """Message-ID of the mail that this one answers."""
    attachments: tuple[Attachment, ...] = ()
    fault: str = ""
    beat: BeatKind = BeatKind.BEAT
    happened_s: float | None = None
    """When it happened, if that was before it is said: it was under way for long, and others overtook it."""
    lost_answers: int = 0
    """Acknowledgements that get lost on their way back, so that the sender repeats what is committed."""

    @property
    def acknowledged(self) -> bool:
        """Whether the sender waits for an acknowledgement."""
        return self.how in (How.INFORM, How.QOS1, How.MAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """One sender and how far it has come; it says one thing after the other."""

    name: str
    says: tuple[Message, ...]
    next: int = 0
    due_s: float = 0.0
    lost: int = 0

    @property
    def message(self) -> Message | None:
        """What it says now; None if it has said everything."""
        return self.says[self.next] if self.next < len(self.says) else None

    @property
    def identity(self) -> str:
        """Of the message that it says now."""
        message = self.message
        if message is None or message.how in (How.QOS1, How.TRAP, How.BEAT):
            return ""
        return f"{message.how.value}:{self.name}:{self.next}"

    def advanced(self) -> "Sender":
        """The sender when its message is through."""
        after = replace(self, next=self.next + 1, lost=0)
        return replace(after, due_s=after.message.at_s if after.message else 0.0)

    def event(self, at_ms: int) -> Event:
        """Its message as the collector makes it, received at ``at_ms``."""
        message = self.message
        assert message is not None
        mail = message.how is How.MAIL
        labels: Mapping[str, str] = {"severity": message.severity} if not mail else no_labels()
        return Event(
            collector="mail" if mail else "snmp",
            source=self.name,
            condition="mail" if mail else message.condition,
            kind=message.kind,
            at_ms=at_ms,
            object=f"mail{self.next}" if mail else message.object,
            severity=message.severity,
            summary=f"{message.condition} {self.next}",
            description="text" * 5,
            labels=labels,
            identity=self.identity,
            references=(Reference(key=f"mid:{message.reply_to}"),) if message.reply_to else (),
            known_as=(f"mid:{self.name}:{self.next}",) if mail else (),
            requester=f"{self.name}@example.com" if mail else "",
            attachments=message.attachments,
        )

    def sign_of_life(self, at_ms: int) -> Beat:
        """Its message as a beat."""
        message = self.message
        assert message is not None
        return Beat(
            collector="mqtt", station=self.name, at_ms=at_ms, kind=message.beat, fault=message.fault, sequence=self.next
        )

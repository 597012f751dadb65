"""What a ClickUp sink can be told; ids are ClickUp's own, statuses are the list's names."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from gateway.core.impact import Impact
from gateway.core.ticket import TicketState
from gateway.plugin import PluginConfig, Secret
from sinks._address import base_url as address
from sinks._webhook import is_long_enough

NumericId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9]{1,20}$")]
FieldId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[0-9a-fA-F-]{36}$")]
"""UUID of a custom field, as ``tocsin setup`` lists it."""
StatusName = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=100)]
"""ClickUp compares names of statuses without regard to case."""
Priority = Annotated[int, Field(ge=1, le=4)]
"""1 urgent, 2 high, 3 normal, 4 low."""
FieldOf = Literal["key", "fingerprint", "source", "condition", "object"]


class Statuses(PluginConfig):
    """The list's status for each state; an empty name takes the list's first status of the right type."""

    open: StatusName = ""
    """Status of a ticket that is reopened; by default the first of type ``open``. A new ticket takes the list's own."""
    resolved: StatusName = ""
    """Status of a ticket whose trouble is over and may come back; by default that of type ``closed``, else ``done``."""
    closed: StatusName = ""
    """Status of a ticket that is finished; by default the first of type ``closed``, else ``done``."""
    wont_fix: tuple[StatusName, ...] = ()
    """Statuses that mean "nobody will repair this": such a ticket silences its fingerprint."""

    @model_validator(mode="after")
    def _open_is_apart(self) -> "Statuses":
        if self.open and self.open in {self.resolved, self.closed, *self.wont_fix}:
            raise ValueError("the open status must differ from the others, or a ticket could never be closed")
        return self

    def of(self, state: TicketState) -> str:
        """The configured name for ``state``, or empty."""
        return {TicketState.OPEN: self.open, TicketState.RESOLVED: self.resolved, TicketState.CLOSED: self.closed}[
            state
        ]


class Priorities(PluginConfig):
    """ClickUp's priority for each impact."""

    critical: Priority = 1
    """Priority for P1."""
    high: Priority = 2
    """Priority for P2."""
    medium: Priority = 3
    """Priority for P3."""
    low: Priority = 4
    """Priority for P4."""

    def of(self, impact: Impact) -> int:
        """The priority that stands for ``impact``."""
        return int(getattr(self, impact.value))


class Assignees(PluginConfig):
    """Who gets a team's tickets."""

    users: tuple[Annotated[int, Field(ge=0)], ...] = ()
    """User ids."""
    groups: tuple[Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,64}$")], ...] = ()
    """User group ids (ClickUp's "teams")."""


class ClickupConfig(PluginConfig):
    """Tickets as tasks of a ClickUp list."""

    token: Secret
    """Personal token (``pk_...``) or OAuth token, by reference: ``env:CLICKUP_TOKEN``, ``file:/path``,
    ``credential:NAME``."""
    list_id: NumericId
    """The list that tickets are created in: the number after ``/li/`` in its link."""
    workspace_id: NumericId | None = None
    """The workspace, for ``tocsin setup``; needed only if the token sees several."""
    base_url: Annotated[str, AfterValidator(address)] = "https://api.clickup.com/api"
    """Address of the API without version; only tests and recording proxies need another one."""
    ca_file: Path | None = None
    """PEM file with further certificate authorities, for a proxy that inspects TLS."""
    statuses: Statuses = Statuses()
    """Statuses for ``open``, ``resolved``, ``closed`` and ``wont_fix``."""
    priorities: Priorities = Priorities()
    """Priorities by impact."""
    teams: dict[str, Assignees] = Field(default_factory=dict)
    """Assignees by team (``noc = { users = [183], groups = ["dd01f92f-..."] }``)."""
    tags: tuple[Annotated[str, StringConstraints(pattern=r"^[^/\x00-\x1f]{1,60}$")], ...] = ("tocsin",)
    """Tags of each new ticket; ClickUp makes them in the space as needed. Never one per incident: tags stay for ever."""
    fields: dict[FieldOf, FieldId] = Field(default_factory=dict)
    """Text custom fields by what they hold (``key``, ``fingerprint``, ``source``, ``condition``, ``object``). With
    ``key`` a ticket is found even after its name was changed. The Free plan has 60 uses in all."""
    title_limit: Annotated[int, Field(ge=60, le=2000)] = 250
    """Longest name of a task; ClickUp documents none."""
    description_limit: Annotated[int, Field(ge=500, le=100_000)] = 16_000
    """Longest description, markup included; ClickUp documents none."""
    comment_limit: Annotated[int, Field(ge=500, le=100_000)] = 16_000
    """Longest comment."""
    find_pages: Annotated[int, Field(ge=1, le=1000)] = 30
    """Pages of 100 tasks that one search reads at most; a search that is cut short is repeated, never trusted."""
    observe_pages: Annotated[int, Field(ge=0, le=1000)] = 10
    """Pages of 100 tasks, newest first, that one poll reads at most; tickets that they don't show cost a call each."""
    comment_pages: Annotated[int, Field(ge=1, le=1000)] = 20
    """Pages of 25 comments, newest first, that are searched for a comment of ours."""
    max_attachment_bytes: Annotated[int, Field(ge=0, le=1_000_000_000)] = 50_000_000
    """Attachments larger than this are not uploaded."""
    webhook_secret: Annotated[Secret | None, AfterValidator(is_long_enough)] = None
    """The secret that ClickUp told when the webhook was made, by reference; without it no webhooks are taken."""
    read_timeout_s: Annotated[float, Field(ge=5, le=300)] = 60.0
    """Patience for one answer: too little turns slow answers into unknown outcomes."""

    @field_validator("token")
    @classmethod
    def _sendable(cls, token: Secret) -> Secret:
        text = token.reveal()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError(
                "the token holds a space or a character no token has: store the bare token, without Bearer"
            )
        return token

    @field_validator("base_url")
    @classmethod
    def _unversioned(cls, url: str) -> str:
        if url.endswith(("/v2", "/v3")):
            raise ValueError("write base_url without the version: the sink knows which one it speaks")
        return url

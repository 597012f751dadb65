"""What a HubSpot sink can be told; every id is HubSpot's internal one, never a label."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from gateway.core.impact import Impact
from gateway.core.ticket import TicketState
from gateway.plugin import PluginConfig, Secret
from sinks._address import base_url as address
from sinks._webhook import is_long_enough

InternalId = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[A-Za-z0-9_-]{1,64}$")]
"""An id as HubSpot's settings show it under ``</>``; a label with spaces is refused here."""


class Stages(PluginConfig):
    """The pipeline's stage for each state; the defaults are those of a new portal."""

    open: InternalId = "1"
    """Stage of a ticket that needs work; must be an open stage."""
    resolved: InternalId = "4"
    """Stage of a ticket whose trouble is over and may come back; may be the same as ``closed``."""
    closed: InternalId = "4"
    """Stage of a ticket that is done; must be a closed stage."""

    @model_validator(mode="after")
    def _open_is_apart(self) -> "Stages":
        if self.open in {self.resolved, self.closed}:
            raise ValueError("the open stage must differ from resolved and closed, or a ticket could never be closed")
        return self

    def of(self, state: TicketState) -> str:
        """The stage that stands for ``state``."""
        return {TicketState.OPEN: self.open, TicketState.RESOLVED: self.resolved, TicketState.CLOSED: self.closed}[
            state
        ]


class Priorities(PluginConfig):
    """The option of ``hs_ticket_priority`` for each impact; portals may edit them."""

    critical: str = "URGENT"
    """Option for P1."""
    high: str = "HIGH"
    """Option for P2."""
    medium: str = "MEDIUM"
    """Option for P3."""
    low: str = "LOW"
    """Option for P4."""

    def of(self, impact: Impact) -> str:
        """The option that stands for ``impact``; empty: send none."""
        return str(getattr(self, impact.value))


class HubspotConfig(PluginConfig):
    """Tickets in a HubSpot pipeline."""

    token: Secret
    """Service key or app token, by reference: ``env:HUBSPOT_TOKEN``, ``file:/path``, ``credential:NAME``."""
    base_url: Annotated[str, AfterValidator(address)] = "https://api.hubapi.com"
    """Address of the API; only tests and recording proxies need another one."""
    ca_file: Path | None = None
    """PEM file with further certificate authorities, for a proxy that inspects TLS."""
    pipeline: InternalId = "0"
    """Internal id of the ticket pipeline."""
    stages: Stages = Stages()
    """Internal stage ids for ``open``, ``resolved`` and ``closed``."""
    wont_fix_stages: tuple[InternalId, ...] = ()
    """Closed stages that mean "nobody will repair this": such a ticket silences its fingerprint."""
    priorities: Priorities = Priorities()
    """Priority options by impact; an empty text sends no priority for that impact."""
    owners: dict[str, str] = Field(default_factory=dict)
    """Owner by team: an owner's id or e-mail address (``noc = "noc@example.com"``)."""
    property_prefix: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,30}_$")] = "tocsin_"
    """How the names of our own ticket properties begin: lower case, ended by an underscore."""
    id_property: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,98}$")] | None = None
    """Unique property that holds our key; by default ``<property_prefix>incident_id``. A portal that lets nobody make
    properties can use ``hs_external_object_ids`` together with ``extra_properties = false``."""
    extra_properties: bool = True
    """Whether to write source, condition, object, fingerprint, occurrences, first and last seen into properties."""
    attachments_folder: Annotated[str, StringConstraints(pattern=r"^/[^\x00-\x1f]{1,200}$")] = "/tocsin"
    """Folder of the file manager that attachments are put into; they are private."""
    portal_id: Annotated[str, StringConstraints(pattern=r"^[0-9]{0,20}$")] = ""
    """Account (Hub) id: only for links to tickets, where HubSpot's answer has none."""
    app_url: Annotated[str, AfterValidator(address)] = "https://app.hubspot.com"
    """Address of the web application for such links (``https://app-eu1.hubspot.com`` in Europe)."""
    read_timeout_s: Annotated[float, Field(ge=5, le=300)] = 60.0
    """Patience for one answer: too little turns slow answers into unknown outcomes."""
    max_attachment_bytes: Annotated[int, Field(ge=0, le=100_000_000)] = 20_000_000
    """Attachments larger than this are not uploaded; a note says so."""
    webhook_secret: Annotated[Secret | None, AfterValidator(is_long_enough)] = None
    """The app's client secret, by reference, with which HubSpot signs webhooks; without it none are taken."""
    webhook_url: Annotated[str, StringConstraints(pattern=r"^(https?://[^\s?#]{1,1000})?$")] = ""
    """The target URL exactly as the app's webhook settings have it, without ``?``: HubSpot signs it with each webhook
    (``https://tocsin.example.com/webhooks/hubspot``)."""

    @field_validator("token")
    @classmethod
    def _sendable(cls, token: Secret) -> Secret:
        text = token.reveal()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise ValueError("the token holds a space or a character no token has: store the bare token")
        return token

    @field_validator("base_url")
    @classmethod
    def _bare(cls, url: str) -> str:
        if re.search(r"/(crm|v[0-9])", urlsplit(url).path):
            raise ValueError("write base_url without a path: the sink knows HubSpot's paths and their version")
        return url

    @field_validator("owners")
    @classmethod
    def _owner_like(cls, owners: dict[str, str]) -> dict[str, str]:
        for team, owner in owners.items():
            if not owner.isdecimal() and not re.fullmatch(r"[^@\s]+@[^@\s]+", owner):
                raise ValueError(f"the owner of team {team} must be an owner id (digits) or an e-mail address")
        return owners

    @model_validator(mode="after")
    def _consistent(self) -> "HubspotConfig":
        if self.stages.open in self.wont_fix_stages:
            raise ValueError("the open stage cannot also be in wont_fix_stages")
        if self.webhook_secret is not None and not self.webhook_url:
            raise ValueError("webhook_secret needs webhook_url: HubSpot signs the address that it calls")
        return self

    @property
    def key_property(self) -> str:
        """Name of the property that holds our key."""
        return self.id_property or self.property_prefix + "incident_id"

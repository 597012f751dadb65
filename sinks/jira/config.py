"""Options of the Jira sink."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, JsonValue, field_validator, model_validator

from gateway.core.impact import Impact
from gateway.plugin import PluginConfig, Secret
from sinks._http import base_url
from sinks._webhook import is_long_enough

GATEWAY = "api.atlassian.com"
"""Where scoped tokens and service accounts must call; people's links lead to the site instead."""
_PAGE_FIELD = "{key}"


class Deployment(StrEnum):
    """Which Jira it is: said, never guessed from the address (the gateway's would mislead)."""

    CLOUD = "cloud"
    SERVICE_MANAGEMENT = "service_management"
    DATACENTER = "datacenter"


class Owner(PluginConfig):
    """What stands for one of our teams in Jira."""

    component: str = ""
    """Name of the component that is added to the team's tickets."""
    assignee: str = ""
    """Who gets them: an account id on Cloud, a user name on Data Center."""


class States(PluginConfig):
    """Names of your workflow's statuses; where a list is empty, the status category decides."""

    open: tuple[str, ...] = ()
    """Statuses that mean that work is to be done; the first that a transition reaches is where tickets reopen."""
    resolved: tuple[str, ...] = ()
    """Statuses that mean that the trouble is over."""
    closed: tuple[str, ...] = ()
    """Statuses that mean that nothing more will happen; without names, a done status that is called Closed."""


class JiraConfig(PluginConfig):
    """Tickets in Jira Cloud, Jira Service Management (Cloud) or Jira Data Center."""

    deployment: Deployment
    """``cloud``, ``service_management`` (a service project on Cloud) or ``datacenter``."""
    site: str
    """Address of the API: ``https://your-site.atlassian.net``, for scoped tokens
    ``https://api.atlassian.com/ex/jira/<cloud id>``, or the base address of your Data Center."""
    browse: str = ""
    """Address under which people open tickets; needed only if ``site`` is not it (the api.atlassian.com gateway)."""
    email: str = ""
    """Account of the API token; leave it empty for a personal access token of Data Center."""
    token: Secret
    """API token (Cloud) or personal access token (Data Center), by reference: ``env:JIRA_TOKEN``."""
    project: str = Field(pattern=r"^[A-Z][A-Z0-9_]{1,254}$")
    """Key of the project that gets the tickets (``OPS``)."""
    issue_type: str = "Task"
    """Name or id of the issue type; Service Management takes it from the request type instead."""
    service_desk_id: str = ""
    """Service Management: id of the service desk (``tocsin setup`` lists them)."""
    request_type_id: str = ""
    """Service Management: id of the request type."""
    priorities: dict[Impact, str] = Field(
        default={
            Impact.CRITICAL: "Highest",
            Impact.HIGH: "High",
            Impact.MEDIUM: "Medium",
            Impact.LOW: "Low",
        }
    )
    """Priority (name or id) for each impact; an impact without one leaves the priority to Jira."""
    teams: dict[str, Owner] = Field(default={})
    """Component and assignee for each of our teams."""
    states: States = States()
    """Names of statuses, where the status categories don't say enough."""
    resolution: str = "Done"
    """Resolution given when a transition asks for one."""
    wont_fix_resolutions: tuple[str, ...] = ("Won't Do", "Won't Fix", "Declined")
    """Resolutions by which people say that nobody will repair it."""
    labels: tuple[str, ...] = ()
    """Labels that each ticket gets besides its own."""
    label_prefix: str = "tocsin-"
    """What stands before the incident's id in the label by which a ticket is found again."""
    link_type: str = "Relates"
    """Name of the link type between related tickets."""
    duplicate_link_type: str = "Duplicate"
    """Name of the link type from a second ticket, made by mistake and closed, to the one that is kept."""
    fields: dict[str, JsonValue] = Field(default={})
    """Further fields that your project demands at creation, as Jira's API takes them
    (``{customfield_10050 = {value = "NOC"}}``)."""
    internal_role: str = ""
    """Project role that alone may read internal comments outside Service Management; empty: everybody who sees the
    ticket."""
    page: str = ""
    """Address of our page about the incident with ``{key}`` for its id; if set, each ticket links to it."""
    text_limit: int = Field(default=32_767, ge=1_000, le=1_000_000)
    """Characters that a description or comment may have; administrators of Data Center may have changed it."""
    key_walk: int = Field(default=50, ge=1, le=100)
    """After an unknown outcome: how many issue keys to read past the last one known, at a time."""
    key_walk_steps: int = Field(default=4, ge=1, le=20)
    """How many times to go on while the keys read do exist (a busy project)."""
    comment_pages: int = Field(default=5, ge=1, le=50)
    """How many pages of 100 comments, newest first, are searched for one that may have been written already."""
    screen_ttl_s: float = Field(default=3_600.0, ge=1.0, le=86_400.0)
    """For how long we trust what Jira said about the fields on the create screen."""
    timeout_s: float = Field(default=60.0, ge=5.0, le=300.0)
    """How long to wait for an answer; generous, since an impatient client makes unknown outcomes."""
    ca_file: Path | None = None
    """PEM file with your company's certificate authority, for a Data Center with its own."""
    webhook_secret: Annotated[Secret | None, AfterValidator(is_long_enough)] = None
    """Secret of the admin webhook (System > WebHooks), by reference; without it no webhooks are taken."""

    @property
    def browse_url(self) -> str:
        """Address that people open, without a trailing slash."""
        return self.browse or self.site

    @field_validator("site", "browse")
    @classmethod
    def _is_an_address(cls, site: str) -> str:
        return base_url(site) if site else site

    @field_validator("labels", "label_prefix")
    @classmethod
    def _fits_a_label(cls, given: tuple[str, ...] | str) -> tuple[str, ...] | str:
        for label in (given,) if isinstance(given, str) else given:
            if len(label) > 200 or not label or any(char.isspace() for char in label):  # noqa: PLR2004 - 255 less our key
                raise ValueError("a label has 1 to 200 characters and no spaces: join its words with - or _")
        return given

    @field_validator("page")
    @classmethod
    def _names_the_incident(cls, page: str) -> str:
        if page and (not page.startswith(("https://", "http://")) or page.count(_PAGE_FIELD) != 1):
            raise ValueError("write an address with {key} where the incident's id goes: https://noc.example/i/{key}")
        return page

    @model_validator(mode="after")
    def _belongs_together(self) -> Self:
        if self.deployment is Deployment.SERVICE_MANAGEMENT and not (self.service_desk_id and self.request_type_id):
            raise ValueError(
                "deployment service_management needs service_desk_id and request_type_id: "
                "take them from the address of the request form, .../portal/<desk>/create/<type>"
            )
        if self.deployment is not Deployment.DATACENTER and not self.email:
            raise ValueError("Jira Cloud takes a token together with its account: set email")
        if urlsplit(self.site).hostname == GATEWAY and not self.browse:
            raise ValueError(
                "site is the gateway, which people cannot open: set browse to https://your-site.atlassian.net"
            )
        return self

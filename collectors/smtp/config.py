"""Configuration of the SMTP collector."""

import ipaddress
import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from collectors.smtp.limits import Limits
from gateway.plugin import PluginConfig, Secret

MIB = 1024 * 1024
_ENDPOINT = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[^\s:\[\]]+)):(?P<port>[0-9]{1,5})")
_RECIPIENT = re.compile(r"[^\s@,;<>]*@[^\s@,;<>]+")
_HEADER = re.compile(r"[a-z0-9-]+")


class SessionLimits(PluginConfig):
    """What clients may cost us before their mail is even read."""

    connections: int = Field(default=500, ge=1, le=10_000)
    """Connections at once; one more is answered 421."""
    connections_per_peer: int = Field(default=20, ge=1, le=10_000)
    """Connections at once from one address."""
    commands: int = Field(default=200, ge=10, le=100_000)
    """Times that a client may send the same command in one session (NOOP, VRFY, HELP and AUTH a tenth of it)."""
    session_s: float = Field(default=1800, ge=0.05, le=86_400)
    """Seconds after which a session is ended, whatever it does."""
    command_timeout_s: float = Field(default=300, ge=0.05, le=3600)
    """Seconds to wait for the next command (RFC 5321 section 4.5.3.2 asks for 300)."""
    data_timeout_s: float = Field(default=600, ge=0.05, le=7200)
    """Seconds in which the whole of a mail must have come."""
    commit_s: float = Field(default=30, ge=0.05, le=300)
    """Seconds to wait for a mail to be on disk; then 451, and the client's retry is folded into the first."""
    recipients: int = Field(default=50, ge=1, le=1000)
    """Recipients of one mail."""
    data_budget_bytes: int = Field(default=128 * MIB, ge=MIB, le=16 * 1024 * MIB)
    """Bytes of all mails that are being received or stored at this moment; beyond it 452."""


class MailLimits(PluginConfig):
    """What one mail may cost us; a mail beyond these becomes an incident with the whole mail attached."""

    mail_bytes: int = Field(default=25 * MIB, ge=1024, le=200 * MIB)
    """Largest mail; announced to clients, and refused with 552 beyond it."""
    header_block_bytes: int = Field(default=128 * 1024, ge=1024, le=MIB)
    """All headers of a mail together."""
    header_bytes: int = Field(default=32 * 1024, ge=1024, le=256 * 1024)
    """One header."""
    headers: int = Field(default=1000, ge=10, le=10_000)
    """Headers of a mail."""
    containers: int = Field(default=100, ge=1, le=200)
    """Multiparts and enclosed mails; bounds nesting too."""
    parts: int = Field(default=200, ge=1, le=5000)
    """Parts of a mail."""
    html_bytes: int = Field(default=512 * 1024, ge=1024, le=4 * MIB)
    """HTML that is read of one part."""
    text_chars: int = Field(default=MIB, ge=1024, le=8 * MIB)
    """Text that is read of a mail."""
    attachments: int = Field(default=20, ge=0, le=500)
    """Attachments that are kept."""
    attachment_bytes: int = Field(default=10 * MIB, ge=0, le=100 * MIB)
    """Largest attachment that is kept."""
    inline_image_bytes: int = Field(default=10 * 1024, ge=0, le=MIB)
    """Images smaller than this that the HTML shows (logos) are not kept."""
    read_s: float = Field(default=10, ge=0.05, le=120)
    """Seconds in which a worker must have read a mail; then it is ended, and the mail is kept unread."""
    workers: int = Field(default=2, ge=1, le=16)
    """Worker processes at most; they start when there is work and end when there is none."""
    worker_idle_s: float = Field(default=60, ge=0.05, le=3600)
    """Seconds without work after which a worker ends."""
    worker_memory_bytes: int = Field(default=1024 * MIB, ge=256 * MIB, le=16 * 1024 * MIB)
    """Address space of a worker."""
    light_bytes: int = Field(default=32 * 1024, ge=0, le=256 * 1024)
    """Mails up to this size that need neither HTML nor a guess of their charset are read without a worker."""

    def bounds(self) -> Limits:
        """The bounds as the codec takes them."""
        names = Limits.__dataclass_fields__.keys() & type(self).model_fields.keys()
        return Limits(**{name: getattr(self, name) for name in names})


class SmtpConfig(PluginConfig):
    """An SMTP server for mails from people and machines."""

    listen: tuple[str, ...] = ("127.0.0.1:2525",)
    """Addresses to listen on, ``HOST:PORT`` or ``[IPV6]:PORT``; unused if systemd passes sockets named ``smtp``."""
    listen_tls: tuple[str, ...] = ()
    """The same with TLS from the first byte (port 465); unused if systemd passes sockets named ``smtps``."""
    hostname: str = Field(default="", max_length=255, pattern=r"^[A-Za-z0-9.\-]*$")
    """Name that the server gives itself; the machine's if empty."""
    recipients: tuple[str, ...] = ()
    """Addresses we take mail for: ``support@example.com``, or ``@example.com`` for all of a domain. All else is 550."""
    allow: tuple[str, ...] = ("0.0.0.0/0", "::/0")
    """Networks that may connect."""
    users: dict[str, Secret] = Field(default_factory=dict)
    """Who may log in: name to password, the latter by reference."""
    require_auth: bool = False
    """Take mail only from those who logged in."""
    auth_without_tls: bool = False
    """Offer AUTH on unencrypted connections too: for closed networks only, since passwords pass in the clear."""
    tls_certificate: Path | None = None
    """File with the certificate chain (PEM); offers STARTTLS. It is read again when it changes."""
    tls_key: Path | None = None
    """File with the private key (PEM)."""
    require_tls: bool = False
    """Take mail only after STARTTLS (or on ``listen_tls``)."""
    authserv_id: str = Field(default="", max_length=255)
    """Name by which our own mail server signs ``Authentication-Results``; others' are ignored."""
    authenticated_replies: bool = False
    """Let mails follow an incident by forgeable signs only if that server authenticated them, or their sender logged in."""
    header_labels: Annotated[tuple[str, ...], Field(max_length=50)] = (
        "importance",
        "x-priority",
        "x-spam-flag",
        "x-spam-status",
        "x-mailer",
        "reply-to",
    )
    """Headers that rules may match on as ``header.NAME``."""
    sessions: SessionLimits = Field(default_factory=SessionLimits)
    """Limits of SMTP sessions."""
    mail: MailLimits = Field(default_factory=MailLimits)
    """Limits of one mail."""

    @field_validator("listen", "listen_tls")
    @classmethod
    def _endpoints(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            endpoint(each)
        return given

    @field_validator("recipients")
    @classmethod
    def _recipients(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            if not _RECIPIENT.fullmatch(each):
                raise ValueError(
                    f"{each!r} is no recipient: write support@example.com, or @example.com for a whole domain"
                )
            if each.rpartition("@")[0].find("+") >= 0:
                raise ValueError(f"{each!r} has a plus sign: write it without, support+anything@ is accepted by itself")
        return tuple(each.lower() for each in given)

    @field_validator("allow")
    @classmethod
    def _networks(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        for each in given:
            try:
                ipaddress.ip_network(each)
            except ValueError as error:
                raise ValueError(f"{each!r} is no network ({error}): write 192.0.2.0/24 or 2001:db8::/32") from None
        return given

    @field_validator("header_labels")
    @classmethod
    def _headers(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        lowered = tuple(each.lower() for each in given)
        for each in lowered:
            if not _HEADER.fullmatch(each):
                raise ValueError(f"{each!r} is no header's name: write it as in a mail, without the colon")
        return lowered

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both or none")
        if self.tls_certificate is None and (self.listen_tls or self.require_tls):
            raise ValueError("listen_tls and require_tls need tls_certificate and tls_key")
        if self.require_auth and not self.users:
            raise ValueError("require_auth without users lets nobody in: name some under users, or leave it out")
        if self.users and self.tls_certificate is None and not self.auth_without_tls:
            raise ValueError(
                "users cannot log in without TLS: set tls_certificate and tls_key, or auth_without_tls = true"
            )
        if self.authenticated_replies and not (self.authserv_id or self.users):
            raise ValueError(
                "authenticated_replies needs authserv_id or users: nobody could be authenticated otherwise"
            )
        if self.mail.mail_bytes > self.sessions.data_budget_bytes:
            raise ValueError(
                "sessions.data_budget_bytes is smaller than mail.mail_bytes: no mail of that size could come in"
            )
        return self


def endpoint(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT``.

    Raises:
        ValueError: it is none.
    """
    found = _ENDPOINT.fullmatch(text)
    if found is None or int(found["port"]) > 65535:  # noqa: PLR2004 - the highest port there is
        raise ValueError(f"{text!r} is no address to listen on: write 127.0.0.1:2525 or [::1]:2525")
    return found["v6"] or found["name"], int(found["port"])

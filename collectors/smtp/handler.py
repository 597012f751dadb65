"""What to answer to the commands that concern policy: greetings, senders, recipients, logins."""

import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from collectors.smtp.gate import Budget, Networks, Recipients, Seats, Users
from gateway.core.reason import Dropped
from gateway.plugin import Intake

log = structlog.get_logger()

SENDER_TAKEN, RECIPIENT_TAKEN = "250 2.1.0 OK", "250 2.1.5 OK"

Take = Callable[[Session, Envelope], Awaitable[str]]
"""Stores a mail whole, and says what to answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What all sessions of one collector share."""

    hostname: str
    recipients: Recipients
    networks: Networks
    users: Users
    seats: Seats
    budget: Budget
    take: Take
    intake: Intake
    tls: ssl.SSLContext | None
    require_tls: bool
    require_auth: bool
    auth_without_tls: bool
    mail_bytes: int
    most_recipients: int
    commands: int
    session_s: float
    command_timeout_s: float
    data_timeout_s: float


class Handler:
    """The library's hooks: what to answer to the commands that concern policy."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules

    async def handle_EHLO(  # noqa: N802 - the library's name
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        """Advertise what we can do, and AUTH only where somebody could log in."""
        session.host_name = hostname
        kept = [each for each in responses[:-1] if not each.startswith("250-AUTH") or self._rules.users]
        return [*kept, "250-PIPELINING", "250-ENHANCEDSTATUSCODES", "250 HELP"]

    async def handle_MAIL(  # noqa: N802 - the library's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take any sender; ask for TLS first where only that listener can tell."""
        if self._rules.require_tls and not server.encrypted:
            return "530 5.7.0 Must issue a STARTTLS command first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return SENDER_TAKEN

    async def handle_RCPT(  # noqa: N802 - the library's name
        self, server: SMTP, _session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Take mail for our own addresses only, and tell at once (RFC 5321 section 3.3)."""
        if len(envelope.rcpt_tos) >= self._rules.most_recipients:
            return "452 4.5.3 Too many recipients"
        if not self._rules.recipients.accepts(address):
            self._rules.intake.received()
            self._rules.intake.dropped(Dropped.UNKNOWN_RECIPIENT, source=server.peer)
            return "550 5.1.1 No such address here"
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return RECIPIENT_TAKEN

    async def handle_VRFY(self, *_: object) -> str:  # noqa: N802
        """Tell nothing: RCPT is the place to ask (RFC 5321 section 7.3)."""
        return "252 2.5.0 Cannot verify, but will take mail for known addresses"

    async def handle_exception(self, error: Exception) -> str:
        """Our mistake is no reason to refuse a mail for good, nor to show our insides."""
        log.error("mail.session_failed", error=type(error).__name__)
        return "451 4.3.0 Internal error, try again later"

    def authenticate(
        self, server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: LoginPassword
    ) -> AuthResult:
        """Check a name and password."""
        if self._rules.users.verify(data.login, data.password):
            return AuthResult(success=True, auth_data=data.login.decode("utf-8", "replace"))
        self._rules.intake.received()
        self._rules.intake.dropped(Dropped.AUTH_FAILED, source=server.peer)
        return AuthResult(success=False, handled=False)

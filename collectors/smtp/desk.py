"""From a mail received to a mail stored: read it, make its event, emit that, and only then say so."""

import asyncio
import contextlib

import structlog
from aiosmtpd.smtp import Envelope, Session
from prometheus_client import Counter

from collectors.smtp.config import SmtpConfig
from collectors.smtp.event import Policy, Received, event_of, event_of_unreadable
from collectors.smtp.gate import Budget
from collectors.smtp.limits import HeavyError, MailError, Unreadable
from collectors.smtp.mail import Mail, parse
from collectors.smtp.worker import Workers
from gateway.core.event import Event
from gateway.plugin import Host, Intake, Overloaded

log = structlog.get_logger()

UNREADABLE = Counter("tocsin_mails_unreadable", "Mails that were kept whole instead of being read.", ["reason"])
for _reason in Unreadable:  # so that each is there to be watched before it happens
    UNREADABLE.labels(reason=_reason.value)

_KEPT = "250 2.0.0 OK: kept"
_NOT_KEPT = "451 4.3.0 Not stored yet, try again later"
_OVERLOADED = "452 4.3.1 Too much waits to be stored, try again later"


class Desk:
    """Takes mails from sessions, has them read, and stores them; each in a task that no client can cancel."""

    def __init__(
        self,
        config: SmtpConfig,
        host: Host,
        intake: Intake,
        policy: Policy,
        workers: Workers,
        budget: Budget,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._config, self._host, self._intake, self._policy = config, host, intake, policy
        self._workers, self._budget, self._tasks = workers, budget, tasks
        self._limits = config.mail.bounds()

    async def take(self, session: Session, envelope: Envelope) -> str:
        """Store one mail; the SMTP reply."""
        peer = session.peer
        received = Received(
            raw=envelope.content,
            at_ms=self._host.clock.now_ms(),
            envelope_from="" if envelope.mail_from == "<>" else envelope.mail_from,
            recipients=tuple(envelope.rcpt_tos),
            peer=str(peer[0]) if isinstance(peer, tuple) and peer else "",
            user=str(session.auth_data or ""),
        )
        commit = self._tasks.create_task(self._commit(received), name="smtp-commit")
        try:
            async with asyncio.timeout(self._config.sessions.commit_s):
                return await asyncio.shield(commit)
        except TimeoutError:
            return _NOT_KEPT

    async def _commit(self, received: Received) -> str:
        self._budget.hold(len(received.raw))
        try:
            receipt = await self._intake.emit(await self._event(received))
        except Overloaded:
            return _OVERLOADED
        except Exception:  # whatever it was, the mail is not stored, and the client must know
            log.exception("mail.commit_failed")
            return _NOT_KEPT
        finally:
            self._budget.give(len(received.raw))
        return f"{_KEPT} {receipt.incident}".rstrip()

    async def _event(self, received: Received) -> Event:
        try:
            return event_of(await self._read(received.raw), received, self._policy)
        except MailError as error:
            unreadable = error
        except Exception as error:  # a mail that trips us must not be lost by that
            log.exception("mail.read_failed")
            unreadable = MailError(Unreadable.PARSER, type(error).__name__)
        UNREADABLE.labels(reason=unreadable.reason.value).inc()
        return event_of_unreadable(unreadable, received, self._policy)

    async def _read(self, raw: bytes) -> Mail:
        if len(raw) <= self._config.mail.light_bytes:
            with contextlib.suppress(HeavyError):
                return parse(raw, self._limits, light=True)
        return await self._workers.parse(raw)

"""The SMTP collector: sockets in, events out. A mail is answered 250 after its event is on disk, and not before.

On failure: a mail that cannot be stored in time is answered 451, one too many 452, and comes again; its second coming
has the same identity and is folded. A mail that cannot be read is stored whole. A client that hangs up cancels nothing.
"""

import asyncio
import contextlib
import errno
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Sequence

import structlog

from collectors.smtp.config import SmtpConfig, endpoint
from collectors.smtp.desk import Desk
from collectors.smtp.drill import drill
from collectors.smtp.event import Policy
from collectors.smtp.gate import Budget, Networks, Recipients, Seats, Users
from collectors.smtp.handler import Rules
from collectors.smtp.server import SafeSMTP, Sessions
from collectors.smtp.tls import Certificate
from collectors.smtp.worker import Workers
from gateway.plugin import CollectorPlugin, Host, Intake

log = structlog.get_logger()

_BACKLOG = 128
_DRAIN_S = 10.0
_HANDSHAKE_S = 15.0
_KEYS = "reply_keys"
_KEY_BYTES = 32


class SmtpCollector:
    """Hears mails."""

    def __init__(
        self,
        config: SmtpConfig,
        host: Host,
        *,
        plain: Sequence[socket.socket],
        encrypted: Sequence[socket.socket],
        certificate: Certificate | None,
    ) -> None:
        """Serve ``plain`` and ``encrypted``, which are bound already and stay the caller's."""
        self._config, self._host = config, host
        self._plain, self._encrypted = tuple(plain), tuple(encrypted)
        self._certificate = certificate
        self._limits = config.mail.bounds()
        self._budget = Budget(config.sessions.data_budget_bytes)
        self._sessions = Sessions()

    @property
    def addresses(self) -> list[tuple[str, int]]:
        """Where it listens, host and port; those with TLS from the first byte come last."""
        return [sock.getsockname()[:2] for sock in (*self._plain, *self._encrypted)]

    async def run(self, intake: Intake) -> None:
        """Serve until cancelled."""
        mail = self._config.mail
        policy = await self._policy()
        workers = Workers(
            self._limits,
            most=mail.workers,
            read_s=mail.read_s,
            idle_s=mail.worker_idle_s,
            memory=mail.worker_memory_bytes,
        )
        async with workers, asyncio.TaskGroup() as tasks:
            desk = Desk(self._config, self._host, intake, policy, workers, self._budget, tasks)
            servers = await self._listen(intake, desk)
            intake.connected(True)
            try:
                if self._certificate is not None:
                    await self._certificate.follow(self._host.clock)
                await asyncio.get_running_loop().create_future()
            finally:
                intake.connected(False)
                await self._stop(servers)

    async def _listen(self, intake: Intake, desk: "Desk") -> list[asyncio.Server]:
        config, loop = self._config, asyncio.get_running_loop()
        context = self._certificate.context if self._certificate else None
        rules = Rules(
            hostname=config.hostname or socket.gethostname(),
            recipients=Recipients(config.recipients),
            networks=Networks(config.allow),
            users=Users(config.users),
            seats=Seats(most=config.sessions.connections, most_per_peer=config.sessions.connections_per_peer),
            budget=self._budget,
            take=desk.take,
            intake=intake,
            tls=context,
            require_tls=config.require_tls,
            require_auth=config.require_auth,
            auth_without_tls=config.auth_without_tls,
            mail_bytes=config.mail.mail_bytes,
            most_recipients=config.sessions.recipients,
            commands=config.sessions.commands,
            session_s=config.sessions.session_s,
            command_timeout_s=config.sessions.command_timeout_s,
            data_timeout_s=config.sessions.data_timeout_s,
        )

        def plain() -> SafeSMTP:
            return SafeSMTP(rules, implicit_tls=False, sessions=self._sessions)

        def encrypted() -> SafeSMTP:
            return SafeSMTP(rules, implicit_tls=True, sessions=self._sessions)

        servers = [
            await loop.create_server(plain, sock=_again(each.fileno()), backlog=_BACKLOG) for each in self._plain
        ]
        for each in self._encrypted:
            server = await loop.create_server(
                encrypted, sock=_again(each.fileno()), backlog=_BACKLOG, ssl=context, ssl_handshake_timeout=_HANDSHAKE_S
            )
            servers.append(server)
        return servers

    async def _stop(self, servers: Sequence[asyncio.Server]) -> None:
        """Stop accepting, let mails under way be stored, then hang up."""
        for server in servers:
            server.close()
        await self._sessions.stop(_DRAIN_S)
        for server in servers:
            await server.wait_closed()

    async def _policy(self) -> Policy:
        config = self._config
        return Policy(
            collector=self._host.name,
            keys=await self._reply_keys(),
            ours=Recipients(config.recipients).addresses,
            authserv_id=config.authserv_id,
            authenticated_replies=config.authenticated_replies,
            header_labels=config.header_labels,
        )

    async def _reply_keys(self) -> tuple[bytes, ...]:
        """The keys of address tokens, newest first, one a line as ``number hex``; made on the first start.

        To rotate, put a new line before the others: mails that were sent with the older ones stay valid.
        """
        kept = await self._host.keep.get(_KEYS)
        if kept is None:
            kept = f"1 {secrets.token_hex(_KEY_BYTES)}\n".encode()
            await self._host.keep.put(_KEYS, kept)
        return tuple(bytes.fromhex(line.split()[1]) for line in kept.decode("ascii").splitlines() if line.strip())


@contextlib.asynccontextmanager
async def build(config: SmtpConfig, host: Host) -> AsyncIterator[SmtpCollector]:
    """Bind the sockets, or take them from systemd, and load the certificate.

    Raises:
        OSError: an address cannot be listened on.
        ValueError: the certificate cannot be loaded.
    """
    # The library logs commands, addresses and lines of mails.
    logging.getLogger("mail.log").setLevel(logging.CRITICAL)
    if not config.recipients:
        log.warning("collector.takes_nothing", name=host.name, cure="name your addresses under recipients")
    certificate = None
    if config.tls_certificate is not None and config.tls_key is not None:
        certificate = Certificate(config.tls_certificate, config.tls_key)
    passed, passed_tls = host.sockets.get("smtp", ()), host.sockets.get("smtps", ())
    with contextlib.ExitStack() as stack:
        plain = [stack.enter_context(each) for each in _sockets(config.listen, passed)]
        encrypted = [stack.enter_context(each) for each in _sockets(config.listen_tls, passed_tls)]
        yield SmtpCollector(config, host, plain=plain, encrypted=encrypted, certificate=certificate)


def _sockets(listen: Sequence[str], passed: Sequence[int]) -> list[socket.socket]:
    if passed:
        return [_again(each) for each in passed]
    opened: list[socket.socket] = []
    try:
        opened.extend(_bound(each) for each in listen)
    except OSError:
        for sock in opened:
            sock.close()
        raise
    return opened


def _again(descriptor: int) -> socket.socket:
    """The same socket, to be closed on its own.

    Made from the descriptor, since it then knows that it is TCP: asyncio sends without delay on such sockets only, and
    the 40 ms of Nagle's algorithm would cost more than all the rest of a mail.
    """
    return socket.socket(fileno=os.dup(descriptor))


_CURES = {
    errno.EADDRINUSE: "address already in use; stop the other mail server or change listen",
    errno.EACCES: "not permitted; listen on a port above 1023, or let systemd open the socket",
    errno.EADDRNOTAVAIL: "this machine has no such address; change listen",
}


def _bound(text: str) -> socket.socket:
    host, port = endpoint(text)
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        why = _CURES.get(error.errno or 0, error.strerror or "it cannot be opened")
        raise OSError(f"cannot listen for mail on {text}: {why}") from error


plugin = CollectorPlugin(name="smtp", config=SmtpConfig, build=build, drill=drill, beats=False)

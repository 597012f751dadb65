"""An SMTP server that cannot be made to lose, leak or hoard: aiosmtpd's protocol with its sharp edges taken off.

What differs from the library, each for a reason seen in practice:
    * DATA is read in blocks, not lines: no line is too long, bytes are counted over all sessions, and end of mail is
      CRLF.CRLF only (a bare LF would let mails be smuggled, CVE-2024-27305).
    * A handler's error is 451 without a word about it; the library would send the exception's text and refuse for good.
    * A client that hangs up while its mail is stored cancels nothing: the commit belongs to the collector.
    * Sessions, commands, connections and bytes are all bounded; HTTP is hung up on.
    * Command size limits belong to the session; the library shares them, so that one client changes another's.
"""

import asyncio
import contextlib
import re
import ssl
from collections import defaultdict
from collections.abc import Iterator

from aiosmtpd.smtp import SMTP

from collectors.smtp.handler import RECIPIENT_TAKEN, SENDER_TAKEN, Handler, Rules
from collectors.smtp.incoming import Incoming
from gateway.core.reason import Dropped

IDENT = "Tocsin"
_HTTP = frozenset({"GET", "POST", "HEAD", "PUT", "OPTIONS", "CONNECT", "DELETE"})
_RARE_COMMANDS = ("NOOP", "VRFY", "HELP", "EXPN", "STARTTLS", "EHLO", "HELO")
_MOST_LOGINS = 5
# Surrogates are bytes that were no UTF-8: nothing could store them.
_PRINTABLE = re.compile(r"[^\x00-\x20\x7f\ud800-\udfff]*")
# A mailbox of dot-atoms in angle brackets (RFC 5321 section 4.1.2), and parameters: the library takes fifty times as long.
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_USUAL_ADDRESS = re.compile(rf"<(({_ATOM}(?:\.{_ATOM})*)@{_ATOM}(?:\.{_ATOM})*)>((?: [!-~]+)*)")
# The client need not hear these at once, if it has said more already.
_MAY_WAIT = frozenset({SENDER_TAKEN, RECIPIENT_TAKEN})
# The library's attributes by which a session holds itself.
_TIES = (
    "_smtp_methods", "_auth_methods", "_client_connected_cb", "_handler_coroutine", "_reader", "_writer",
    "_tls_protocol", "_original_transport",
)  # fmt: skip
_BUSY = "421 4.7.0 Too many connections, try again later\r\n"
_DENIED = "554 5.7.1 Access denied\r\n"
_TOO_LONG = b"421 4.4.2 This session has lasted too long\r\n"
_STOPPING = b"421 4.3.2 Shutting down, try again later\r\n"


class Sessions:
    """The sessions that last, and those of them that are at a mail."""

    def __init__(self) -> None:
        self._all: set[SafeSMTP] = set()
        self._busy: set[SafeSMTP] = set()
        self._calm = asyncio.Event()
        self._calm.set()

    def __contains__(self, session: object) -> bool:
        return session in self._all

    def add(self, session: "SafeSMTP") -> None:
        """A session begins."""
        self._all.add(session)

    def discard(self, session: "SafeSMTP") -> None:
        """A session ends."""
        self._all.discard(session)

    @contextlib.contextmanager
    def busy(self, session: "SafeSMTP") -> Iterator[None]:
        """A mail is being received or stored in it."""
        self._busy.add(session)
        self._calm.clear()
        try:
            yield
        finally:
            self._busy.discard(session)
            if not self._busy:
                self._calm.set()

    async def stop(self, within_s: float) -> None:
        """End the idle ones at once, the others when their mail is stored, and what is left after ``within_s``."""
        for session in self._all - self._busy:
            session.say_goodbye()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._calm.wait()
        for session in tuple(self._all):
            session.say_goodbye()
        await asyncio.sleep(0)  # those that can still hear us are told so
        for session in tuple(self._all):
            session.abort()


class SafeSMTP(SMTP):  # type: ignore[misc] # the library is not typed
    """One SMTP session."""

    line_length_limit = 64 * 1024
    """Of the stream's buffer: blocks of DATA and commands; a mail's own lines may be longer."""
    local_part_limit = 250

    def __init__(self, rules: Rules, *, implicit_tls: bool, sessions: "Sessions") -> None:
        """Serve one connection by ``rules``; ``sessions`` holds it while it lasts."""
        # The library has one mapping for all sessions, cleared by each new one.
        least = self.command_size_limit
        self.command_size_limits: dict[str, int] = defaultdict(lambda: least)
        few = max(10, rules.commands // 10)
        super().__init__(
            Handler(rules),
            data_size_limit=rules.mail_bytes,
            enable_SMTPUTF8=True,
            hostname=rules.hostname,
            ident=IDENT,
            tls_context=None if implicit_tls else rules.tls,
            timeout=rules.command_timeout_s,
            auth_require_tls=not (implicit_tls or rules.auth_without_tls),
            auth_exclude_mechanism=None if rules.users else ("LOGIN", "PLAIN"),
            authenticator=Handler(rules).authenticate,
            command_call_limit={"*": rules.commands} | dict.fromkeys(_RARE_COMMANDS, few) | {"AUTH": _MOST_LOGINS},
            loop=asyncio.get_running_loop(),
        )
        self._rules = rules
        self._implicit_tls = implicit_tls
        self._sessions = sessions
        self._seat = ""
        self._unsent = ""
        """Replies that are sent with the next one."""
        self._session_end: asyncio.TimerHandle | None = None

    @property
    def peer(self) -> str:
        """The client's address."""
        name = self.session.peer if self.session is not None else None
        return str(name[0]) if isinstance(name, tuple) and name else ""

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return self._implicit_tls or self._tls_protocol is not None

    # --- the connection ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let the client in if there is a seat; called again after STARTTLS."""
        if self in self._sessions:
            super().connection_made(transport)
            return
        name = transport.get_extra_info("peername")
        peer = str(name[0]) if isinstance(name, tuple) and name else ""
        refusal = self._refusal(peer)
        if refusal:
            transport.write(refusal.encode("ascii"))  # type: ignore[attr-defined] # a stream's transport
            transport.close()
            return
        self._seat = peer or "unknown"
        self._sessions.add(self)
        self._session_end = self.loop.call_later(self._rules.session_s, self._say_and_close, _TOO_LONG)
        super().connection_made(transport)

    def _refusal(self, peer: str) -> str:
        reason, answer = None, ""
        if peer and not self._rules.networks.admits(peer):
            reason, answer = Dropped.DENIED_SOURCE, _DENIED
        elif not self._rules.seats.take(peer or "unknown"):
            reason, answer = Dropped.OVERLOAD, _BUSY
        if reason is not None:
            self._rules.intake.received()
            self._rules.intake.dropped(reason, source=peer, detail="connection")
        return answer

    def connection_lost(self, error: Exception | None) -> None:
        """Give everything back; for a client that was not let in there is nothing."""
        if self not in self._sessions:
            if self._handler_coroutine is None:
                self._let_go()
            return
        self._sessions.discard(self)
        self._rules.seats.leave(self._seat)
        if self._session_end is not None:
            self._session_end.cancel()
        super().connection_lost(error)
        self._handler_coroutine.add_done_callback(self._let_go)

    def _let_go(self, _handled: object = None) -> None:
        """Cut what holds the session through itself, buffers and all: garbage is searched for seldom, and clients are many."""
        self.__dict__.update(dict.fromkeys(_TIES))

    def eof_received(self) -> bool | None:
        """A client that was not let in has no session to end."""
        return bool(super().eof_received()) if self in self._sessions else None

    def data_received(self, data: bytes) -> None:
        """What a client that was not let in says is not kept."""
        if self in self._sessions:
            super().data_received(data)

    def say_goodbye(self) -> None:
        """Tell the client to come again later, and hang up."""
        self._say_and_close(_STOPPING)

    def abort(self) -> None:
        """Hang up at once."""
        if self.transport is not None:
            self.transport.abort()

    def _say_and_close(self, words: bytes) -> None:
        if self.transport is not None and not self.transport.is_closing():
            self.transport.write(words)
            self.transport.close()

    async def _handle_client(self) -> None:
        try:
            await super()._handle_client()
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, AttributeError):
            # The client is gone; the library stumbles over the transport that it has just set to None.
            if self.transport is not None:
                self.transport.close()

    # --- commands ----------------------------------------------------------------------------------

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        if (usual := _USUAL_ADDRESS.fullmatch(arg or "")) is not None and len(usual[2]) <= self.local_part_limit:
            return usual[1], usual[3]
        try:
            address, rest = super()._getaddr(arg)
        except Exception:  # noqa: BLE001 - the standard library's parser raises IndexError and others on odd addresses
            return None, None
        if address is not None and not _PRINTABLE.fullmatch(address):
            return None, None
        return address, rest

    async def check_auth_needed(self, _caller_method: str) -> bool:
        """Whether AUTH must come first; the library's own switch warns on implicit TLS, where all is well."""
        if not self._rules.require_auth or self.session.authenticated:
            return False
        await self.push("530 5.7.0 Authentication required")
        return True

    async def push(self, status: str | bytes) -> None:
        """Answer, together what came together (RFC 2920 section 3.2); hang up on clients that speak HTTP."""
        if status in _MAY_WAIT and b"\n" in self._reader._buffer:  # noqa: SLF001 - no public way, see the tests
            self._unsent += f"{status}\r\n"
            return
        waited, self._unsent = self._unsent, ""
        await super().push(waited + status if isinstance(status, str) else waited.encode("ascii") + status)
        if isinstance(status, str) and status.startswith('500 Error: command "') and status.split('"')[1] in _HTTP:
            self._rules.intake.received()
            self._rules.intake.dropped(Dropped.MALFORMED, source=self.peer, detail="HTTP on the SMTP port")
            self.transport.close()

    async def smtp_DATA(self, arg: str | None) -> None:  # noqa: N802 - the library's name
        """Receive a mail, and answer 250 only when it is on disk."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        if not self.envelope.rcpt_tos:
            await self.push("503 5.5.1 Error: need RCPT command")
        elif arg:
            await self.push("501 5.5.4 Syntax: DATA")
        else:
            with self._sessions.busy(self):
                await self._data()

    async def _data(self) -> None:
        self._reset_timeout(self._rules.data_timeout_s)
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        mail = Incoming(self._rules.mail_bytes, self._rules.budget)
        try:
            await mail.read(self._reader)
            self._rules.intake.received()
            if mail.refused is not None:
                reason, answer = mail.refused
                self._rules.intake.dropped(reason, source=self.peer)
            else:
                self.envelope.content = self.envelope.original_content = mail.content()
                answer = await self._rules.take(self.session, self.envelope)
        finally:
            mail.release()
            self._set_post_data_state()
        await self.push(answer)

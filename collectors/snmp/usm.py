"""The receiving side of the user-based security model (RFC 3414, 3826, 7860): from a datagram to a trusted PDU.

Pure: no socket, no clock (the time is an argument, monotonic seconds), no log. For a trap the sender is authoritative:
its engine id, boots and time are learned, and only after the MAC of the message that brings them has been verified. For
an inform we are: whoever asks with another engine id or time is told ours in a Report.

A user's messages must have at least the security level that its configuration allows, else knowing a name were enough.
"""

import hmac
from collections.abc import Iterable
from typing import Final, NamedTuple

from collectors.snmp import codec, v3
from collectors.snmp.ber import COUNTER32
from collectors.snmp.engines import Engines, Seen
from collectors.snmp.keys import (
    MAC_OCTETS,
    PRIV_OCTETS,
    Auth,
    Localisation,
    User,
    ambiguous,
    extend,
    localise,
)
from collectors.snmp.privacy import Privacy, privacy
from collectors.snmp.timeliness import OwnClock, RemoteClock, Repeats
from gateway.core.reason import Dropped

MIN_ENGINE_ID: Final = 5
MAX_ENGINE_ID: Final = 32
"""RFC 3411 section 5, SnmpEngineID."""

_STATS: Final = "1.3.6.1.6.3.15.1.1."
UNSUPPORTED_LEVEL: Final = 1
NOT_IN_TIME_WINDOW: Final = 2
UNKNOWN_USER: Final = 3
UNKNOWN_ENGINE: Final = 4
WRONG_DIGEST: Final = 5
DECRYPTION_ERROR: Final = 6
"""Last arcs of the ``usmStats`` counters that Reports carry (RFC 3414 section 5)."""


class UsmError(Exception):
    """The message is not trusted; the text says why, without secrets, so that it may be logged."""

    def __init__(self, detail: str, *, reason: Dropped | None, report: bytes = b"") -> None:
        super().__init__(detail)
        self.reason = reason
        """How to count it; None: the sender only asked who we are, so nothing is lost."""
        self.report = report
        """The Report to send back, empty for none."""


class Keys:
    """One user's keys at one engine; ciphers are made at the first use."""

    __slots__ = ("_ciphers", "_engine_id", "auth_key", "user")

    def __init__(self, user: User, engine_id: bytes) -> None:
        self.user = user
        self.auth_key = b"" if user.auth is Auth.NONE else localise(user.auth, user.auth_key, engine_id)
        self._engine_id = engine_id
        self._ciphers: list[Privacy] = []

    def ciphers(self) -> list[Privacy]:
        """Ciphers to try, the likeliest first; the caller may reorder the list."""
        if not self._ciphers:
            user = self.user
            key = localise(user.auth, user.priv_key, self._engine_id)
            ways = user.localisations if ambiguous(user.auth, user.priv) else (Localisation.REEDER,)
            self._ciphers = [
                privacy(user.priv, extend(user.auth, key, self._engine_id, octets=PRIV_OCTETS[user.priv], how=way))
                for way in ways
            ]
        return self._ciphers

    def mac(self, message: v3.Message) -> bytes:
        """What the MAC of ``message`` must be."""
        digest = hmac.digest(self.auth_key, message.without_mac(), self.user.auth.value)
        return digest[: MAC_OCTETS[self.user.auth]]


class Trusted(NamedTuple):
    """A message that passed."""

    user: bytes
    flags: int
    message_id: int
    scoped: v3.Scoped
    ours: bool
    """We are authoritative: it is for us, and may be answered."""
    late: str
    """Why it is outside the time window, if its user is lenient."""
    repeated: bool
    """An exact repeat of an inform for us: answer it if the first was answered, else drop it."""
    keys: Keys
    cipher: Privacy | None
    """What decrypted it, and encrypts the answer."""


class Usm:
    """Users, our own engine, and what is known of the engines of others."""

    def __init__(
        self,
        users: Iterable[User],
        *,
        engine_id: bytes,
        boots: int,
        now_s: float,
        salt: int,
        engines_max: int = 16_384,
        engines_per_source: int = 4096,
        repeats_max: int = 200_000,
    ) -> None:
        """Begin these boots of our engine.

        Args:
            users: who may send.
            engine_id: ours, 5..32 octets, the same for ever.
            boots: how often our engine has started, this time included.
            now_s: monotonic seconds.
            salt: a random number that salts of our answers count up from.
            engines_max: engines remembered, once for each user; the one unheard for longest is forgotten first.
            engines_per_source: those of them that one source address may bring.
            repeats_max: messages remembered to refuse their exact repetition.
        """
        self.engine_id = engine_id
        self._clock = OwnClock(boots, now_s)
        self._users = {user.name: user for user in users}
        self._own_keys = {name: Keys(user, engine_id) for name, user in self._users.items()}
        self._engines: Engines[Keys] = Engines(most=engines_max, most_of_source=engines_per_source)
        self._repeats = Repeats(repeats_max)
        self._messages = v3.Messages()
        self._salt = salt
        self._stats = dict.fromkeys(range(UNSUPPORTED_LEVEL, DECRYPTION_ERROR + 1), 0)

    @property
    def engines(self) -> int:
        """Engines remembered, each once for every user it speaks for."""
        return len(self._engines)

    def seen(self) -> list[Seen]:
        """What is known of the engines of others, to be kept."""
        return self._engines.seen()

    def recall(self, seen: Iterable[Seen], now_s: float) -> None:
        """Take what was kept before a restart."""

        def keys(one: Seen) -> Keys | None:
            user = self._users.get(one.user)
            return None if user is None else Keys(user, one.engine_id)

        self._engines.recall(seen, keys, now_s=now_s)

    def receive(self, data: bytes, now_s: float, source: str = "") -> Trusted:
        """Judge one datagram from the address ``source``.

        Raises:
            DecodeError: it is no SNMPv3 message.
            UsmError: it is one, but not to be trusted.
        """
        message = self._messages.parse(data)
        ours = message.engine_id == self.engine_id
        user = self._identify(message, now_s, ours=ours)
        late, repeated, cipher = "", False, None
        if message.flags & v3.AUTHENTICATED:
            keys = self._authenticate(message, user, now_s, ours=ours)
            late = self._judge_time(message, keys, now_s, source, ours=ours)
            repeated = self._repeats.seen(message.mac, now_s)
            if repeated and not ours:
                raise UsmError("an exact repeat of an earlier message", reason=Dropped.REPLAYED)
            scoped, cipher = self._decrypt(message, keys, now_s)
            if repeated and scoped.pdu[0] != codec.PduType.INFORM:  # an agent may have our engine id for its traps
                raise UsmError("an exact repeat of an earlier message", reason=Dropped.REPLAYED)
        else:
            keys = self._own_keys[user.name]
            scoped = v3.parse_scoped(message.data)
        if message.flags & v3.REPORTABLE and not ours and scoped.pdu[0] != codec.PduType.TRAP_V2:
            # Who wants an answer must make us the authority, so that our time window protects it.
            raise self._refuse(message, UNKNOWN_ENGINE, "meant for another engine", Dropped.UNKNOWN_ENGINE, now_s)
        return Trusted(
            user=user.name,
            flags=message.flags,
            message_id=message.message_id,
            scoped=scoped,
            ours=ours,
            late=late,
            repeated=repeated,
            keys=keys,
            cipher=cipher,
        )

    def respond(self, trusted: Trusted, pdu: bytes, now_s: float) -> bytes:
        """Wrap a Response PDU at the security level, and in the context, of what it answers."""
        scoped = v3.encode_scoped(trusted.scoped._replace(pdu=pdu))
        return self._wrap(
            scoped,
            message_id=trusted.message_id,
            flags=trusted.flags & v3.LEVEL,
            user=trusted.user,
            now_s=now_s,
            keys=trusted.keys,
            cipher=trusted.cipher,
        )

    # --- judging ---------------------------------------------------------------------------------

    def _identify(self, message: v3.Message, now_s: float, *, ours: bool) -> User:
        """RFC 3414 section 3.2 steps 3 to 5: engine, user, security level."""
        asks = bool(message.flags & v3.REPORTABLE) and not ours
        length = len(message.engine_id)
        if asks and not length:
            raise self._refuse(message, UNKNOWN_ENGINE, "asks for our engine id", None, now_s)
        if not MIN_ENGINE_ID <= length <= MAX_ENGINE_ID:
            if asks:
                raise self._refuse(
                    message, UNKNOWN_ENGINE, f"engine id of {length} octets", Dropped.UNKNOWN_ENGINE, now_s
                )
            raise UsmError(f"engine id of {length} octets", reason=Dropped.MALFORMED)
        user = self._users.get(message.user)
        if user is None or (user.engine_id and not ours and user.engine_id != message.engine_id):
            if asks:
                raise self._refuse(message, UNKNOWN_ENGINE, "meant for another engine", Dropped.UNKNOWN_ENGINE, now_s)
            name = ascii(message.user.decode("utf-8", "replace"))
            detail = f"user {name} is not configured" + (" for this engine" if user else "")
            raise self._refuse(message, UNKNOWN_USER, detail, Dropped.UNKNOWN_USER, now_s)
        level = message.flags & v3.LEVEL
        if not user.least <= level <= user.most:
            detail = f"security level {LEVELS[level]}, where the user has {LEVELS[user.least]} to {LEVELS[user.most]}"
            raise self._refuse(message, UNSUPPORTED_LEVEL, detail, Dropped.AUTH_FAILED, now_s)
        return user

    def _authenticate(self, message: v3.Message, user: User, now_s: float, *, ours: bool) -> Keys:
        """Step 6; keys for an engine not known yet are made for this look only."""
        if ours:
            keys = self._own_keys[user.name]
        else:
            remote = self._engines.get((message.engine_id, user.name))
            keys = remote.keys if remote else Keys(user, message.engine_id)
        if not hmac.compare_digest(keys.mac(message), message.mac):
            detail = f"wrong digest for user {user.name.decode()!a}: check its auth and auth_password"
            raise self._refuse(message, WRONG_DIGEST, detail, Dropped.AUTH_FAILED, now_s)
        return keys

    def _judge_time(self, message: v3.Message, keys: Keys, now_s: float, source: str, *, ours: bool) -> str:
        """Step 7; returns why the message is late if its user is lenient, and empty if it is not."""
        if ours:
            late = self._clock.judge(message.boots, message.time, now_s)
            if late:
                # Section 4: a sender that synchronises asks with zeros, and repeats when it has our answer.
                asks = not message.boots and not message.time
                raise self._refuse(
                    message, NOT_IN_TIME_WINDOW, late, None if asks else Dropped.REPLAYED, now_s, keys=keys
                )
            return ""
        known = (message.engine_id, keys.user.name)
        remote = self._engines.get(known)
        if remote is None:
            remote = self._engines.learn(known, keys, RemoteClock(message.boots, message.time, now_s), source=source)
        else:
            self._engines.heard(known)
        late = remote.clock.judge(message.boots, message.time, now_s)
        if late and keys.user.strict:
            cure = '; if its agent forgets its boots, set time_window = "lenient" for this user'
            raise UsmError(f"engine {message.engine_id.hex()}: {late}{cure}", reason=Dropped.REPLAYED)
        return late

    def _decrypt(self, message: v3.Message, keys: Keys, now_s: float) -> tuple[v3.Scoped, Privacy | None]:
        """Step 8. The MAC has proved the key base, so garbage means another way of lengthening the key, or password."""
        if not message.flags & v3.ENCRYPTED:
            return v3.parse_scoped(message.data), None
        ciphers = keys.ciphers()
        for cipher in tuple(ciphers):
            try:
                plain = cipher.decrypt(message.data, boots=message.boots, time=message.time, salt=message.salt)
                scoped = v3.parse_scoped(plain)
            except ValueError:  # a DecodeError is one
                continue
            if cipher is not ciphers[0]:
                ciphers.reverse()  # at most two: the one that worked is tried first from now on
            return scoped, cipher
        detail = "cannot be decrypted: check the user's priv, priv_password and localisation"
        raise self._refuse(message, DECRYPTION_ERROR, detail, Dropped.AUTH_FAILED, now_s)

    # --- answering -------------------------------------------------------------------------------

    def _refuse(
        self,
        message: v3.Message,
        stat: int,
        detail: str,
        reason: Dropped | None,
        now_s: float,
        *,
        keys: Keys | None = None,
    ) -> UsmError:
        """Count, and make the error with its Report: only for who asked for one, and authenticated if ``keys``."""
        if message.engine_id != self.engine_id and message.flags & v3.REPORTABLE:
            stat = UNKNOWN_ENGINE  # whatever else is wrong, who wants an answer must first ask for our engine
        self._stats[stat] = (self._stats[stat] + 1) & 0xFFFF_FFFF
        if not message.flags & v3.REPORTABLE:
            return UsmError(detail, reason=reason)
        counter = codec.VarBind(f"{_STATS}{stat}.0", COUNTER32, self._stats[stat])
        pdu = codec.encode_pdu(codec.PduType.REPORT, [counter], request_id=0)
        report = self._wrap(
            v3.encode_scoped(v3.Scoped(self.engine_id, b"", pdu)),
            message_id=message.message_id,
            flags=v3.AUTHENTICATED if keys else 0,
            user=message.user,
            now_s=now_s,
            keys=keys,
            cipher=None,
        )
        return UsmError(detail, reason=reason, report=report)

    def _wrap(
        self,
        scoped: bytes,
        *,
        message_id: int,
        flags: int,
        user: bytes,
        now_s: float,
        keys: Keys | None,
        cipher: Privacy | None,
    ) -> bytes:
        boots, time, salt = self._clock.boots, self._clock.time(now_s), b""
        if flags & v3.ENCRYPTED and cipher:
            self._salt += 1
            scoped, salt = cipher.encrypt(scoped, boots=boots, time=time, salt=self._salt)
        signer = keys if flags & v3.AUTHENTICATED else None
        message = v3.encode_message(
            scoped,
            message_id=message_id,
            flags=flags,
            engine_id=self.engine_id,
            boots=boots,
            time=time,
            user=user,
            mac_octets=MAC_OCTETS[signer.user.auth] if signer else 0,
            salt=salt,
        )
        if signer is None:
            return message.whole
        before, after = message.whole[: message.mac_at], message.whole[message.mac_at + len(message.mac) :]
        return before + signer.mac(message) + after


LEVELS: Final = {0: "noAuthNoPriv", v3.AUTHENTICATED: "authNoPriv", v3.LEVEL: "authPriv"}
"""Names of security levels (RFC 3411 section 3.4.3)."""

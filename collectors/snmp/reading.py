"""What one datagram means to us, for ``tocsin explain``: no socket, no store, and no secret in what is said.

The time window and the memory of repeats belong to a running collector and are not judged here. An inform of v3 is read with
keys at the engine that it names, which should be ours.
"""

import hmac
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from collectors.snmp import codec, v3
from collectors.snmp.ber import DecodeError
from collectors.snmp.config import SnmpConfig, SourceFrom
from collectors.snmp.keys import User
from collectors.snmp.mib_files import names_in
from collectors.snmp.names import Names, standard
from collectors.snmp.peers import Peers
from collectors.snmp.render import escape, value_text
from collectors.snmp.shape import is_secret
from collectors.snmp.translate import to_event, trap_oid, v1_as_v2
from collectors.snmp.usm import LEVELS, Keys
from gateway.core.reason import Dropped
from gateway.plugin import Reader, Reading

Fact = tuple[str, str]
_RIGHT = "right"


def reader(config: SnmpConfig, name: str, state_dir: Path) -> Reader:
    """Reads datagrams as the collector ``name`` with this configuration would; hashes passwords for some milliseconds."""
    return _Reader(config, name, names_in(state_dir, standard())).read


class _Refused(Exception):
    """Why a datagram would be dropped."""

    def __init__(self, reason: Dropped, why: str) -> None:
        super().__init__(why)
        self.reason = reason


class _Reader:
    def __init__(self, config: SnmpConfig, name: str, names: Names) -> None:
        self._config, self._name, self._names = config, name, names
        self._peers = Peers(allow=config.allow, relays=config.relays)
        self._communities = frozenset(community.reveal().encode() for community in config.communities)
        self._users: dict[bytes, User] = {user.name.encode(): user.user() for user in config.users}
        self._limits = codec.Limits(max_varbinds=config.max_varbinds)

    def read(self, data: bytes, address: str, at_ms: int) -> Reading:
        """What ``data`` from ``address`` means."""
        peer = self._peers[address]
        facts: list[Fact] = [("octets", str(len(data))), ("from", address + (", a relay" if peer.relay else ""))]
        refused: list[_Refused] = []
        if not peer.allowed:
            refused.append(_Refused(Dropped.DENIED_SOURCE, f"{address} is in no network of allow"))
        if len(data) > self._config.max_datagram:
            refused.append(_Refused(Dropped.OVERSIZED, "it is larger than max_datagram"))
        event = None
        try:
            version = codec.message_version(data)
            take = self._take_v3 if version == codec.V3 else self._take_community
            pdu, engine_id, late = take(data, facts)
            if late is not None:
                refused.append(late)
            facts += self._told(pdu)
            event = to_event(
                pdu, address=address, names=self._names, at_ms=at_ms, collector=self._name, relay=peer.relay,
                engine_id=engine_id.hex(),
            )  # fmt: skip
            if self._config.source_from is SourceFrom.ENGINE_ID and ("digest", _RIGHT) in facts:
                event = replace(event, source=f"engine:{engine_id.hex()}")
        except DecodeError as error:
            refused.append(_Refused(error.reason, str(error)))
        except _Refused as error:
            refused.append(error)
        first = refused[0] if refused else None
        return Reading(
            facts=tuple(facts),
            event=event,
            dropped=first.reason if first else None,
            why="; ".join(map(str, refused)),
        )

    def _take_community(self, data: bytes, facts: list[Fact]) -> tuple[codec.Pdu, bytes, _Refused | None]:
        message = codec.decode_message(data, limits=self._limits)
        facts.append(("version", {codec.V1: "1", codec.V2C: "2c"}[message.version]))
        if message.community in self._communities:
            facts.append(("community", "one of ours"))
            return message.pdu, b"", None
        facts.append(("community", f"none of ours, of {len(message.community)} octets"))
        why = "its community is none of communities" if self._communities else "no communities are configured"
        return message.pdu, b"", _Refused(Dropped.UNKNOWN_COMMUNITY, why)

    def _take_v3(self, data: bytes, facts: list[Fact]) -> tuple[codec.Pdu, bytes, _Refused | None]:
        message = v3.parse_message(data)
        level = message.flags & v3.LEVEL
        name = escape(message.user.decode("utf-8", "replace"))
        facts += [
            ("version", "3"),
            ("user", name),
            ("level", LEVELS.get(level, "privacy without authentication, which is not allowed")),
            ("engine id", message.engine_id.hex() or "none: it asks for ours"),
            ("boots, time", f"{message.boots}, {message.time} (the time window is not judged here)"),
        ]
        if not message.engine_id:
            raise _Refused(Dropped.UNKNOWN_ENGINE, "it asks for our engine id, and is answered by a Report")
        user = self._users.get(message.user)
        if user is None:
            raise _Refused(Dropped.UNKNOWN_USER, f"user {name!a} is not configured")
        refused = None
        if level > user.most:  # there are no keys to open it with
            raise _Refused(Dropped.AUTH_FAILED, f"its level is {LEVELS.get(level)}; the user has {LEVELS[user.most]}")
        if level < user.least:
            refused = _Refused(
                Dropped.AUTH_FAILED, f"its level is {LEVELS.get(level)}; the user's least is {LEVELS[user.least]}"
            )
        if user.engine_id and user.engine_id != message.engine_id and not message.flags & v3.REPORTABLE:
            refused = _Refused(Dropped.UNKNOWN_USER, "the user is configured for another engine_id")
        scoped = self._opened(message, user, facts)
        pdu = codec.decode_pdu(scoped.pdu, 0, len(scoped.pdu), version=codec.V3, limits=self._limits)
        if scoped.context:
            facts.append(("context", escape(scoped.context.decode("utf-8", "replace"))))
        return pdu, scoped.engine_id, refused

    def _opened(self, message: v3.Message, user: User, facts: list[Fact]) -> v3.Scoped:
        keys = Keys(user, message.engine_id)
        if message.flags & v3.AUTHENTICATED:
            if not hmac.compare_digest(keys.mac(message), message.mac):
                raise _Refused(Dropped.AUTH_FAILED, "its digest is wrong: check the user's auth and auth_password")
            facts.append(("digest", _RIGHT))
        if not message.flags & v3.ENCRYPTED:
            return v3.parse_scoped(message.data)
        for cipher in keys.ciphers():
            try:
                plain = cipher.decrypt(message.data, boots=message.boots, time=message.time, salt=message.salt)
                scoped = v3.parse_scoped(plain)
            except ValueError:  # a DecodeError is one
                continue
            facts.append(("privacy", f"decrypted ({user.priv.value})"))
            return scoped
        raise _Refused(
            Dropped.AUTH_FAILED, "it cannot be decrypted: check the user's priv, priv_password and localisation"
        )

    def _told(self, pdu: codec.Pdu) -> Iterator[Fact]:
        yield "PDU", f"{_WORDS.get(pdu.type, pdu.type.name.lower())}, request id {pdu.request_id}"
        oid = trap_oid(pdu)
        known = self._names.notification(oid) if oid else None
        yield "trap", f"{oid} ({known.module}::{known.name})" if known else oid or "it does not say which"
        if known is not None and known.objects:
            yield "is defined to carry", " ".join(known.objects)
        varbinds = v1_as_v2(pdu) if pdu.type is codec.PduType.TRAP_V1 else pdu.varbinds
        for varbind in varbinds:
            if is_secret(varbind.oid):
                continue
            object_ = self._names.object(varbind.oid)
            name = f" ({object_.name})" if object_ is not None else ""
            yield "varbind", f"{varbind.oid}{name} = {value_text(varbind, object_)}"


_WORDS = {
    codec.PduType.TRAP_V1: "trap of v1",
    codec.PduType.TRAP_V2: "trap",
    codec.PduType.INFORM: "inform, which is answered",
}

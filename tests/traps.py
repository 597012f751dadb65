"""Traps as a network of devices sends them, encoded once so that a sender has nothing to do but send.

A *trouble* is one identity: a device, what is wrong with it, and where. Each time it is told under another request id and
a later sysUpTime, as devices do.
"""

import hmac
import itertools
import random
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address

from collectors.snmp import ber, v3
from collectors.snmp.codec import PduType, VarBind, encode_varbind
from collectors.snmp.keys import MAC_OCTETS, PRIV_OCTETS, Auth, Localisation, Priv, User, extend, localise, user_key
from collectors.snmp.privacy import privacy

COMMUNITY = b"public"
USER, PASSWORD = "bench", "correct horse battery"
PER_DEVICE = 10
"""Troubles of one device."""
TOLD_PER_S = 100_000
"""The rate at which sysUpTime grows as it would in real time."""
SEALED_PER_S = 15_000
"""The same for SNMPv3."""
_V1_EVERY = 5
_UPTIME, _TRAP_OID = "1.3.6.1.2.1.1.3.0", "1.3.6.1.6.3.1.1.4.1.0"
_INTERFACE, _ENTERPRISE = "1.3.6.1.2.1.2.2.1", "1.3.6.1.4.1.99999.1"
_IF_ALIAS = "1.3.6.1.2.1.31.1.1.1.18"

RULES = f"""
[[rule]]
name = "power-supply"
condition = "{_ENTERPRISE}.0.1"
set_condition = "power_supply"
object = "{{{_ENTERPRISE}.1.1}}"
impact = "high"

[[rule]]
name = "too-warm"
condition = "{_ENTERPRISE}.0.2"
match = "{_ENTERPRISE}.1.4 > 60"
set_condition = "too_warm"
object = "{{{_ENTERPRISE}.1.1}}"
"""
"""What a user would write about the enterprise traps among them; a third kind is left unknown."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One identity among the traps."""

    address: str
    trap: str
    varbinds: bytes
    """Encoded, without the two that come first in v2c."""
    generic: int = 6
    specific: int = 0
    v1: bool = False

    def told(self, number: int, *, kind: PduType = PduType.TRAP_V2) -> bytes:
        """The ``number``-th time that it is told."""
        ticks = 100_000_000 + number * 100 // TOLD_PER_S
        if self.v1 and kind is PduType.TRAP_V2:
            return _message_v1(self, ticks)
        return _message(b"\x02\x01\x01", ber.encode_octets(COMMUNITY), self.pdu(number, ticks, kind))

    def pdu(self, number: int, ticks: int, kind: PduType) -> bytes:
        head = _varbind(_UPTIME, ber.encode_integer(ticks, ber.TIMETICKS)) + _varbind(
            _TRAP_OID, ber.encode_oid(self.trap)
        )
        request = b"\x02\x04" + struct.pack(">I", 0x1000_0000 + number % 0x6000_0000)
        return ber.encode_sequence(
            request, b"\x02\x01\x00\x02\x01\x00", ber.encode(0x30, head + self.varbinds), tag=kind
        )


def troubles(count: int, *, per_device: int = PER_DEVICE, first: int = 0) -> list[Trouble]:
    """So many identities on ``count / per_device`` devices, each of 5 to 8 varbinds; every fifth device speaks v1."""
    return [
        _trouble(_address(device), slot, device % _V1_EVERY == 1)
        for device, slot in (divmod(number, per_device) for number in range(first, first + count))
    ]


def stream(known: Sequence[Trouble], count: int, *, skewed: bool = False, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """So many traps of these troubles, with the addresses that they come from.

    Evenly, or ``skewed``: the n-th trouble is told as often as 1/n of the first.
    """
    weights = [1 / rank for rank in range(1, len(known) + 1)] if skewed else None
    for number, trouble in enumerate(random.Random(seed).choices(known, weights, k=count)):
        yield trouble.address, trouble.told(number)


def once(known: Sequence[Trouble], *, kind: PduType = PduType.TRAP_V2) -> Iterator[tuple[str, bytes]]:
    """Each of them once, in order."""
    for number, trouble in enumerate(known):
        yield trouble.address, trouble.told(number, kind=kind)


def inform(trouble: Trouble, number: int) -> bytes:
    """The ``number``-th inform of a sender, of v2c; none says the same as another."""
    pdu = trouble.pdu(number, 100_000_000 + number, PduType.INFORM)
    return _message(b"\x02\x01\x01", ber.encode_octets(COMMUNITY), pdu)


class Informs:
    """The informs of a sender, as `inform` makes them, put together fast enough for one that sends while it is asked."""

    def __init__(self, known: Sequence[Trouble]) -> None:
        """In turn of these troubles."""
        self._parts = [self._cut(inform(trouble, 0)) for trouble in known]

    def __getitem__(self, number: int) -> bytes:
        before, between, behind = self._parts[number % len(self._parts)]
        return b"".join(
            (before, struct.pack(">I", 0x1000_0000 + number), between, struct.pack(">I", 100_000_000 + number), behind)
        )

    @staticmethod
    def _cut(first: bytes) -> tuple[bytes, bytes, bytes]:
        before, rest = first.split(struct.pack(">I", 0x1000_0000), 1)
        return before, *rest.split(struct.pack(">I", 100_000_000), 1)


def sealed(known: Sequence[Trouble], count: int, *, seed: int = 1) -> Iterator[tuple[str, bytes]]:
    """So many traps of SNMPv3, authPriv with SHA-1 and AES-128, each device an engine of its own; none twice."""
    user = User(
        name=USER.encode(),
        auth=Auth.SHA1,
        priv=Priv.AES128,
        auth_key=user_key(Auth.SHA1, PASSWORD.encode()),
        priv_key=user_key(Auth.SHA1, PASSWORD.encode()),
    )
    engines = {trouble.address: _Engine(user, trouble.address) for trouble in known}
    for number, trouble in enumerate(random.Random(seed).choices(known, k=count)):
        engine = engines[trouble.address]
        yield (
            trouble.address,
            engine.seal(trouble.pdu(number, 100_000_000 + number * 100 // SEALED_PER_S, PduType.TRAP_V2), number),
        )


class _Engine:
    """A device that speaks SNMPv3."""

    def __init__(self, user: User, address: str) -> None:
        self.id = engine_id(address)
        self._user = user
        self._auth_key = localise(user.auth, user.auth_key, self.id)
        key = localise(user.auth, user.priv_key, self.id)
        self._cipher = privacy(
            user.priv, extend(user.auth, key, self.id, octets=PRIV_OCTETS[user.priv], how=Localisation.REEDER)
        )

    def seal(self, pdu: bytes, number: int) -> bytes:
        scoped = v3.encode_scoped(v3.Scoped(self.id, b"", pdu))
        data, salt = self._cipher.encrypt(scoped, boots=1, time=1000, salt=number)
        message = v3.encode_message(
            data, message_id=number, flags=v3.LEVEL, engine_id=self.id, boots=1, time=1000, user=self._user.name,
            mac_octets=MAC_OCTETS[self._user.auth], salt=salt,
        )  # fmt: skip
        mac = hmac.digest(self._auth_key, message.whole, self._user.auth.value)[: len(message.mac)]
        return message.whole[: message.mac_at] + mac + message.whole[message.mac_at + len(mac) :]


def engine_id(address: str) -> bytes:
    """The engine of the device at ``address`` (RFC 3411: an IPv4 address under an enterprise)."""
    return bytes.fromhex("8000000001") + IPv4Address(address).packed


# --- encoding ------------------------------------------------------------------------------------


def _address(device: int) -> str:
    return str(IPv4Address("127.1.0.0") + 1 + device)


def _trouble(address: str, slot: int, v1: bool) -> Trouble:
    port = slot + 1
    unit = VarBind(f"{_ENTERPRISE}.1.1.{port}", ber.OCTET_STRING, b"unit %d" % port)
    match slot % 5:
        case 0 | 1:  # linkDown
            told = [
                VarBind(f"{_INTERFACE}.1.{port}", ber.INTEGER, port),
                VarBind(f"{_INTERFACE}.2.{port}", ber.OCTET_STRING, b"ge-0/0/%d" % port),
                VarBind(f"{_INTERFACE}.7.{port}", ber.INTEGER, 1),
                VarBind(f"{_INTERFACE}.8.{port}", ber.INTEGER, 2),
                VarBind(f"{_IF_ALIAS}.{port}", ber.OCTET_STRING, b"uplink to floor %d" % port),
            ]
            return Trouble(address, "1.3.6.1.6.3.1.1.5.3", _encoded(told), generic=2, v1=v1)
        case 2:  # bgpBackwardTransition
            peer = f"10.0.0.{port}"
            told = [
                VarBind(f"1.3.6.1.2.1.15.3.1.7.{peer}", ber.IP_ADDRESS, peer),
                VarBind(f"1.3.6.1.2.1.15.3.1.14.{peer}", ber.OCTET_STRING, b"\x04\x00"),
                VarBind(f"1.3.6.1.2.1.15.3.1.2.{peer}", ber.INTEGER, 1),
            ]
            return Trouble(address, "1.3.6.1.2.1.15.0.2", _encoded(told), specific=2, v1=v1)
        case 3:
            told = [
                VarBind(f"{_ENTERPRISE}.1.1", ber.OCTET_STRING, b"unit %d" % port),
                VarBind(f"{_ENTERPRISE}.1.2.{port}", ber.OCTET_STRING, b"power supply failed, redundancy is lost"),
                VarBind(f"{_ENTERPRISE}.1.3.{port}", ber.INTEGER, 3),
            ]
            return Trouble(address, f"{_ENTERPRISE}.0.1", _encoded(told), specific=1, v1=v1)
        case _ if slot % PER_DEVICE == PER_DEVICE - 1:  # nobody's rule knows it: an identity once for each device
            told = [unit, VarBind(f"{_ENTERPRISE}.1.6.{port}", ber.COUNTER32, 4711), *_fans(port)]
            return Trouble(address, f"{_ENTERPRISE}.0.3", _encoded(told), specific=3, v1=v1)
        case _:
            told = [
                VarBind(f"{_ENTERPRISE}.1.1", ber.OCTET_STRING, b"unit %d" % port),
                VarBind(f"{_ENTERPRISE}.1.4", ber.GAUGE32, 71),
                *_fans(port),
            ]
            return Trouble(address, f"{_ENTERPRISE}.0.2", _encoded(told), specific=2, v1=v1)


def _fans(port: int) -> list[VarBind]:
    return [VarBind(f"{_ENTERPRISE}.1.5.{port}.{fan}", ber.GAUGE32, 4000 + fan) for fan in range(4)]


def _encoded(told: Sequence[VarBind]) -> bytes:
    return b"".join(map(encode_varbind, told))


def _varbind(oid: str, value: bytes) -> bytes:
    return ber.encode_sequence(ber.encode_oid(oid), value)


def _message(version: bytes, community: bytes, pdu: bytes) -> bytes:
    return ber.encode_sequence(version, community, pdu)


def _message_v1(trouble: Trouble, ticks: int) -> bytes:
    enterprise = trouble.trap.rpartition(".0.")[0] if trouble.generic == 6 else "1.3.6.1.4.1.99999"
    pdu = ber.encode_sequence(
        ber.encode_oid(enterprise),
        ber.encode(ber.IP_ADDRESS, IPv4Address(trouble.address).packed),
        ber.encode_integer(trouble.generic),
        ber.encode_integer(trouble.specific),
        ber.encode_integer(ticks, ber.TIMETICKS),
        ber.encode(0x30, trouble.varbinds),
        tag=PduType.TRAP_V1,
    )
    return _message(b"\x02\x01\x00", ber.encode_octets(COMMUNITY), pdu)


def unknown(count: int, *, address: str = "127.0.0.1", conditions: int = 1) -> Iterator[tuple[str, bytes]]:
    """So many traps of one device about which nothing is known, in turn of as many kinds as ``conditions`` says."""
    for number, kind in zip(range(count), itertools.cycle(range(conditions)), strict=False):
        yield address, Trouble(address, f"1.3.6.1.4.1.99999.0.{kind}", b"").told(number)

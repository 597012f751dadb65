"""Send a trap or an inform, as a device would: what ``tocsin send trap`` is made of.

Built on pysnmp, so that what the collector is tried with comes from another hand than what reads it. pysnmp is slow to
import and is imported at the first use. Nothing is kept between calls: each has an engine id of its own.
"""

import asyncio
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address
from typing import Any, Final

from collectors.snmp.keys import Auth, Localisation, Priv
from collectors.snmp.names import standard

TRAP_OID: Final = "1.3.6.1.6.3.1.1.4.1.0"
UPTIME_OID: Final = "1.3.6.1.2.1.1.3.0"

_TYPES: Final = {
    "i": "Integer32",
    "u": "Gauge32",
    "c": "Counter32",
    "C": "Counter64",
    "t": "TimeTicks",
    "o": "ObjectIdentifier",
    "a": "IpAddress",
    "s": "OctetString",
    "x": "OctetString",
}
"""Letters of net-snmp's tools (and ``C`` for Counter64), with the classes of pysnmp."""
_AUTH: Final = {
    Auth.MD5: "USM_AUTH_HMAC96_MD5",
    Auth.SHA1: "USM_AUTH_HMAC96_SHA",
    Auth.SHA224: "USM_AUTH_HMAC128_SHA224",
    Auth.SHA256: "USM_AUTH_HMAC192_SHA256",
    Auth.SHA384: "USM_AUTH_HMAC256_SHA384",
    Auth.SHA512: "USM_AUTH_HMAC384_SHA512",
}
_PRIV: Final = {
    Priv.DES: "USM_PRIV_CBC56_DES",
    Priv.TDES: "USM_PRIV_CBC168_3DES",
    Priv.AES128: "USM_PRIV_CFB128_AES",
    Priv.AES192: "USM_PRIV_CFB192_AES",
    Priv.AES256: "USM_PRIV_CFB256_AES",
}
_VENDORS: Final = "1.3.6.1.4.1."
"""Of equal names the standards' counts."""
_MODELS: Final = {"1": 0, "2c": 1}


class SendError(Exception):
    """It was not sent, or not answered; the text is one sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """An SNMPv3 user as whom to send."""

    name: str
    auth: Auth = Auth.NONE
    auth_password: str = ""
    priv: Priv = Priv.NONE
    priv_password: str = ""
    localisation: Localisation = Localisation.REEDER

    def __repr__(self) -> str:
        """Say who, never the passwords."""
        return f"Sender({self.name!r}, {self.auth}, {self.priv})"


async def send_trap(
    *,
    host: str,
    port: int = 162,
    version: str = "2c",
    community: str = "public",
    user: Sender | None = None,
    trap: str = "coldStart",
    varbinds: Sequence[tuple[str, str, str]] = (),
    inform: bool = False,
    timeout_s: float = 1.0,
    retries: int = 5,
) -> None:
    """Send one notification; for an inform wait until it was acknowledged.

    Args:
        host: name or address of the receiver.
        port: its UDP port.
        version: ``1``, ``2c`` or ``3``.
        community: for versions 1 and 2c.
        user: for version 3.
        trap: OID, or name of a known notification (``linkDown``).
        varbinds: OID, or name of a standard object with its index (``ifIndex.7``); type, a letter of ``i`` Integer,
            ``u`` Gauge32, ``c`` Counter32, ``C`` Counter64, ``t`` TimeTicks, ``o`` OID, ``a`` IPv4 address, ``s`` text,
            ``x`` octets in hexadecimal; value.
        inform: ask for an answer.
        timeout_s: how long to wait for it, each time.
        retries: how often to repeat an inform that was not answered.

    Raises:
        SendError: an argument is wrong, or nobody answered; one sentence.
    """
    if version not in {"1", "2c", "3"}:
        raise SendError(f"there is no SNMP version {version!r}: choose 1, 2c or 3")
    if version == "1" and inform:
        raise SendError("SNMP version 1 has no informs: choose 2c or 3")
    from pysnmp.error import PySnmpError  # noqa: PLC0415 - slow to import

    try:
        told = [(_oid(TRAP_OID), _value("o", trap_oid(trap))), *(_varbind(*varbind) for varbind in varbinds)]
        error = await _send(
            host,
            port,
            _credentials(version, community, user),
            told,
            inform=inform,
            timeout_s=timeout_s,
            retries=retries,
        )
    except (PySnmpError, OSError, ValueError) as failed:
        raise SendError(f"cannot send to {host}:{port}: {failed}") from failed
    if error:
        raise SendError(f"{host}:{port} did not acknowledge the inform: {error}")


async def _send(
    host: str,
    port: int,
    credentials: Any,
    told: list[tuple[Any, Any]],
    *,
    inform: bool,
    timeout_s: float,
    retries: int,
) -> str:
    from pysnmp.hlapi.v3arch import asyncio as hlapi  # noqa: PLC0415 - slow to import

    engine = _engine()
    target = hlapi.Udp6TransportTarget if _is_ipv6(host) else hlapi.UdpTransportTarget
    try:
        transport = await target.create((host, port), timeout=timeout_s, retries=retries)
        kind = "inform" if inform else "trap"
        error, *_ = await hlapi.send_notification(
            engine, credentials, transport, hlapi.ContextData(), kind, *told, lookupMib=False
        )
        await asyncio.sleep(0)  # the transport writes at the loop's next turn
        return str(error) if error else ""
    finally:
        engine.close_dispatcher()


class _NoCompiler:
    """Instead of pysnmp's compiler of MIB files: it takes half a second to make, and would fetch files from the network."""

    def compile(self, *modules: str, **_options: Any) -> dict[str, str]:
        return dict.fromkeys(modules, "missing")


def _engine() -> Any:
    """An engine with a random id, that knows the MIBs of pysnmp's own and looks for no other: what we send is resolved.

    With its default id every process would begin at boots 1, time 0 again, and look like a replay; giving it an id makes
    it write to a guessable place below /tmp. So the id is set as its constructor would, without that.
    """
    from pysnmp.hlapi.v3arch.asyncio import SnmpEngine  # noqa: PLC0415 - slow to import

    engine = SnmpEngine()
    builder = engine.get_mib_builder()
    builder.set_mib_compiler(_NoCompiler(), os.devnull)
    (own,) = builder.import_symbols("__SNMP-FRAMEWORK-MIB", "snmpEngineID")
    own.syntax = own.syntax.clone(b"\x80\x00\x00\x00\x05" + secrets.token_bytes(12))
    engine.snmpEngineID = own.syntax
    return engine


def _credentials(version: str, community: str, user: Sender | None) -> Any:
    from pysnmp.hlapi.v3arch import asyncio as hlapi  # noqa: PLC0415 - slow to import

    if version != "3":
        return hlapi.CommunityData(community, mpModel=_MODELS[version])
    if user is None:
        raise ValueError("version 3 needs a user")
    protocols: dict[str, Any] = {}
    if user.auth is not Auth.NONE:
        protocols |= {"authKey": user.auth_password, "authProtocol": getattr(hlapi, _AUTH[user.auth])}
    if user.priv is not Priv.NONE:
        long = user.priv in {Priv.AES192, Priv.AES256} and user.localisation is Localisation.BLUMENTHAL
        name = _PRIV[user.priv] + ("_BLUMENTHAL" if long else "")
        protocols |= {"privKey": user.priv_password, "privProtocol": getattr(hlapi, name)}
    return hlapi.UsmUserData(user.name, **protocols)  # noqa: S509 - the caller chooses the level to try


@lru_cache(maxsize=1)
def _by_name() -> dict[str, str]:
    names = standard()
    found: dict[str, str] = {}
    pairs = [(known.name, oid) for oid, known in names.notifications.items()]
    pairs += [(known.name, oid) for oid, known in names.objects.items()]
    for name, oid in pairs:
        if name not in found or found[name].startswith(_VENDORS):
            found[name] = oid
    return found


def trap_oid(trap: str) -> str:
    """The OID that a name or dotted text means.

    Raises:
        ValueError: it is neither.
    """
    name, dot, index = trap.strip(".").partition(".")
    if not name.isdecimal():
        oid = _by_name().get(name)
        if oid is None:
            raise ValueError(f"{name!r} is no notification or object that is known: give its OID")
        return oid + dot + index
    return name + dot + index


def _varbind(oid: str, kind: str, value: str) -> tuple[Any, Any]:
    return _oid(trap_oid(oid)), _value(kind, trap_oid(value) if kind == "o" else value)


def _oid(oid: str) -> Any:
    from pysnmp.hlapi.v3arch.asyncio import ObjectIdentity  # noqa: PLC0415 - slow to import

    return ObjectIdentity(oid)


def _value(kind: str, value: str) -> Any:
    from pysnmp.proto import rfc1902  # noqa: PLC0415 - slow to import

    if kind not in _TYPES:
        raise ValueError(f"{kind!r} is no type: choose one of {' '.join(_TYPES)}")
    make = getattr(rfc1902, _TYPES[kind])
    if kind == "x":
        return make(bytes.fromhex(value.removeprefix("0x")))
    return make(int(value) if kind in "iucCt" else value)


def _is_ipv6(host: str) -> bool:
    try:
        IPv6Address(host)
    except ValueError:
        return False
    return True

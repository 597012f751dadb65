"""From a notification to an `Event`: v1 in terms of v2 (RFC 3584 section 3.1), values as text, names for OIDs.

Pure. Every notification becomes an event: an unknown OID stands for itself, an odd value is shown in hexadecimal, and
a notification that doesn't say what it is has the condition `UNIDENTIFIED`.

Labels of the event, for rules to match:

=================  ================================================================================================
``trap_oid``       the notification's OID, empty if it has none
``trap_name``      its name, and ``trap_module`` the MIB module, if known
``trap_role``      and others that `collectors.snmp.roles` explains, where it is known what the vendor pairs
``uptime``         whole seconds since the agent began, if told
``sender``         the UDP source address, also where a relay's word makes the source another
``engine_id``      of SNMPv3, in hexadecimal
``instance``       the index that all its known columns share (``7`` of ``ifIndex.7`` and ``ifDescr.7``), if they do
(an object)        each varbind under its object's name without the index (``ifDescr``); when one object comes twice,
                   further ones with it (``ifDescr.8``); an unknown one under the name that the notification's
                   definition has at its place (if all of its objects are there), else under its dotted OID
``varbind.1``      the first varbind after sysUpTime and snmpTrapOID, and so on, where the notification's definition is
                   unknown or, of a vendor's, names another object at its place
=================  ================================================================================================

Values are text as `collectors.snmp.render` writes it: ``ifOperStatus`` is ``down``. Communities appear nowhere.
"""

import itertools
from collections.abc import Iterable, Sequence
from operator import add
from typing import Final

from collectors.snmp import ber
from collectors.snmp.codec import Pdu, PduType, Value, VarBind
from collectors.snmp.names import Names
from collectors.snmp.render import cut, value_text
from collectors.snmp.roles import labels_of
from collectors.snmp.shape import (
    HEADS,
    SNMP_TRAP_ADDRESS,
    SNMP_TRAP_COMMUNITY,
    SNMP_TRAP_ENTERPRISE,
    SNMP_TRAP_OID,
    SYS_UPTIME,
    UNIDENTIFIED,
    Shape,
    shape_of,
)
from gateway.core.event import Event, EventKind

__all__ = ["UNIDENTIFIED", "event_source", "to_event", "trap_oid", "v1_as_v2"]

SNMP_TRAPS: Final = "1.3.6.1.6.3.1.1.5"

MAX_LABELS: Final = 200
"""Most labels of an event; the description may tell more."""
MAX_SUMMARY: Final = 250
MAX_DESCRIPTION: Final = 32_000
"""Characters; whole lines are left out beyond it."""
_MAX_SUMMARY_VALUE: Final = 80
_MAX_OID: Final = 1_500
"""Characters of 128 arcs of 32 bits, and some."""

_GENERIC: Final = range(6)
_HUNDREDTHS: Final = 100
_NOWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what senders write who don't know, not a bind address


# --- RFC 3584 ------------------------------------------------------------------------------------


def v1_as_v2(pdu: Pdu, *, community: bytes | None = None) -> tuple[VarBind, ...]:
    """The varbinds that a v1 trap has as a v2 notification (RFC 3584 section 3.1).

    Args:
        pdu: of type `PduType.TRAP_V1`.
        community: only for who forwards the trap; events must not carry it.
    """
    present = {varbind.oid.removesuffix(".0") for varbind in pdu.varbinds}
    added = [
        VarBind(SNMP_TRAP_ADDRESS + ".0", ber.IP_ADDRESS, pdu.agent_addr),
        VarBind(SNMP_TRAP_ENTERPRISE + ".0", ber.OBJECT_IDENTIFIER, pdu.enterprise),
    ]
    if community is not None:
        added.insert(1, VarBind(SNMP_TRAP_COMMUNITY + ".0", ber.OCTET_STRING, community))
    return (
        VarBind(SYS_UPTIME + ".0", ber.TIMETICKS, pdu.timestamp),
        VarBind(SNMP_TRAP_OID + ".0", ber.OBJECT_IDENTIFIER, trap_oid(pdu)),
        *pdu.varbinds,
        *(varbind for varbind in added if varbind.oid.removesuffix(".0") not in present),
    )


def trap_oid(pdu: Pdu) -> str:
    """The notification's OID; empty if a v2 notification doesn't tell it.

    Tolerates what agents get wrong: snmpTrapOID without its instance, in another place, twice (the first counts), or
    as text; in v1 a generic-trap that is not defined (taken as enterprise-specific) and a negative specific-trap.
    """
    if pdu.type is PduType.TRAP_V1:
        if pdu.generic in _GENERIC:
            return f"{SNMP_TRAPS}.{pdu.generic + 1}"
        return f"{pdu.enterprise}.0.{pdu.specific & 0xFFFF_FFFF}"
    value = _scalar(pdu.varbinds, SNMP_TRAP_OID)
    if isinstance(value, bytes):
        value = value.rstrip(b"\0").decode("ascii", "replace").lstrip(".")
    if not isinstance(value, str):
        return ""
    return value if value.replace(".", "").isdecimal() and len(value) <= _MAX_OID else ""


def _scalar(varbinds: Iterable[VarBind], oid: str) -> Value:
    instance = oid + ".0"
    for name, _, value in varbinds:
        if name in (instance, oid):
            return value
    return None


def event_source(pdu: Pdu, *, address: str, relay: bool) -> str:
    """What the notification is about: its UDP source, unless that is a relay which names another.

    Args:
        pdu: the notification.
        address: the UDP source address.
        relay: whether ``address`` is configured as one whose word counts. Anybody can write any agent address.
    """
    if not relay:
        return address
    told = [pdu.agent_addr]
    for oid, tag, value in pdu.varbinds:
        if oid.removesuffix(".0") == SNMP_TRAP_ADDRESS and tag == ber.IP_ADDRESS and isinstance(value, str):
            told.append(value)
    return next((agent for agent in told if agent and agent not in _NOWHERE), address)


# --- event ---------------------------------------------------------------------------------------


def to_event(
    pdu: Pdu,
    *,
    address: str,
    names: Names,
    at_ms: int,
    collector: str,
    relay: bool = False,
    engine_id: str = "",
    identity: str = "",
) -> Event:
    """The event that a notification is; always a raise, since only rules know what clears what.

    Args:
        pdu: a v1 trap, v2 trap or inform.
        address: the UDP source address.
        names: of notifications and objects.
        at_ms: when it arrived, epoch milliseconds.
        collector: name of the collector instance.
        relay: whether the source's word counts about whom it speaks for (see `event_source`).
        engine_id: SNMPv3's authoritative engine, in hexadecimal.
        identity: of an inform, so that its retransmission is folded (`Event.identity`).
    """
    oid = trap_oid(pdu)
    varbinds = v1_as_v2(pdu) if pdu.type is PduType.TRAP_V1 else pdu.varbinds
    shape = shape_of(oid, tuple([varbind.oid for varbind in varbinds]), names)
    texts = [value_text(varbinds[at], known) for at, known in shape.texts]
    labels = {"trap_oid": oid, "sender": address, **shape.named}
    if shape.roles:
        body = [varbind for varbind in varbinds if varbind.oid not in HEADS]
        labels |= labels_of(shape.roles, body, dict(zip(shape.places, texts, strict=True)))
    uptime = varbinds[shape.uptime].value if shape.uptime is not None else None
    if isinstance(uptime, int):
        labels["uptime"] = str((uptime & 0xFFFF_FFFF) // _HUNDREDTHS)
    if engine_id:
        labels["engine_id"] = engine_id
    labels |= shape.instance
    for label, i in shape.labels[: MAX_LABELS - len(labels)]:
        labels[label] = texts[i]
    return Event(
        collector=collector,
        source=event_source(pdu, address=address, relay=relay),
        condition=shape.condition,
        kind=EventKind.RAISE,
        at_ms=at_ms,
        summary=_summary(shape, texts),
        description=_description(shape, texts),
        labels=labels,
        identity=identity,
    )


def _summary(shape: Shape, texts: Sequence[str]) -> str:
    """``linkDown ifIndex=3 ifDescr=ge-0/0/1``; of objects without a name only the values."""
    words = [prefix + cut(texts[i], _MAX_SUMMARY_VALUE) for prefix, i in shape.words]
    return cut(" ".join([shape.condition, *filter(None, words)]), MAX_SUMMARY)


def _description(shape: Shape, texts: Sequence[str]) -> str:
    """What it is and a line for each varbind, as many as there is room for."""
    lines = [shape.title, *map(add, shape.lines, texts)]
    whole = "\n".join(lines)
    if len(whole) <= MAX_DESCRIPTION:
        return whole
    ends = itertools.accumulate(len(line) + 1 for line in lines)  # each with the line break behind it
    fit = sum(end - 1 <= MAX_DESCRIPTION for end in ends)
    return "\n".join([*lines[:fit], f"… and {len(lines) - fit} more varbinds"])

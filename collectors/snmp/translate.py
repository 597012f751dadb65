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

import re
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from collectors.snmp import ber
from collectors.snmp.codec import Pdu, PduType, Value, VarBind
from collectors.snmp.names import Names, Notification, ObjectName
from collectors.snmp.render import cut, value_text
from collectors.snmp.roles import labels_of
from gateway.core.event import Event, EventKind

__all__ = ["UNIDENTIFIED", "event_source", "is_secret", "to_event", "trap_oid", "v1_as_v2"]

UNIDENTIFIED: Final = "unidentified_trap"
"""Condition of a notification without snmpTrapOID."""

SYS_UPTIME: Final = "1.3.6.1.2.1.1.3"
SNMP_TRAP_OID: Final = "1.3.6.1.6.3.1.1.4.1"
SNMP_TRAP_ENTERPRISE: Final = "1.3.6.1.6.3.1.1.4.3"
SNMP_TRAP_ADDRESS: Final = "1.3.6.1.6.3.18.1.3"
SNMP_TRAP_COMMUNITY: Final = "1.3.6.1.6.3.18.1.4"
SNMP_TRAPS: Final = "1.3.6.1.6.3.1.1.5"

MAX_LABELS: Final = 200
"""Most labels of an event; the description may tell more."""
MAX_SUMMARY: Final = 250
MAX_DESCRIPTION: Final = 32_000
"""Characters; whole lines are left out beyond it."""
_MAX_SUMMARY_VALUE: Final = 80
_VENDOR: Final = re.compile(r"1\.3\.6\.1\.4\.1\.\d+\.")
"""An enterprise's arc."""
_MAX_OID: Final = 1_500
"""Characters of 128 arcs of 32 bits, and some."""

_GENERIC: Final = range(6)
_HUNDREDTHS: Final = 100
_NOWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - what senders write who don't know, not a bind address
_HEADS: Final = frozenset(f"{oid}{suffix}" for oid in (SYS_UPTIME, SNMP_TRAP_OID) for suffix in ("", ".0"))
_COMMUNITIES: Final = (SNMP_TRAP_COMMUNITY, "1.3.6.1.6.3.18.1.1.1.2")
"""snmpTrapCommunity and snmpCommunityName."""
_APPENDED: Final = frozenset(
    f"{oid}{suffix}" for oid in (SNMP_TRAP_ENTERPRISE, SNMP_TRAP_ADDRESS, *_COMMUNITIES) for suffix in ("", ".0")
)
"""Objects that RFC 3584 and relays append: no part of what a notification's definition lists."""
_ASIDES: Final = frozenset({"snmpTrapAddress", "snmpTrapEnterprise"})
"""Objects that say nothing about the trouble."""


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
    return next((varbind.value for varbind in varbinds if varbind.oid in (instance, oid)), None)


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


class _Told(NamedTuple):
    """One varbind in words."""

    place: int
    """From 1, without the heads."""
    oid: str
    name: str
    """Its object's, by OID or else by place; empty if neither is known."""
    known: ObjectName | None
    """By OID only."""
    text: str


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
    known = names.notification(oid) if oid else None
    varbinds = v1_as_v2(pdu) if pdu.type is PduType.TRAP_V1 else pdu.varbinds
    body = [varbind for varbind in varbinds if varbind.oid not in _HEADS]
    vendor = _VENDOR.match(known.oid) if known is not None else None
    # Who sends fewer objects than defined left some out, so that places tell nothing.
    placed: Sequence[str] = ()
    if known is not None and vendor and sum(one.oid not in _APPENDED for one in body) >= len(known.objects):
        placed = known.objects
    within = vendor[0] if vendor else ""
    told = [
        _tell(place, varbind, names, placed, within)
        for place, varbind in enumerate(body, start=1)
        if not is_secret(varbind.oid)
    ]
    condition = known.name if known is not None else oid or UNIDENTIFIED
    head = {"trap_oid": oid, "sender": address}
    if known is not None:
        head |= {"trap_name": known.name, "trap_module": known.module}
    roles = names.roles(oid) if oid else ()
    if roles:
        head |= labels_of(roles, body, {one.place: one.text for one in told})
    uptime = _scalar(varbinds, SYS_UPTIME)
    if isinstance(uptime, int):
        head["uptime"] = str((uptime & 0xFFFF_FFFF) // _HUNDREDTHS)
    if engine_id:
        head["engine_id"] = engine_id
    return Event(
        collector=collector,
        source=event_source(pdu, address=address, relay=relay),
        condition=condition,
        kind=EventKind.RAISE,
        at_ms=at_ms,
        summary=_summary(condition, told),
        description=_description(condition, known, told),
        labels=_labels(head, told, defined=known.objects if known and vendor else None if known else ()),
        identity=identity,
    )


def _tell(place: int, varbind: VarBind, names: Names, placed: Sequence[str], within: str) -> _Told:
    """The varbind in words; its name by OID or, ``within`` the notification's own vendor, by its place in ``placed``.

    RFC 2578 section 8.1 fixes the order of a notification's objects.
    """
    known = names.object(varbind.oid)
    name = known.name if known is not None else ""
    if not name and place <= len(placed) and varbind.oid.startswith(within):
        name = placed[place - 1].strip("-")
    return _Told(place, varbind.oid, name, known, value_text(varbind, known))


def is_secret(oid: str) -> bool:
    """Whether a varbind of this OID holds a community."""
    return oid.startswith(_COMMUNITIES) and f"{oid}.".startswith(tuple(f"{name}." for name in _COMMUNITIES))


def _labels(head: dict[str, str], told: Sequence[_Told], *, defined: Sequence[str] | None) -> dict[str, str]:
    """``head`` and a label for each varbind, none of which replaces one of ``head``.

    Where its name is not the one that is ``defined`` at its place, a label by place, too; never if that is None.
    """
    labels = head
    instances = {known.instance for _, _, _, known, _ in told if known is not None} - {"", "0"}
    if len(instances) == 1:
        labels["instance"] = instances.pop()
    for place, oid, name, known, text in told:
        if len(labels) >= MAX_LABELS:
            break
        label = name or oid
        if label in labels and name:
            label = oid if known is None else f"{name}.{known.instance}"
        labels.setdefault(label, text)
        if defined is None or (place <= len(defined) and defined[place - 1] == name):
            continue
        if oid not in _APPENDED:
            labels.setdefault(f"varbind.{place}", text)
    return labels


def _summary(condition: str, told: Iterable[_Told]) -> str:
    """``linkDown ifIndex=3 ifDescr=ge-0/0/1``; of objects without a name only the values."""
    words = [condition]
    for _, _, name, _, text in told:
        if not name:
            words.append(cut(text, _MAX_SUMMARY_VALUE))
        elif name not in _ASIDES:
            words.append(f"{name}={cut(text, _MAX_SUMMARY_VALUE)}")
    return cut(" ".join(filter(None, words)), MAX_SUMMARY)


def _description(condition: str, known: Notification | None, told: Sequence[_Told]) -> str:
    """What it is and a line for each varbind."""
    lines = [condition if known is None else f"{condition} ({known.module}, {known.oid})"]
    room = MAX_DESCRIPTION - len(lines[0])
    for number, (_, oid, name, by_oid, text) in enumerate(told):
        if by_oid is not None:
            line = f"{f'{name}.{by_oid.instance}'.rstrip('.')} = {text}"
        else:
            line = f"{oid} ({name}) = {text}" if name else f"{oid} = {text}"
        room -= len(line) + 1
        if room < 0:
            lines.append(f"… and {len(told) - number} more varbinds")
            break
        lines.append(line)
    return "\n".join(lines)

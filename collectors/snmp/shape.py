"""What a notification's OIDs tell, whatever its values are: what it is, and what its varbinds are called in the event.

Pure. A network repeats few kinds of notification with few indices, also in a flood of troubles that are all new. So what
was found out about the OIDs of one is remembered, and the next of the same shape only has its values put in.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from collectors.snmp.names import Names, ObjectName
from collectors.snmp.roles import Role

__all__ = ["HEADS", "Shape", "is_secret", "shape_of"]

SYS_UPTIME: Final = "1.3.6.1.2.1.1.3"
SNMP_TRAP_OID: Final = "1.3.6.1.6.3.1.1.4.1"
SNMP_TRAP_ENTERPRISE: Final = "1.3.6.1.6.3.1.1.4.3"
SNMP_TRAP_ADDRESS: Final = "1.3.6.1.6.3.18.1.3"
SNMP_TRAP_COMMUNITY: Final = "1.3.6.1.6.3.18.1.4"

HEADS: Final = frozenset(f"{oid}{suffix}" for oid in (SYS_UPTIME, SNMP_TRAP_OID) for suffix in ("", ".0"))
"""The two varbinds that come before a notification's own (RFC 3416 section 4.2.6)."""
UNIDENTIFIED: Final = "unidentified_trap"
"""Condition of a notification without snmpTrapOID."""
_UPTIMES: Final = (SYS_UPTIME, SYS_UPTIME + ".0")
_VENDOR: Final = re.compile(r"1\.3\.6\.1\.4\.1\.\d+\.")
"""An enterprise's arc."""
_COMMUNITIES: Final = (SNMP_TRAP_COMMUNITY, "1.3.6.1.6.3.18.1.1.1.2")
"""snmpTrapCommunity and snmpCommunityName."""
_APPENDED: Final = frozenset(
    f"{oid}{suffix}" for oid in (SNMP_TRAP_ENTERPRISE, SNMP_TRAP_ADDRESS, *_COMMUNITIES) for suffix in ("", ".0")
)
"""Objects that RFC 3584 and relays append: no part of what a notification's definition lists."""
_ASIDES: Final = frozenset({"snmpTrapAddress", "snmpTrapEnterprise"})
"""Objects that say nothing about the trouble."""
_OURS: Final = frozenset(
    [
        "trap_oid",
        "sender",
        "trap_name",
        "trap_module",
        "trap_role",
        "trap_condition",
        "trap_impact",
        "trap_object",
        "uptime",
        "engine_id",
    ]
)
"""Labels that no varbind may give."""
INSTANCE: Final = "instance"

_MEMO_ENTRIES: Final = 4_096
_MEMO_CHARACTERS: Final = 1_000
"""Of all OIDs; larger shapes are made each time, so that a hostile sender can't make the memo hold more than some MiB."""


class Shape(NamedTuple):
    """A notification without its values. Varbinds are meant by their index among those that have a text."""

    condition: str
    title: str
    """First line of the description."""
    named: Mapping[str, str]
    """Labels: ``trap_name`` and ``trap_module``, if they are known."""
    roles: Sequence[Role]
    uptime: int | None
    """Index of sysUpTime among all varbinds."""
    texts: Sequence[tuple[int, ObjectName | None]]
    """Of each varbind that has a text its index among all varbinds, and what is known of its object by OID."""
    places: Sequence[int]
    """Their places after the heads, from 1."""
    instance: Mapping[str, str]
    """The label ``instance``, if all columns share one."""
    labels: Sequence[tuple[str, int]]
    """Names of labels, and the varbinds that give them, in order."""
    words: Sequence[tuple[str, int]]
    """What stands before the values in the summary: ``ifDescr=``, or nothing."""
    lines: Sequence[str]
    """What stands before the values in the description, of each varbind: ``ifDescr.7 = ``."""


def shape_of(oid: str, oids: tuple[str, ...], names: Names) -> Shape:
    """The shape of the notification ``oid`` (empty if it doesn't say) with varbinds of these OIDs, heads included."""
    key = (oid, oids)
    known = names.shapes.get(key)
    if known is not None:
        return known
    shape = _shape(oid, oids, names)
    if len(oid) + sum(map(len, oids)) <= _MEMO_CHARACTERS:
        if len(names.shapes) >= _MEMO_ENTRIES:
            names.shapes.clear()
        names.shapes[key] = shape
    return shape


def is_secret(oid: str) -> bool:
    """Whether a varbind of this OID holds a community."""
    return oid.startswith(_COMMUNITIES) and f"{oid}.".startswith(tuple(f"{name}." for name in _COMMUNITIES))


class _Varbind(NamedTuple):
    """One varbind as far as its OID tells."""

    at: int
    """Among all."""
    place: int
    """From 1, without the heads."""
    oid: str
    name: str
    """Its object's, by OID or else by place; empty if neither is known."""
    known: ObjectName | None
    """By OID only."""


def _shape(oid: str, oids: Sequence[str], names: Names) -> Shape:
    known = names.notification(oid) if oid else None
    body = [(at, one) for at, one in enumerate(oids) if one not in HEADS]
    vendor = _VENDOR.match(known.oid) if known is not None else None
    # Who sends fewer objects than defined left some out, so that places tell nothing.
    placed: Sequence[str] = ()
    if known is not None and vendor and sum(one not in _APPENDED for _, one in body) >= len(known.objects):
        placed = known.objects
    within = vendor[0] if vendor else ""
    told = [
        _named(at, place, one, names, placed, within)
        for place, (at, one) in enumerate(body, start=1)
        if not is_secret(one)
    ]
    condition = known.name if known is not None else oid or UNIDENTIFIED
    instance = _instance(told)
    return Shape(
        condition=condition,
        title=condition if known is None else f"{condition} ({known.module}, {known.oid})",
        named={} if known is None else {"trap_name": known.name, "trap_module": known.module},
        roles=names.roles(oid) if oid else (),
        uptime=next((at for at, one in enumerate(oids) if one in _UPTIMES), None),
        texts=tuple((one.at, one.known) for one in told),
        places=tuple(one.place for one in told),
        instance=instance,
        labels=_labels(
            told, _OURS.union(instance), defined=known.objects if known and vendor else None if known else ()
        ),
        words=tuple((f"{one.name}=" if one.name else "", i) for i, one in enumerate(told) if one.name not in _ASIDES),
        lines=tuple(f"{_title(one)} = " for one in told),
    )


def _named(at: int, place: int, oid: str, names: Names, placed: Sequence[str], within: str) -> _Varbind:
    """The varbind with its name, by OID or, ``within`` the notification's own vendor, by its place in ``placed``.

    RFC 2578 section 8.1 fixes the order of a notification's objects.
    """
    known = names.object(oid)
    name = known.name if known is not None else ""
    if not name and place <= len(placed) and oid.startswith(within):
        name = placed[place - 1].strip("-")
    return _Varbind(at, place, oid, name, known)


def _instance(told: Sequence[_Varbind]) -> dict[str, str]:
    instances = {one.known.instance for one in told if one.known is not None} - {"", "0"}
    return {INSTANCE: instances.pop()} if len(instances) == 1 else {}


def _labels(
    told: Sequence[_Varbind], taken: frozenset[str], *, defined: Sequence[str] | None
) -> tuple[tuple[str, int], ...]:
    """The label of each varbind, none of which is ``taken``; of two with one name the first counts.

    Where its name is not the one that is ``defined`` at its place, a label by place, too; never if that is None.
    """
    labels: dict[str, int] = {}
    for i, (_, place, oid, name, known) in enumerate(told):
        label = name or oid
        if name and (label in labels or label in taken):
            label = oid if known is None else f"{name}.{known.instance}"
        labels.setdefault(label, i)
        if defined is None or (place <= len(defined) and defined[place - 1] == name):
            continue
        if oid not in _APPENDED:
            labels.setdefault(f"varbind.{place}", i)
    return tuple(labels.items())


def _title(varbind: _Varbind) -> str:
    """``ifDescr.7``, or its OID and what is known by its place."""
    if varbind.known is not None:
        return f"{varbind.name}.{varbind.known.instance}".rstrip(".")
    return f"{varbind.oid} ({varbind.name})" if varbind.name else varbind.oid

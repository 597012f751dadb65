"""What vendors pair: which trap is a trouble, which ends it, which varbinds tell one from another, and how grave it is.

Pure. Facts of the shipped catalogue, by OID; they become labels of the event, on which the rule pack ``vendor-traps`` acts:

==================  ===============================================================================================
``trap_role``       ``problem``, ``clear`` (it ends a problem) or ``information`` (it has no end)
``trap_condition``  the condition of the problem, the same for both
``trap_object``     the values of the varbinds that tell one trouble of this kind from another
``trap_impact``     ``critical``, ``high``, ``medium`` or ``low``, if it is known
==================  ===============================================================================================

Some vendors say with one OID and a varbind what others say with two OIDs: such a role holds only for certain values.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from collectors.snmp.codec import VarBind

__all__ = ["ROLE", "Role", "key_of", "labels_of", "roles_of"]

ROLE: Final = "p"
"""Kind of the catalogue's records: followed by `key_of`."""
_MAX_OBJECT: Final = 200


class Role(NamedTuple):
    """What a trap is, if certain varbinds have certain values."""

    role: str
    impact: str
    condition: str
    places: tuple[int, ...]
    """Of the varbinds that make the object, from 1, after sysUpTime and snmpTrapOID."""
    only: tuple[tuple[int, tuple[str, ...]], ...] = ()
    """Place and values, one of which the varbind must have."""

    def field(self) -> str:
        """As a field of a record."""
        return json.dumps(self, ensure_ascii=False, separators=(",", ":"))


def roles_of(_key: str, fields: Sequence[str]) -> tuple[Role, ...]:
    """The roles that a record's fields tell."""
    return tuple(_role(*json.loads(field)) for field in fields)


def _role(role: str, impact: str, condition: str, places: list[int], only: list[Any]) -> Role:
    return Role(role, impact, condition, tuple(places), tuple((place, tuple(values)) for place, values in only))


def key_of(oid: str) -> str:
    """One key for both forms of a notification's OID (``enterprise.0.N`` and ``enterprise.N``, RFC 3584 section 3.1)."""
    prefix, _, last = oid.rpartition(".")
    return f"{prefix.removesuffix('.0')}.{last}"


def labels_of(roles: Sequence[Role], varbinds: Sequence[VarBind], texts: Mapping[int, str]) -> dict[str, str]:
    """The labels that the first role which holds gives.

    Args:
        roles: in order.
        varbinds: after sysUpTime and snmpTrapOID.
        texts: their values as text, by place.
    """
    for role in roles:
        if all(_raw(varbinds, place) in values for place, values in role.only):
            labels = {"trap_role": role.role, "trap_condition": role.condition}
            if role.impact:
                labels["trap_impact"] = role.impact
            told = "/".join(texts.get(place, "") for place in role.places)
            if told.strip("/"):
                labels["trap_object"] = told[:_MAX_OBJECT]
            return labels
    return {}


def _raw(varbinds: Sequence[VarBind], place: int) -> str:
    """A value without its enumeration: the facts have numbers."""
    value = varbinds[place - 1].value if 0 < place <= len(varbinds) else None
    if isinstance(value, bytes):
        return value.rstrip(b"\0").decode("utf-8", "replace")
    return "" if value is None else str(value)

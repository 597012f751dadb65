"""Make the shipped catalogue of names: ``python -m collectors.snmp.making INDEX PAIRS``.

INDEX is a file of notifications, one JSON object a line, compressed with gzip or not: ``oid``, ``mod`` (the MIB module),
``name`` and ``objs`` (names of its objects, in order). Facts only: no text of any module is read or written. Where two
modules claim an OID, the standards' own names (``ietf.json``) come first, then SMIv2, then the module whose name sorts
first.

PAIRS is a file of what other systems know of traps, in the same form: ``v2_oid_candidates``, ``uei`` (a name for the meaning),
``severity``, ``alarm_type`` (1 a problem that something ends, 2 what ends one, 3 neither), ``reduction_key`` and ``clear_key``
(``NAME:%parm[#2]%``: the name, and the varbinds that tell one trouble from another), ``mask_varbinds`` (which values it is
about). A pair whose keys don't fit each other, or that is about values by pattern, is left out.
"""

import gzip
import json
import re
import sys
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from collectors.snmp.catalogue import Fields, encode
from collectors.snmp.names import NOTIFICATION, OBJECT, notification_fields, object_fields
from collectors.snmp.roles import ROLE, Role, key_of

SHIPPED: Final = Path(__file__).with_name("shipped.names")
_FILES: Final = 2
_VENDORS: Final = "1.3.6.1.4.1."
"""The standards' notifications have rules of their own."""
_PROBLEM, _CLEAR = 1, 2
_IMPACTS: Final = {"Critical": "critical", "Major": "high", "Minor": "medium", "Warning": "low"}
_PARAMETER: Final = re.compile(r"%parm\[#(\d+)\]%?")
_VARIABLE: Final = re.compile(r"%[^%:]*%?")
_OF_THE_SOURCE: Final = frozenset(
    {"%uei%", "%dpname%", "%nodeid%", "%interface%", "%node%", "%nodelabel%", "%source%", "%host%", "%snmphost%"}
)
"""What our fingerprint holds anyway: who it is about."""
_PATTERN: Final = re.compile(r"^~|%|\t|\n")
_OID: Final = re.compile(r"[012](?:\.\d+)+")
_NAME: Final = re.compile(r"[A-Za-z][\w-]*", re.ASCII)


def shipped_records(index: Iterable[str]) -> dict[str, Fields]:
    """The records of the shipped catalogue, from the lines of an index and the standards' facts.

    Raises:
        ValueError: a line is none of an index.
    """
    records: dict[str, Fields] = {}
    facts = json.loads(resources.files(__package__).joinpath("ietf.json").read_text("utf-8"))
    taken = {oid for oid, _, _ in facts["objects"]}
    lines = map(json.loads, index)
    for line in sorted(lines, key=lambda line: (-int(line["v"]), line["mod"], line["name"])):
        oid, module, name = line["oid"], line["mod"], line["name"]
        if not (_OID.fullmatch(oid) and _NAME.fullmatch(module) and _NAME.fullmatch(name)):
            raise ValueError(f"{module} {name} {oid} is no notification")
        if oid in taken:  # a module that is wrong about its own place
            continue
        objects = (text if _NAME.fullmatch(text) else "-" for text in line["objs"])
        records.setdefault(NOTIFICATION + oid, notification_fields(module, name, " ".join(objects)))
    records |= {
        NOTIFICATION + oid: notification_fields(module, name, objects)
        for oid, module, name, objects in facts["notifications"]
    }
    return records | {OBJECT + oid: object_fields("", name, meaning) for oid, name, meaning in facts["objects"]}


def role_records(pairs: Iterable[str], names: Mapping[str, Fields]) -> dict[str, Fields]:
    """The records of roles, from the lines of a file of pairs; ``names`` are the records of `shipped_records`."""
    lines = [json.loads(line) for line in pairs]
    problems = {line["uei"]: line for line in reversed(lines) if line["alarm_type"] != _CLEAR}
    ended = {line.get("clear_key", "").partition(":")[0] for line in lines if line["alarm_type"] == _CLEAR}
    conditions = {uei: _condition(line, names) for uei, line in problems.items()}
    roles: dict[str, list[Role]] = {}
    for line in lines:
        role = _role(line, problems, conditions, names, has_end=line["uei"] in ended)
        if role is not None and line["v2_oid_candidates"][0].startswith(_VENDORS):
            roles.setdefault(ROLE + key_of(line["v2_oid_candidates"][0]), []).append(role)
    # A role for certain values comes before one for all, of which there can be one.
    ordered = {key: sorted(found, key=lambda role: not role.only) for key, found in roles.items()}
    return {key: tuple(dict.fromkeys(role.field() for role in found)) for key, found in ordered.items()}


def _role(
    line: Mapping[str, Any],
    problems: Mapping[str, Any],
    conditions: Mapping[str, str],
    names: Mapping[str, Fields],
    *,
    has_end: bool,
) -> Role | None:
    only = _only(line)
    if only is None or not line["v2_oid_candidates"]:
        return None
    impact = _IMPACTS.get(line["severity"], "")
    if line["alarm_type"] != _CLEAR:
        places = _places(line["reduction_key"])
        if places is None:
            return None
        lasts = line["alarm_type"] == _PROBLEM and line["severity"] not in ("Normal", "Cleared")
        return Role(
            "problem" if has_end or lasts else "information", impact or "low", conditions[line["uei"]], places, only
        )
    uei, _, rest = line.get("clear_key", "").partition(":")
    ended = problems.get(uei)
    if ended is None:
        return Role("information", "low", _condition(line, names), (), only)
    places, theirs = _places(rest), _places(ended["reduction_key"])
    if places is None or theirs is None or len(places) != len(theirs):
        return None
    return Role("clear", "", conditions[uei], places, only)


def _places(key: str) -> tuple[int, ...] | None:
    """The varbinds in a key; None if it names something else that we don't know, too."""
    if set(_VARIABLE.findall(_PARAMETER.sub("", key))) - _OF_THE_SOURCE:
        return None
    return tuple(int(place) for place in _PARAMETER.findall(key))


def _only(line: Mapping[str, Any]) -> tuple[tuple[int, tuple[str, ...]], ...] | None:
    """The values that a line is about; None if they are not plain."""
    only = []
    for mask in line.get("mask_varbinds") or ():
        values = [value for value in mask["values"] or () if value]
        if not values or not (mask["n"] or "").isdecimal() or any(_PATTERN.search(value) for value in values):
            return None
        only.append((int(mask["n"]), tuple(values)))
    return tuple(only)


def _condition(line: Mapping[str, Any], names: Mapping[str, Fields]) -> str:
    """The name of the trap, if it is known and says all; else the name of the meaning."""
    known = (names.get(NOTIFICATION + oid) for oid in line["v2_oid_candidates"])
    name = next((fields[1] for fields in known if fields is not None), "")
    if name and not line.get("mask_varbinds"):
        return name
    return re.sub(r"[^\w-]+", "_", line["uei"].rpartition("/")[2]) or name


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    return (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()


def main(arguments: list[str]) -> int:
    """Write the shipped catalogue."""
    if len(arguments) != _FILES:
        sys.stderr.write("usage: python -m collectors.snmp.making INDEX PAIRS\n")
        return 2
    index, pairs = (_lines(Path(argument)) for argument in arguments)
    names = shipped_records(index)
    roles = role_records(pairs, names)
    SHIPPED.write_bytes(encode(names | roles))
    sys.stdout.write(f"{SHIPPED.name}: {len(names)} names, {len(roles)} roles, {SHIPPED.stat().st_size} octets\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""From scanned MIB modules to records of a catalogue: numbers for names, types followed to what they mean.

Pure. A symbol is looked for in its module, then in the module it is imported from, then among what is built in, then in the
only module that defines it: vendors forget imports. What cannot be resolved is told once per symbol and module, with file
and line, and costs only what depends on it.

Records beside those of `collectors.snmp.names`: ``iMODULE.NAME`` (an OID) and ``tMODULE.NAME`` (a type), so that modules
added later find what they import; ``mMODULE`` (the file, and how many notifications and objects it gave).
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from collectors.snmp.catalogue import Fields
from collectors.snmp.mib_scan import Definition, Module, Problem, Syntax
from collectors.snmp.names import NOTIFICATION, OBJECT, Hint, notification_fields, object_fields

__all__ = ["IDENTIFIER", "MODULE", "TYPE", "Resolved", "resolve"]

IDENTIFIER: Final = "i"
TYPE: Final = "t"
MODULE: Final = "m"
MAX_ARCS: Final = 128
_MAX_ARC: Final = 0xFFFF_FFFF
_MOST_TYPES_DEEP: Final = 16
_SNMP_TRAPS: Final = "1.3.6.1.6.3.1.1.5"
_GENERIC_ENTERPRISE: Final = "1.3.6.1.2.1.11"

_ROOTS: Final[Mapping[str, str]] = {
    "ccitt": "0",
    "iso": "1",
    "joint-iso-ccitt": "2",
    "org": "1.3",
    "dod": "1.3.6",
    "internet": "1.3.6.1",
    "directory": "1.3.6.1.1",
    "mgmt": "1.3.6.1.2",
    "mib-2": "1.3.6.1.2.1",
    "mib": "1.3.6.1.2.1",
    "system": "1.3.6.1.2.1.1",
    "interfaces": "1.3.6.1.2.1.2",
    "ip": "1.3.6.1.2.1.4",
    "transmission": "1.3.6.1.2.1.10",
    "snmp": "1.3.6.1.2.1.11",
    "rmon": "1.3.6.1.2.1.16",
    "dot1dBridge": "1.3.6.1.2.1.17",
    "host": "1.3.6.1.2.1.25",
    "experimental": "1.3.6.1.3",
    "private": "1.3.6.1.4",
    "enterprises": "1.3.6.1.4.1",
    "security": "1.3.6.1.5",
    "snmpV2": "1.3.6.1.6",
    "snmpDomains": "1.3.6.1.6.1",
    "snmpProxys": "1.3.6.1.6.2",
    "snmpModules": "1.3.6.1.6.3",
    "snmpMIB": "1.3.6.1.6.3.1",
    "snmpTraps": "1.3.6.1.6.3.1.1.5",
    "zeroDotZero": "0.0",
}
_TOP: Final = frozenset({"ccitt", "iso", "joint-iso-ccitt"})
_TYPES: Final[Mapping[str, Syntax]] = {
    "DateAndTime": Syntax("OCTET STRING", hint=Hint.DATE),
    "MacAddress": Syntax("OCTET STRING", hint=Hint.COLON),
    "PhysAddress": Syntax("OCTET STRING", hint=Hint.COLON),
    "BridgeId": Syntax("OCTET STRING", hint=Hint.COLON),
    "InetAddress": Syntax("OCTET STRING", hint=Hint.INET),
    "BITS": Syntax("BITS", hint=Hint.HEX),
    "TruthValue": Syntax("INTEGER", enum="true=1 false=2"),
    "RowStatus": Syntax("INTEGER", enum="active=1 notInService=2 notReady=3 createAndGo=4 createAndWait=5 destroy=6"),
    "StorageType": Syntax("INTEGER", enum="other=1 volatile=2 nonVolatile=3 permanent=4 readOnly=5"),
    "InetAddressType": Syntax("INTEGER", enum="unknown=0 ipv4=1 ipv6=2 ipv4z=3 ipv6z=4 dns=16"),
}
"""Textual conventions of the standards that need not be among the files."""


class Resolved(NamedTuple):
    """What modules gave."""

    records: dict[str, Fields]
    problems: list[Problem]


def resolve(modules: Sequence[Module], *, before: Mapping[str, Fields], known: Mapping[str, str]) -> Resolved:
    """The records of ``modules``, and those of ``before`` whose modules are not among them.

    Args:
        modules: as scanned; of two with one name the last counts.
        before: records of earlier calls.
        known: OIDs by name, of the standards' objects.
    """
    return _Resolver(modules, before, known).run()


class _Resolver:
    def __init__(self, modules: Sequence[Module], before: Mapping[str, Fields], known: Mapping[str, str]) -> None:
        self._modules = {module.name: module for module in modules}
        self._problems = [
            Problem(
                module.file, module.line, f"{module.name} is also in {self._modules[module.name].file}, which counts"
            )
            for module in modules
            if self._modules[module.name] is not module
        ]
        self._local = {
            name: {definition.name: definition for definition in module.definitions if definition.macro != "TRAP-TYPE"}
            for name, module in self._modules.items()
        }
        self._homes: dict[str, list[str]] = {}
        for name, definitions in self._local.items():
            for symbol in definitions:
                self._homes.setdefault(symbol, []).append(name)
        self._records = {key: fields for key, fields in before.items() if self._stays(key, fields)}
        self._earlier = _earlier(self._records)
        self._types = {key[1:]: Syntax(*fields) for key, fields in self._records.items() if key[0] == TYPE}
        self._known = {**known, **_ROOTS}
        self._oids: dict[tuple[str, str], str | None] = {}
        self._told: set[tuple[str, str]] = set()

    def _stays(self, key: str, fields: Fields) -> bool:
        if key[0] in (NOTIFICATION, OBJECT):
            return fields[0] not in self._modules
        return key[1:].partition(".")[0] not in self._modules

    def run(self) -> Resolved:
        for module in self._modules.values():
            self._take(module)
        return Resolved(self._records, self._problems)

    def _take(self, module: Module) -> None:
        notifications = objects = 0
        for name, syntax in module.types.items():
            self._records[f"{TYPE}{module.name}.{name}"] = tuple(self._meant(module, syntax))
        for definition in module.definitions:
            oid = self._trap(module, definition) if definition.macro == "TRAP-TYPE" else self._oid(module, definition)
            if oid is None:
                continue
            if definition.macro in ("TRAP-TYPE", "NOTIFICATION-TYPE"):
                notifications += 1
                fields = notification_fields(module.name, definition.name, " ".join(definition.objects))
                self._records[NOTIFICATION + oid] = fields
            elif definition.syntax is not None and not self._is_table(module, definition.syntax):
                objects += 1
                meaning = _meaning(self._meant(module, definition.syntax))
                self._records[OBJECT + oid] = object_fields(module.name, definition.name, meaning)
            else:
                self._records[f"{IDENTIFIER}{module.name}.{definition.name}"] = (oid,)
        self._records[MODULE + module.name] = (module.file, str(notifications), str(objects))

    # --- numbers ---------------------------------------------------------------------------------

    def _trap(self, module: Module, definition: Definition) -> str | None:
        """RFC 3584 section 3.1: generic traps have OIDs of their own, others ``enterprise.0.number``."""
        enterprise = self._symbol(module, definition.enterprise, definition)
        if enterprise is None or not definition.value.strip().isdecimal():
            return None
        number = int(definition.value)
        if enterprise == _GENERIC_ENTERPRISE:
            return f"{_SNMP_TRAPS}.{number + 1}"
        return f"{enterprise}.0.{number}"

    def _oid(self, module: Module, definition: Definition) -> str | None:
        """The OID of a definition, following parents without recursion."""
        chain: list[tuple[Module, Definition]] = []
        at: tuple[Module, Definition] | None = (module, definition)
        oid: str | None = None
        while at is not None:
            home, here = at
            key = (home.name, here.name)
            if key in self._oids:
                oid = self._oids[key]
                break
            self._oids[key] = None  # also what it is if it turns out to be its own parent
            chain.append(at)
            parent = _parent(here.value)
            if not parent:
                oid = ""
                break
            at = self._where(home, parent)
            if at is None:
                oid = self._symbol(home, parent, here)
        for home, here in reversed(chain):
            oid = None if oid is None else self._joined(home, here, oid)
            self._oids[home.name, here.name] = oid
        return oid

    def _joined(self, module: Module, definition: Definition, parent: str) -> str | None:
        arcs = _arcs(definition.value, has_parent=bool(_parent(definition.value)))
        if arcs is None or not (parent or arcs):
            self._tell(
                module,
                definition,
                definition.name,
                f"{definition.name} has no sound number: {{{definition.value.strip()[:80]}}}",
            )
            return None
        oid = ".".join([*([parent] if parent else []), *arcs])
        if oid.count(".") >= MAX_ARCS:
            self._tell(module, definition, definition.name, f"{definition.name} has more than {MAX_ARCS} arcs")
            return None
        return oid

    def _where(self, module: Module, symbol: str) -> tuple[Module, Definition] | None:
        """The definition of a symbol as ``module`` sees it, among the modules being read."""
        prefix, _, name = symbol.rpartition(".")
        for home in (prefix or module.name, module.imports.get(name, "")):
            found = self._local.get(home, {}).get(name)
            if found is not None:
                return self._modules[home], found
        if name in self._known or f"{module.imports.get(name, '')}.{name}" in self._earlier:
            return None
        homes = self._homes.get(name, ())
        return (self._modules[homes[0]], self._local[homes[0]][name]) if len(homes) == 1 else None

    def _symbol(self, module: Module, symbol: str, definition: Definition) -> str | None:
        """The OID of a symbol; None, told, if it has none."""
        found = self._where(module, symbol)
        if found is not None:
            return self._oid(*found)
        name = symbol.rpartition(".")[2]
        home = module.imports.get(name, "")
        oid = self._earlier.get(f"{home}.{name}") or self._known.get(name) or self._earlier.get(name)
        if oid is None:
            cure = f"add the file of {home}" if home else "add the file that defines it"
            self._tell(
                module,
                definition,
                name,
                f"{definition.name} lies below {name or 'nothing'}, which is not defined: {cure}",
            )
        return oid

    # --- types -----------------------------------------------------------------------------------

    def _is_table(self, module: Module, syntax: Syntax) -> bool:
        return syntax.base.endswith(" OF") or syntax.base in module.rows

    def _meant(self, module: Module, syntax: Syntax) -> Syntax:
        """A type with the enumeration and hint that it, or what it is made of, has."""
        enum, hint = syntax.enum, syntax.hint
        for _ in range(_MOST_TYPES_DEEP):
            if enum or hint:
                break
            found = self._type(module, syntax.base)
            if found is None:
                break
            module, syntax = found
            enum, hint = syntax.enum, syntax.hint
        if syntax.base == "BITS":
            enum, hint = "", Hint.HEX
        return Syntax(syntax.base, enum, hint)

    def _type(self, module: Module, name: str) -> tuple[Module, Syntax] | None:
        name = name.rpartition(".")[2]
        for home in (module.name, module.imports.get(name, "")):
            if name in _TYPES and home != module.name:
                return module, _TYPES[name]
            if home in self._modules and name in self._modules[home].types:
                return self._modules[home], self._modules[home].types[name]
            if f"{home}.{name}" in self._types:
                return module, self._types[f"{home}.{name}"]
        return (module, _TYPES[name]) if name in _TYPES else None

    def _tell(self, module: Module, definition: Definition, symbol: str, text: str) -> None:
        if (module.name, symbol) not in self._told:
            self._told.add((module.name, symbol))
            self._problems.append(Problem(module.file, definition.line, text))


def _earlier(records: Mapping[str, Fields]) -> dict[str, str]:
    """OIDs by ``MODULE.NAME``, and by the bare name."""
    found: dict[str, str] = {}
    for key, fields in records.items():
        if key[0] == IDENTIFIER:
            name, oid = key[1:], fields[0]
        elif key[0] in (NOTIFICATION, OBJECT):
            name, oid = f"{fields[0]}.{fields[1]}", key[1:]
        else:
            continue
        found[name] = oid
        found.setdefault(name.partition(".")[2], oid)
    return found


def _tokens(value: str) -> list[str]:
    return value.replace("(", " ( ").replace(")", " ) ").replace(",", " ").split()


def _parent(value: str) -> str:
    """The symbol that a value begins with; empty if it begins with a number, or with a root and its number."""
    tokens = _tokens(value)
    if not tokens or tokens[0].isdecimal() or (tokens[0] in _TOP and tokens[1:2] == ["("]):
        return ""
    return tokens[0]


def _arcs(value: str, *, has_parent: bool) -> list[str] | None:
    """The numbers of a value after its parent; None if something else is among them."""
    tokens = _tokens(value)
    if has_parent:
        tokens = tokens[4:] if tokens[1:2] == ["("] else tokens[1:]
    arcs: list[str] = []
    for place, word in enumerate(tokens):
        number = word
        if word in ("(", ")") or tokens[place + 1 : place + 2] == ["("]:  # a name before its number
            continue
        if not word.isdecimal():
            number = _ROOTS.get(word, "").rpartition(".")[2]  # { iso org dod 1 }
        if not number.isdecimal() or int(number) > _MAX_ARC:
            return None
        arcs.append(str(int(number)))
    return arcs


def _meaning(syntax: Syntax) -> str:
    """As a record of an object has it."""
    if syntax.enum:
        return syntax.enum
    return "" if set(syntax.hint) & set("= \t") else syntax.hint

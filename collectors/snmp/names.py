"""Names of notifications and objects, by OID.

`standard` has every notification of the shipped catalogue (`collectors.snmp.catalogue`, made by `collectors.snmp.making`):
those of IETF and IEEE modules with the objects they carry and their enumerations, and those of vendors with the names of
their objects. Names of the user's own MIB files are laid over these with `Names.over`.

A name that is not found is no error anywhere: the dotted OID takes its place.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Generic, TypeVar

from collectors.snmp.catalogue import Catalogue, CatalogueError, Fields
from collectors.snmp.roles import ROLE, Role, key_of, roles_of

if TYPE_CHECKING:
    from collectors.snmp.shape import Shape

__all__ = [
    "NOTIFICATION",
    "NO_ENUM",
    "OBJECT",
    "Hint",
    "KnownObject",
    "Names",
    "Notification",
    "ObjectName",
    "names_of",
    "notification_fields",
    "object_fields",
    "standard",
]

NO_ENUM: Final[Mapping[int, str]] = MappingProxyType({})
NOTIFICATION: Final = "n"
OBJECT: Final = "o"
"""Kinds of the catalogue's records: followed by the OID."""

V = TypeVar("V")

_MEMO_ENTRIES: Final = 16_384
_MEMO_CHARACTERS: Final = 160
"""Longer OIDs are looked up each time, so that a hostile sender can't make the memo hold more than a few MiB."""


class Hint(StrEnum):
    """How an octet string is meant to be read (RFC 2579, RFC 4001)."""

    NONE = ""
    """As text if it is printable, else in hexadecimal."""
    DATE = "date"
    """DateAndTime."""
    COLON = "colon"
    """MacAddress, PhysAddress, BridgeId: ``00:1b:2c``."""
    INET = "inet"
    """InetAddress: IPv4 or IPv6 by its length, else text (a DNS name)."""
    HEX = "hex"
    """BITS and other bytes that only look like text by accident."""


# A hint is one of these words or, of the user's own MIB files, a DISPLAY-HINT (RFC 2579 section 3.1) such as ``d-2``.


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """A notification that a MIB module defines."""

    oid: str
    name: str
    module: str
    objects: tuple[str, ...] = ()
    """Names of the objects that it should carry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownObject:
    """An object that a MIB module defines."""

    name: str
    hint: str
    enum: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """What an OID with its instance means."""

    name: str
    instance: str
    """The index, dotted: ``7`` of ``ifOperStatus.7``, ``0`` of a scalar; empty if it was left out."""
    hint: str
    enum: Mapping[int, str]


class Layers(Mapping[str, V]):
    """Mappings over each other: the first that has a key counts."""

    def __init__(self, *layers: Mapping[str, V]) -> None:
        self._layers = layers

    def __getitem__(self, oid: str) -> V:
        for layer in self._layers:
            found = layer.get(oid)
            if found is not None:
                return found
        raise KeyError(oid)

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(oid for layer in self._layers for oid in layer))

    def __len__(self) -> int:
        return sum(1 for _ in self)


class Names:
    """Looks up notifications and objects; both answers are remembered, since storms repeat few OIDs."""

    def __init__(
        self,
        notifications: Mapping[str, Notification],
        objects: Mapping[str, KnownObject],
        roles: Mapping[str, tuple[Role, ...]] | None = None,
    ) -> None:
        self.roles_by_key: Final = {} if roles is None else roles
        """By `key_of` an OID."""
        self._told_roles: dict[str, tuple[Role, ...] | None] = {}
        self.notifications: Final = notifications
        """By OID, as their modules define them."""
        self.objects: Final = objects
        """By OID without an instance."""
        self._memo: dict[str, ObjectName | None] = {}
        self._columns: dict[str, KnownObject | None] = {}
        self._notified: dict[str, Notification | None] = {}
        self.shapes: Final[dict[tuple[str, tuple[str, ...]], Shape]] = {}
        """The memory of `collectors.snmp.shape`, which is worth nothing with other names."""

    def over(self, base: "Names") -> "Names":
        """These names, and those of ``base`` where these have none."""
        return Names(
            Layers(self.notifications, base.notifications),
            Layers(self.objects, base.objects),
            Layers(self.roles_by_key, base.roles_by_key),
        )

    def notification(self, oid: str) -> Notification | None:
        """The notification with this OID, in either of its two forms.

        RFC 3584 section 3.1 makes ``enterprise.0.N`` of a v1 trap, but many MIB modules define ``enterprise.N``, and
        some v1 agents have an enterprise that ends in ``.0`` already.
        """
        return _remembered(self._notified, oid, self._find_notification)

    def object(self, oid: str) -> ObjectName | None:
        """The object that this OID is an instance of, by longest prefix."""
        return _remembered(self._memo, oid, self._find)

    def roles(self, oid: str) -> tuple[Role, ...]:
        """What the notification with this OID may be; empty if nothing is known."""
        return _remembered(self._told_roles, key_of(oid), self.roles_by_key.get) or ()

    def _find_notification(self, oid: str) -> Notification | None:
        known = self.notifications.get(oid)
        if known is not None:
            return known
        prefix, _, last = oid.rpartition(".")
        if not prefix.endswith(".0"):
            return self.notifications.get(f"{prefix}.0.{last}")
        while known is None and prefix.endswith(".0"):
            prefix = prefix[:-2]
            known = self.notifications.get(f"{prefix}.{last}")
        return known

    def _find(self, oid: str) -> ObjectName | None:
        prefix, known = oid, self.objects.get(oid)
        while known is None and prefix:
            prefix = prefix.rpartition(".")[0]
            known = _remembered(self._columns, prefix, self.objects.get)  # the same for every new index
        if known is None:
            return None
        return ObjectName(name=known.name, instance=oid[len(prefix) + 1 :], hint=known.hint, enum=known.enum)


def _remembered(memo: dict[str, V | None], oid: str, find: Callable[[str], V | None]) -> V | None:
    try:
        return memo[oid]
    except KeyError:
        found = find(oid)
    if len(oid) <= _MEMO_CHARACTERS:
        if len(memo) >= _MEMO_ENTRIES:
            memo.clear()
        memo[oid] = found
    return found


# --- in a catalogue ------------------------------------------------------------------------------


class _Records(Mapping[str, V], Generic[V]):
    """The records of one kind in a catalogue, read as they are asked for."""

    def __init__(self, catalogue: Catalogue, kind: str, made: Callable[[str, Fields], V]) -> None:
        self._catalogue, self._kind, self._made = catalogue, kind, made

    def __getitem__(self, oid: str) -> V:
        try:
            fields = self._catalogue.get(self._kind + oid)
        except CatalogueError:
            fields = None  # damage costs names, never a trap
        if fields is None:
            raise KeyError(oid)
        return self._made(oid, fields)

    def __iter__(self) -> Iterator[str]:
        return (oid for oid, _ in self._catalogue.kind(self._kind))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def names_of(catalogue: Catalogue) -> Names:
    """The names in ``catalogue``; nothing is read before it is asked for."""
    return Names(
        _Records(catalogue, NOTIFICATION, _notification),
        _Records(catalogue, OBJECT, _object),
        _Records(catalogue, ROLE, roles_of),
    )


@lru_cache(maxsize=1)
def standard() -> Names:
    """The shipped names."""
    return names_of(Catalogue(resources.files(__package__).joinpath("shipped.names").read_bytes()))


def notification_fields(module: str, name: str, objects: str) -> Fields:
    """A notification as a record; ``objects`` are names with spaces between them."""
    return (module, name, objects)


def object_fields(module: str, name: str, meaning: str) -> Fields:
    """An object as a record; ``meaning`` is a hint (``date``) or an enumeration (``up=1 down=2``)."""
    return (module, name, meaning)


def _notification(oid: str, fields: Fields) -> Notification:
    module, name, objects = fields
    return Notification(oid=oid, module=module, name=name, objects=tuple(objects.split()))


def _object(_oid: str, fields: Fields) -> KnownObject:
    _, name, meaning = fields
    if "=" not in meaning:
        return KnownObject(name=name, hint=meaning, enum=NO_ENUM)
    pairs = (pair.rpartition("=") for pair in meaning.split())
    return KnownObject(name=name, hint=Hint.NONE, enum={int(number): word for word, _, number in pairs})

"""Names of notifications and objects, by OID.

`standard` has the notifications of IETF and IEEE modules and the objects they carry. The facts are in ``ietf.json``
(OIDs, names, enumerations): taken from two independent collections of MIB modules, compared with each other, and only
under the standards' own arcs. Names of vendors come from the user's MIB files and are laid over these with `Names.over`.

A name that is not found is no error anywhere: the dotted OID takes its place.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Final

__all__ = ["NO_ENUM", "Hint", "KnownObject", "Names", "Notification", "ObjectName", "standard"]

NO_ENUM: Final[Mapping[int, str]] = MappingProxyType({})

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
    hint: Hint
    enum: Mapping[int, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectName:
    """What an OID with its instance means."""

    name: str
    instance: str
    """The index, dotted: ``7`` of ``ifOperStatus.7``, ``0`` of a scalar; empty if it was left out."""
    hint: Hint
    enum: Mapping[int, str]


class Names:
    """Looks up notifications and objects; both answers are remembered, since storms repeat few OIDs."""

    def __init__(self, notifications: Mapping[str, Notification], objects: Mapping[str, KnownObject]) -> None:
        self.notifications: Final = dict(notifications)
        """By OID, as their modules define them."""
        self.objects: Final = dict(objects)
        """By OID without an instance."""
        self._memo: dict[str, ObjectName | None] = {}

    def over(self, base: "Names") -> "Names":
        """These names, and those of ``base`` where these have none."""
        return Names(base.notifications | self.notifications, base.objects | self.objects)

    def notification(self, oid: str) -> Notification | None:
        """The notification with this OID, in either of its two forms.

        RFC 3584 section 3.1 makes ``enterprise.0.N`` of a v1 trap, but many MIB modules define ``enterprise.N``, and
        some v1 agents have an enterprise that ends in ``.0`` already.
        """
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

    def object(self, oid: str) -> ObjectName | None:
        """The object that this OID is an instance of, by longest prefix."""
        try:
            return self._memo[oid]
        except KeyError:
            found = self._find(oid)
        if len(oid) <= _MEMO_CHARACTERS:
            if len(self._memo) >= _MEMO_ENTRIES:
                self._memo.clear()
            self._memo[oid] = found
        return found

    def _find(self, oid: str) -> ObjectName | None:
        prefix = oid
        while prefix:
            known = self.objects.get(prefix)
            if known is not None:
                instance = oid[len(prefix) + 1 :]
                return ObjectName(name=known.name, instance=instance, hint=known.hint, enum=known.enum)
            prefix = prefix.rpartition(".")[0]
        return None


@lru_cache(maxsize=1)
def standard() -> Names:
    """The names of the standards' notifications and objects, read once."""
    facts = json.loads(resources.files(__package__).joinpath("ietf.json").read_text("utf-8"))
    return Names(
        {
            oid: Notification(oid=oid, module=module, name=name, objects=tuple(objects.split()))
            for oid, module, name, objects in facts["notifications"]
        },
        {oid: _known(name, meaning) for oid, name, meaning in facts["objects"]},
    )


def _known(name: str, meaning: str) -> KnownObject:
    """``meaning`` is a hint (``date``) or an enumeration (``up=1 down=2``)."""
    if "=" not in meaning:
        return KnownObject(name=name, hint=Hint(meaning), enum=NO_ENUM)
    pairs = (pair.partition("=") for pair in meaning.split())
    return KnownObject(name=name, hint=Hint.NONE, enum={int(number): word for word, _, number in pairs})

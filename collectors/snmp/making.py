"""Make the shipped catalogue of names: ``python -m collectors.snmp.making INDEX``.

INDEX is a file of notifications, one JSON object a line, compressed with gzip or not: ``oid``, ``mod`` (the MIB module),
``name`` and ``objs`` (names of its objects, in order). Facts only: no text of any module is read or written. Where two
modules claim an OID, the standards' own names (``ietf.json``) come first, then SMIv2, then the module whose name sorts
first.
"""

import gzip
import json
import re
import sys
from collections.abc import Iterable
from importlib import resources
from pathlib import Path
from typing import Final

from collectors.snmp.catalogue import Fields, encode
from collectors.snmp.names import NOTIFICATION, OBJECT, notification_fields, object_fields

SHIPPED: Final = Path(__file__).with_name("shipped.names")
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


def main(arguments: list[str]) -> int:
    """Write the shipped catalogue."""
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m collectors.snmp.making INDEX\n")
        return 2
    path = Path(arguments[0])
    data = path.read_bytes()
    records = shipped_records((gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines())
    SHIPPED.write_bytes(encode(records))
    sys.stdout.write(f"{SHIPPED.name}: {len(records)} records, {SHIPPED.stat().st_size} octets\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

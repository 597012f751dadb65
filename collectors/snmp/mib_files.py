"""The user's MIB files, and the file of names that they become: ``mibs.names`` in the state directory.

On failure: a file that cannot be read, is too large or makes no sense is told with its name and line, and the others are
taken all the same. The file of names is replaced as a whole, so that a daemon that reads the old one goes on.
"""

import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from collectors.snmp.catalogue import Catalogue, CatalogueError, Fields, encode
from collectors.snmp.mib_resolve import IDENTIFIER, MODULE, TYPE, resolve
from collectors.snmp.mib_scan import Module, Problem, scan
from collectors.snmp.names import NOTIFICATION, OBJECT, Names, names_of, standard
from collectors.snmp.render import escape

log = structlog.get_logger()

FILE_NAME: Final = "mibs.names"
MOST_FILES: Final = 20_000
MOST_OCTETS: Final = 16 << 20
"""Of one file."""
MOST_DEFINITIONS: Final = 1_000_000
"""Of all files together."""


class Read(NamedTuple):
    """What became of a folder."""

    records: dict[str, Fields]
    modules: list[str]
    """Names of those that were read."""
    problems: list[Problem]


def open_names(path: Path) -> Catalogue:
    """The file of names at ``path``, mapped into memory.

    Raises:
        OSError: it cannot be read.
        CatalogueError: it is damaged.
    """
    with path.open("rb") as file:
        return Catalogue(
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if os.fstat(file.fileno()).st_size else b""
        )


def names_in(state_dir: Path, otherwise: Names) -> Names:
    """All names: those of the user's MIB files, where there are any, over the shipped ones.

    A file that cannot be read is told, and is no reason not to start: ``otherwise`` holds.
    """
    path = state_dir / FILE_NAME
    if not path.exists():
        return standard()
    try:
        catalogue = open_names(path)
        modules = sum(1 for _ in catalogue.kind(MODULE))
    except (OSError, CatalogueError) as error:
        log.warning("mibs.refused", path=str(path), why=str(error), cure="make it anew: tocsin mibs add DIR")
        return otherwise
    log.info("mibs.read", path=str(path), modules=modules)
    return names_of(catalogue).over(standard())


def records_of(catalogue: Catalogue) -> dict[str, Fields]:
    """All records of a catalogue that MIB files became."""
    kinds = (NOTIFICATION, OBJECT, IDENTIFIER, TYPE, MODULE)
    return {kind + key: fields for kind in kinds for key, fields in catalogue.kind(kind)}


def read_folder(folder: Path, before: dict[str, Fields]) -> Read:
    """Read every file below ``folder``; modules in ``before`` that are not among them stay.

    Raises:
        OSError: the folder itself cannot be read.
    """
    modules: list[Module] = []
    problems: list[Problem] = []
    definitions = 0
    for count, path in enumerate(_files(folder)):
        name = escape(os.fsencode(path).decode("utf-8", "replace"))
        if count >= MOST_FILES or definitions > MOST_DEFINITIONS:
            problems.append(
                Problem(
                    name,
                    1,
                    f"this file and those after it were not read: more than {MOST_FILES} files or {MOST_DEFINITIONS} definitions; add them in several calls",
                )
            )
            break
        text = _text(path, name)
        if isinstance(text, Problem):
            problems.append(text)
            continue
        found, wrong = scan(text, file=name)
        modules += found
        problems += wrong
        definitions += sum(len(module.definitions) for module in found)
    known = {known.name: oid for oid, known in standard().objects.items()}
    resolved = resolve(modules, before=before, known=known)
    return Read(resolved.records, sorted({module.name for module in modules}), sorted([*problems, *resolved.problems]))


def write_names(path: Path, records: dict[str, Fields]) -> None:
    """Replace the file of names at ``path``.

    Raises:
        OSError: it cannot be written.
    """
    data = encode(records)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with new.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        new.chmod(0o644)  # the daemon may be another user than who added
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[Path]:
    """Plain files below ``folder`` (or it, if it is one), in order; hidden ones and what links lead to folders left out."""
    if folder.is_file():
        yield folder
        return
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(place, name) for name in sorted(files) if not name.startswith("."))


def _text(path: Path, name: str) -> str | Problem:
    try:
        if not path.is_file():
            return Problem(name, 1, "is no plain file, and was not read")
        with path.open("rb") as file:
            data = file.read(MOST_OCTETS + 1)
    except OSError as error:
        return Problem(name, 1, f"cannot be read: {error.strerror}")
    if len(data) > MOST_OCTETS:
        return Problem(name, 1, f"is larger than {MOST_OCTETS >> 20} MiB, and was not read")
    if b"\0" in data:
        return Problem(
            str(path), data[: data.index(b"\0")].count(b"\n") + 1, "is no text (it has a NUL), and was not read"
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")

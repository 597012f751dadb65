"""``tocsin mibs``: names from the user's own MIB files. Everything is read from disk, nothing is fetched."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import click

from collectors.snmp.catalogue import Catalogue, CatalogueError, Fields
from collectors.snmp.mib_files import FILE_NAME, Read, open_names, read_folder, records_of, write_names
from collectors.snmp.mib_resolve import MODULE
from collectors.snmp.mib_scan import Problem
from collectors.snmp.names import standard
from collectors.snmp.render import escape
from gateway.core.text import many

SHOWN: int = 20
"""Problems that ``add`` shows; ``lint`` shows all."""

STATE_DIR = click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="TOCSIN_STATE_DIR",
    default=lambda: os.environ.get("STATE_DIRECTORY", "").split(":")[0] or ".tocsin",
    show_default="$STATE_DIRECTORY or .tocsin",
    help=f"Where the daemon keeps its state; the names are in {FILE_NAME} there.",
)
_FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True))


@click.group()
def mibs() -> None:
    """Read the MIB files of your vendors: names, enumerations and display hints."""


@mibs.command()
@_FOLDER
@STATE_DIR
def add(folder: Path, state_dir: Path) -> None:
    """Read all MIB files in DIR, or that file; a reload (SIGHUP) lets the daemon use the names.

    Modules added before stay, and count as there for the imports of these; one with the same name is replaced.
    """
    path = state_dir / FILE_NAME
    before = records_of(_open(path)) if path.exists() else {}
    found = _read(folder, before)
    if not found.modules:
        raise click.ClickException(_sentence(found.problems, folder))
    try:
        write_names(path, found.records)
    except OSError as error:
        raise click.ClickException(
            f"{path} cannot be written ({error.strerror}); give another place with --state-dir, or run as the daemon's user"
        ) from None
    _show(found.problems, most=SHOWN)
    added = [found.records[MODULE + name] for name in found.modules]
    notifications, objects = (sum(int(fields[place]) for fields in added) for place in (1, 2))
    click.echo(
        f"in {path}: {many(len(added), 'module')}, {many(notifications, 'notification')}, {many(objects, 'object')}; "
        f"problems: {len(found.problems)}; reload the daemon to use them"
    )


@mibs.command()
@_FOLDER
@STATE_DIR
def lint(folder: Path, state_dir: Path) -> None:
    """Tell everything that is wrong in the MIB files in DIR, with file and line; nothing is stored.

    What was added before counts as there. The exit code is 1 if there is a problem.
    """
    path = state_dir / FILE_NAME
    found = _read(folder, records_of(_open(path)) if path.exists() else {})
    _show(found.problems, most=len(found.problems))
    click.echo(f"{many(len(found.modules), 'module')}, {many(len(found.problems), 'problem')}")
    if found.problems:
        raise click.exceptions.Exit(1)


@mibs.command("list")
@STATE_DIR
@click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")
def list_modules(state_dir: Path, *, as_json: bool) -> None:
    """List the modules that were added."""
    path = state_dir / FILE_NAME
    found: list[tuple[str, Fields]] = list(_open(path).kind(MODULE)) if path.exists() else []
    if as_json:
        items = [
            {"module": name, "notifications": int(notifications), "objects": int(objects), "file": file}
            for name, (file, notifications, objects) in found
        ]
        click.echo(json.dumps({"items": items, "next": None}, indent=2))
        return
    for name, (file, notifications, objects) in found:
        counts = f"{many(int(notifications), 'notification')}, {many(int(objects), 'object')}"
        click.echo(f"{name}  {counts}  {escape(file)}")
    shipped = len(standard().notifications)
    click.echo(f"added: {many(len(found), 'module')}; known out of the box: {many(shipped, 'notification')}")


def _open(path: Path) -> Catalogue:
    try:
        catalogue = open_names(path)
        for _ in catalogue.kind(MODULE):
            pass
    except (OSError, CatalogueError) as error:
        raise click.ClickException(
            f"{path} cannot be used ({error}); remove it, and add your MIB files again"
        ) from None
    return catalogue


def _read(folder: Path, before: dict[str, Fields]) -> Read:
    try:
        return read_folder(folder, before)
    except OSError as error:
        raise click.ClickException(f"{folder} cannot be read: {error.strerror or error}") from None


def _show(problems: Sequence[Problem], *, most: int) -> None:
    for problem in problems[:most]:
        click.echo(escape(str(problem)), err=True)
    if len(problems) > most:
        click.echo(f"... and {len(problems) - most} more: tocsin mibs lint shows all", err=True)


def _sentence(problems: Sequence[Problem], folder: Path) -> str:
    first = f" ({escape(str(problems[0]))})" if problems else ""
    return f"there is no MIB module in {folder}{first}; name the folder that holds your vendor's MIB files"

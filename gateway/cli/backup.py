"""``tocsin backup`` and ``tocsin restore``: a copy of all that lasts, and the way back."""

import os
from pathlib import Path

import click

from gateway.cli.api import Daemon
from gateway.cli.exits import Exit, Failure
from gateway.cli.options import admin_socket, state_dir_option


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@state_dir_option
def backup(file: Path, state_dir: Path) -> None:
    """Write a backup of the running daemon to the new FILE, a tar of its databases."""
    if file.exists():
        raise Failure(f"{file} is there already: name another file, or remove it")
    part = file.with_name(f"{file.name}.part")
    try:
        with open(part, "wb", opener=_for_us_only) as target:
            size = Daemon.by_socket(admin_socket(state_dir)).download("backup", target)
            target.flush()
            os.fsync(target.fileno())
        os.link(part, file)  # unlike a rename, this never takes the place of a file that came meanwhile
    except FileExistsError:
        raise Failure(f"{file} is there already: name another file, or remove it") from None
    except OSError as error:
        raise Failure(f"cannot write {file}: {error.strerror or error}; name another file") from None
    finally:
        part.unlink(missing_ok=True)
    click.echo(f"{file}: {size} bytes")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@state_dir_option
def restore(file: Path, state_dir: Path) -> None:
    """Put the databases of the backup FILE into the state directory; no daemon may run there.

    What was there is kept beside them, under names that end in the time of the restore.
    """
    from gateway import upkeep  # noqa: PLC0415 - the other commands need not load it

    try:
        done = upkeep.restore(file, state_dir)
    except upkeep.RestoreRefused as error:
        raise Failure(str(error), code=Exit.TEMPORARY if error.later else Exit.FAILED) from None
    for name, aside in done:
        click.echo(f"{state_dir / name} is restored" + (f"; what was there is {aside}" if aside else ""))


def _for_us_only(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)  # mails are in there

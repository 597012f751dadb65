"""Commands that plugins bring, found by entry point: the gateway imports no plugin.

A plugin names a `click.Command` in the group ``tocsin.commands`` (``tocsin mibs``), ``tocsin.senders`` (``tocsin send trap``)
or ``tocsin.importers`` (``tocsin import snmptt``). It is loaded when it is called, or listed by ``--help``.
"""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import click

from gateway.cli.exits import Exit, Failure

COMMANDS = "tocsin.commands"
SENDERS = "tocsin.senders"
IMPORTERS = "tocsin.importers"


class Contributed(click.Group):
    """A group whose commands, besides its own, are those of one entry point group."""

    def __init__(self, *arguments: Any, contributed: str, **options: Any) -> None:
        """``contributed`` is the entry point group."""
        super().__init__(*arguments, **options)
        self._contributed = contributed

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted({*super().list_commands(ctx), *(entry.name for entry in self._entries())})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of ours, else a plugin's, which is loaded."""
        own = super().get_command(ctx, cmd_name)
        if own is not None:
            return own
        return next((_load(entry) for entry in self._entries() if entry.name == cmd_name), None)

    def _entries(self) -> Iterable[EntryPoint]:
        return entry_points(group=self._contributed)


def _load(entry: EntryPoint) -> click.Command:
    place = f"command {entry.name} ({entry.value}, entry point {entry.group})"
    try:
        command = entry.load()
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise Failure(f"{place} does not load: {why}; repair or uninstall its package", code=Exit.BAD_CONFIG) from error
    if not isinstance(command, click.Command):
        raise Failure(f"{place} is no command; uninstall its package", code=Exit.BAD_CONFIG)
    return command

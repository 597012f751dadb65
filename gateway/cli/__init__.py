"""The ``tocsin`` command: one file for each subcommand.

What belongs here: what a person types and reads. Commands talk to the daemon's API, never to its database; only `restore`,
which lets no daemon run, writes files in the state directory.

What happens on failure: one sentence for each thing that is wrong on standard error, never a traceback, and an exit code
of `gateway.cli.exits.Exit`.

By hand: ``tocsin --help``; every command takes ``--help``, and those that list things take ``--json``.
"""

import io
import os
import sys
from typing import Any

import click

from gateway import logs
from gateway.cli.backup import backup, restore
from gateway.cli.check import check
from gateway.cli.contributed import COMMANDS, Contributed
from gateway.cli.demo import demo
from gateway.cli.drill import drill
from gateway.cli.drops import drops
from gateway.cli.exits import Exit, Failure
from gateway.cli.explain import explain
from gateway.cli.imports import import_
from gateway.cli.incidents import incidents
from gateway.cli.outbox import outbox
from gateway.cli.plugins import plugins
from gateway.cli.replay import replay
from gateway.cli.run import run
from gateway.cli.schema import schema
from gateway.cli.send import send
from gateway.cli.setup import setup
from gateway.cli.silence import maintenance, silence
from gateway.cli.simulate import simulate
from gateway.cli.stations import stations
from gateway.cli.trial import test
from gateway.cli.unknown import unknown
from gateway.config import ConfigError
from gateway.plugins import PluginError

__all__ = ["main", "tocsin"]


class Commands(Contributed):
    """Turns what is wrong with configuration or plugins into sentences and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            raise Failure(*map(str, error.mistakes), code=Exit.BAD_CONFIG) from None
        except PluginError as error:
            raise Failure(str(error), code=Exit.BAD_CONFIG) from None


@click.group(cls=Commands, contributed=COMMANDS)
@click.version_option(package_name="tocsin", message="%(prog)s %(version)s")
def tocsin() -> None:
    """From the equipment that cries out to the people who repair it."""


for _command in (
    backup,
    check,
    demo,
    drill,
    drops,
    explain,
    import_,
    incidents,
    maintenance,
    outbox,
    plugins,
    replay,
    restore,
    run,
    schema,
    send,
    setup,
    silence,
    simulate,
    stations,
    test,
    unknown,
):
    tocsin.add_command(_command)


def main() -> None:
    """Entry point of the ``tocsin`` command."""
    logs.configure(verbosity="warning")  # `run` sets up what the configuration says
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a locale that lacks a sign is no reason to fail
    try:
        tocsin(prog_name="tocsin")
    except Exception as error:
        if os.environ.get("TOCSIN_DEBUG"):
            raise
        why = logs.printable(f"{type(error).__name__}: {error}")
        click.echo(f"tocsin failed unexpectedly: {why}; TOCSIN_DEBUG=1 shows where, please report it", err=True)
        sys.exit(Exit.FAILED)

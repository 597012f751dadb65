"""``tocsin run``: the daemon."""

import asyncio
import os
import shutil
import sys
from pathlib import Path

import click

from gateway import logs
from gateway.cli.options import config_option, configuration, prepared, state_dir_option
from gateway.config import Config, quick_start_file

TURN_S = 0.002
"""How long a thread may compute while another wants to (`sys.setswitchinterval`): the event loop gives up its turn at each
system call, and waits so long for the next one while the writer decides a batch."""


@click.command()
@config_option
@state_dir_option
def run(path: Path | None, state_dir: Path) -> None:
    """Hear traps, heartbeats and mail, and keep tickets, until told to stop.

    SIGTERM and SIGINT drain and stop; SIGHUP reads the configuration again.
    """
    config = configuration(path)
    folder = prepared(state_dir)
    set_up_logs(config)
    sys.setswitchinterval(TURN_S)
    from gateway.serve import serve  # noqa: PLC0415 - the other commands need not load the whole daemon

    def ready() -> None:
        if config.path == quick_start_file():
            click.echo(invitation())

    def load_again() -> Config:
        again = configuration(path)
        set_up_logs(again)
        return again

    code = asyncio.run(serve(config, state_dir=folder, ready=ready, load_again=load_again))
    if code:
        raise click.exceptions.Exit(code)


def set_up_logs(config: Config) -> None:
    """Log as the configuration says, and never its secrets."""
    logs.configure(
        form=config.daemon.log_format.value, verbosity=config.daemon.log_verbosity.value, secrets=config.secrets()
    )


def invitation() -> str:
    """What the quick start prints: three lines to paste."""
    command = _own_command()
    return (
        "\nTocsin listens. Paste these lines into another terminal:\n\n"
        f"  {command} send trap\n"
        f"""  {command} send beat '{{"status":"fault"}}'\n"""
        f"  {command} send mail\n\n"
        "Incidents and tickets: http://127.0.0.1:9464/    Stop: Ctrl-C\n"
    )


def _own_command() -> str:
    """How to call this command from the same folder."""
    called = Path(sys.argv[0])
    found = shutil.which("tocsin")
    if called.name != "tocsin" or (found and called.exists() and Path(found).samefile(called)):
        return "tocsin"
    return os.path.relpath(called)

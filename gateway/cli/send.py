"""``tocsin send``: play the equipment. The commands come from the collectors, by entry point ``tocsin.senders``."""

from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import click

from gateway.cli.exits import Exit, Failure

SENDERS = "tocsin.senders"


class Senders(click.Group):
    """One command for each installed sender."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Names of the senders."""
        return sorted(entry.name for entry in _senders())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Load the sender's command."""
        for entry in _senders():
            if entry.name == cmd_name:
                return _load(entry)
        return None


def _senders() -> Iterable[EntryPoint]:
    return entry_points(group=SENDERS)


def _load(entry: EntryPoint) -> click.Command:
    try:
        command = entry.load()
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        text = f"sender {entry.name} ({entry.value}) does not load: {why}; repair or uninstall its package"
        raise Failure(text, code=Exit.BAD_CONFIG) from error
    if not isinstance(command, click.Command):
        raise Failure(f"sender {entry.name} ({entry.value}) is no command; uninstall its package", code=Exit.BAD_CONFIG)
    return command


@click.group(cls=Senders)
def send() -> None:
    """Send a trap, a heartbeat or a mail, to try things out."""

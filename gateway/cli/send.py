"""``tocsin send``: play the equipment. The commands come from the collectors, by entry point ``tocsin.senders``."""

import click

from gateway.cli.contributed import SENDERS, Contributed


@click.group(cls=Contributed, contributed=SENDERS)
def send() -> None:
    """Send a trap, a heartbeat or a mail, to try things out."""

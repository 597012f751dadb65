"""``tocsin schema``: the JSON Schema of a configuration file, for editors."""

import click

from gateway.config.schema import text
from gateway.plugins import discover


@click.command()
def schema() -> None:
    """Print the JSON Schema of the whole configuration, installed plugins included."""
    click.echo(text(discover()), nl=False)

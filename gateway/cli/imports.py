"""``tocsin import``: what a site already has elsewhere, as rules. The commands come from plugins, by ``tocsin.importers``."""

import click

from gateway.cli.contributed import IMPORTERS, Contributed


@click.group("import", cls=Contributed, contributed=IMPORTERS)
def import_() -> None:
    """Turn the definitions of another system into rules on standard output, with an account of each on standard error."""

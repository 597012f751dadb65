"""``tocsin stations``: who beats, who is late, who is down."""

import click

from gateway.cli.api import Daemon
from gateway.cli.options import json_option, say_json, url_option
from gateway.cli.tables import ago, table

HEAD = ("STATION", "SITE", "STATE", "SEEN", "DOWN FOR", "INTERVAL", "BEATS", "FAULT")


@click.command()
@click.option("--limit", default=1000, type=click.IntRange(1), show_default=True, help="Most that are listed.")
@url_option
@json_option
def stations(limit: int, url: str, *, as_json: bool) -> None:
    """List the stations that are watched, by name."""
    items = list(Daemon(url).items("stations", limit=limit))
    if as_json:
        say_json({"items": items, "next": None})
        return
    rows = [
        (
            item["station"],
            item["site"],
            item["state"],
            ago(item["seen"]),
            ago(item["down_since"]),
            "-" if item["interval_s"] is None else f"{item['interval_s']:g}s",
            item["beats"],
            item["fault"],
        )
        for item in items
    ]
    click.echo(table(HEAD, rows) if rows else "no stations")

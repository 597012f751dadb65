"""``tocsin drops``: who sent what was not kept, and why."""

import click

from gateway.cli.api import Daemon
from gateway.cli.options import json_option, say_json, url_option
from gateway.cli.tables import ago, table

HEAD = ("COLLECTOR", "SOURCE", "REASON", "COUNT", "FIRST", "LAST", "WHY")


@click.command()
@click.option("--reason", default="", help="Only these, such as auth_failed, unknown_user or replayed.")
@click.option("--limit", default=1000, type=click.IntRange(1), show_default=True, help="Most that are listed.")
@url_option
@json_option
def drops(reason: str, limit: int, url: str, *, as_json: bool) -> None:
    """List inputs that were not kept since the daemon's start, by source and reason, the latest first."""
    query = {"reason": reason} if reason else {}
    items = list(Daemon(url).items("drops", limit=limit, **query))
    if as_json:
        say_json({"items": items, "next": None})
        return
    rows = [
        (
            item["collector"],
            item["source"],
            item["reason"],
            item["count"],
            ago(item["first_seen"]),
            ago(item["last_seen"]),
            item["detail"],
        )
        for item in items
    ]
    click.echo(table(HEAD, rows) if rows else "nothing was dropped")

"""``tocsin stations``: who beats, who is late, who is down."""

from pathlib import Path

import click

from gateway.cli.api import Daemon, segment
from gateway.cli.options import admin_socket, listing, say_json, state_dir_option
from gateway.cli.tables import ago, table, until
from gateway.core.station import StationVerb

HEAD = ("STATION", "SITE", "STATE", "SEEN", "NEXT", "DOWN FOR", "INTERVAL", "BEATS", "FAULT")


@listing(most=1000)
def stations(limit: int, url: str, *, as_json: bool) -> None:
    """List the stations that are watched, by name; or retire one, let it sleep, or wake it."""
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
            until(item["expected"]),
            ago(item["down_since"]),
            item["interval_from"] if item["interval_s"] is None else f"{item['interval_s']:g}s",
            item["beats"],
            item["fault"],
        )
        for item in items
    ]
    click.echo(table(HEAD, rows) if rows else "no stations")


@stations.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@state_dir_option
def retire(names: tuple[str, ...], state_dir: Path) -> None:
    """Take each station NAME out of service: what is wrong with it is over. A beat takes it up again."""
    _order(names, state_dir, StationVerb.RETIRE)


@stations.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@state_dir_option
def sleep(names: tuple[str, ...], state_dir: Path) -> None:
    """Let each station NAME be silent until it beats or is woken; an outage of it is over."""
    _order(names, state_dir, StationVerb.SLEEP)


@stations.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@state_dir_option
def wake(names: tuple[str, ...], state_dir: Path) -> None:
    """Let each station NAME owe beats again, from now on."""
    _order(names, state_dir, StationVerb.WAKE)


def _order(names: tuple[str, ...], state_dir: Path, verb: StationVerb) -> None:
    daemon = Daemon.by_socket(admin_socket(state_dir))
    for name in names:
        daemon.post(f"stations/{segment(name)}/{verb}")
        click.echo(f"station {name}: {verb} is done")

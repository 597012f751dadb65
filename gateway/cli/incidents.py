"""``tocsin incidents``: what is wrong now, and what was."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.api import Daemon, segment
from gateway.cli.options import (
    admin_socket,
    choices_option,
    json_option,
    listing,
    say_json,
    state_dir_option,
    url_option,
)
from gateway.cli.tables import ago, table, when
from gateway.core.decision import Verb
from gateway.core.incident import State
from gateway.logs import printable

HEAD = ("ID", "P", "STATE", "COUNT", "SEEN", "SOURCE", "CONDITION", "OBJECT", "TICKETS", "SUMMARY")
INSTANTS = ("first_seen", "last_seen", "due")


@listing(
    choices_option("state", State), click.option("--source", default="", help="Only those of this source."), most=100
)
def incidents(states: tuple[str, ...], source: str, limit: int, url: str, *, as_json: bool) -> None:
    """List incidents, newest first; or show, close or unmute one."""
    query = {name: value for name, value in (("state", ",".join(states)), ("source", source)) if value}
    items = list(Daemon(url).items("incidents", limit=limit, **query))
    if as_json:
        say_json({"items": items, "next": None})
        return
    click.echo(table(HEAD, [_row(item) for item in items]) if items else "no incidents")


@incidents.command()
@click.argument("incident")
@url_option
@json_option
def show(incident: str, url: str, *, as_json: bool) -> None:
    """Show one INCIDENT with its tickets and timeline."""
    found = Daemon(url).get(f"incidents/{segment(incident)}")
    if as_json:
        say_json(found)
    else:
        click.echo(_one(found))


@incidents.command()
@click.argument("found", metavar="INCIDENT...", nargs=-1, required=True)
@state_dir_option
def close(found: tuple[str, ...], state_dir: Path) -> None:
    """Close each INCIDENT: the trouble is over, whatever the equipment says."""
    _command(found, state_dir, Verb.CLOSE)


@incidents.command()
@click.argument("found", metavar="INCIDENT...", nargs=-1, required=True)
@state_dir_option
def unmute(found: tuple[str, ...], state_dir: Path) -> None:
    """Lift what keeps each INCIDENT from having its ticket ("won't fix", closed by hand)."""
    _command(found, state_dir, Verb.UNMUTE)


def _command(found: tuple[str, ...], state_dir: Path, verb: Verb) -> None:
    daemon = Daemon.by_socket(admin_socket(state_dir))
    for incident in found:
        after = daemon.post(f"incidents/{segment(incident)}/{verb}")
        click.echo(f"incident {after['id']} is {after['state']}")


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    tickets = " ".join(f"{ticket['sink']}:{ticket['ref']}" for ticket in item["tickets"] if ticket["ref"])
    return (
        item["id"],
        item["priority"],
        item["state"],
        item["occurrences"],
        ago(item["last_seen"]),
        item["source"],
        item["condition"],
        item["object"],
        tickets or "-",
        item["summary"],
    )


def _one(item: dict[str, Any]) -> str:
    facts = [(name, when(value) if name in INSTANTS else value) for name, value in item.items() if name != "id"]
    shown = [
        (name, value) for name, value in facts if isinstance(value, str | int) and value != "" and name != "description"
    ]
    parts = [table(("incident", item["id"]), shown)]
    if item["description"]:
        parts.append("\n".join(map(printable, item["description"].splitlines())))
    if item["labels"]:
        parts.append(table(("LABEL", "VALUE"), sorted(item["labels"].items())))
    if item["tickets"]:
        tickets = [(t["sink"], t["ref"] or "-", t["state"] or "-", t["url"]) for t in item["tickets"]]
        parts.append(table(("SINK", "TICKET", "STATE", "URL"), tickets))
    timeline = [(when(entry["at"]), entry["reason"], entry["text"]) for entry in item["timeline"]]
    return "\n\n".join([*parts, table(("WHEN", "WHAT", "MORE"), timeline)])

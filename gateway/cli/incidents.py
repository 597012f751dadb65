"""``tocsin incidents``: what is wrong now, and what was."""

from typing import Any

import click

from gateway.cli.api import Daemon, segment
from gateway.cli.options import json_option, say_json, url_option
from gateway.cli.tables import ago, table, when
from gateway.clock import SystemClock
from gateway.core.incident import State

HEAD = ("ID", "P", "STATE", "COUNT", "SEEN", "SOURCE", "CONDITION", "OBJECT", "TICKETS", "SUMMARY")
INSTANTS = ("first_seen", "last_seen", "due")


@click.command()
@click.argument("incident", required=False)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in State]),
    help="Only these; may be repeated.",
)
@click.option("--source", default="", help="Only those of this source.")
@click.option("--limit", default=100, type=click.IntRange(1), show_default=True, help="Most that are listed.")
@url_option
@json_option
def incidents(
    incident: str | None, states: tuple[str, ...], source: str, limit: int, url: str, *, as_json: bool
) -> None:
    """List incidents, newest first, or show one INCIDENT with its timeline."""
    daemon = Daemon(url)
    if incident:
        found = daemon.get(f"incidents/{segment(incident)}")
        if as_json:
            say_json(found)
        else:
            click.echo(_one(found))
        return
    query = {name: value for name, value in (("state", ",".join(states)), ("source", source)) if value}
    items = list(daemon.items("incidents", limit=limit, **query))
    if as_json:
        say_json({"items": items, "next": None})
        return
    click.echo(table(HEAD, [_row(item) for item in items]) if items else "no incidents")


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    tickets = " ".join(f"{ticket['sink']}:{ticket['ref']}" for ticket in item["tickets"] if ticket.get("ref"))
    return (
        item["id"],
        item.get("priority", item["impact"]),
        item["state"],
        item["occurrences"],
        ago(item["last_seen"], SystemClock().now_ms()),
        item["source"],
        item["condition"],
        item["object"],
        tickets or "-",
        item.get("summary", ""),
    )


def _one(item: dict[str, Any]) -> str:
    facts = [(name, value) for name, value in item.items() if isinstance(value, str | int) and value not in ("", False)]
    shown = [(name, when(value) if isinstance(value, int) and name in INSTANTS else value) for name, value in facts]
    parts = [table(("INCIDENT", item["id"]), shown)]
    if item["tickets"]:
        tickets = [(t["sink"], t["ref"] or "-", t["state"] or "-", t["url"]) for t in item["tickets"]]
        parts.append(table(("SINK", "TICKET", "STATE", "URL"), tickets))
    timeline = [(when(e.get("at")), e.get("reason", ""), e.get("text", "")) for e in item.get("timeline", ())]
    if timeline:
        parts.append(table(("WHEN", "WHAT", "MORE"), timeline))
    return "\n\n".join(parts)

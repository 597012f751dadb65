"""``tocsin outbox``: wishes on their way to trackers; the dead ones wait for a person."""

from pathlib import Path

import click

from gateway.cli.api import Daemon
from gateway.cli.exits import Failure
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
from gateway.core.operation import OperationState

HEAD = ("ID", "STATE", "SINK", "KIND", "INCIDENT", "TRIES", "AGE", "ERROR")
EVERY = 1 << 30
INSTANTS = ("created", "next", "sent", "unknown")


@listing(choices_option("state", OperationState), most=100)
def outbox(states: tuple[str, ...], limit: int, url: str, *, as_json: bool) -> None:
    """List operations on their way to trackers, oldest first; or show, requeue or drop some."""
    query = {"state": ",".join(states)} if states else {}
    items = list(Daemon(url).items("outbox", limit=limit, **query))
    if as_json:
        say_json({"items": items, "next": None})
        return
    rows = [
        (
            item["id"],
            item["state"],
            item["sink"],
            item["kind"],
            item["incident"],
            item["attempts"],
            ago(item["created"]),
            item["error"],
        )
        for item in items
    ]
    click.echo(table(HEAD, rows) if rows else "the outbox is empty")


@outbox.command()
@click.argument("operation", type=int)
@url_option
@json_option
def show(operation: int, url: str, *, as_json: bool) -> None:
    """Show one OPERATION whole."""
    item = next((item for item in Daemon(url).items("outbox", limit=EVERY) if item["id"] == operation), None)
    if item is None:
        raise Failure(f"the outbox has no operation {operation}; see tocsin outbox")
    if as_json:
        say_json(item)
        return
    facts = [(name, when(value) if name in INSTANTS else value) for name, value in item.items() if name != "id"]
    click.echo(table(("operation", operation), [(name, value) for name, value in facts if value not in ("", None)]))


@outbox.command()
@click.argument("operations", type=int, nargs=-1, required=True)
@state_dir_option
def requeue(operations: tuple[int, ...], state_dir: Path) -> None:
    """Try dead OPERATIONS again, at once."""
    _each(operations, state_dir, "requeue", "queued again")


@outbox.command()
@click.argument("operations", type=int, nargs=-1, required=True)
@state_dir_option
def drop(operations: tuple[int, ...], state_dir: Path) -> None:
    """Forget dead OPERATIONS for good."""
    _each(operations, state_dir, "drop", "dropped")


def _each(operations: tuple[int, ...], state_dir: Path, verb: str, done: str) -> None:
    daemon = Daemon.by_socket(admin_socket(state_dir))
    for operation in operations:
        daemon.post(f"outbox/{operation}/{verb}")
        click.echo(f"operation {operation} is {done}")

"""``tocsin outbox``: wishes on their way to trackers; the dead ones wait for a person."""

from pathlib import Path
from typing import Any

import click

from gateway.cli.api import Daemon
from gateway.cli.exits import Failure
from gateway.cli.options import ADMIN_SOCKET, json_option, say_json, state_dir_option, url_option
from gateway.cli.tables import ago, table, when
from gateway.clock import SystemClock
from gateway.core.operation import OperationState

HEAD = ("ID", "STATE", "SINK", "KIND", "INCIDENT", "TRIES", "AGE", "ERROR")
EVERY = 1 << 30


@click.group()
def outbox() -> None:
    """List, repeat and drop operations on their way to trackers."""


@outbox.command("list")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in OperationState]),
    help="Only these; may be repeated.",
)
@click.option("--limit", default=100, type=click.IntRange(1), show_default=True, help="Most that are listed.")
@url_option
@json_option
def list_(states: tuple[str, ...], limit: int, url: str, *, as_json: bool) -> None:
    """List operations, oldest first."""
    query = {"state": ",".join(states)} if states else {}
    items = list(Daemon(url).items("outbox", limit=limit, **query))
    if as_json:
        say_json({"items": items, "next": None})
        return
    now_ms = SystemClock().now_ms()
    rows = [
        (
            item["id"],
            item["state"],
            item["sink"],
            item["kind"],
            item["incident"],
            item["attempts"],
            ago(item["created_ms"], now_ms),
            item["error"] or "",
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
    item = _find(Daemon(url), operation)
    if as_json:
        say_json(item)
        return
    shown = [
        (name, when(value) if name.endswith("_ms") else value)
        for name, value in item.items()
        if value not in ("", None)
    ]
    click.echo(table(("OPERATION", operation), shown))


def _find(daemon: Daemon, operation: int) -> dict[str, Any]:
    for item in daemon.items("outbox", limit=EVERY):
        if item["id"] == operation:
            return item
    raise Failure(f"the outbox has no operation {operation}; see tocsin outbox list")


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


def _each(operations: tuple[int, ...], state_dir: Path, action: str, done: str) -> None:
    daemon = Daemon.by_socket(state_dir / ADMIN_SOCKET)
    for operation in operations:
        daemon.post(f"outbox/{operation}/{action}")
        click.echo(f"operation {operation}: {done}")

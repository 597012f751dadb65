"""``tocsin drill``: does the way from the equipment to the trackers and back work, and how fast?"""

from pathlib import Path
from typing import Any

import click

from gateway.cli.api import LONG_S, Daemon
from gateway.cli.exits import Failure
from gateway.cli.options import admin_socket, json_option, say_json, state_dir_option
from gateway.cli.tables import table

STAGES = ("heard", "opened", "seen", "cleared", "closed")


@click.command()
@state_dir_option
@json_option
def drill(state_dir: Path, *, as_json: bool) -> None:
    """Let the running daemon drill: a trap, a station that falls silent and a mail, to the trackers and back.

    It takes about two minutes. Its tickets say that they are a drill, have the least priority and no team, and are closed
    at the end. Fails if a collector that could be drilled did not come through.
    """
    document = Daemon.by_socket(admin_socket(state_dir)).post("drill", timeout_s=LONG_S)
    if as_json:
        say_json(document)
    else:
        click.echo(table(("COLLECTOR", *map(str.upper, STAGES), "WHY"), [_row(leg) for leg in document["legs"]]))
    if not document["ok"]:
        raise Failure(
            "the drill did not come through: see above"
            if any(not leg["skipped"] for leg in document["legs"])
            else "no collector could be drilled: see above"
        )


def _row(leg: dict[str, Any]) -> tuple[object, ...]:
    took = [f"{leg['stages'][stage]:.2f} s" if stage in leg["stages"] else "-" for stage in STAGES]
    why = f"left out: {leg['why']}" if leg["skipped"] else leg["why"]
    return (leg["collector"], *took, why)

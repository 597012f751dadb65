"""``tocsin replay``: what would have been different?"""

from datetime import UTC, datetime
from pathlib import Path

import click

from gateway import journal
from gateway.cli.exits import Failure
from gateway.cli.length import Length
from gateway.cli.options import json_option, say_json, state_dir_option
from gateway.cli.tables import table, when
from gateway.config import load
from gateway.config.types import Duration
from gateway.core.text import many
from gateway.plugin import Secret
from gateway.plugins import discover
from gateway.rehearse.replay import Difference, Ending, differences, replayed

MOST_SHOWN = 100


@click.command()
@click.option(
    "--config", "new_path", type=click.Path(path_type=Path), required=True, help="The configuration that might come."
)
@click.option(
    "--now",
    "now_path",
    type=click.Path(path_type=Path),
    envvar="TOCSIN_CONFIG",
    help="The configuration that holds now; without one, the quick start's.",
)
@click.option("--since", type=Length(), default="7d", show_default=True, help="How far back to begin.")
@state_dir_option
@json_option
def replay(new_path: Path, now_path: Path | None, since: Duration, state_dir: Path, *, as_json: bool) -> None:
    """Play the journal of inputs under two configurations; say which incidents and tickets would differ.

    Both are played on virtual time: no tracker is asked, and the daemon, running or not, is left alone.
    """
    plugins = discover()
    with Secret.unread():
        now, new = load(now_path, plugins=plugins), load(new_path, plugins=plugins)
    since_ms = round(datetime.now(UTC).timestamp() * 1000) - since
    try:
        inputs = sorted(journal.read(state_dir, since_ms=since_ms), key=lambda one: one.last_ms)
    except OSError as error:
        raise Failure(f"the journal in {state_dir} cannot be read: {error}") from None
    if not inputs:
        raise Failure(
            f"no input of the last {since} is in {state_dir / journal.FOLDER}; "
            "give the daemon's --state-dir, and see [journal] in its configuration"
        )
    before, after = replayed(now, inputs), replayed(new, inputs)
    found = differences(before, after)
    count = sum(one.count for one in inputs)
    if as_json:
        say_json(_document(count, before, after, found))
        return
    click.echo(f"{many(count, 'input')} since {when(_instant(inputs[0].first_ms))}")
    click.echo(_totals(before, after))
    if found:
        click.echo()
        click.echo(table(("BEGAN", "", "INCIDENT", "WHAT"), [_row(one) for one in found[:MOST_SHOWN]]))
    more = len(found) - MOST_SHOWN
    if more > 0:
        click.echo(f"{more} more differ; --json names them")
    click.echo("\nnothing would differ" if not found and before.calls == after.calls else "")


def _totals(before: Ending, after: Ending) -> str:
    rows: list[tuple[object, ...]] = [("incidents", len(before.incidents), len(after.incidents))]
    names = sorted({*before.calls, *after.calls})
    rows += [(name, before.calls.get(name, 0), after.calls.get(name, 0)) for name in names]
    return table(("", "NOW", "NEW"), rows)


def _row(one: Difference) -> tuple[str, ...]:
    changes = [f"{name} {now or 'none'} -> {new or 'none'}" for name, (now, new) in one.changes.items()]
    return when(_instant(one.first_seen_ms)), one.what, one.incident, ", ".join(changes)


def _document(count: int, before: Ending, after: Ending, found: list[Difference]) -> dict[str, object]:
    return {
        "inputs": count,
        "same": not found and before.calls == after.calls,
        "now": {"incidents": len(before.incidents), "calls": dict(before.calls)},
        "new": {"incidents": len(after.incidents), "calls": dict(after.calls)},
        "differences": [
            {
                "incident": one.incident,
                "first_seen": _instant(one.first_seen_ms),
                "what": one.what,
                "changes": {name: {"now": now, "new": new} for name, (now, new) in one.changes.items()},
            }
            for one in found
        ],
    }


def _instant(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

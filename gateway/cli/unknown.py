"""``tocsin unknown``: what came and no rule knows, with a rule to paste for each."""

import re
from typing import Any

import click

from gateway.cli.api import Daemon
from gateway.cli.exits import Failure
from gateway.cli.options import json_option, say_json, url_option
from gateway.cli.tables import ago, table
from gateway.core.text import toml_string
from gateway.logs import printable

HEAD = ("CONDITION", "COUNT", "FIRST", "LAST", "SAMPLE")
_VARBIND = re.compile(
    r"(?P<name>[A-Za-z][\w-]*)(?:\.[\d.]+)? = |(?P<oid>[\d.]+)(?: \((?P<placed>[A-Za-z][\w-]*)\))? = "
)
_MOST_FIELDS = 20
_LONGEST_NAME = 100


@click.command()
@click.argument("condition", required=False)
@click.option("--limit", default=1000, type=click.IntRange(1), show_default=True, help="Most that are listed.")
@click.option("--rules", is_flag=True, help="Print a rule for each, as TOML to paste.")
@url_option
@json_option
def unknown(condition: str | None, limit: int, url: str, *, rules: bool, as_json: bool) -> None:
    """List traps that no rule knows, the most frequent first; with CONDITION, show one with its sample and a rule for it."""
    items = sorted(Daemon(url).items("unknown", limit=limit), key=lambda item: -item["count"])
    if condition is not None:
        items = [item for item in items if item["condition"] == condition]
        if not items:
            raise Failure(f"{condition} is not among what no rule knows; tocsin unknown lists it")
    if as_json:
        say_json(
            {"items": [{**item, "rule": rule_for(item["condition"], item["sample"])} for item in items], "next": None}
        )
    elif rules:
        click.echo("\n".join(_rule_text(item) for item in items))
    elif condition is not None:
        sample = "\n".join(map(printable, items[0]["sample"].split("\n")))
        click.echo(f"{_table(items)}\n\n{sample}\n\n{rule_for(condition, items[0]['sample'])}")
    else:
        click.echo(_table(items) if items else "nothing came that no rule knows")


def _table(items: list[dict[str, Any]]) -> str:
    rows = [
        (item["condition"], item["count"], ago(item["first_seen"]), ago(item["last_seen"]), _told(item["sample"]))
        for item in items
    ]
    return table(HEAD, rows)


def _told(sample: str) -> str:
    return " ".join(sample.split("\n")[1:4])


def _rule_text(item: dict[str, Any]) -> str:
    return f"# {item['count']} times, last {item['last_seen']}\n{rule_for(item['condition'], item['sample'])}"


def rule_for(condition: str, sample: str) -> str:
    """A rule for a condition that none knows, as TOML which loads as it is.

    Args:
        condition: the trap's name or OID.
        sample: the description of one of its events: a head, and a line for each varbind.
    """
    fields = _fields(sample)
    word = re.sub(r"[^\w-]+", "-", condition, flags=re.ASCII).strip("-")[:_LONGEST_NAME] or "trap"
    lines = [
        "[[rule]]",
        f'name = "site-{word}"',
        f"condition = {toml_string(condition)}",
        '# set_condition = "fan_failed"  # a name for the trouble, which the rule for its end must give, too',
        f'# object = "{{{fields[0] if fields else "instance"}}}"  # what tells one trouble of this kind from another',
        'impact = "medium"  # critical, high, medium or low',
        '# kind = "clear"  # if it ends a trouble; "note" if it is none',
        '# clear_after = "1h"  # if nothing tells its end',
    ]
    if fields:
        lines.append(f"# fields: {' '.join(fields)}")
    return "\n".join(lines) + "\n"


def _fields(sample: str) -> list[str]:
    """The labels that the varbinds in a sample have."""
    found = []
    for place, line in enumerate(sample.split("\n")[1:], start=1):
        told = _VARBIND.match(line)
        if told is not None:
            found.append(told["name"] or told["placed"] or f"varbind.{place}")
    return list(dict.fromkeys(found))[:_MOST_FIELDS]

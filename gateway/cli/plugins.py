"""``tocsin plugins``: what is installed."""

import click

from gateway.cli.options import json_option, say_json
from gateway.cli.tables import table
from gateway.plugins import discover


@click.command()
@json_option
def plugins(*, as_json: bool) -> None:
    """List the installed collectors and sinks."""
    found = discover()
    items = [
        {
            "kind": kind,
            "name": plugin.name,
            "package": _package(plugin.config),
            "about": _about(plugin.config),
        }
        for kind, group in (("collector", found.collectors), ("sink", found.sinks))
        for plugin in group.values()
    ]
    if as_json:
        say_json({"items": items, "next": None})
        return
    rows = [(item["kind"], item["name"], item["package"], item["about"]) for item in items]
    click.echo(table(("KIND", "NAME", "PACKAGE", "ABOUT"), rows))


def _package(config: type) -> str:
    """Where it is from: the package, or the module that is all of it."""
    package, _, module = config.__module__.rpartition(".")
    return package or module


def _about(config: type) -> str:
    return (config.__doc__ or "").strip().partition("\n")[0]

"""``tocsin silence`` and ``tocsin maintenance``: times in which tickets wait.

By hand: ``tocsin silence add 'source = r1' --for 2h --comment 'changing the fan'``.
"""

import getpass
from pathlib import Path
from typing import Any

import click

from gateway.cli.api import Daemon, segment
from gateway.cli.exits import Failure
from gateway.cli.options import admin_socket, json_option, say_json, state_dir_option, url_option
from gateway.cli.tables import table, when
from gateway.config.types import Duration
from gateway.core.match import Matcher

HEAD = ("ID", "STATE", "FROM", "UNTIL", "NAME", "MATCHES", "BY", "COMMENT")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""


def _duration(text: str) -> str:
    try:
        return str(Duration.parse(text))
    except ValueError as error:
        raise Failure(f"{text}: {error}") from None


def windows(kind: str, what: str, planned: str) -> click.Group:
    """The commands of one kind of window."""

    @click.group(kind, help=what)
    def group() -> None:
        pass

    @group.command(
        "list", help=f"List each {kind}: those to come, those that are on, and those that ended in the last three days."
    )
    @url_option
    @json_option
    def list_(url: str, *, as_json: bool) -> None:
        items = [item for item in Daemon(url).get("mutes")["items"] if item["kind"] == kind]
        if as_json:
            say_json({"items": items, "next": None})
            return
        click.echo(table(HEAD, map(_row, items)) if items else f"no {kind}")

    @group.command("add", help=f"Begin a {kind}: tickets of incidents for which every MATCHER holds wait. {planned}")
    @click.argument("matchers", metavar="MATCHER...", nargs=-1, required=True)
    @click.option("--for", "lasts", required=True, metavar="TIME", help='How long it lasts, such as "2h" or "30m".')
    @click.option(
        "--from", "begins", default="", metavar="INSTANT", help='When it begins ("2026-12-01T22:00:00+01:00"); now.'
    )
    @click.option("--name", default="", help="What timelines and tickets call it.")
    @click.option("--comment", default="", help="Why.")
    @click.option("--author", default=_user, show_default="the user", help="Whose it is.")
    @state_dir_option
    def add(
        matchers: tuple[str, ...], lasts: str, begins: str, name: str, comment: str, author: str, state_dir: Path
    ) -> None:
        for text in matchers:
            try:
                Matcher.parse(text)
            except ValueError as error:
                raise Failure(str(error)) from None
        body = {"kind": kind, "match": list(matchers), "for": _duration(lasts), "from": begins}
        said = {"name": name, "comment": comment, "author": author}
        made = Daemon.by_socket(admin_socket(state_dir)).post("mutes", {**body, **said})
        click.echo(f"{kind} {made['id']} lasts from {when(made['from'])} to {when(made['until'])}")

    @group.command("extend", help=f"Let the {kind} ID last TIME longer.")
    @click.argument("window", metavar="ID")
    @click.argument("time")
    @state_dir_option
    def extend(window: str, time: str, state_dir: Path) -> None:
        after = Daemon.by_socket(admin_socket(state_dir)).post(f"mutes/{segment(window)}/extend", by=_duration(time))
        click.echo(f"{kind} {after['id']} lasts to {when(after['until'])}")

    @group.command("end", help=f"End each {kind} ID now: what is still raised opens its ticket.")
    @click.argument("found", metavar="ID...", nargs=-1, required=True)
    @state_dir_option
    def end(found: tuple[str, ...], state_dir: Path) -> None:
        daemon = Daemon.by_socket(admin_socket(state_dir))
        for window in found:
            after = daemon.post(f"mutes/{segment(window)}/end")
            click.echo(f"{kind} {after['id']} has ended")

    return group


def _row(item: dict[str, Any]) -> tuple[object, ...]:
    return (
        item["id"],
        item["state"],
        when(item["from"]),
        when(item["until"]),
        item["name"],
        ", ".join(item["match"]) or "everything",
        item["author"],
        item["comment"],
    )


silence = windows(
    "silence", "Quiet, ad hoc: tickets of what matches wait, clears pass.", "A matcher is as in rules: source = r1."
)
maintenance = windows(
    "maintenance",
    "Planned work: tickets of what matches wait, clears pass. What recurs is planned in the configuration ([[maintenance]]).",
    "A matcher is as in rules: site = lyon.",
)

"""The command line's reference, as Markdown, from the commands themselves.

By hand: ``python -m gateway.cli.reference`` writes the page (``make docs`` does it).
"""

import sys
from collections.abc import Iterator

import click

from gateway.cli import tocsin
from gateway.cli.exits import Exit
from gateway.config import shipped

HEAD = """# Command line

<!-- Made by `make docs` from the commands: do not edit. -->

Tables are for people; `--json` gives programs one JSON document. What is wrong is told on standard error, one sentence a line.

## Exit codes

| code | name | meaning |
|---|---|---|
"""
MEANINGS = {
    Exit.OK: "Done.",
    Exit.FAILED: "Not done, or something was found wrong; the sentence says what.",
    Exit.USAGE: "The command line is wrong.",
    Exit.UNREACHABLE: "The daemon does not answer.",
    Exit.TEMPORARY: "Not now: the same command may work later.",
    Exit.BAD_CONFIG: "The configuration, a plugin or the state directory is wrong; systemd does not start the daemon again.",
}


def markdown() -> str:
    """The whole page."""
    codes = "".join(f"| {code.value} | {code.name.lower()} | {MEANINGS[code]} |\n" for code in Exit)
    return HEAD + codes + "\n" + "\n".join(_commands(click.Context(tocsin, info_name="tocsin"), tocsin))


def _commands(parent: click.Context, group: click.Group) -> Iterator[str]:
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        if command is None:
            continue
        context = click.Context(command, info_name=name, parent=parent)
        yield from _command(context, command)
        if isinstance(command, click.Group):
            yield from _commands(context, command)


def _command(context: click.Context, command: click.Command) -> Iterator[str]:
    depth = len(context.command_path.split())
    yield f"{'#' * depth} `{' '.join([context.command_path, *command.collect_usage_pieces(context)])}`\n"
    yield " ".join((command.help or "").split()) + "\n"
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    records = [record for option in options if (record := option.get_help_record(context))]
    if records:
        yield "| option | meaning |\n|---|---|"
        for names, about in records:
            yield f"| `{_cell(names)}` | {_cell(about)} |"
        yield ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main() -> None:
    """Write the checkout's page."""
    page = shipped("docs", "reference", "cli.md")
    page.write_text(markdown(), encoding="utf-8")
    sys.stdout.write(f"{page.name} is written\n")


if __name__ == "__main__":
    main()

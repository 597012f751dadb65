"""Options that several commands share, and what they stand for."""

import inspect
import json
import os
from collections.abc import Callable, Iterable
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

import click

from gateway.cli.exits import Exit, Failure
from gateway.config import Config, load
from gateway.plugins import Plugins, discover

F = TypeVar("F", bound=Callable[..., Any])
DEFAULT_URL = "http://127.0.0.1:9464"


def config_option(command: F) -> F:
    """``--config FILE``."""
    return click.option(
        "--config",
        "path",
        type=click.Path(path_type=Path),
        envvar="TOCSIN_CONFIG",
        help="Configuration file; without one, the quick start's.",
    )(command)


def state_dir_option(command: F) -> F:
    """``--state-dir DIR``, systemd's ``$STATE_DIRECTORY``, or ``.tocsin`` in the current folder."""
    return click.option(
        "--state-dir",
        type=click.Path(path_type=Path, file_okay=False),
        envvar="TOCSIN_STATE_DIR",
        default=_default_state_dir,
        show_default="$STATE_DIRECTORY or .tocsin",
        help="Where incidents, tickets and the outbox are kept.",
    )(command)


def json_option(command: F) -> F:
    """``--json``."""
    return click.option("--json", "as_json", is_flag=True, help="For programs: one JSON document.")(command)


def url_option(command: F) -> F:
    """``--url URL``."""
    return click.option(
        "--url", envvar="TOCSIN_URL", default=DEFAULT_URL, show_default=True, help="Where the daemon answers."
    )(command)


def listing(*options: Callable[[Any], Any], most: int) -> Callable[[Callable[..., None]], click.Group]:
    """Make a group of commands of a function that lists: by itself, and as its command ``list``.

    Its docstring says what is listed, up to a semicolon, and what else the group can do.

    Args:
        options: of the list, beside ``--limit``, ``--url`` and ``--json``.
        most: how many are listed unless ``--limit`` says otherwise.
    """
    limit = click.option(
        "--limit", default=most, type=click.IntRange(1), show_default=True, help="Most that are listed."
    )

    def with_options(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed((*options, limit, url_option, json_option)):  # the nearest comes first in the help
            command = option(command)
        return command

    def made(listed: Callable[..., None]) -> click.Group:
        about = inspect.cleandoc(listed.__doc__ or "")

        def alone(context: click.Context, /, **given: Any) -> None:
            if not context.invoked_subcommand:
                listed(**given)

        def again(**given: Any) -> None:
            listed(**given)

        group = click.group(listed.__name__, help=about, invoke_without_command=True)
        commands = group(with_options(click.pass_context(alone)))
        same = f"{about.partition(';')[0]}: the same as without a command."
        commands.command("list", help=same)(with_options(again))
        return commands

    return made


def choices_option(name: str, words: Iterable[StrEnum]) -> Callable[[F], F]:
    """``--NAME WORD``, as often as wanted, in the parameter ``NAMEs``."""
    return click.option(
        f"--{name}",
        f"{name}s",
        multiple=True,
        type=click.Choice([word.value for word in words]),
        help="Only these; may be repeated.",
    )


def configuration(path: Path | None, plugins: Plugins | None = None) -> Config:
    """The configuration; its mistakes, or a plugin's, end the command (see `Commands.invoke`)."""
    return load(path, plugins=plugins or discover())


def admin_socket(state_dir: Path) -> Path:
    """The running daemon's socket for commands: only its own user (and root) can open it."""
    return state_dir / "admin.sock"


def prepared(state_dir: Path) -> Path:
    """The state directory, made if need be.

    Raises:
        Failure: nothing can be written there.
    """
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = state_dir / ".writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise Failure(
            f"the state directory {state_dir} cannot be written ({error.strerror}); "
            "give another with --state-dir, or make it writable for this user",
            code=Exit.BAD_CONFIG,
        ) from None
    return state_dir


def say_json(document: object) -> None:
    """Write one JSON document to standard output."""
    click.echo(json.dumps(document, indent=2, default=str))


def _default_state_dir() -> str:
    return os.environ.get("STATE_DIRECTORY", "").split(":")[0] or ".tocsin"

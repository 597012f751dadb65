"""Exit codes, in one place, and the one way in which a command fails: a sentence and a code.

Codes above 63 are those of ``sysexits.h``; systemd does not restart the service after `BAD_CONFIG`.
"""

from enum import IntEnum
from typing import IO, Any

import click

from gateway.logs import printable


class Exit(IntEnum):
    """What a command's exit code means; listed in ``docs/reference/cli.md``."""

    OK = 0
    """Done."""
    FAILED = 1
    """Not done, or something was found wrong; the sentence says why."""
    USAGE = 2
    """The command line is wrong."""
    UNREACHABLE = 69
    """The daemon does not answer."""
    TEMPORARY = 75
    """Not now: the same command may work later."""
    BAD_CONFIG = 78
    """The configuration, a plugin or the state directory is wrong: nothing to be gained by starting again."""


class Failure(click.ClickException):
    """Ends the command with sentences on standard error, one a line, and an exit code."""

    def __init__(self, *sentences: str, code: Exit = Exit.FAILED) -> None:
        super().__init__("\n".join(printable(sentence) for sentence in sentences))
        self.exit_code: int = int(code)  # type: ignore[misc] # click reads the instance's

    def show(self, file: IO[Any] | None = None) -> None:
        """Write the sentences as they are."""
        click.echo(self.message, err=file is None, file=file)

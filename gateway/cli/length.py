"""Durations on the command line, written as in the configuration."""

import click

from gateway.config.types import Duration


class Length(click.ParamType[Duration]):
    """``7d``, ``90s``, ``1h30m``."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> Duration:
        """Read what was typed."""
        try:
            return Duration.parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)

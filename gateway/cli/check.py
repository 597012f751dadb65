"""``tocsin check``: is the configuration good?"""

import asyncio
from pathlib import Path

import click

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import config_option, configuration, json_option, prepared, say_json, state_dir_option
from gateway.clock import SystemClock
from gateway.compose import over
from gateway.config import Config, ConfigError
from gateway.online import check_online


@click.command()
@config_option
@state_dir_option
@click.option("--online", is_flag=True, help="Ask trackers, broker and sockets too.")
@json_option
def check(path: Path | None, state_dir: Path, *, online: bool, as_json: bool) -> None:
    """Tell every mistake in the configuration, each in one sentence."""
    try:
        config = configuration(path)
    except ConfigError as error:
        if not as_json:
            raise
        found = [{"file": m.file, "line": m.line, "key": m.key, "text": m.text} for m in error.mistakes]
        say_json({"ok": False, "mistakes": found})
        raise click.exceptions.Exit(Exit.BAD_CONFIG) from None
    past = over(config, now_ms=SystemClock().now_ms())
    findings = asyncio.run(check_online(config, state_dir=prepared(state_dir))) if online else []
    good = all(finding.ok for finding in findings)
    if as_json:
        say_json(
            {
                "ok": good,
                "mistakes": [],
                "over": past,
                "online": [{"ok": found.ok, "what": found.what} for found in findings],
                **_counts(config),
            }
        )
    else:
        for finding in findings:
            click.echo(f"{'ok   ' if finding.ok else 'WRONG'}  {finding.what}")
        for name in past:
            click.echo(f'over   maintenance "{name}" has no window to come: remove it, or correct start')
        counts = ", ".join(f"{count} {what}" for what, count in _counts(config).items())
        click.echo(f"{config.path}: no mistakes: {counts}")
    if not good:
        raise Failure("not everything answers as it should: see WRONG above")


def _counts(config: Config) -> dict[str, int]:
    return {
        "collectors": len(config.collectors),
        "sinks": len(config.sinks),
        "rules": len(config.rules),
        "sources": len(config.source),
        "stations": len(config.station),
    }

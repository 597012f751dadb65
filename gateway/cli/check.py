"""``tocsin check``: is the configuration good?"""

import asyncio
from pathlib import Path

import click

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import config_option, configuration, json_option, prepared, say_json, state_dir_option
from gateway.clock import SystemClock
from gateway.compose import over
from gateway.config import Config, ConfigError
from gateway.core.text import many
from gateway.online import check_online
from gateway.plugin import Finding
from gateway.web import FacesError, listen_tcp


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
    findings = asyncio.run(_online(config, state_dir)) if online else []
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
        counts = ", ".join(many(count, what.removesuffix("s")) for what, count in _counts(config).items())
        click.echo(f"{config.path}: no mistakes: {counts}")
    if not good:
        raise Failure("not everything answers as it should: see WRONG above")


async def _online(config: Config, state_dir: Path) -> list[Finding]:
    found = await check_online(config, state_dir=prepared(state_dir))
    if config.http.enabled:
        try:
            listen_tcp(config.http.listen).close()
        except FacesError as error:
            found.append(Finding(ok=False, what=str(error)))
        else:
            found.append(Finding(ok=True, what=f"http can listen on {config.http.listen}"))
    return found


def _counts(config: Config) -> dict[str, int]:
    return {
        "collectors": len(config.collectors),
        "sinks": len(config.sinks),
        "rules": len(config.rules),
        "sources": len(config.source),
        "stations": len(config.station),
    }

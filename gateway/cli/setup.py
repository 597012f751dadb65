"""``tocsin setup``: is a tracker ready for us, and make it so."""

import asyncio
from pathlib import Path

import click

from gateway.cli.exits import Exit, Failure
from gateway.cli.options import config_option, configuration, json_option, prepared, say_json, state_dir_option
from gateway.clock import SystemClock
from gateway.config import SinkInstance
from gateway.config.mistakes import did_you_mean
from gateway.core.text import many
from gateway.online import Forgetful
from gateway.plugin import Checks, Finding, Host, SinkError, Unauthorized


@click.command()
@click.argument("sink")
@click.option(
    "--check/--apply", "only_check", default=True, help="Only look, or also create what the tracker lets us create."
)
@config_option
@state_dir_option
@json_option
def setup(sink: str, path: Path | None, state_dir: Path, *, only_check: bool, as_json: bool) -> None:
    """Verify the set-up of SINK: credentials, place, fields, statuses; each thing that is wrong in one sentence."""
    config = configuration(path)
    if sink not in config.sinks:
        raise Failure(f'there is no sink "{sink}"; {did_you_mean(sink, config.sinks)}', code=Exit.USAGE)
    findings = asyncio.run(look(config.sinks[sink], state_dir=prepared(state_dir), apply=not only_check))
    if as_json:
        say_json([{"ok": found.ok, "what": found.what, "applied": found.applied} for found in findings])
    else:
        for found in findings:
            click.echo(f"{'mended' if found.applied else 'ok' if found.ok else 'WRONG':6}  {found.what}")
    wrong = sum(not found.ok for found in findings)
    if wrong:
        more = "; tocsin setup --apply mends what the tracker lets us mend" if only_check else ""
        raise Failure(f"{sink}: wrong: {wrong} of {many(len(findings), 'thing')}{more}")


async def look(instance: SinkInstance, *, state_dir: Path, apply: bool) -> list[Finding]:
    """What the sink's own check finds.

    Raises:
        Failure: the tracker cannot be asked now.
    """
    host = Host(name=instance.name, clock=SystemClock(), keep=Forgetful(), state_dir=state_dir)
    try:
        async with instance.plugin.build(instance.config, host) as sink:
            if not isinstance(sink, Checks):
                return [Finding(ok=True, what=f"{instance.name} needs no set-up")]
            return await sink.check(apply=apply)
    except Unauthorized as error:
        return [Finding(ok=False, what=str(error))]
    except SinkError as error:
        raise Failure(f"{instance.name}: {error}; try again", code=Exit.TEMPORARY) from None

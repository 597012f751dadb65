"""``tocsin demo``: the quick start, and a simulated fleet that keeps it busy."""

import asyncio
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiomqtt
import click

from gateway.cli.exits import Exit, Failure
from gateway.cli.fleet import Fleet, Ports
from gateway.cli.options import configuration, prepared
from gateway.cli.run import set_up_logs
from gateway.config import Config, quick_start_file


@click.command()
@click.option("--seed", default=1, show_default=True, help="The same number tells the same story.")
@click.option(
    "--state-dir",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep incidents and tickets here; without it they are forgotten at the end.",
)
def demo(seed: int, state_dir: Path | None) -> None:
    """Run the quick start with a simulated fleet: incidents come and go until you press Ctrl-C."""
    config = configuration(quick_start_file())
    set_up_logs(config)
    with _folder(state_dir) as folder:
        code = asyncio.run(_play(config, seed=seed, state_dir=folder))
    if code:
        raise click.exceptions.Exit(code)


async def _play(config: Config, *, seed: int, state_dir: Path) -> int:
    from gateway.app import serve  # noqa: PLC0415 - the other commands need not load the whole daemon

    listening = asyncio.Event()
    fleet = Fleet(seed=seed, ports=Ports(), say=lambda line: click.echo(f"fleet  {line}"))

    async def follow() -> None:
        await listening.wait()
        click.echo(f"\nIncidents and tickets: http://{config.http.listen}/    Stop: Ctrl-C\n")
        await fleet.run()

    try:
        async with asyncio.TaskGroup() as tasks:
            following = tasks.create_task(follow(), name="fleet")
            code = await serve(config, state_dir=state_dir, ready=listening.set)
            following.cancel()
    except* (OSError, aiomqtt.MqttError) as errors:
        why = "; ".join(str(error) for error in errors.exceptions)
        raise Failure(f"the fleet cannot reach the daemon: {why}", code=Exit.TEMPORARY) from None
    return code


@contextmanager
def _folder(state_dir: Path | None) -> Iterator[Path]:
    if state_dir is not None:
        yield prepared(state_dir)
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
        yield Path(folder)

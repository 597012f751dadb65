"""``tocsin demo``: the quick start, and a simulated fleet that keeps it busy."""

import asyncio
import signal
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
        asyncio.run(_play(config, seed=seed, state_dir=folder))


async def _play(config: Config, *, seed: int, state_dir: Path) -> None:
    from gateway.app import StartError, running  # noqa: PLC0415 - the other commands need not load the whole daemon

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(config, state_dir=state_dir):
            click.echo(_greeting(config, state_dir))
            await _tell(Fleet(seed=seed, ports=Ports(), say=_say), stop)
    except* StartError as errors:
        raise Failure(*_sentences(errors)) from None
    except* (OSError, aiomqtt.MqttError) as errors:
        lost = [f"the fleet cannot reach the daemon: {why}" for why in _sentences(errors)]
        raise Failure(*lost, code=Exit.TEMPORARY) from None


async def _tell(fleet: Fleet, stop: asyncio.Event) -> None:
    """Let the fleet play until it is to stop; it goes before the daemon does, so that it meets no closed door."""
    async with asyncio.TaskGroup() as tasks:
        playing = tasks.create_task(fleet.run(), name="fleet")
        await stop.wait()
        playing.cancel()


def _sentences(errors: BaseExceptionGroup[Exception]) -> list[str]:
    """What went wrong, however deep in groups."""
    said: list[str] = []
    for error in errors.exceptions:
        said += _sentences(error) if isinstance(error, BaseExceptionGroup) else [str(error)]
    return said


def _greeting(config: Config, state_dir: Path) -> str:
    return f"\nIncidents and tickets: http://{config.http.listen}/    State: {state_dir}    Stop: Ctrl-C\n"


def _say(line: str) -> None:
    click.echo(f"fleet  {line}")


@contextmanager
def _folder(state_dir: Path | None) -> Iterator[Path]:
    if state_dir is not None:
        yield prepared(state_dir)
        return
    with tempfile.TemporaryDirectory(prefix="tocsin-demo-") as folder:
        yield Path(folder)

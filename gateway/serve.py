"""The daemon as a process: signals, systemd, and how a start that fails is told."""

import asyncio
import contextlib
import signal
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import structlog

from gateway import systemd
from gateway.app import App, StartError, running
from gateway.background import background
from gateway.config import Config, ConfigError

log = structlog.get_logger()

CONNECT_S = 5.0
"""How long a start waits for brokers before it says that it is ready; a broker that is away holds nothing up."""


async def serve(
    config: Config,
    *,
    state_dir: Path,
    ready: Callable[[], None] = lambda: None,
    load_again: Callable[[], Config] | None = None,
) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit code.

    Args:
        config: what to run.
        state_dir: folder of the store.
        ready: called when everything listens.
        load_again: reads the configuration on SIGHUP; raises `ConfigError` for a bad one, which changes nothing.
    """
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        async with running(config, state_dir=state_dir, sockets=systemd.listen_fds()) as app:
            if load_again is not None:
                loop.add_signal_handler(signal.SIGHUP, lambda: _reload(app, load_again))
            log.info("daemon.started", version=version("tocsin"), node=config.daemon.node_name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await app.hears()
            ready()
            systemd.notify("READY=1")
            async with background(_feed_watchdog(app)):
                await stop.wait()
            systemd.notify("STOPPING=1")
            log.info("daemon.stopping")
    except StartError as error:
        log.error("daemon.not_started", why=str(error))
        return 1
    log.info("daemon.stopped")
    return 0


def _reload(app: App, load_again: Callable[[], Config]) -> None:
    systemd.notify("RELOADING=1")
    try:
        app.reload(load_again())
    except ConfigError as error:
        for mistake in error.mistakes:
            log.error("configuration.refused", mistake=str(mistake))
    finally:
        systemd.notify("READY=1")


async def _feed_watchdog(app: App) -> None:
    """Tell systemd that we live, as long as loop and writer really make progress."""
    interval_s = systemd.watchdog_interval_s()
    while interval_s is not None:
        await app.store.run(lambda tx: tx.next_due_ms())
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)

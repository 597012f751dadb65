"""The daemon as a process: signals, systemd, and how a start that fails, a reload that is refused and a bug are told."""

import asyncio
import contextlib
import os
import resource
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog

from gateway import systemd
from gateway.app import App, ReloadError, StartError, running
from gateway.background import background
from gateway.config import Config, ConfigError
from gateway.garbage import Garbage
from gateway.plugins import PluginError
from gateway.store.api import StoreError

log = structlog.get_logger()

FILES = 65_536
"""Descriptors that we ask for, if the machine lets us: idle clients of one input must leave some for the others."""
CONNECT_S = 5.0
"""How long a start waits for brokers before it says that it is ready; a broker that is away holds nothing up."""
FAILED = 1
"""The exit code after a bug: systemd starts the daemon again."""


async def serve(
    config: Config,
    *,
    state_dir: Path,
    ready: Callable[[], None] = lambda: None,
    load_again: Callable[[], Config] | None = None,
) -> int:
    """Run the daemon until SIGTERM or SIGINT; the exit code: 0, or why it could not start or had to end.

    Args:
        config: what to run.
        state_dir: folder of the store.
        ready: called when everything listens.
        load_again: reads the configuration on SIGHUP; raises `ConfigError` for a bad one, which changes nothing.
    """
    _raise_file_limit()
    loop, stop, again = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    try:
        async with running(config, state_dir=state_dir, sockets=systemd.listen_fds()) as app:
            log.info("daemon.started", version=version("tocsin"), node=config.daemon.node_name)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CONNECT_S):
                    await _either(app.collectors.hear(), stop.wait())
            garbage = Garbage()
            ready()
            systemd.notify("READY=1")
            async with background(
                garbage.search(app.clock), _feed_watchdog(app), _reload_for_ever(app, again, load_again)
            ):
                await stop.wait()
            systemd.notify("STOPPING=1")
            log.info("daemon.stopping")
    except StartError as error:
        log.error("daemon.not_started", why=str(error))
        return error.exit_code
    except Exception as error:
        # Whatever it is, it is told and ends the process: half a daemon is worse than none.
        for one in _leaves(error):
            log.error("daemon.failed", why=f"{type(one).__name__}: {one}", exc_info=one)
        return FAILED
    log.info("daemon.stopped")
    return os.EX_OK


async def _either(*waits: Coroutine[Any, Any, Any]) -> None:
    """Return when one of them does."""
    done = asyncio.Event()

    async def until(wait: Coroutine[Any, Any, Any]) -> None:
        await wait
        done.set()

    async with background(*(until(wait) for wait in waits)):
        await done.wait()


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """What really went wrong, without the groups that tasks wrap it in."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


async def _reload_for_ever(app: App, again: asyncio.Event, load_again: Callable[[], Config] | None) -> None:
    while load_again is not None:
        await again.wait()
        again.clear()
        systemd.notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            await app.reload(await asyncio.to_thread(load_again))  # reading ten thousand rules takes its time
        except ConfigError as error:
            for mistake in error.mistakes:
                log.error("configuration.refused", mistake=str(mistake))
        except (ReloadError, PluginError) as error:
            log.error("configuration.refused", mistake=str(error))
        finally:
            systemd.notify("READY=1")


async def _feed_watchdog(app: App) -> None:
    """Tell systemd that we live, as long as loop and writer really make progress."""
    interval_s = systemd.watchdog_interval_s()
    while interval_s is not None:
        with contextlib.suppress(StoreError):  # a disk that refuses is told elsewhere; the writer has answered
            await app.store.run(lambda tx: tx.next_due_ms())
        systemd.notify("WATCHDOG=1")
        await asyncio.sleep(interval_s)


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

"""When the daemon searches for garbage, in Python's place."""

import asyncio
import gc
import re
import time
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.garbage import EVERY_S, LOOK_EVERY, Garbage
from gateway.testing.clock import ManualClock
from tests.daemon import Daemon


class Ring:
    """A thing that holds itself."""

    def __init__(self) -> None:
        self.self = self


@asynccontextmanager
async def searched() -> AsyncIterator[ManualClock]:
    clock = ManualClock()
    async with asyncio.TaskGroup() as tasks:
        searching = tasks.create_task(Garbage().search(clock))
        await clock.advance(0)
        yield clock
        searching.cancel()


async def test_what_is_young_is_found_at_the_next_search() -> None:
    async with searched() as clock:
        ring = weakref.ref(Ring())
        await clock.advance(EVERY_S / 2)
        assert ring() is not None
        await clock.advance(EVERY_S / 2)
        assert ring() is None


async def test_python_searches_only_before_and_afterwards() -> None:
    assert gc.isenabled()
    async with searched():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


async def test_what_has_grown_old_is_left_in_peace_until_there_is_much_more_than_before() -> None:
    async with searched() as clock:
        ring = Ring()
        found = weakref.ref(ring)
        await clock.advance(EVERY_S)  # it outlives one search
        del ring
        await clock.advance(2 * LOOK_EVERY * EVERY_S)
        assert found() is not None
        ballast = [[number] for number in range(2 * gc.get_freeze_count())]
        await clock.advance(LOOK_EVERY * EVERY_S)
        assert found() is None
        assert ballast


def test_a_daemon_that_has_nothing_to_do_searches_all_the_same(tmp_path) -> None:
    with Daemon(tmp_path, '[http]\nlisten = "127.0.0.1:{http}"\n') as daemon:
        before = searches(daemon)
        time.sleep(2)
        assert searches(daemon) - before > 5  # Python's own search follows what is made, and two scrapes make little


def searches(daemon: Daemon) -> int:
    found = re.search(r'^python_gc_collections_total\{generation="0"\} (\S+)$', daemon.books().text, re.MULTILINE)
    return round(float(found[1]))

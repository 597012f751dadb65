"""Virtual time passes only when nothing else can happen, and in no time."""

import asyncio
import time

import pytest

from gateway.rehearse import rehearse
from gateway.rehearse.loop import StuckError, VirtualClock


def test_a_year_passes_in_no_time_and_in_order():
    said = []

    async def say(after_s):
        await asyncio.sleep(after_s)
        said.append(asyncio.get_running_loop().time())

    async def play():
        async with asyncio.TaskGroup() as tasks:
            for after_s in (31_536_000, 3600, 0.5):
                tasks.create_task(say(after_s))

    began_s = time.perf_counter()
    rehearse(play())
    assert said == pytest.approx([0.5, 3600, 31_536_000])
    assert time.perf_counter() - began_s < 5


def test_the_clock_tells_wall_time_and_waits_for_whoever_is_first():
    async def play():
        clock = VirtualClock(1_000)
        event = asyncio.Event()
        assert not await clock.wait(event, 90)
        assert clock.now_ms() == 91_000
        event.set()
        assert await clock.wait(event, 90)
        return clock.now_ms()

    assert rehearse(play()) == 91_000


def test_who_waits_for_what_never_comes_is_told_so():
    async def play():
        await asyncio.get_running_loop().create_future()

    with pytest.raises(StuckError):
        rehearse(play())

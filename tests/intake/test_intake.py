"""Drops are counted always, and said a bounded number of times."""

import asyncio

from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.core.drops import MOST_REMEMBERED
from gateway.core.reason import Dropped
from gateway.intake import SAY_MOST, CollectorIntake
from gateway.testing.clock import ManualClock


class NoEngine:
    def emit(self, event):
        return asyncio.get_running_loop().create_future()

    def offer(self, event):
        return True

    def know(self, told):
        return asyncio.get_running_loop().create_future()

    def quarantine(self, raw, *, reason, source):
        return asyncio.get_running_loop().create_future()


def intake(clock):
    return CollectorIntake(
        "forged",
        engine=NoEngine(),
        watch=lambda _: None,
        know=NoEngine().know,
        connected=lambda _name, _up: None,
        clock=clock,
    )


def counted():
    return REGISTRY.get_sample_value("tocsin_inputs_dropped_total", {"collector": "forged", "reason": "malformed"})


async def test_a_flood_from_forged_addresses_writes_no_flood_of_lines_and_fills_no_memory():
    clock = ManualClock()
    one = intake(clock)
    before = counted()
    with capture_logs() as logs:
        for number in range(3 * MOST_REMEMBERED):
            one.dropped(Dropped.MALFORMED, source=f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}")
            assert len(one._drops) <= MOST_REMEMBERED
    assert len(logs) == SAY_MOST
    assert counted() - before == 3 * MOST_REMEMBERED
    await clock.advance(61)
    with capture_logs() as logs:
        one.dropped(Dropped.MALFORMED, source="10.9.9.9")
    assert [(line["event"], line.get("lines")) for line in logs] == [
        ("drops.unlogged", 3 * MOST_REMEMBERED - SAY_MOST),
        ("input.dropped", None),
    ]


async def test_one_source_is_said_once_and_the_rest_with_its_count():
    clock = ManualClock()
    one = intake(clock)
    with capture_logs() as logs:
        for _ in range(5):
            one.dropped(Dropped.MALFORMED, source="10.0.0.1")
        await clock.advance(61)
        one.dropped(Dropped.MALFORMED, source="10.0.0.1")
    assert [line["count"] for line in logs] == [1, 5]

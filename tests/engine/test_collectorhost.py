"""Who waits for collectors."""

import asyncio

from gateway.collectorhost import CollectorHost
from gateway.testing.clock import ManualClock


async def test_where_there_are_no_collectors_nobody_waits_for_them() -> None:
    host = CollectorHost({}, engine=None, watch=None, know=None, clock=ManualClock(), refusal=str)
    async with asyncio.timeout(1):
        await host.run({})
        await host.hear()

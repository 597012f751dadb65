"""Tasks that run while a block runs: started before it, cancelled after it, and never left without an owner."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def background(*jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run ``jobs`` while the block runs.

    An exception of the block comes out as it is, not wrapped in a group; a job that fails ends the block.
    """
    own: Exception | None = None
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(job) for job in jobs]
        try:
            yield
        except Exception as error:  # noqa: BLE001 - raised again below, outside of the group
            own = error
        finally:
            for task in tasks:
                task.cancel()
    if own is not None:
        raise own

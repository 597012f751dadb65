"""Keep what is known of other engines across restarts, so that a restart is no chance to replay.

On failure: what could not be kept is logged once until it works again, and is kept at the next turn.
"""

import asyncio

import structlog

from collectors.snmp.engines import pack, unpack
from collectors.snmp.usm import Usm
from gateway.plugin import Keep

log = structlog.get_logger()

KEY = "engines"
KEEP_EVERY_S = 300.0


class Keeper:
    """Keeps the engines of one collector."""

    def __init__(self, keep: Keep, usm: Usm, *, name: str, now_s: float) -> None:
        self._keep, self._usm, self._name = keep, usm, name
        self._kept_s = now_s
        self._kept = b""
        self._failed = False

    async def recall(self, now_s: float) -> None:
        """Give back what was kept last."""
        data = await self._keep.get(KEY)
        if data is not None:
            self._kept = data
            self._usm.recall(unpack(data), now_s)

    async def turn(self, now_s: float) -> None:
        """Keep, if it is time to."""
        if now_s - self._kept_s >= KEEP_EVERY_S:
            self._kept_s = now_s
            await self.save()

    async def save(self) -> None:
        """Keep what is known now, if it is not what was kept last."""
        data = await asyncio.to_thread(pack, self._usm.seen())  # a table of 16,000 engines takes tens of milliseconds
        if data == self._kept:
            return
        try:
            await self._keep.put(KEY, data)
        except Exception as error:  # noqa: BLE001 - whatever the store has, traps are heard all the same
            if not self._failed:
                log.warning("engines.unkept", collector=self._name, why=str(error))
            self._failed = True
            return
        self._kept, self._failed = data, False

"""A plugin's own durable memory: keys under its name."""

from gateway.store.api import Store


class StoreKeep:
    """A plugin's durable memory in the store; implements `gateway.plugin.Keep`."""

    def __init__(self, store: Store, prefix: str) -> None:
        """Keep under ``prefix``, which no two plugins share."""
        self._store = store
        self._prefix = prefix

    async def get(self, key: str) -> bytes | None:
        """What was put last under ``key``."""
        return await self._store.run(lambda tx: tx.get(f"{self._prefix}/{key}"))

    async def put(self, key: str, value: bytes) -> None:
        """Store ``value``; returns when it is on disk."""
        await self._store.run(lambda tx: tx.put(f"{self._prefix}/{key}", value))

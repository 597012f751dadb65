"""A plugin's durable memory that forgets at the end of the test."""


class MemoryKeep:
    """Implements `gateway.plugin.Keep` in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    async def get(self, key: str) -> bytes | None:
        """What was put last under ``key``."""
        return self.kept.get(key)

    async def put(self, key: str, value: bytes) -> None:
        """Remember ``value``."""
        self.kept[key] = value

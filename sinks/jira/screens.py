"""Which fields this project's screens take: asked once in a while, and corrected by what Jira refuses."""

from collections.abc import Mapping
from typing import Any

from gateway.plugin import Clock, Reject
from sinks.jira.codec import OPTIONAL
from sinks.jira.platform import Platform

__all__ = ["Screens"]

_ONCE = frozenset({"description"})
"""Refused for what it says (too long), not for the screen: the next ticket's may pass."""


class Screens:
    """Leaves out optional fields that a screen lacks, since one of them would cost us the whole ticket."""

    def __init__(self, platform: Platform, clock: Clock, *, ttl_s: float) -> None:
        self._platform, self._clock, self._ttl_s = platform, clock, ttl_s
        self._settable: frozenset[str] | None = None
        self._asked_s: float | None = None
        self._edit_refused: frozenset[str] = frozenset()

    async def for_create(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """The fields that may be sent at creation."""
        if self._asked_s is None or self._clock.monotonic_s() - self._asked_s >= self._ttl_s:
            await self._refresh()
        unknown = frozenset[str]() if self._settable is None else OPTIONAL - self._settable
        return {name: value for name, value in fields.items() if name not in unknown}

    def for_edit(self, names: frozenset[str]) -> frozenset[str]:
        """The fields that edits have not been refused for."""
        return names - self._edit_refused

    async def refused_at_create(self, names: frozenset[str]) -> None:
        """Jira refused these optional fields: ask for the screen again, and believe the refusal."""
        await self._refresh()
        self._settable = (OPTIONAL if self._settable is None else self._settable) - (names - _ONCE)

    def refused_at_edit(self, names: frozenset[str]) -> None:
        """Jira refused these optional fields in an edit."""
        self._edit_refused |= names - _ONCE

    async def _refresh(self) -> None:
        self._edit_refused = frozenset()
        try:
            self._settable = frozenset(await self._platform.settable())
        except Reject:  # an account that may not see the screen may still create
            self._settable = None
        self._asked_s = self._clock.monotonic_s()

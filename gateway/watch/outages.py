"""Outages: what many silent stations have in common is told once, and its end too."""

import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from heapq import nsmallest

import structlog

from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.sites import CONDITIONS, FLEET, Group, Level, Outage, Sites
from gateway.core.text import many, span
from gateway.plugin import Clock, Overloaded
from gateway.store.api import Store, StoreError
from gateway.watch.edges import Emitter

log = structlog.get_logger()

NAMED_MOST = 200
"""Stations named in an outage's text; the rest are a number."""
_KEPT = "watch/outages"


class Outages:
    """Those that are open; each is told first and stored next, as edges are."""

    def __init__(self, *, store: Store, engine: Emitter, clock: Clock, node: str) -> None:
        """Tell ``engine``; ``node`` is the source of the fleet's silence."""
        self._store = store
        self._engine = engine
        self._clock = clock
        self._node = node
        self._open: dict[Group, Outage] = {}

    async def load(self) -> None:
        """Remember what the process before had told; what it may not have told is told again, by `retell`.

        Raises:
            StoreError: the store could not be asked.
        """
        kept = await self._store.run(lambda tx: tx.get(_KEPT))
        found = [Outage.from_dict(one) for one in json.loads(kept)] if kept else []
        self._open = {outage.group: outage for outage in found}

    async def retell(self) -> None:
        """Tell what was about to be told when the process before died: at worst one occurrence more."""
        for group, outage in list(self._open.items()):
            if not outage.told:
                words = f"{_name(group)} is silent: {many(outage.stations, 'station')}"
                if await self._tell(self._event(outage, EventKind.RAISE, words, "")):
                    self._open[group] = replace(outage, told=True)
                    await self._save(self._open)

    def __iter__(self) -> Iterator[Group]:
        """The groups that are down."""
        return iter(tuple(self._open))

    def cover(self, groups: Iterable[Group]) -> bool:
        """Whether one of them is down."""
        return any(group in self._open for group in groups) if self._open else False

    async def begin(self, group: Group, collector: str, sites: Sites) -> bool:
        """Tell that ``group`` is down; False: the disk refuses, it must be tried again.

        It is stored before it is told, and again after: whenever we die, its end will be told if its beginning was.
        """
        names = sites.members(group)
        outage = Outage(group=group, collector=collector, since_ms=self._clock.now_ms(), stations=len(names))
        if not await self._save({**self._open, group: outage}):
            return False
        words = f"{_name(group)} is silent: {many(len(names), 'station')}"
        if not await self._tell(self._event(outage, EventKind.RAISE, words, _listed(names))):
            return False
        self._open[group] = replace(outage, told=True)
        await self._save(self._open)
        log.warning("outage.began", reach=group.level.value, name=group.name, stations=len(names))
        return True

    async def end(self, group: Group, sites: Sites) -> bool:
        """Tell that ``group`` is back; False: the disk refuses, it must be tried again."""
        outage, missing = self._open[group], sites.missing(group)
        outage = replace(outage, stations=max(outage.stations, len(missing)))
        lasted = span(self._clock.now_ms() - outage.since_ms)
        words = f"{_name(group)} is back after {lasted}"
        if missing:
            words += f"; still missing: {len(missing)} of {many(outage.stations, 'station')}"
        if not await self._tell(self._event(outage, EventKind.CLEAR, words, _listed(missing))):
            return False
        del self._open[group]
        await self._save(self._open)  # refused: a restart tells the end again, which changes nothing
        log.info("outage.ended", reach=group.level.value, name=group.name, missing=len(missing))
        return True

    async def _tell(self, event: Event) -> bool:
        try:
            await self._engine.emit(event)
        except Overloaded as error:
            log.debug("outage.delayed", condition=event.condition, source=event.source, why=str(error))
            return False
        return True

    async def _save(self, outages: dict[Group, Outage]) -> bool:
        kept = json.dumps([outage.as_dict() for outage in outages.values()]).encode()
        try:
            await self._store.run(lambda tx: tx.put(_KEPT, kept))
        except StoreError as error:
            log.debug("outage.delayed", condition="", source="", why=str(error))
            return False
        return True

    def _event(self, outage: Outage, kind: EventKind, summary: str, description: str) -> Event:
        group = outage.group
        labels = {"level": group.level.value, "stations": str(outage.stations)}
        if group.level is not Level.FLEET:
            labels[group.level.value] = group.name
        return Event(
            collector=OURSELVES if group == FLEET else outage.collector or "watch",
            source=self._node if group == FLEET else group.name,
            condition=CONDITIONS[group.level],
            kind=kind,
            at_ms=self._clock.now_ms(),
            summary=summary,
            description=description,
            labels=labels,
            once=True,
        )


def _name(group: Group) -> str:
    return "The fleet" if group == FLEET else f"{group.level.value.capitalize()} {group.name}"


def _listed(names: Collection[str]) -> str:
    """The stations, in a text of bounded length."""
    if not names:
        return ""
    rest = f"\nand {len(names) - NAMED_MOST} more" if len(names) > NAMED_MOST else ""
    return "Stations:\n" + "\n".join(nsmallest(NAMED_MOST, names)) + rest

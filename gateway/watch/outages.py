"""Outages: what many silent stations have in common is told once, and its end too."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace

import structlog

from gateway.core.event import OURSELVES, Event, EventKind
from gateway.core.sites import CONDITIONS, FLEET, Group, Level, Named, Outage
from gateway.core.text import many, span
from gateway.plugin import Clock, Overloaded
from gateway.store.api import Store, StoreError
from gateway.watch.edges import Emitter

log = structlog.get_logger()

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

    async def begin(self, group: Group, collector: str, members: Named) -> bool:
        """Tell that ``group`` is down, with its ``members``; False: the disk refuses, it must be tried again.

        It is stored before it is told, and again after: whenever we die, its end will be told if its beginning was.
        """
        outage = Outage(group=group, collector=collector, since_ms=self._clock.now_ms(), stations=members.count)
        if not await self._save({**self._open, group: outage}):
            return False
        words = f"{_name(group)} is silent: {many(members.count, 'station')}"
        if not await self._tell(self._event(outage, EventKind.RAISE, words, _listed(members))):
            return False
        self._open[group] = replace(outage, told=True)
        await self._save(self._open)
        log.warning("outage.began", reach=group.level.value, name=group.name, stations=members.count)
        return True

    async def end(self, group: Group, missing: Named) -> bool:
        """Tell that ``group`` is back but for some; False: the disk refuses, it must be tried again."""
        outage = self._open[group]
        outage = replace(outage, stations=max(outage.stations, missing.count))
        lasted = span(self._clock.now_ms() - outage.since_ms)
        words = f"{_name(group)} is back after {lasted}"
        if missing.count:
            words += f"; still missing: {missing.count} of {many(outage.stations, 'station')}"
        if not await self._tell(self._event(outage, EventKind.CLEAR, words, _listed(missing))):
            return False
        del self._open[group]
        await self._save(self._open)  # refused: a restart tells the end again, which changes nothing
        log.info("outage.ended", reach=group.level.value, name=group.name, missing=missing.count)
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


def _listed(stations: Named) -> str:
    """The stations, in a text of bounded length."""
    more = stations.count - len(stations.names)
    return "\n".join(["Stations:", *stations.names, *([f"and {more} more"] if more else [])]) if stations.count else ""

"""Keeps the entries of the inventory that are told by collectors: examined, stored, and taken up a moment later.

On failure: what cannot be used is refused, and what was known before holds; what the disk refuses is not acknowledged, and
comes again. After a restart all that was stored is known before the first input.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from gateway import metrics
from gateway.config import Config
from gateway.config.told import Entry, entry_of, joined
from gateway.core.reason import Dropped, Reason
from gateway.core.told import EntryKind, Told
from gateway.plugin import Clock, EntryRefused, Overloaded, Receipt
from gateway.store.api import Store, StoreError, Transaction

log = structlog.get_logger()

GATHER_S = 1.0
"""What is told in this time is taken up together: an asset system tells ten thousand at once."""
REST = 20
"""To take them up may use one part in so many of the time."""

Key = tuple[EntryKind, str]


class ToldInventory:
    """Entries by kind and name; `run` serves until cancelled."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        config: Callable[[], Config],
        take_up: Callable[[], Awaitable[None]],
    ) -> None:
        """Keep entries in ``store``, examined by ``config``; ``take_up`` is awaited when they have changed."""
        self._store, self._clock, self._config, self._take_up = store, clock, config, take_up
        self._kept: dict[Key, tuple[str, Entry]] = {}
        """On disk: the JSON, and what it means."""
        self._coming: dict[Key, tuple[str | None, asyncio.Future[Receipt]]] = {}
        """On their way to the disk: the last of each name."""
        self._new: set[Key] = set()
        """Names on their way that are not on disk yet."""
        self._changed = asyncio.Event()

    def __len__(self) -> int:
        return len(self._kept)

    def over(self, config: Config) -> Config:
        """``config`` with what was told besides."""
        if not config.inventory.told_max:
            return config
        return joined(config, [entry for _, entry in self._kept.values()])

    async def load(self) -> None:
        """Remember what was told; call before anything is heard."""
        for kind, name, text in await self._store.run(lambda tx: tx.told()):
            told = Told(kind=EntryKind(kind), name=name, said=json.loads(text), place=f"the told {kind} {name}")
            try:
                self._kept[told.kind, name] = text, entry_of(told)
            except EntryRefused as error:
                log.warning("inventory.entry_refused", why=str(error))
        metrics.INVENTORY_TOLD.set(len(self._kept))

    def know(self, told: Told) -> asyncio.Future[Receipt]:
        """Take an entry; the future is done when it is on disk.

        Raises:
            EntryRefused: it cannot be used.
        """
        key, entry, text = (told.kind, told.name), None, None
        if told.said is not None:
            entry, text = self._examined(told)
        on_disk = self._kept.get(key)
        last, waiting = self._coming.get(key, (on_disk[0] if on_disk else None, None))
        if last == text:
            return waiting or _done(Reason.UNCHANGED)
        if entry is not None and on_disk is None:
            self._make_room(told, key)
        stored: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
        self._coming[key] = text, stored
        work = partial(_save, key=key, text=text, at_ms=self._clock.now_ms())
        kept = None if text is None or entry is None else (text, entry)
        self._store.submit(work).add_done_callback(partial(self._written, key, kept, stored))
        return stored

    async def run(self) -> None:
        """Have what changed taken up, all of a second together."""
        refused = ""
        while True:
            await self._changed.wait()
            await self._clock.sleep(GATHER_S)
            self._changed.clear()
            began_s = self._clock.monotonic_s()
            try:
                await self._take_up()
            except StoreError as error:
                if str(error) != refused:
                    log.warning("inventory.not_taken_up", why=str(error), cure="make room; it is tried again")
                refused = str(error)
                self._changed.set()
            else:
                refused = ""
                log.info("inventory.taken_up", told=len(self._kept))
            await self._clock.sleep(REST * (self._clock.monotonic_s() - began_s))

    def _examined(self, told: Told) -> tuple[Entry, str]:
        config = self._config()
        entry = entry_of(told, profiles={profile.name for profile in config.profile})
        text = json.dumps({**(told.said or {}), **({"site": told.site} if told.site else {})}, sort_keys=True)
        most = config.inventory.told_bytes
        if len(text) > most:
            cure = f"shorten it, or raise inventory.told_bytes above {most}"
            raise EntryRefused(f"{told.place}: has {len(text)} bytes; {cure}", reason=Dropped.OVERSIZED)
        return entry, text

    def _make_room(self, told: Told, key: Key) -> None:
        most = self._config().inventory.told_max
        if key not in self._new and len(self._kept) + len(self._new) >= most:
            cure = "take entries back, or raise inventory.told_max"
            raise EntryRefused(f"{told.place}: {most} entries are known already; {cure}", reason=Dropped.OVERLOAD)
        self._new.add(key)

    def _written(
        self, key: Key, kept: tuple[str, Entry] | None, stored: asyncio.Future[Receipt], done: asyncio.Future[None]
    ) -> None:
        if self._coming.get(key, ("", None))[1] is stored:
            del self._coming[key]
            self._new.discard(key)
        error = StoreError("the write was cancelled") if done.cancelled() else done.exception()
        if error is not None:
            stored.set_exception(Overloaded(str(error)))
            return
        if kept is None:
            self._kept.pop(key, None)
        else:
            self._kept[key] = kept
        metrics.INVENTORY_TOLD.set(len(self._kept))
        self._changed.set()
        stored.set_result(Receipt(incident="", reason=Reason.NOTED))


def _save(tx: Transaction, *, key: Key, text: str | None, at_ms: int) -> None:
    tx.save_told(*key, text, at_ms=at_ms)


def _done(reason: Reason) -> asyncio.Future[Receipt]:
    future: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    future.set_result(Receipt(incident="", reason=reason))
    return future

"""A lazy timer wheel: a million deadlines that are mostly moved before they come.

A deadline that moves later is one store in a dictionary; the old place is looked at when its time comes, and the key
then goes to its new place. So each key costs one look per interval, not one per beat, and nothing is ever scanned.

Instants are seconds on any clock that doesn't go back (the watch uses the observed clock). What is due is found no
earlier than its instant and at most one tick after it.
"""

import heapq
import math


class _Slot:
    """Keys to look at when the clock reaches ``tick``; some may have moved elsewhere since."""

    __slots__ = ("keys", "tick")

    def __init__(self, tick: int) -> None:
        self.tick = tick
        self.keys: list[str] = []


class Wheel:
    """Deadlines by key. Memory: about 110 bytes per key besides the key itself."""

    def __init__(self, *, tick_s: float = 1.0) -> None:
        if tick_s <= 0:
            raise ValueError(f"a tick must be longer than nothing: {tick_s}")
        self._tick_s = tick_s
        self._at: dict[str, float] = {}
        self._slots: dict[int, _Slot] = {}
        self._ticks: list[int] = []  # heap of the keys of _slots: few, as many as distinct seconds
        self._place: dict[str, _Slot] = {}  # the one slot in which a key's entry counts; others are leftovers

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: object) -> bool:
        return key in self._at

    def schedule(self, key: str, at_s: float) -> None:
        """Wake ``key`` at ``at_s``, and no longer when it was to be woken before; infinity means never.

        Raises:
            ValueError: ``at_s`` is no instant (not a number, or minus infinity).
        """
        if at_s == math.inf:
            self.cancel(key)
            return
        if not math.isfinite(at_s):
            raise ValueError(f"a deadline must be an instant or never: {at_s}")
        self._at[key] = at_s
        place = self._place.get(key)
        if place is not None and place.tick * self._tick_s <= at_s:
            return  # looked at before then: that look will find the new instant
        tick = math.ceil(at_s / self._tick_s)
        if place is None or tick < place.tick:
            self._put(key, tick)

    def cancel(self, key: str) -> None:
        """Forget the deadline of ``key``, if it has one."""
        self._at.pop(key, None)  # its entry stays in place, and is dropped when looked at

    def due(self, now_s: float, *, limit: int = 10_000) -> list[str]:
        """Take out keys whose instant has come, looking at no more than ``limit`` entries.

        A call that used up its limit has more to do: `next_s` is then not after ``now_s``.
        """
        found: list[str] = []
        looked = 0
        while self._ticks and self._ticks[0] * self._tick_s <= now_s and looked < limit:
            slot = self._slots[self._ticks[0]]
            while slot.keys and looked < limit:
                looked += 1
                self._look(slot, slot.keys.pop(), now_s, found)
            if not slot.keys:
                del self._slots[heapq.heappop(self._ticks)]
        return found

    def next_s(self) -> float | None:
        """When to call `due` next; None if nothing is waited for. It may then find nothing, never too much."""
        return self._ticks[0] * self._tick_s if self._ticks else None

    def _look(self, slot: _Slot, key: str, now_s: float, found: list[str]) -> None:
        if self._place.get(key) is not slot:
            return  # it was put into an earlier slot since
        at_s = self._at.get(key)
        if at_s is not None and at_s > now_s:
            # Never back into the slot in hand, whatever floating point makes of the division. Its place is overwritten:
            # a dictionary of a million is made anew after as many deletions, which takes a third of a second.
            self._put(key, max(math.ceil(at_s / self._tick_s), slot.tick + 1))
            return
        del self._place[key]
        if at_s is not None:
            del self._at[key]
            found.append(key)

    def _put(self, key: str, tick: int) -> None:
        slot = self._slots.get(tick)
        if slot is None:
            slot = self._slots[tick] = _Slot(tick)
            heapq.heappush(self._ticks, tick)
        slot.keys.append(key)
        self._place[key] = slot

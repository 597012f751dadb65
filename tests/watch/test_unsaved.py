"""What changed is stored at the next flush; what only beat in turn, however many do."""

from dataclasses import fields, replace
from typing import Any

import pytest

from gateway.core.station import NEVER, IntervalFrom, Station, StationState, only_beat
from gateway.store.api import StoreError
from gateway.testing.clock import ManualClock
from gateway.watch.unsaved import BEATEN_MOST, FLUSH_MOST, Unsaved

EACH_BEAT = {
    "seen_ms",
    "deadline_s",
    "beats",
    "sequence",
    "sent_ms",
    "doubted",
    "gaps",
    "counted_s",
    "skewed",
    "grace_s",
}
"""Fields that a beat moves, or that follow from others: the rest is stored soon."""
OTHER: dict[str, Any] = {
    "site": "b", "collector": "c", "state": StationState.DOWN, "interval_s": 7.0, "interval_from": IntervalFrom.LEARNED,
    "expected_ms": 9, "misses": 3, "back": 1, "covered": True, "told": True, "fault": "hot", "crossed": ("temp",),
    "born": True, "will": True, "session": 4, "down_since_ms": 5,
}  # fmt: skip


@pytest.mark.parametrize("name", [field.name for field in fields(Station) if field.name != "station"])
def test_whatever_is_no_mere_beat_is_stored_soon(name: str) -> None:
    before = Station(station="s", state=StationState.UP, beats=3)
    if name in EACH_BEAT:
        assert only_beat(before, replace(before, **{name: 6}))
    elif name == "down_since_ms":  # it changes together with the state
        assert name in OTHER
    else:
        assert not only_beat(before, replace(before, **{name: OTHER[name]}))


def test_the_first_beat_is_no_mere_beat() -> None:
    before = Station(station="s", deadline_s=NEVER)
    assert not only_beat(before, replace(before, beats=1))


class Disk:
    """Remembers what was stored, by transaction."""

    def __init__(self) -> None:
        self.saved: list[list[str]] = []
        self.full = False

    async def run(self, work: Any) -> None:
        if self.full:
            raise StoreError("full")
        work(self)

    def save_stations(self, stations: list[Station]) -> None:
        self.saved.append([station.station for station in stations])

    def taken(self) -> list[str]:
        saved, self.saved = self.saved, []
        return [name for names in saved for name in names]


async def test_a_fleet_that_only_beats_is_stored_in_turn_and_what_changed_at_once() -> None:
    stations = {name: Station(station=name, beats=1) for name in map(str, range(BEATEN_MOST + 5))}
    disk, telling = Disk(), {"4"}
    unsaved = Unsaved(store=disk, clock=ManualClock(), stations=stations, telling=telling)
    for _ in range(2):
        for station in stations.values():
            unsaved.add(station, station)
    last = stations[str(BEATEN_MOST + 4)]
    unsaved.add(replace(last, fault="hot"), last)
    await unsaved.flush()
    assert max(map(len, disk.saved)) <= FLUSH_MOST
    first = set(disk.taken())
    assert BEATEN_MOST - 1 <= len(first) <= BEATEN_MOST + 1
    assert last.station in first
    assert not first & telling
    telling.clear()
    disk.full = True
    with pytest.raises(StoreError):
        await unsaved.flush()
    disk.full = False
    await unsaved.flush()
    assert sorted(disk.taken()) == sorted(stations.keys() - first)
    await unsaved.flush()
    assert disk.taken() == []

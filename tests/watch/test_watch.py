"""Silence is told once, and so is its end; what we did not hear costs nobody; no edge is ever lost."""

from dataclasses import replace

import pytest

from gateway.core.event import Beat
from gateway.core.heartbeat import telling
from gateway.core.match import Matcher
from gateway.core.reason import Dropped
from gateway.core.station import EXPECTED, Policy, StationState, Threshold
from gateway.core.terms import Terms
from gateway.plugin import Overloaded
from gateway.store.api import StoreError
from gateway.testing.clock import ManualClock
from tests.watch.conftest import POLICY, Stuck

DOWN, BACK = "s1 station_down raise", "s1 station_down clear"
FAULT, WELL = "s1 station_fault raise", "s1 station_fault clear"


async def test_silence_is_told_once_and_two_beats_end_it(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        await bench.passes(85)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.passes(300)
        bench.beat()
        await bench.passes(5)
        assert bench.engine.said == [DOWN]
        bench.beat()
        assert bench.engine.said == [DOWN, BACK]
        event = bench.engine.events[0]
        assert (event.collector, event.labels["cause"]) == ("mqtt", "silence")


async def test_a_fault_is_told_at_once_and_its_receipt_waits_for_the_disk(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.holds = True
        receipt = bench.beat(fault="door open")
        await bench.passes(1)
        assert not receipt.done()
        bench.engine.holds = False
        bench.engine.settle()
        await receipt
        (stored,) = await bench.store.run(lambda tx: tx.stations())
        assert (stored.fault, bench.engine.said) == ("door open", [FAULT])
        await bench.beat()
        assert bench.engine.said == [FAULT, WELL]


async def test_while_we_are_deaf_the_clock_stands_still(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.watch.connected("mqtt", False)
        await bench.passes(1000)
        assert bench.engine.said == []
        bench.watch.connected("mqtt", True)
        await bench.passes(80)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


async def test_a_restart_gives_everybody_their_whole_time_and_writes_nothing(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await bench.grow_up("s1", "s2")
        await bench.passes(60)
        await bench.watch.flush()
    async with build(clock) as bench:
        assert not any(bench.watch._keeper.unsaved._changed)
        await bench.passes(85)
        assert bench.engine.said == []
        await bench.until(lambda: len(bench.engine.said) == 2, turning=1)
        assert {event.collector for event in bench.engine.events} == {"mqtt"}  # rules may match on it


async def test_who_was_down_before_a_restart_comes_back_after_it(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await bench.grow_up()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        await bench.watch.flush()
    async with build(clock) as bench:
        await bench.passes(500)
        assert bench.engine.said == []
        bench.beat()
        bench.beat()
        assert bench.engine.said == [BACK]


async def test_a_death_between_a_silence_that_is_told_and_its_station_forgets_no_end(build) -> None:
    clock = ManualClock()
    async with build(clock) as bench:
        await bench.grow_up()
        await bench.watch.flush()
        bench.watch._keeper.edges._store = Stuck()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
    async with build(clock) as bench:
        bench.beat()
        assert bench.engine.said == [BACK]
        bench.beat()
        assert bench.engine.said == [BACK]


async def test_a_silence_is_not_told_before_the_disk_knows_that_it_will_be(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        real, bench.watch._silence._store = bench.watch._silence._store, Stuck(StoreError("full"))
        await bench.passes(120)
        assert bench.engine.said == []
        bench.watch._silence._store = real
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


async def test_who_is_listed_and_never_appears_is_down(build) -> None:
    terms = {"s1": (Policy(must_appear_s=120), "lyon")}
    async with build(listed=terms) as bench:
        await bench.passes(118)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        assert bench.engine.events[0].labels["cause"] == "never_appeared"


async def test_a_refused_edge_is_an_edge_again_when_the_beat_is_repeated(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses = {"station_fault"}
        with pytest.raises(Overloaded):
            await bench.beat(fault="hot", sequence=7, sent_ms=bench.clock.now_ms())
        bench.engine.refuses = set()
        await bench.beat(fault="hot", sequence=7, sent_ms=bench.clock.now_ms())
        assert bench.engine.said == [FAULT]


async def test_a_refused_edge_is_told_by_the_next_beat_though_others_came_meanwhile(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses, bench.engine.holds = {"station_fault"}, True
        first = bench.beat(fault="hot")
        second = bench.beat(fault="hot")
        assert second is first  # what rests on an edge waits for it
        bench.engine.settle()
        with pytest.raises(Overloaded):
            await first
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.beat(fault="hot")
        assert bench.engine.said == [FAULT]


async def test_a_refused_threshold_is_told_by_the_next_beat_though_others_came_meanwhile(build) -> None:
    async with build(listed={"s1": (Policy(interval_s=60, thresholds=(LOW,)), "")}) as bench:
        await bench.beat(labels={"battery": "10"})
        for level, kind in (("30", "clear"), ("10", "raise")):
            bench.engine.refuses, bench.engine.holds = {"low_battery"}, True
            first = bench.beat(labels={"battery": level})
            assert bench.beat(labels={"battery": level}) is first
            bench.engine.settle()
            with pytest.raises(Overloaded):
                await first
            bench.engine.refuses, bench.engine.holds = set(), False
            await bench.beat(labels={"battery": level})
            assert bench.engine.said[-1] == f"s1 low_battery {kind}"


async def test_a_refused_end_of_silence_is_told_by_the_next_beat_though_others_came_meanwhile(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        bench.engine.refuses, bench.engine.holds = {"station_down"}, True
        bench.beat()
        back = bench.beat()
        bench.beat()
        bench.engine.settle()
        with pytest.raises(Overloaded):
            await back
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.beat()
        assert bench.engine.said == [DOWN, BACK]


async def test_a_refused_end_of_what_may_have_been_told_is_told_by_the_next_beat(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.watch._keeper.keep(telling(bench.watch._stations["s1"]))  # as the process before left it
        bench.engine.refuses, bench.engine.holds = {"station_down"}, True
        back = bench.beat()
        bench.beat()
        bench.engine.settle()
        with pytest.raises(Overloaded):
            await back
        assert bench.watch._stations["s1"].state == "up"
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.beat()
        assert bench.engine.said == [BACK]


async def test_of_two_edges_in_one_beat_none_is_forgotten(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        bench.beat()
        bench.engine.refuses = {"station_down"}  # the first of the two
        with pytest.raises(Overloaded):
            await bench.beat(fault="hot")
        bench.engine.refuses = set()
        await bench.beat(fault="hot")
        assert bench.engine.said == [DOWN, FAULT, BACK, FAULT]  # said twice, rather than never


async def test_a_refused_silence_stays_due(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses = {"station_down"}
        await bench.passes(120)
        assert bench.engine.said == []
        bench.engine.refuses = set()
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


async def test_a_refused_silence_is_forgotten_when_a_beat_comes_meanwhile(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.engine.refuses, bench.engine.holds = {"station_down"}, True
        await bench.until(lambda: bench.engine._held, turning=1)
        bench.beat()
        bench.engine.settle()
        bench.engine.refuses, bench.engine.holds = set(), False
        await bench.passes(80)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)  # and its next silence counts


async def test_a_disk_that_refuses_the_station_is_told_as_overload(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        real, bench.watch._keeper.edges._store = bench.watch._keeper.edges._store, Stuck(StoreError("full"))
        with pytest.raises(Overloaded, match="full"):
            await bench.beat(fault="hot")
        bench.watch._keeper.edges._store = real
        await bench.beat(fault="hot")


async def test_many_deadlines_that_moved_hold_up_none_that_came(build) -> None:
    async with build(
        policy=replace(Policy(), interval_s=10, grace_s=5, confirm_s=0, settle_beats=1), discover_per_min=10**6
    ) as bench:
        names = [f"n{number}" for number in range(5000)]
        for name in ("s1", *names):  # all in one slot of the wheel, of which s1 is looked at last
            bench.beat(name)
        for _ in range(2):
            await bench.passes(7)
            for name in names:
                bench.beat(name)
        await bench.passes(3)
        await bench.until(lambda: bench.engine.said)
        assert bench.engine.said == [DOWN]


async def test_too_many_stations_are_counted_and_not_kept(build) -> None:
    counted = []
    async with build(
        most_stations=1, listed={"listed": (POLICY, "")}, count=lambda collector, why: counted.append((collector, why))
    ) as bench:
        assert bench.beat("s2") is None
        bench.beat("listed")  # there is always room for who is listed, as everybody is who pings over HTTP
        assert counted == [("mqtt", Dropped.OVERLOAD), ("mqtt", None)]


async def test_stations_that_could_not_be_stored_are_stored_later(build) -> None:
    async with build() as bench:
        bench.beat()
        real, bench.watch._keeper.unsaved._store = bench.watch._keeper.unsaved._store, Stuck(StoreError("full"))
        with pytest.raises(StoreError):
            await bench.watch.flush()
        bench.watch._keeper.unsaved._store = real
        await bench.watch.flush()
        assert [station.station for station in await bench.store.run(lambda tx: tx.stations())] == ["s1"]


# --- thresholds ----------------------------------------------------------------------------------

LOW = Threshold(name="low_battery", raises=Matcher.parse("battery < 20"), clears=Matcher.parse("battery > 25"))


async def test_a_threshold_is_told_once_outlasts_a_restart_and_is_told_again_if_it_was_refused(build) -> None:
    clock, terms = ManualClock(), {"s1": (Policy(interval_s=60, thresholds=(LOW,)), "")}
    async with build(clock, listed=terms) as bench:
        bench.engine.refuses = {"low_battery"}
        with pytest.raises(Overloaded):
            await bench.beat(labels={"battery": "10"})
        assert bench.watch._stations["s1"].crossed == ()
        bench.engine.refuses = set()
        await bench.beat(labels={"battery": "10"})
        for _ in range(3):
            assert bench.beat(labels={"battery": "15"}) is None  # nothing to store, nothing to wait for
        assert bench.engine.said == ["s1 low_battery raise"]
        assert bench.engine.events[0].labels["battery"] == "10"
    async with build(clock, listed=terms) as bench:
        await bench.beat(labels={"battery": "26"})
        assert bench.engine.said == ["s1 low_battery clear"]


# --- schedules -----------------------------------------------------------------------------------


class Hourly:
    """At the full hour."""

    def after(self, now_ms: int) -> int:
        return (now_ms // HOUR_MS + 1) * HOUR_MS

    def local(self, at_ms: int) -> str:
        return str(at_ms)

    def __str__(self) -> str:
        return "hourly"


HOUR_MS = 3_600_000
HOURLY = Policy(schedule=Hourly(), grace_s=300)


def to_the_hour(clock: ManualClock) -> int:
    """Seconds until the next full hour."""
    return int((HOUR_MS - clock.now_ms() % HOUR_MS) / 1000)


async def test_a_time_of_a_schedule_outlasts_a_restart_and_is_kept_by_the_wall_clock(build) -> None:
    clock = ManualClock()
    async with build(clock, listed={"s1": (HOURLY, "")}) as bench:
        bench.beat()
        await bench.watch.flush()
    due_s = to_the_hour(clock)
    async with build(clock, listed={"s1": (HOURLY, "")}) as bench:
        bench.watch.connected("mqtt", up=False)  # deaf before it is due: that shifts nothing
        await bench.passes(100)
        bench.watch.connected("mqtt", up=True)
        await bench.passes(due_s + 300 - 100)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)
        assert bench.clock.now_ms() % HOUR_MS <= 390_000
        bench.beat()
        assert bench.engine.said == [DOWN, BACK]


async def test_what_was_due_while_we_were_deaf_is_held_against_nobody(build) -> None:
    async with build(listed={"s1": (HOURLY, "")}) as bench:
        bench.beat()
        await bench.passes(to_the_hour(bench.clock) - 10)
        bench.watch.connected("mqtt", up=False)
        await bench.passes(90)
        bench.watch.connected("mqtt", up=True)
        await bench.passes(1800)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == [DOWN], turning=60)


async def test_a_reload_lets_in_no_more_unlisted_stations_than_the_minute_allows(build) -> None:
    async with build(discover_per_min=2) as bench:
        for number in range(10):
            bench.beat(f"n{number}")
            bench.watch.reset(Terms(policy=POLICY, discover_per_min=2))
        assert len(bench.watch._stations) == 2
        bench.watch.reset(Terms(policy=POLICY, discover_per_min=3))
        for number in range(10, 20):
            bench.beat(f"n{number}")
        assert len(bench.watch._stations) == 5


async def test_a_reload_gives_a_schedule_at_once_and_takes_it_away(build) -> None:
    async with build() as bench:
        await bench.grow_up()
        bench.watch.reset(Terms(policy=HOURLY))
        await bench.passes(200)
        assert bench.engine.said == []
        bench.watch.reset(Terms(policy=Policy(interval_s=60, grace_s=30)))
        await bench.until(lambda: bench.engine.said == [DOWN], turning=1)


BACKUP = f"{EXPECTED}backup"
AWAITED = {BACKUP: (replace(HOURLY, slots=True), "")}


async def test_an_expected_event_is_no_station_of_the_fleet(build) -> None:
    async with build(listed=AWAITED) as bench:
        assert bench.watch.heard(Beat(collector="mqtt", station=BACKUP, at_ms=bench.clock.now_ms())) is None
        await bench.passes(to_the_hour(bench.clock) + 60)
        bench.watch.met("backup", collector="snmp", at_ms=bench.clock.now_ms())
        bench.watch.met("nobody", collector="snmp", at_ms=bench.clock.now_ms())
        (kept,) = await bench.store.run(lambda tx: tx.stations(after="", most=10))
        assert kept.beats == 1  # at once: no crash forgets that it came
        assert bench.watch.unknown == 0
        await bench.passes(3600)
        assert bench.engine.said == []
        await bench.until(lambda: bench.engine.said == ["backup event_missing raise"], turning=60)
        bench.watch.met("backup", collector="snmp", at_ms=bench.clock.now_ms())
        assert bench.engine.said == ["backup event_missing raise", "backup event_missing clear"]


@pytest.mark.parametrize("restarts", [False, True])
async def test_what_is_expected_no_longer_is_missing_no_longer(build, restarts: bool) -> None:
    clock, told = ManualClock(), ["backup event_missing raise"]
    async with build(clock, listed=AWAITED) as bench:
        await bench.until(lambda: bench.engine.said == told, turning=300)
        await bench.watch.flush()
        if not restarts:
            bench.watch.reset(Terms(policy=Policy()))
            assert bench.engine.said == [*told, "backup event_missing clear"]
            assert {state: count for state, count in bench.watch.states.items() if count} == {StationState.RETIRED: 1}
            bench.watch.reset(Terms(policy=Policy(), listed=AWAITED))
            await bench.until(lambda: len(bench.engine.said) == 3, turning=300)  # expected anew
            return
    async with build(clock) as bench:
        assert bench.engine.said == ["backup event_missing clear"]


async def test_stations_of_a_site_that_miss_their_time_together_are_one_outage(build) -> None:
    names = ["s1", "s2", "s3", "s4"]
    async with build(by_site={"lyon": HOURLY}) as bench:
        for name in names:
            bench.beat(name, site="lyon")
        await bench.passes(to_the_hour(bench.clock) + 290)
        await bench.until(lambda: bench.engine.said, turning=1)
        await bench.passes(20)
        assert bench.engine.said == ["lyon site_down raise"]

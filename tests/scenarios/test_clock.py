"""Time that jumps, time that passed while we did not run, and links that were down: nobody is blamed for our blindness."""

import asyncio

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.app import running
from gateway.config import load
from gateway.core.event import Event, EventKind
from gateway.plugins import discover
from gateway.testing.clock import ManualClock
from tests.ports import free_port

pytestmark = pytest.mark.tools
DAY_MS, MINUTE_MS = 86_400_000, 60_000
HELD = """
[[rule]]
name = "held"
condition = "linkDown"
set_condition = "link_down"
object = "{ifIndex}"
hold = "10m"
"""


class SteppedClock(ManualClock):
    """A clock like the system's: the wall may be set, and ours follows when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ahead_ms = 0

    def set_wall(self, by_ms: int) -> None:
        self.ahead_ms += by_ms

    def jump_ms(self) -> int:
        return self.ahead_ms

    def follow(self, jump_ms: int) -> None:
        self.ahead_ms -= jump_ms
        super().follow(jump_ms)

    def stand_still(self, seconds: float) -> None:
        """Time passes, and nobody here notices: the process is suspended."""
        self._elapsed_s += seconds


async def station_is_up(house) -> None:
    for number in range(3):
        await house.beat("ok")

        async def heard(count: int = number + 1) -> bool:
            known = house.app.watch._stations.get("s1")
            return known is not None and known.beats == count

        await house.eventually(heard, what="a beat")
        await house.passes(seconds=20)


@pytest.mark.parametrize("step_ms", [DAY_MS, -DAY_MS])
async def test_a_clock_set_by_a_day_fires_nothing_early_and_loses_nothing(build, step_ms) -> None:
    clock = SteppedClock()
    with capture_logs() as logs:
        async with build(more=HELD, clock=clock) as house:
            await station_is_up(house)
            await house.link("down")
            seen = await house.sees(condition="link_down", state="pending", ticket_state=None)
            await house.passes(minutes=1)
            clock.set_wall(step_ms)
            for _ in range(6):
                await house.beat("ok")
                await house.passes(minutes=1)
            assert clock.ahead_ms == 0
            await house.sees(id=seen["id"], state="pending", ticket_state=None)
            for _ in range(4):
                await house.beat("ok")
                await house.passes(minutes=1)
            await house.sees(id=seen["id"], state="open", ticket_state="open")
            assert [item["condition"] for item in await house.incidents()] == ["link_down"]
            await house.link("up")
            await house.sees(id=seen["id"], state="resolved", ticket_state="resolved")
    assert [line["by_s"] for line in logs if line["event"] == "clock.stepped"] == [step_ms / 1000]


@pytest.mark.parametrize("step_ms", [DAY_MS, -DAY_MS])
async def test_a_death_right_after_a_step_moves_no_deadline_twice(tmp_path, step_ms) -> None:
    clock, path = SteppedClock(), tmp_path / "tocsin.toml"
    path.write_text(f'[http]\nlisten = "127.0.0.1:{free_port()}"\n[sinks.local]\n')
    async with running(load(path, plugins=discover()), state_dir=tmp_path / "state", clock=clock) as app:
        began_ms = clock.now_ms()
        raised = Event(collector="snmp", source="r1", condition="x", kind=EventKind.RAISE, at_ms=began_ms)
        one = (await app.engine.emit(raised)).incident
        await app.blind.flush()
        clock.set_wall(step_ms)
        app.engine._timers.retime()

        async def first_seen_ms() -> int:
            return (await app.store.run(lambda tx: tx.incident(one))).first_seen_ms

        while await first_seen_ms() == began_ms:
            await asyncio.sleep(0)
        await app.blind.load()  # as the next process would
        assert await first_seen_ms() == began_ms + step_ms
        assert app.blind._away_ms < MINUTE_MS


async def test_while_we_were_suspended_no_station_was_silent_and_one_incident_says_from_when_to_when(build) -> None:
    clock = SteppedClock()
    async with build(clock=clock) as house:
        await station_is_up(house)
        clock.stand_still(3600)
        await house.passes(seconds=30)
        seen = await house.sees(condition="blind", state="open", ticket_state="open")
        assert seen["summary"].startswith("we were blind from 2026-11-22 00:01:0")
        assert seen["summary"].endswith("(1 h): the process stood still; 1 station unknown meanwhile")
        await house.beat("ok")
        await house.passes(seconds=60)
        await house.sees(id=seen["id"], state="resolved", ticket_state="resolved")
        assert len(await house.incidents()) == 1


async def test_a_broker_that_was_away_is_one_incident_and_no_stations(build) -> None:
    async with build() as house:
        await station_is_up(house)
        house.app.collectors.told("mqtt", False, False)
        await house.passes(minutes=30)
        seen = await house.sees(condition="blind", state="open", ticket_state="open")
        house.app.collectors.told("mqtt", True, False)
        await house.passes(seconds=65)
        await house.sees(id=seen["id"], state="resolved")
        timeline = (await house.get(f"/api/v1/incidents/{seen['id']}"))["timeline"]
        assert any("(30 min" in entry["text"] and "mqtt could not hear" in entry["text"] for entry in timeline)
        assert len(await house.incidents()) == 1


async def test_who_hears_no_stations_may_be_deaf_and_their_silence_counts(build) -> None:
    async with build() as house:
        await station_is_up(house)
        house.app.collectors.told("smtp", False, False)
        await house.passes(minutes=3)
        await house.sees(condition="station_down", source="s1", state="open")
        await house.sees(condition="blind", state="open")


async def test_a_daemon_that_did_not_run_says_so_when_it_does_again(build, tmp_path) -> None:
    async with build() as house:
        await station_is_up(house)
        config, clock = house.app.config, house.clock
    await clock.advance(7200)
    async with running(config, state_dir=tmp_path / "state", clock=clock) as app:
        house.app = app
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.ports['http']}", trust_env=False) as house.http:
            await house.passes(minutes=5)
            seen = await house.sees(condition="blind", ticket_state="open")
            assert seen["summary"].startswith("we have been blind since 2026-11-22 00:01:0")
            assert "the daemon did not run, mqtt could not hear" in seen["summary"]  # this house's broker is gone, too
            assert len(await house.incidents()) == 1


async def test_a_clock_set_back_while_the_daemon_was_down_delays_no_deadline(build, tmp_path) -> None:
    async with build(more=HELD) as house:
        await house.link("down")
        seen = await house.sees(condition="link_down", state="pending")
        await house.passes(minutes=1)
        config, clock = house.app.config, house.clock
    clock.follow(-DAY_MS)
    with capture_logs() as logs:
        async with running(config, state_dir=tmp_path / "state", clock=clock) as app:
            house.app = app
            async with httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{house.ports['http']}", trust_env=False
            ) as house.http:
                await house.passes(minutes=8)
                await house.sees(id=seen["id"], state="pending")
                await house.passes(minutes=2)
                await house.sees(id=seen["id"], state="open", ticket_state="open")
    assert [round(line["by_s"]) for line in logs if line["event"] == "clock.stepped"] == [-86_400]

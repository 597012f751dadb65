"""A person takes a station out of service, and puts it back."""

import asyncio

import pytest
from click.testing import CliRunner

from gateway.cli import tocsin as command

pytestmark = pytest.mark.tools


async def test_a_station_is_put_to_sleep_woken_and_retired_by_command(build, tmp_path) -> None:

    async def tocsin(*words: str) -> tuple[int, str]:
        def run() -> tuple[int, str]:
            done = CliRunner().invoke(command, ["stations", *words, "--state-dir", str(tmp_path / "state")])
            return done.exit_code, done.output

        return await asyncio.to_thread(run)

    async def silent(minutes: int) -> None:
        for _ in range(minutes):
            await house.passes(minutes=1)

    async with build() as house:
        for _ in range(3):
            await house.beat("ok")
            await house.passes(seconds=30)
        assert await tocsin("sleep", "s1") == (0, "station s1: sleep is done\n")
        await silent(10)
        assert await house.incidents() == []
        assert (await tocsin("wake", "s1"))[0] == 0
        for _ in range(60):
            await house.passes(seconds=10)
        await house.sees(condition="station_down", state="open")
        assert (await tocsin("retire", "s1"))[0] == 0
        await house.sees(condition="station_down", state="resolved")
        code, said = await tocsin("retire", "s9")
        assert code != 0
        assert "there is no station s9" in said


LOW_BATTERY = """
[[threshold]]
name = "low_battery"
raise = "metrics.battery < 20"
clear = "metrics.battery > 25"

[[rule]]
name = "low-battery"
condition = "low_battery"
impact = "low"
summary = "{source}: battery at {metrics.battery} %"
"""


async def test_a_battery_runs_low_and_is_changed(build) -> None:
    async with build(more=LOW_BATTERY) as house:
        for level in (80, 19, 15, 22, 12):
            await house.beat(f'{{"status": "ok", "metrics": {{"battery": {level}}}}}')
            await house.passes(seconds=30)
        seen = await house.sees(condition="low_battery", source="s1", state="open", ticket_state="open", occurrences=1)
        assert (seen["summary"], seen["impact"]) == ("s1: battery at 19 %", "low")
        await house.beat('{"status": "ok", "metrics": {"battery": 100}}')
        await house.sees(condition="low_battery", state="resolved")
        assert 'tocsin_stations{state="up"} 1.0' in (await house.http.get("/metrics")).text.splitlines()
        assert "<h2>Stations (1)</h2>" in (await house.http.get("/")).text

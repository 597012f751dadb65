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

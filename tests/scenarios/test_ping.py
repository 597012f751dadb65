"""A job that knows only HTTP says that it lives, that it failed, and nothing at all."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from gateway.config import ConfigError, load
from gateway.plugins import discover

pytestmark = pytest.mark.tools
KEY = "0123456789abcdef"
STATION = """
[[station]]
name = "backup"
site = "lyon"
interval = "10m"
grace = "2m"
ping_key = "file:{key}"
"""


@pytest.fixture
def station(tmp_path) -> str:
    (tmp_path / "key").write_text(KEY + "\n")
    return STATION.format(key=tmp_path / "key")


async def test_a_job_pings_falls_silent_and_comes_back(build, station) -> None:
    async with build(more=station) as house:
        for _ in range(3):
            assert (await house.http.get(f"/ping/{KEY}")).text == "OK"
            await house.passes(minutes=9)
        assert (await house.http.head(f"/ping/{KEY}")).status_code == 200
        for _ in range(15):
            await house.passes(minutes=1)
        seen = await house.sees(condition="station_down", source="backup", state="open", ticket_state="open")
        assert seen["labels"]["site"] == "lyon"
        await house.http.post(f"/ping/{KEY}/start")
        await house.http.get(f"/ping/{KEY}/0")
        await house.sees(condition="station_down", state="resolved")


async def test_a_job_that_runs_at_night_is_missed_when_its_hour_has_passed(build, station, tmp_path) -> None:
    by_profile = station.replace('interval = "10m"\ngrace = "2m"', 'profile = "nightly"')
    profile = '[[profile]]\nname = "nightly"\nschedule = "20 1 * * *"\nzone = "Europe/Paris"\ngrace = "10m"\n'
    async with build(more=profile + by_profile) as house:
        assert (await house.http.get(f"/ping/{KEY}")).text == "OK"
        await house.app.watch.flush()
        listed = (await house.get("/api/v1/stations"))["items"][0]
        due = datetime.fromisoformat(listed["expected"])
        assert due.astimezone(ZoneInfo("Europe/Paris")).strftime("%H:%M") == "01:20"
        assert (listed["interval_s"], listed["interval_from"], listed["grace_s"]) == (None, "schedule", 600)
        await house.passes(seconds=(due.timestamp() * 1000 - house.clock.now_ms()) / 1000 + 590)
        assert await house.incidents() == []
        for _ in range(3):
            await house.passes(seconds=20)
        seen = await house.sees(condition="station_down", source="backup", state="open")
        assert "a beat was due at" in seen["summary"]
        await house.http.get(f"/ping/{KEY}")
        await house.sees(condition="station_down", state="resolved")


async def test_a_job_that_fails_is_told_with_what_it_wrote(build, station) -> None:
    async with build(more=station) as house:
        await house.http.get(f"/ping/{KEY}")
        answer = await house.http.post(f"/ping/{KEY}/3", content=b"no space left\x1b[31m on device")
        assert answer.status_code == 200
        seen = await house.sees(condition="station_fault", state="open")
        assert "exit code 3" in seen["summary"]
        assert "no space left" in seen["description"]
        assert "\x1b" not in seen["description"]
        await house.http.get(f"/ping/{KEY}/start")
        await house.sees(condition="station_fault", state="open")
        await house.http.get(f"/ping/{KEY}")
        await house.sees(condition="station_fault", state="resolved")
        await house.http.get(f"/ping/{KEY}/fail")
        await house.sees(condition="station_fault", state="open", occurrences=2)


async def test_who_guesses_or_pings_too_often_is_slowed_down(build, station) -> None:
    async with build(more=station) as house:
        assert (await house.http.get(f"/ping/{KEY}/256")).status_code == 404
        codes = [(await house.http.get(f"/ping/{KEY}")).status_code for _ in range(12)]
        assert (codes[:9], codes[-1]) == ([200] * 9, 429)
        codes = [(await house.http.get(f"/ping/wrong-{number}")).status_code for number in range(52)]
        assert (codes[:50], codes[-1]) == ([404] * 50, 429)
        assert (await house.http.put(f"/ping/{KEY}")).status_code == 405


async def test_a_reload_takes_stations_and_keys_and_a_bad_table_changes_nothing(build, station, tmp_path) -> None:
    async with build() as house:
        config = tmp_path / "tocsin.toml"
        config.write_text('include = ["*.csv"]\n' + config.read_text())
        assert (await house.http.get(f"/ping/{KEY}")).status_code == 404
        (tmp_path / "fleet.csv").write_text(
            f"kind,name,site,region,contract,interval,must_appear_within,ping_key\n"
            f"station,backup,lyon,rhone,gold,,5m,file:{tmp_path}/key\n"
        )
        await house.app.reload(load(config, plugins=discover()))
        (tmp_path / "fleet.csv").write_text("name,intervall\nbackup,5m\n")
        with pytest.raises(ConfigError, match=r'fleet.csv:2: station "backup": intervall: unknown key; did you mean'):
            load(config, plugins=discover())
        for _ in range(7):
            await house.passes(minutes=1)
        seen = await house.sees(condition="station_down", source="backup", state="open")
        assert (seen["labels"]["cause"], seen["labels"]["contract"]) == ("never_appeared", "gold")
        assert (await house.http.get(f"/ping/{KEY}")).status_code == 200

"""A drill: a trap, a station's silence and a mail go to the tracker and back, marked, and leave nothing open."""

import asyncio
import contextlib
import json
import sqlite3

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.config import load
from gateway.core.judge import Judge
from gateway.drill import DrillRuns
from gateway.plugins import discover

STAGES = ["heard", "opened", "seen", "cleared", "closed"]


async def during(house, work):
    """Let time pass until ``work`` has ended; its result."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(work)
        for _ in range(3000):
            if task.done():
                break
            await house.clock.advance(0.5)
            await asyncio.sleep(0.01)
        return await task


async def metric(house, name):
    text = (await house.http.get("/metrics")).text
    return {line.partition("{")[2].partition("}")[0] for line in text.splitlines() if line.startswith(name + "{")}


async def test_every_way_in_is_drilled_to_the_tracker_and_back(build, tmp_path):
    more = '[[rule]]\nname = "all"\ndrop = true\n'  # no rule can lead a drill astray
    async with build(more=more) as house:

        async def drill_and_reload():
            async with asyncio.TaskGroup() as tasks:
                drill = tasks.create_task(house.app.drills.drill())
                await house.sees(condition="drill", state="open")
                await house.app.reload(load(tmp_path / "tocsin.toml", plugins=discover()))
            return await drill

        legs = await during(house, drill_and_reload())
        assert [(leg.collector, leg.ok, leg.why) for leg in legs] == [
            ("snmp", True, ""),
            ("smtp", True, ""),
            ("mqtt", True, ""),
        ]
        assert all(list(leg.stages) == STAGES for leg in legs)
        assert {one["object"]: one["state"] for one in await house.incidents()} == dict.fromkeys(
            ("snmp", "smtp", "mqtt"), "closed"
        )
        for one in await house.incidents():
            assert (one["priority"], one["team"], one["labels"]["drill"]) == ("P4", "", "yes")
            (ticket,) = one["tickets"]
            shown = await house.desk.show(ticket["id"])
            assert shown.title.startswith("[P4] DRILL, nothing to repair: ")
            assert shown.state == "closed"
        assert 'collector="mqtt",stage="heard"' in await metric(house, "tocsin_drill_seconds")
        seconds = legs[2].stages["heard"]
        assert 40 < seconds < 70  # the interval, the grace, and the confirmation of a real station

        await house.passes(minutes=10)  # the station that was drilled is missed by nobody
        await house.quiet()
        assert len(await house.incidents()) == 3


async def test_what_does_not_come_through_is_told_and_is_an_incident_until_it_does(build):
    more = '[drill]\npatience = "5s"\n'
    async with build(more=more, snmp='allow = ["192.0.2.0/24"]') as house:
        with capture_logs() as logs:
            legs = {leg.collector: leg for leg in await during(house, house.app.drills.drill())}
        assert not legs["snmp"].ok
        assert legs["snmp"].why.startswith("nothing was heard of it within 5 s; tocsin drops tells")
        assert legs["smtp"].ok
        failed = await house.sees(condition="drill_failed", object="snmp", state="open")
        assert failed["description"] == legs["snmp"].why
        ended = {entry["collector"]: entry["outcome"] for entry in logs if entry["event"] == "drill.ended"}
        assert ended == {"snmp": "failed", "mqtt": "failed", "smtp": "ok"}


async def test_one_drill_at_a_time_and_the_rules_are_back_afterwards(build):
    async with build() as house:
        plain = house.app.engine.judge
        assert type(plain) is Judge

        async def twice():
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(house.app.drills.drill())
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                with pytest.raises(DrillRuns):
                    await house.app.drills.drill()

        await during(house, twice())
        assert house.app.engine.judge is plain


async def test_the_daemon_drills_by_itself_and_by_a_word_on_its_socket(build, tmp_path):
    more = '[drill]\nevery = "30s"\n'
    async with build(more=more) as house:

        async def three():
            while {one["object"] for one in await house.incidents()} < {"snmp", "mqtt", "smtp"}:
                await asyncio.sleep(0.05)

        await during(house, three())
        assert {one["condition"] for one in await house.incidents()} == {"drill"}
        transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "state" / "admin.sock"))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as admin:
            said = json.loads((await during(house, admin.post("/api/v1/drill"))).content)
        assert said.get("ok") or said["error"].startswith("a drill is under way")


async def test_a_drill_that_a_crash_cut_short_is_cleared_away_by_the_next_start(build):
    async with build() as house:
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(house.app.drills.drill())
            await house.sees(condition="drill", state="open")
            house.app.drills._clear_away = nothing  # as a crash would
            task.cancel()
        assert {one["state"] for one in await house.incidents()} == {"open"}
    async with build() as house:
        await house.sees(condition="drill", state="closed")
        assert {one["state"] for one in await house.incidents()} == {"closed"}


async def test_a_drill_ends_with_the_daemon_and_leaves_nothing_open(build, tmp_path):
    transport = httpx.AsyncHTTPTransport(uds=str(tmp_path / "state" / "admin.sock"))
    async with (
        asyncio.TaskGroup() as tasks,
        httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60) as admin,
    ):
        async with build() as house:
            drilling = tasks.create_task(admin.post("/api/v1/drill"))
            for collector in ("snmp", "smtp"):
                await house.sees(condition="drill", object=collector, state="open")
        answer = await drilling
    assert answer.status_code == 503
    assert answer.json()["error"].startswith("the drill was cut short, since the daemon stops")
    with contextlib.closing(sqlite3.connect(tmp_path / "state" / "tocsin.db")) as kept:
        assert set(kept.execute("SELECT state FROM incident")) == {("closed",)}


async def nothing(*_leg):
    pass

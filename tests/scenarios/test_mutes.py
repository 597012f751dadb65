"""Silences, maintenance windows and calendars, as an operator lives them: raises wait, clears pass, nothing is forgotten."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from gateway.cli import tocsin
from gateway.core.mute import Window
from gateway.core.reason import Muted

pytestmark = pytest.mark.tools
NIGHTLY = """
[[maintenance]]
name = "backup"
match = ["source = 127.0.0.1"]
start = "2026-11-01T00:00"
duration = "10m"
rrule = "FREQ=HOURLY"
"""


def run(house, *words: str) -> str:
    """What the command says; it talks to the daemon over its admin socket, in a thread of its own."""
    ran = CliRunner().invoke(tocsin, [*words, "--state-dir", str(house.app.state_dir)])
    assert ran.exit_code == 0, ran.output
    return ran.output


async def said(house, *words: str) -> str:
    return await asyncio.to_thread(run, house, *words)


async def mutes(house) -> list[dict]:
    return (await house.get("/api/v1/mutes"))["items"]


async def test_a_silence_keeps_a_trouble_from_people_and_its_end_tells_them(build) -> None:
    async with build() as house:
        await said(
            house, "silence", "add", "condition = link_down", "--for", "20m", "--comment", "new fan", "--author", "ann"
        )
        await house.link("down")
        seen = await house.sees(condition="link_down", state="open", muted=["silence"], ticket_state=None)
        timeline = (await house.get(f"/api/v1/incidents/{seen['id']}"))["timeline"]
        assert any('waits for silence "new fan" by ann' in entry["text"] for entry in timeline)
        await house.passes(minutes=10)
        await house.sees(id=seen["id"], ticket_state=None)
        await house.passes(minutes=10, seconds=5)
        told = await house.sees(id=seen["id"], state="open", muted=[], ticket_state="open")
        await house.quiet()
        ticket = await house.desk.show(told["tickets"][0]["id"])
        assert 'It began during silence "new fan" by ann' in str(ticket.remarks)


async def test_what_clears_inside_nobody_hears_of(build) -> None:
    async with build() as house:
        await said(house, "silence", "add", "source = 127.0.0.1", "--for", "1h")
        await house.link("down")
        await house.sees(state="open", muted=["silence"])
        await house.link("up")
        await house.sees(state="resolved", muted=[], ticket_state=None)
        await house.quiet()
        assert (await house.get("/api/v1/tickets"))["items"] == []


async def test_a_maintenance_that_begins_while_a_ticket_is_open_keeps_it_quiet_until_its_end(build) -> None:
    async with build() as house:
        await house.link("down")
        seen = await house.sees(condition="link_down", ticket_state="open")
        begins = house.clock.now_ms() / 1000 + 60
        words = ["--from", datetime.fromtimestamp(begins, UTC).isoformat(), "--for", "20m", "--comment", "fan"]
        await said(house, "maintenance", "add", "source = 127.0.0.1", *words)
        await house.passes(seconds=65)
        await house.sees(id=seen["id"], muted=["maintenance"], ticket_state="open")
        for _ in range(10):
            await house.link("down", inform=True)
        await house.quiet()
        ticket = await house.desk.show(seen["tickets"][0]["id"])
        assert "Seen 10 times" not in str(ticket.remarks)
        await house.passes(minutes=20, seconds=5)
        await house.sees(id=seen["id"], muted=[], state="open")
        await house.quiet()
        ticket = await house.desk.show(seen["tickets"][0]["id"])
        assert "Still raised, and no longer muted" in str(ticket.remarks)


async def test_a_silence_is_extended_and_ended_by_command(build) -> None:
    async with build() as house:
        await said(house, "silence", "add", "source = 127.0.0.1", "--for", "10m")
        (silence,) = await mutes(house)
        await said(house, "silence", "extend", silence["id"], "1h")
        await house.link("down")
        await house.passes(minutes=30)
        await house.sees(state="open", muted=["silence"], ticket_state=None)
        await said(house, "silence", "end", silence["id"])
        await house.passes(seconds=2)
        await house.sees(state="open", muted=[], ticket_state="open")
        assert [one["state"] for one in await mutes(house)] == ["ended"]
        again = ["silence", "extend", silence["id"], "1h", "--state-dir", str(house.app.state_dir)]
        ran = await asyncio.to_thread(CliRunner().invoke, tocsin, again)
        assert (ran.exit_code, f"silence {silence['id']} has ended; add another" in ran.output) == (1, True)
        assert [one["state"] for one in await mutes(house)] == ["ended"]


async def test_maintenance_recurs_and_overruns(build) -> None:
    last_year = NIGHTLY.replace("backup", "last year").replace("rrule", "# ").replace("2026", "2025")
    with capture_logs() as logs:
        async with build(more=NIGHTLY + last_year) as house:
            assert {one["name"] for one in await mutes(house)} == {"backup"}
    assert [entry["name"] for entry in logs if entry["event"] == "maintenance.over"] == ["last year"]
    async with build(more=NIGHTLY) as house:
        planned = [one for one in await mutes(house) if one["state"] == "planned"]
        begins = planned[0]["from"]
        wait_s = datetime.fromisoformat(begins).timestamp() - house.clock.now_ms() / 1000
        await house.passes(seconds=wait_s + 60)
        await house.link("down")
        seen = await house.sees(state="open", muted=["maintenance"], ticket_state=None)
        timeline = (await house.get(f"/api/v1/incidents/{seen['id']}"))["timeline"]
        assert any('maintenance "backup"' in entry["text"] for entry in timeline)
        await said(house, "maintenance", "extend", planned[0]["id"], "30m")
        await house.passes(minutes=15)
        await house.sees(id=seen["id"], muted=["maintenance"], ticket_state=None)
        await house.passes(minutes=25)
        await house.sees(id=seen["id"], muted=[], ticket_state="open")


async def test_a_restart_cries_no_wolf(build, tmp_path) -> None:
    async with build() as house:
        await said(house, "silence", "add", "source = 127.0.0.1", "--for", "10m")
        await house.link("down", port=1)
        await house.sees(object="1", muted=["silence"])
        clock = house.clock
    await clock.advance(60)
    async with build(clock=clock) as house:
        await house.link("down", port=2)
        await house.sees(object="2", muted=["silence"], ticket_state=None)
        await house.passes(seconds=60)
        await house.sees(object="1", muted=["silence"], ticket_state=None)
        await house.passes(minutes=10)
        for port in ("1", "2"):
            await house.sees(object=port, muted=[], ticket_state="open")


async def test_commands_that_are_wrong_say_so(build) -> None:
    async with build() as house:
        for words, sentence in (
            (["silence", "add", "r1", "--for", "2h"], "is no matcher"),
            (["silence", "add", "source = r1", "--for", "soon"], "must be a duration"),
            (["silence", "end", "nobody"], "there is no silence or maintenance nobody"),
            (["silence", "add", "source = r1", "--for", "2h", "--from", "2026-12-01T10:00"], "from: say the time zone"),
            (
                ["silence", "add", "source = r1", "--for", "2h", "--from", "noon"],
                "from: must be a date and time such as",
            ),
            (
                ["silence", "add", "source = r1", "--for", "2h", "--from", "2020-12-01T10:00Z"],
                "ended at 2020-12-01T12:00",
            ),
        ):
            ran = await asyncio.to_thread(CliRunner().invoke, tocsin, [*words, "--state-dir", str(house.app.state_dir)])
            assert ran.exit_code == 1, ran.output
            assert sentence in ran.output
        answer = await house.http.post("/api/v1/mutes", json={"match": ["source = r1"], "for": "2h"})
        assert answer.status_code == 403
        listed = await asyncio.to_thread(
            CliRunner().invoke, tocsin, ["silence", "list", "--json", "--url", str(house.http.base_url)]
        )
        assert json.loads(listed.output)["items"] == []

        now_ms = house.clock.now_ms()
        for name, until_ms, exit_code in (("over", now_ms - 1, 0), ("on", now_ms + 3_600_000, 1)):
            many = [
                Window(id=f"{name}{n}", kind=Muted.SILENCE, match=(), from_ms=now_ms - 10, until_ms=until_ms)
                for n in range(1000)
            ]
            await house.app.store.run(lambda tx, many=many: [tx.save_window(one) for one in many])
            words = ["silence", "add", "source = r1", "--for", "2h", "--state-dir", str(house.app.state_dir)]
            ran = await asyncio.to_thread(CliRunner().invoke, tocsin, words)
            assert ran.exit_code == exit_code, ran.output
        assert "there are 1000 windows already" in ran.output


async def test_a_flapping_port_is_one_ticket_with_three_lines(build) -> None:
    async with build() as house:
        for number in range(12):
            await house.link("up" if number % 2 else "down")
            await house.sees(condition="link_down", state="resolved" if number % 2 else "open")
            await house.passes(seconds=2)
        seen = await house.sees(condition="link_down", state="resolved", muted=["flapping"], ticket_state="open")
        await house.passes(minutes=21)
        await house.sees(id=seen["id"], state="resolved", muted=[], ticket_state="resolved")
        await house.quiet()
        (ticket,) = (await house.get("/api/v1/tickets"))["items"]
        shown = str((await house.desk.show(ticket["id"])).remarks)
        assert "Flapping: 6 transitions since" in shown
        assert "Calm again: 12 transitions" in shown
        assert shown.count("Cleared after") <= 2, "none while it flapped"


POWER = """
[[inhibit]]
name = "the port that feeds the others"
source = ["condition = link_down", "object = 1"]
target = "condition = link_down"
equal = ["source"]
"""


async def test_a_greater_incident_keeps_lesser_ones_back(build) -> None:
    async with build(more=POWER) as house:
        await house.link("down", port=1)
        await house.sees(object="1", ticket_state="open")
        await house.link("down", port=2)
        await house.link("down", port=3)
        await house.sees(object="2", state="open", muted=["inhibited"], ticket_state=None)
        await house.sees(object="3", state="open", muted=["inhibited"], ticket_state=None)
        await house.link("up", port=2)
        await house.link("up", port=1)
        await house.sees(object="1", state="resolved")
        await house.passes(seconds=3)
        await house.sees(object="3", state="open", muted=[], ticket_state="open")
        await house.sees(object="2", state="resolved", ticket_state=None)


SITE = """
[[group]]
name = "many links"
match = "condition = link_down"
by = "source"
more_than = 3
"""


async def test_many_links_of_a_switch_are_one_ticket_that_lists_them(build) -> None:
    async with build(more=SITE) as house:
        for port in range(1, 9):
            await house.link("down", port=port, inform=True)
        parent = await house.sees(condition="group", state="open", ticket_state="open")
        await house.sees(object="8", muted=["child"], ticket_state=None)
        await house.quiet()
        assert 1 <= len((await house.get("/api/v1/tickets"))["items"]) <= 4, "the first three may have had theirs"
        for port in range(1, 8):
            await house.link("up", port=port, inform=True)
        await house.passes(seconds=35)
        await house.passes(seconds=65)
        await house.sees(id=parent["id"], state="resolved", ticket_state="resolved")
        await house.passes(seconds=5)
        await house.sees(object="8", state="open", muted=[], ticket_state="open")
        await house.quiet()
        shown = await house.desk.show(parent["tickets"][0]["id"])
        assert "Incidents that belong to it: 8, of which 1 are not over" in str(shown)


STORM = """
[storm]
source_high = 5
source_low = 3
"""


async def test_a_storm_is_one_ticket_and_calm_opens_those_of_survivors(build) -> None:
    async with build(more=STORM) as house:
        for port in range(1, 13):
            await house.link("down", port=port, inform=True)
        storm = await house.sees(condition="source_storm", state="open", impact="high", ticket_state="open")
        await house.sees(object="12", muted=["storm"], ticket_state=None)
        for port in range(1, 12):
            await house.link("up", port=port, inform=True)
        await house.sees(object="11", state="resolved", ticket_state=None)
        await house.passes(seconds=125)
        await house.sees(id=storm["id"], state="resolved", ticket_state="resolved")
        await house.passes(seconds=5)
        await house.sees(object="12", state="open", muted=[], ticket_state="open")
        await house.quiet()
        assert len((await house.get("/api/v1/tickets"))["items"]) == 7


QUIET = """
[[rule]]
name = "alarm without an end"
condition = "linkDown"
clear_after = "10m"
"""


async def test_in_maintenance_a_device_that_is_quiet_is_not_well(build) -> None:
    async with build(more=QUIET) as house:
        await house.link("down")
        await house.sees(state="open", ticket_state="open")
        await house.passes(minutes=4)
        await said(house, "maintenance", "add", "source = 127.0.0.1", "--for", "1h")
        await house.passes(seconds=2)
        seen = await house.sees(state="open", muted=["maintenance"])
        for _ in range(3):
            await house.passes(minutes=21)
        await house.sees(id=seen["id"], state="open", muted=[])
        await house.passes(
            minutes=2
        )  # six are left, from the end of the window or up to three later, when it is noticed
        await house.sees(id=seen["id"], state="open")
        await house.passes(minutes=8)
        await house.sees(id=seen["id"], state="resolved", ticket_state="resolved")


RESTS = """
[inhibition]
down = ["link_down"]
[[source]]
name = "192.0.2.2"
depends_on = ["192.0.2.1"]
"""


async def test_what_rests_on_a_source_that_is_down_waits_for_it(build) -> None:
    router, behind = {"version": "1", "agent": "192.0.2.1"}, {"version": "1", "agent": "192.0.2.2"}
    async with build(more=RESTS, snmp='relays = ["127.0.0.1"]') as house:
        await house.link("down", **router)
        await house.sees(source="192.0.2.1", ticket_state="open")
        await house.link("down", **behind)
        await house.sees(source="192.0.2.2", state="open", muted=["inhibited"], ticket_state=None)
        await house.link("up", **router)
        await house.sees(source="192.0.2.1", state="resolved")
        await house.passes(seconds=3)
        await house.sees(source="192.0.2.2", muted=[], ticket_state="open")

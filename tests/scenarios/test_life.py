"""The life of an incident as its people see it: holds, ends, people at the desk, stations, mails."""

import pytest

from gateway.core.impact import Impact
from gateway.testing.clock import ManualClock

pytestmark = pytest.mark.tools
PATIENT = """
[[rule]]
name = "patient"
condition = "linkDown"
set_condition = "link_down"
object = "{ifIndex}"
hold = "1m"
clear_hold = "5m"
impact = "medium"
reopen_within = "15m"
impact_after = { "20m" = "high" }
[[rule]]
name = "patient-up"
condition = "linkUp"
kind = "clear"
set_condition = "link_down"
object = "{ifIndex}"
"""

OFTEN = """
[[rule]]
name = "break-in"
condition = "authenticationFailure"
count = 3
within = "10m"
"""

EXPECTED = """
[[expect]]
name = "backup"
condition = "1.3.6.1.4.1.99999.7"
schedule = "hourly"
zone = "Europe/Paris"
[[rule]]
name = "backup-done"
condition = "1.3.6.1.4.1.99999.7"
drop = true
"""


async def test_holds_keep_short_troubles_from_people(build) -> None:
    async with build(more=PATIENT) as house:
        await house.link("down")
        await house.sees(state="pending", ticket_state=None)
        await house.link("up")
        await house.sees(state="closed")
        await house.link("down")
        await house.sees(state="pending")
        await house.passes(seconds=61)
        await house.sees(state="open", ticket_state="open")
        assert len((await house.get("/api/v1/tickets"))["items"]) == 1


async def test_a_clear_hold_a_reopening_and_the_end(build) -> None:
    async with build(more=PATIENT) as house:
        await house.link("down")
        await house.sees(state="pending")
        await house.passes(minutes=2)
        first = await house.sees(state="open", ticket_state="open")
        await house.link("up")
        await house.sees(state="recovering")
        await house.passes(minutes=6)
        await house.sees(id=first["id"], state="resolved", ticket_state="resolved")
        await house.link("down")
        await house.sees(id=first["id"], state="open", ticket_state="open")
        await house.link("up")
        await house.sees(state="recovering")
        await house.passes(minutes=6)
        await house.sees(state="resolved")
        await house.passes(minutes=17)
        await house.sees(id=first["id"], state="closed", ticket_state="closed")
        await house.link("down")
        again = await house.sees(state="pending")
        assert (again["id"] != first["id"], again["previous"]) == (True, first["id"])


async def test_a_few_failed_logins_are_nobodys_trouble_and_many_are_one_ticket_also_across_a_restart(
    build, tmp_path
) -> None:
    clock, login = ManualClock(), "1.3.6.1.6.3.1.1.5.5"
    async with build(more=OFTEN, clock=clock) as house:
        await house.trap(login)
        await house.sees(state="pending", occurrences=1)
        await house.passes(minutes=11)
        few = await house.sees(state="closed", ticket_state=None)
        for number in (1, 2):
            await house.trap(login)
            await house.sees(state="pending", occurrences=number, previous=few["id"])
    async with build(more=OFTEN, clock=clock) as house:
        await house.passes(minutes=4)
        await house.trap(login)
        many = await house.sees(state="open", occurrences=3, ticket_state="open")
        assert many["previous"] == few["id"]
        assert len((await house.get("/api/v1/tickets"))["items"]) == 1


async def test_an_expected_event_that_does_not_come_is_a_ticket_and_the_next_one_ends_it_also_across_a_restart(
    build,
) -> None:
    clock, done = ManualClock(), "1.3.6.1.4.1.99999.7"
    async with build(more=EXPECTED, clock=clock) as house:
        await house.passes(minutes=70)
        await house.trap(done)
        await house.quiet()
        assert await house.incidents() == []
    async with build(more=EXPECTED, clock=clock) as house:
        await house.passes(minutes=60)  # the daemon has not forgotten that it came
        assert await house.incidents() == []
        await house.passes(minutes=60)
        missing = await house.sees(condition="event_missing", source="backup", state="open", ticket_state="open")
        assert missing["summary"].startswith("Event backup has not come by 2026-11-22 04:00 CET; last heard 1")
    async with build(more=EXPECTED, clock=clock) as house:
        await house.trap(done)
        await house.sees(id=missing["id"], state="resolved", ticket_state="resolved")


async def test_an_old_incident_grows_graver(build) -> None:
    async with build(more=PATIENT) as house:
        await house.link("down")
        await house.sees(state="pending")
        await house.passes(minutes=2)
        await house.sees(state="open", impact="medium", ticket_state="open")
        await house.passes(minutes=15)
        await house.sees(state="open", impact="medium", ticket_impact="medium")
        await house.passes(minutes=5)
        await house.sees(state="open", impact="high", ticket_impact="high")


async def test_what_a_person_does_at_the_desk_is_followed(build) -> None:
    async with build() as house:
        await house.link("down")
        seen = await house.sees(condition="link_down", ticket_state="open")
        await house.quiet()
        number = int(seen["tickets"][0]["id"])
        await house.person(lambda desk: desk.set_impact(number, Impact.LOW, who="bob"))
        await house.sees(impact="low")
        await house.quiet()
        await house.person(lambda desk: desk.close(number, who="bob", wont_fix=True))
        await house.sees(muted=["wont_fix"])
        await house.link("up")
        await house.sees(state="resolved")
        await house.link("down")
        await house.sees(state="open", muted=["wont_fix"], ticket_state="closed")


async def test_a_deleted_ticket_is_made_once_more(build) -> None:
    async with build() as house:
        await house.link("down")
        seen = await house.sees(condition="link_down", ticket_state="open")
        await house.quiet()
        await house.person(lambda desk: desk.delete(int(seen["tickets"][0]["id"])))
        await house.sees(id=seen["id"], ticket_ref="T-2", ticket_state="open")
        await house.quiet()
        await house.person(lambda desk: desk.delete(2))
        await house.sees(id=seen["id"], muted=["wont_fix"], ticket_ref=None)


async def test_a_silent_station_is_down_and_its_beats_bring_it_back(build) -> None:
    async with build() as house:
        for number in range(3):
            await house.beat("ok")
            await _beats(house, "s1", number + 1)
            await house.passes(seconds=30)
        await house.passes(minutes=3)
        await house.sees(condition="station_down", source="s1", state="open", ticket_state="open")
        (station,) = (await house.get("/api/v1/stations"))["items"]
        assert (station["station"], station["site"]) == ("s1", "lyon")
        for number in range(2):
            await house.beat("ok")
            await _beats(house, "s1", number + 4)
            await house.passes(seconds=5)
        await house.sees(condition="station_down", state="resolved", ticket_state="resolved")


async def _beats(house, station: str, number: int) -> None:
    async def heard() -> bool:
        known = house.app.watch._stations.get(station)
        return known is not None and known.beats == number

    await house.eventually(heard, what="a beat")


async def test_a_fault_is_told_at_once_and_over_when_the_station_says_so(build) -> None:
    async with build() as house:
        await house.beat('{"status":"fault","alarm":"door open"}', station="s7")
        await house.sees(condition="station_fault", source="s7", state="open", ticket_state="open")
        await house.beat('{"status":"ok"}', station="s7")
        await house.sees(condition="station_fault", state="resolved", ticket_state="resolved")


async def test_a_retained_fault_message_is_no_proof_of_life(build) -> None:
    async with build() as house:
        await house.beat("ok", station="old", retain=True)
        await house.passes(minutes=10)
        assert await house.incidents() == []


async def test_replies_join_the_incident_of_the_first_mail(build) -> None:
    async with build() as house:
        first = await house.mail("The till is dead")
        seen = await house.sees(condition="mail", ticket_state="open")
        await house.mail("Re: The till is dead", "Still dead.", In_Reply_To=first["Message-ID"], Message_ID="<2@x>")
        await house.mail(f"Re: The till is dead [TOC-{seen['id']}]", "Hello?", Message_ID="<3@x>")

        async def noted() -> bool:
            timeline = (await house.get(f"/api/v1/incidents/{seen['id']}"))["timeline"]
            return sum(entry["reason"] == "noted" for entry in timeline) == 2

        await house.eventually(noted, what="two notes")
        assert len(await house.incidents()) == 1
        await house.quiet()
        ticket = await house.desk.show(seen["tickets"][0]["id"])
        assert "Still dead." in str(ticket.remarks)


async def test_a_stranger_cannot_join_by_a_guessed_subject(build) -> None:
    async with build() as house:
        await house.mail("The till is dead")
        seen = await house.sees(condition="mail")
        await house.mail(f"[TOC-{seen['id']}] let me in", From="mallory@evil.example", Message_ID="<9@evil>")

        async def two() -> bool:
            return len(await house.incidents()) == 2

        await house.eventually(two, what="an incident of its own")


async def test_the_same_mail_twice_is_one_incident(build) -> None:
    async with build() as house:
        for _ in range(2):
            await house.mail("The till is dead", Message_ID="<same@customer.example>")
        await house.quiet()
        assert (await house.incident())["occurrences"] == 1


async def test_a_monitoring_systems_mails_raise_and_clear(build) -> None:
    async with build() as house:
        who = {"From": "nagios@monitor.example"}
        await house.mail("** PROBLEM Service Alert: db1/disk is CRITICAL **", "Host: db1", Message_ID="<1@m>", **who)
        seen = await house.sees(source="db1", state="open", ticket_state="open")
        await house.mail("** RECOVERY Service Alert: db1/disk is OK **", "Host: db1", Message_ID="<2@m>", **who)
        await house.sees(id=seen["id"], state="resolved", ticket_state="resolved")


async def test_a_vendors_unknown_trap_becomes_an_incident_and_is_catalogued(build) -> None:
    async with build() as house:
        await house.trap("1.3.6.1.4.1.99999.1.7", "1.3.6.1.4.1.99999.2.1", "s", "fan 3 failed")
        seen = await house.sees(condition="1.3.6.1.4.1.99999.1.7", rule="default", ticket_state="open")
        assert "fan 3 failed" in seen["description"]
        assert (await house.get("/api/v1/unknown"))["items"][0]["condition"] == "1.3.6.1.4.1.99999.1.7"


async def test_everything_is_there_after_a_restart(build, tmp_path) -> None:
    from gateway.app import running

    async with build(more=PATIENT) as house:
        await house.link("down")
        await house.sees(state="pending")
        config, clock = house.app.config, house.clock
    await clock.advance(120)
    async with running(config, state_dir=tmp_path / "state", clock=clock) as app:
        house.app = app
        import httpx

        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{house.ports['http']}", trust_env=False) as house.http:
            await house.sees(condition="link_down", state="open", ticket_state="open")

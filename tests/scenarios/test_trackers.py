"""The main job at every tracker: one trouble, one ticket, true to the incident until it is over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from gateway.testing.clock import ManualClock
from tests.trackers import _jira_rig as jira
from tests.trackers import clickup
from tests.trackers._base import Fault, Kind
from tests.trackers.hubspot import TOKEN as HUBSPOT_TOKEN
from tests.trackers.hubspot import FakeHubspot

pytestmark = pytest.mark.tools
JIRA = """
[sinks.desk]
type = "jira"
deployment = "{deployment}"
project = "OPS"
token = "env:TRACKER_TOKEN"
"""


@dataclass
class Desk:
    """A tracker, and how to look into it."""

    fake: Any
    config: str
    token: str
    tickets: Callable[[], list[tuple[str, bool]]]
    """Title and whether it is done, of each."""
    comments: Callable[[], str]
    """The text of every comment, in one."""
    person_closes: Callable[[], None]
    create: str
    """The call that makes a ticket."""


def hubspot(clock: ManualClock) -> Desk:
    fake = FakeHubspot(clock)
    fake.make_property("tocsin_incident_id", unique=True)

    def tickets() -> list[tuple[str, bool]]:
        return [(one.properties["subject"], one.properties["hs_pipeline_stage"] == "4") for one in fake.tickets()]

    def closes() -> None:
        fake.tickets()[0].properties["hs_pipeline_stage"] = "4"

    def comments() -> str:
        return "\n".join(note for one in fake.tickets() for note in fake.notes(one.id))

    config = '[sinks.desk]\ntype = "hubspot"\ntoken = "env:TRACKER_TOKEN"\nextra_properties = false\n'
    return Desk(fake, config, HUBSPOT_TOKEN, tickets, comments, closes, "POST /crm/objects/2026-09/tickets")


def jira_of(deployment: str) -> Callable[[ManualClock], Desk]:
    def build(clock: ManualClock) -> Desk:
        fake = jira.fake(deployment, clock)
        config = JIRA.format(deployment=deployment)
        if deployment == "datacenter":
            config += 'site = "https://jira.example"\n'
        else:
            config += 'site = "https://ops.atlassian.net"\nemail = "noc@example.com"\n'
        if deployment == "service_management":
            config += 'service_desk_id = "10"\nrequest_type_id = "25"\n'

        def tickets() -> list[tuple[str, bool]]:
            done = {status.id for status in fake.project.workflow.statuses if status.category == "done"}
            return [(one.summary, one.status in done) for one in fake.issues.values()]

        def closes() -> None:
            done = next(status for status in fake.project.workflow.statuses if status.category == "done")
            fake.person_sets(next(iter(fake.issues.values())), status=done.name, resolution="Done")

        def comments() -> str:
            return str([one.comments for one in fake.issues.values()])

        path = "POST /rest/servicedeskapi/request" if deployment == "service_management" else f"POST {fake.api}/issue"
        return Desk(fake, config, "token-of-the-noc", tickets, comments, closes, path)

    return build


def click_up(clock: ManualClock) -> Desk:
    fake = clickup.FakeClickup(clock)

    def tickets() -> list[tuple[str, bool]]:
        return [(one.name, one.status in {"solved", "complete"}) for one in fake.tasks.values()]

    def closes() -> None:
        next(iter(fake.tasks.values())).status = "complete"

    def comments() -> str:
        return str([one.comments for one in fake.tasks.values()])

    config = f'[sinks.desk]\ntype = "clickup"\ntoken = "env:TRACKER_TOKEN"\nlist_id = "{clickup.LIST}"\n'
    return Desk(fake, config, clickup.TOKEN, tickets, comments, closes, "POST /api/v2/list")


DESKS = {
    "hubspot": hubspot,
    "jira-cloud": jira_of("cloud"),
    "jira-service-management": jira_of("service_management"),
    "jira-datacenter": jira_of("datacenter"),
    "clickup": click_up,
}


@pytest.fixture(params=DESKS)
def desk(request, monkeypatch) -> Desk:
    made = DESKS[request.param](ManualClock())
    monkeypatch.setenv("TRACKER_TOKEN", made.token)
    return made


@pytest.fixture
def at(build, desk):
    """The house with that tracker as its only sink."""
    more = desk.config + '\n[tickets]\ndefault_sinks = ["desk"]\n'
    return build(more=more, transports={"desk": httpx.ASGITransport(app=desk.fake)}, clock=desk.fake.clock)


async def test_a_link_that_goes_down_and_up_opens_and_closes_one_ticket(at, desk) -> None:
    async with at as house:
        await house.link("down")
        seen = await house.sees(condition="link_down", ticket_state="open")
        ((title, done),) = desk.tickets()
        assert title.startswith("[P2] link down: port 3")
        assert title.endswith(f"[TOC-{seen['id']}]")
        assert not done

        await house.link("up")
        await house.sees(id=seen["id"], state="resolved", ticket_state="resolved")
        await house.quiet()
        assert desk.tickets() == [(title, True)]
        assert "Cleared after 0 s" in desk.comments()

        await house.link("down")
        await house.sees(id=seen["id"], state="open")
        await house.passes(seconds=10)  # a tracker's budget of calls
        await house.sees(id=seen["id"], state="open", ticket_state="open")
        assert desk.tickets() == [(title, False)]


async def test_a_ticket_whose_creation_lost_its_answer_is_found_again_not_made_twice(at, desk) -> None:
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    async with at as house:
        await house.link("down")

        async def unknown() -> bool:
            return any(one["state"] == "unknown" for one in (await house.get("/api/v1/outbox"))["items"])

        await house.eventually(unknown, what="an operation of unknown outcome")
        await house.passes(seconds=3)
        await house.sees(condition="link_down", ticket_state="open")
        assert len(desk.tickets()) == 1


async def test_a_person_who_closes_the_ticket_is_not_contradicted(at, desk) -> None:
    async with at as house:
        await house.link("down")
        await house.sees(condition="link_down", ticket_state="open")
        await house.quiet()
        desk.person_closes()
        await house.passes(minutes=2)
        await house.sees(condition="link_down", state="open", muted=["human_closed"])
        await house.link("down")
        await house.sees(condition="link_down", occurrences=2)
        await house.quiet()
        ((_, done),) = desk.tickets()
        assert done


async def test_a_refused_token_pauses_the_sink_and_nothing_is_lost(at, desk) -> None:
    admits, desk.fake.admits = desk.fake.admits, lambda _request: False
    async with at as house:
        await house.link("down")

        async def paused() -> bool:
            return not house.app.deliveries["desk"].breaker.closed

        await house.eventually(paused, what="a paused sink")
        await house.sees(condition="sink_unauthorized", object="desk")
        desk.fake.admits = admits
        await house.passes(minutes=2)
        await house.sees(condition="link_down", ticket_state="open")
        assert sum("link down" in title for title, _ in desk.tickets()) == 1

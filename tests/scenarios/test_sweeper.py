"""A creation whose answer got lost, in a tracker whose search knows nothing for an hour: the second ticket is closed."""

from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY

from gateway.testing.clock import ManualClock
from tests.trackers import _jira_rig as jira_rig
from tests.trackers import clickup
from tests.trackers._base import Call, Fault, Kind

pytestmark = pytest.mark.tools
HOUR_S = 3600.0
JIRA = """
[sinks.desk]
type = "jira"
deployment = "{deployment}"
project = "OPS"
token = "env:TRACKER_TOKEN"
key_walk = 1
key_walk_steps = 1
"""
TICKETS = '[tickets]\ndefault_sinks = ["desk"]\nobserve_every = "1h"\n'


@dataclass(frozen=True)
class Seen:
    """A ticket as people see it."""

    id: str
    title: str
    done: bool
    links: frozenset[str]
    comments: str


@dataclass
class Desk:
    """A tracker without unique keys whose search is an hour behind."""

    fake: Any
    config: str
    token: str
    create: str

    def tickets(self) -> list[Seen]:
        """Those with our mark, oldest first."""
        if isinstance(self.fake, clickup.FakeClickup):
            shown = [
                Seen(one.id, one.name, one.status in {"solved", "complete"}, frozenset(one.links), str(one.comments))
                for one in self.fake.tasks.values()
            ]
        else:
            done = {status.id for status in self.fake.project.workflow.statuses if status.category == "done"}
            shown = [
                Seen(one.id, one.summary, one.status in done, frozenset(one.links), str(one.comments))
                for one in self.fake.issues.values()
            ]
        return [one for one in shown if "[TOC-" in one.title]

    def person_closes(self, id_: str) -> None:
        if isinstance(self.fake, clickup.FakeClickup):
            self.fake.tasks[id_].status = "complete"
        else:
            done = next(one for one in self.fake.project.workflow.statuses if one.category == "done")
            self.fake.person_sets(self.fake.issues[id_], status=done.name, resolution="Done")

    async def arrives(self, call: Call) -> None:
        """A request that was lost on the way gets there after all."""
        transport = httpx.ASGITransport(app=self.fake)
        async with httpx.AsyncClient(transport=transport, base_url="https://tracker.example") as http:
            answer = await http.request(call.method, call.path, content=call.body, headers=call.headers)
        assert answer.status_code < 300, answer.text


def jira_of(deployment: str):
    def build(clock: ManualClock) -> Desk:
        fake = jira_rig.fake(deployment, clock, search_lag_s=HOUR_S)
        for number in range(8):  # past these the walk over keys does not get
            fake.person_creates(f"not ours {number}")
        config = JIRA.format(deployment=deployment)
        if deployment == "datacenter":
            config += 'site = "https://jira.example"\n'
        else:
            config += 'site = "https://ops.atlassian.net"\nemail = "noc@example.com"\n'
        if deployment == "service_management":
            config += 'service_desk_id = "10"\nrequest_type_id = "25"\n'
        path = "POST /rest/servicedeskapi/request" if deployment == "service_management" else f"POST {fake.api}/issue"
        return Desk(fake, config, "token-of-the-noc", path)

    return build


def click_up(clock: ManualClock) -> Desk:
    fake = clickup.FakeClickup(clock, search_lag_s=HOUR_S)
    config = f'[sinks.desk]\ntype = "clickup"\ntoken = "env:TRACKER_TOKEN"\nlist_id = "{clickup.LIST}"\n'
    return Desk(fake, config, clickup.TOKEN, "POST /api/v2/list")


DESKS = {
    "jira-cloud": jira_of("cloud"),
    "jira-service-management": jira_of("service_management"),
    "jira-datacenter": jira_of("datacenter"),
    "clickup": click_up,
}


FEW = pytest.mark.parametrize("desk", ["jira-cloud", "clickup"], indirect=True)
"""For stories that are the host's alone."""


@pytest.fixture(params=DESKS)
def desk(request, monkeypatch) -> Desk:
    made = DESKS[request.param](ManualClock())
    monkeypatch.setenv("TRACKER_TOKEN", made.token)
    return made


@pytest.fixture
def at(build, desk):
    """The house with that tracker as its only sink."""
    return build(
        more=desk.config + TICKETS, transports={"desk": httpx.ASGITransport(app=desk.fake)}, clock=desk.fake.clock
    )


def counted() -> float:
    return REGISTRY.get_sample_value("tocsin_ticket_duplicates_total", {"sink": "desk"}) or 0.0


async def in_doubt(house) -> None:
    """Wait until an operation's outcome is unknown, then until its patience has ended and the outbox is empty."""

    async def unknown() -> bool:
        return any(one["state"] == "unknown" for one in (await house.get("/api/v1/outbox"))["items"])

    await house.eventually(unknown, what="an operation of unknown outcome")
    await settled(house)


async def settled(house) -> None:
    async def empty() -> bool:
        await house.passes(seconds=10)
        return not (await house.get("/api/v1/outbox"))["items"]

    await house.eventually(empty, what="an empty outbox")


async def sweeps(house) -> list[int]:
    """How many looks each sweep has behind it."""
    found = await house.app.store.run(lambda tx: tx.due_sweeps("desk", now_ms=2**60, limit=10))
    return [sweep.looks for sweep in found]


async def look(house) -> None:
    """Let the next look come now (tests/sweep tells when it would), and wait until it was made."""
    before, now_ms = await sweeps(house), house.clock.now_ms()
    await house.app.store.run(lambda tx: tx._db.execute("UPDATE sweep SET next_ms = ?", (now_ms,)))

    async def made() -> bool:
        await house.passes(minutes=2)
        return await sweeps(house) != before

    await house.eventually(made, what="a look")


async def timeline(house, incident: str) -> str:
    said = (await house.get(f"/api/v1/incidents/{incident}"))["timeline"]
    return "\n".join(entry["text"] for entry in said if entry["reason"] == "duplicate_ticket")


async def test_a_second_ticket_is_found_linked_closed_and_counted_and_the_first_one_kept(at, desk) -> None:
    before = counted()
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    async with at as house:
        await house.link("down")
        await in_doubt(house)
        first, second = desk.tickets()
        seen = await house.sees(condition="link_down", ticket_state="open")
        assert seen["tickets"][0]["id"] == second.id, "patience has ended before the search knew of the first"
        await look(house)
        assert [one.done for one in desk.tickets()] == [False, False], "the search is an hour behind"
        desk.fake.search_lag_s = 0.0
        await look(house)
        await settled(house)

        first, second = desk.tickets()
        assert (first.done, second.done) == (False, True)
        assert second.id in first.links
        assert "made twice" in second.comments
        assert "made twice" not in first.comments
        (ticket,) = (await house.incident())["tickets"]
        assert ticket["id"] == first.id
        assert counted() == before + 1
        assert (await house.incident())["muted"] == [], "our own closing is no person's"
        assert "closed as a duplicate" in await timeline(house, seen["id"])

        await house.link("up")
        await house.sees(condition="link_down", state="resolved", ticket_state="resolved")
        await settled(house)
        assert [one.done for one in desk.tickets()] == [True, True]


async def test_a_request_that_arrives_hours_late_is_the_younger_one_and_closed(at, desk) -> None:
    before = counted()
    desk.fake.break_next(Fault(kind=Kind.TIMEOUT, on=desk.create))
    async with at as house:
        await house.link("down")
        await in_doubt(house)
        (ours,) = desk.tickets()
        (lost, *_) = [call for call in desk.fake.calls if desk.create in call.line]
        await desk.arrives(lost)
        assert len(desk.tickets()) == 2
        desk.fake.search_lag_s = 0.0
        await look(house)
        kept, late = desk.tickets()
        assert (kept.id, kept.done, late.done) == (ours.id, False, True)
        assert "made twice" in late.comments
        assert counted() == before + 1


@FEW
async def test_a_single_ticket_is_looked_for_three_times_and_left_alone(at, desk) -> None:
    before = counted()
    desk.fake.search_lag_s = 0.0
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    async with at as house:
        await house.link("down")
        await in_doubt(house)
        assert await sweeps(house) == [0]
        for number in (1, 2, 3):
            await look(house)
            assert await sweeps(house) == ([number] if number < 3 else [])
        ((only,), muted) = desk.tickets(), (await house.incident())["muted"]
        assert (only.done, muted, counted()) == (False, [], before)


@FEW
async def test_a_ticket_made_without_doubt_is_never_swept(at, desk) -> None:
    async with at as house:
        await house.link("down")
        await house.sees(condition="link_down", ticket_state="open")
        assert await sweeps(house) == []


@FEW
async def test_people_who_closed_one_of_two_have_chosen(at, desk) -> None:
    """They closed ours as a duplicate of the one that we did not know: from now on that one is the incident's."""
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    async with at as house:
        await house.link("down")
        await in_doubt(house)
        first, second = desk.tickets()
        desk.person_closes(second.id)
        desk.fake.search_lag_s = 0.0
        await look(house)
        await settled(house)
        (ticket,) = (await house.incident())["tickets"]
        assert ticket["id"] == first.id
        assert [one.done for one in desk.tickets()] == [False, True]
        await house.link("up")
        await house.sees(condition="link_down", state="resolved", ticket_state="resolved")
        await settled(house)
        assert [one.done for one in desk.tickets()] == [True, True]


@FEW
async def test_a_search_that_fails_says_nothing_and_a_restart_forgets_nothing(build, desk) -> None:
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    transports, clock = {"desk": httpx.ASGITransport(app=desk.fake)}, desk.fake.clock
    async with build(more=desk.config + TICKETS, transports=transports, clock=clock) as house:
        await house.link("down")
        await in_doubt(house)
        await look(house)
    search = "/search" if "jira" in desk.config else f"GET /api/v2/list/{clickup.LIST}/task"
    desk.fake.break_next(*(Fault(kind=Kind.STATUS, status=500, on=search) for _ in range(2)))
    async with build(more=desk.config + TICKETS, transports=transports, clock=clock) as house:
        assert await sweeps(house) == [1]
        desk.fake.search_lag_s = 0.0
        await look(house)
        assert desk.fake.faults_left == 0
        assert sorted(one.done for one in desk.tickets()) == [False, True]


@FEW
async def test_a_ticket_that_nobody_knew_of_is_closed_though_its_trouble_was_over_before_it_was_found(at, desk) -> None:
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    async with at as house:
        await house.link("down")

        async def unknown() -> bool:
            return any(one["state"] == "unknown" for one in (await house.get("/api/v1/outbox"))["items"])

        await house.eventually(unknown, what="an operation of unknown outcome")
        await house.link("up")
        await house.sees(condition="link_down", state="resolved")
        await settled(house)
        ((ghost,), incident) = desk.tickets(), await house.incident()
        assert (ghost.done, incident["tickets"][0]["id"] if incident["tickets"] else None) == (False, None)
        desk.fake.search_lag_s = 0.0
        await look(house)
        await settled(house)
        ((ghost,), incident) = desk.tickets(), await house.incident()
        assert ghost.done
        assert incident["tickets"][0]["id"] == ghost.id


@FEW
async def test_a_crash_in_the_middle_of_a_creation_is_a_doubt_too(build, desk) -> None:
    desk.fake.break_next(Fault(kind=Kind.RESET, after=True, on=desk.create))
    transports, clock = {"desk": httpx.ASGITransport(app=desk.fake)}, desk.fake.clock
    async with build(more=desk.config + TICKETS, transports=transports, clock=clock) as house:
        await house.link("down")

        async def unknown() -> bool:
            return any(one["state"] == "unknown" for one in (await house.get("/api/v1/outbox"))["items"])

        await house.eventually(unknown, what="an operation of unknown outcome")
        # As a crash before the outcome was written down would have left it.
        await house.app.store.run(lambda tx: tx._db.execute("UPDATE operation SET state = 'inflight'"))
        await house.app.store.run(lambda tx: tx._db.execute("DELETE FROM sweep"))
    desk.fake.search_lag_s = 0.0  # so the first search finds it: it was in doubt all the same
    async with build(more=desk.config + TICKETS, transports=transports, clock=clock) as house:
        await settled(house)
        assert await sweeps(house) == [0]

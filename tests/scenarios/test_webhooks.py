"""A person acts in the tracker, its webhook comes in by the daemon's real HTTP socket, and nobody waits for the poll."""

import json
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.testing.clock import ManualClock
from tests.trackers import _jira_rig as jira_rig
from tests.trackers import _webhooks as vendor
from tests.trackers import clickup
from tests.trackers._base import Fault, Kind
from tests.trackers.hubspot import TOKEN as HUBSPOT_TOKEN
from tests.trackers.hubspot import FakeHubspot

pytestmark = pytest.mark.tools
URL = "https://tocsin.example.com/webhooks/desk"
JIRA = """
[sinks.desk]
type = "jira"
deployment = "cloud"
project = "OPS"
site = "https://ops.atlassian.net"
email = "noc@example.com"
token = "env:TRACKER_TOKEN"
"""


@dataclass
class Desk:
    """A tracker with people in it."""

    fake: Any
    config: str
    token: str
    tracker: str

    def signed(self, ticket: str, *, clock: ManualClock | None = None, **more: Any) -> vendor.Delivery:
        """A webhook of this tracker's."""
        extra = {"url": URL} if self.tracker == "hubspot" else {}
        return getattr(vendor, self.tracker)(ticket, clock or self.fake.clock, **extra, **more)

    def person_closes(self) -> None:
        match self.tracker:
            case "hubspot":
                self.fake.tickets()[0].properties["hs_pipeline_stage"] = "4"
            case "jira":
                self.fake.person_sets(next(iter(self.fake.issues.values())), status="Done", resolution="Done")
            case _:
                next(iter(self.fake.tasks.values())).status = "complete"

    def person_deletes(self) -> None:
        match self.tracker:
            case "hubspot":
                self.fake.tickets()[0].archived = True
            case "jira":
                self.fake.issues.pop(next(iter(self.fake.issues)))
            case _:
                self.fake.delete(next(iter(self.fake.tasks)))


def hubspot(clock: ManualClock) -> Desk:
    fake = FakeHubspot(clock)
    fake.make_property("tocsin_incident_id", unique=True)
    config = f'[sinks.desk]\ntype = "hubspot"\ntoken = "env:TRACKER_TOKEN"\nextra_properties = false\nwebhook_url = "{URL}"\n'
    return Desk(fake, config, HUBSPOT_TOKEN, "hubspot")


def jira(clock: ManualClock) -> Desk:
    return Desk(jira_rig.fake("cloud", clock), JIRA, "token-of-the-noc", "jira")


def click_up(clock: ManualClock) -> Desk:
    config = f'[sinks.desk]\ntype = "clickup"\ntoken = "env:TRACKER_TOKEN"\nlist_id = "{clickup.LIST}"\n'
    return Desk(clickup.FakeClickup(clock), config, clickup.TOKEN, "clickup")


DESKS = {"hubspot": hubspot, "jira": jira, "clickup": click_up}


@pytest.fixture(params=DESKS)
def desk(request, monkeypatch) -> Desk:
    made = DESKS[request.param](ManualClock())
    monkeypatch.setenv("TRACKER_TOKEN", made.token)
    monkeypatch.setenv("WEBHOOK_SECRET", vendor.SECRET)
    return made


@pytest.fixture
def at(build, desk):
    """The house with that tracker as its only sink; it is polled once an hour."""
    more = desk.config + 'webhook_secret = "env:WEBHOOK_SECRET"\n'
    more += '[tickets]\ndefault_sinks = ["desk"]\nobserve_every = "1h"\n'
    return build(more=more, transports={"desk": httpx.ASGITransport(app=desk.fake)}, clock=desk.fake.clock)


async def ticketed(house) -> dict[str, Any]:
    """A link that is down, with its ticket."""
    await house.link("down")
    await house.sees(condition="link_down", ticket_state="open")
    await house.quiet()
    await house.passes(seconds=5)
    return (await house.incident())["tickets"][0]


async def post(house, delivery: vendor.Delivery, *, sink: str = "desk", **headers: str) -> httpx.Response:
    return await house.http.post(f"/webhooks/{sink}", content=delivery.body, headers={**delivery.headers, **headers})


def counted(outcome: str, sink: str = "desk") -> float:
    return REGISTRY.get_sample_value("tocsin_webhooks_total", {"sink": sink, "outcome": outcome}) or 0.0


def observed() -> float:
    return REGISTRY.get_sample_value("tocsin_observations_total", {"sink": "desk"}) or 0.0


async def looked(house, count: float) -> None:
    """Wait until so many tickets were looked at."""

    async def seen() -> bool:
        await house.passes(seconds=2)
        return observed() >= count

    await house.eventually(seen, what="a look")


async def test_a_closed_ticket_is_known_long_before_the_poll(at, desk) -> None:
    before = counted("heard")
    async with at as house:
        ticket = await ticketed(house)
        desk.person_closes()
        answer = await post(house, desk.signed(ticket["id"]))
        assert (answer.status_code, answer.content) == (204, b"")
        await house.passes(seconds=10)
        await house.sees(condition="link_down", state="open", muted=["human_closed"])
        assert counted("heard") == before + 1


async def test_a_deleted_ticket_is_made_again_at_once(at, desk) -> None:
    events = {
        "hubspot": {"subscriptionType": "ticket.deletion"},
        "jira": {"event": "jira:issue_deleted"},
        "clickup": {"event": "taskDeleted", "history_items": []},
    }
    async with at as house:
        ticket = await ticketed(house)
        desk.person_deletes()
        await post(house, desk.signed(ticket["id"], **events[desk.tracker]))
        await house.passes(seconds=10)
        (again,) = (await house.sees(condition="link_down", ticket_state="open"))["tickets"]
        await house.quiet()
        (again,) = (await house.incident())["tickets"]
        assert again["id"] != ticket["id"]


async def test_what_a_webhook_claims_is_not_believed_only_looked_at(at, desk) -> None:
    """A signed one that says "closed" about a ticket that is open changes nothing."""
    async with at as house:
        ticket = await ticketed(house)
        looks = observed()
        assert (await post(house, desk.signed(ticket["id"]))).status_code == 204
        await looked(house, looks + 1)
        await house.quiet()
        assert (await house.incident())["muted"] == []


async def test_forged_stale_and_unsigned_ones_are_refused_alike_and_cause_no_call(at, desk) -> None:
    async with at as house:
        ticket = await ticketed(house)
        good = desk.signed(ticket["id"])
        desk.person_closes()
        calls = len(desk.fake.calls)
        answers = [
            await post(house, desk.signed(ticket["id"], secret="y" * 32)),
            await post(house, vendor.Delivery(good.headers, good.body.replace(b'"', b"'", 2))),
            await post(house, vendor.Delivery({}, good.body)),
            await post(house, vendor.Delivery(good.headers, b"")),
        ]
        if desk.tracker != "clickup":  # nothing in ClickUp's tells when they were sent
            yesterday = ManualClock(house.clock.now_ms() - 25 * 3_600_000)
            answers.append(await post(house, desk.signed(ticket["id"], clock=yesterday)))
        assert {answer.status_code for answer in answers} == {403}
        assert len({answer.content for answer in answers}) == 1
        await house.passes(seconds=10)
        assert len(desk.fake.calls) == calls


async def test_a_replay_is_acknowledged_and_causes_no_second_look(at, desk) -> None:
    before = counted("repeated")
    async with at as house:
        ticket = await ticketed(house)
        delivery, looks = desk.signed(ticket["id"]), observed()
        await post(house, delivery)
        await looked(house, looks + 1)
        calls = len(desk.fake.calls)
        for _ in range(3):
            assert (await post(house, delivery)).status_code == 204
        await house.passes(seconds=10)
        assert len(desk.fake.calls) == calls
        assert counted("repeated") == before + 3


async def test_many_webhooks_about_one_ticket_are_one_look(at, desk) -> None:
    async with at as house:
        ticket = await ticketed(house)
        calls, looks = len(desk.fake.calls), observed()
        for number in range(10):
            more = {"hubspot": {"occurredAt": number}, "jira": {"n": number}}.get(desk.tracker, {})
            await post(house, desk.signed(ticket["id"], **more))
        await looked(house, looks + 1)
        await house.passes(seconds=10)
        assert (len(desk.fake.calls), observed()) == (calls + 1, looks + 1)


async def test_tickets_of_others_are_ignored_and_leave_nothing(at, desk) -> None:
    before = counted("unconcerned")
    async with at as house:
        await ticketed(house)
        calls = len(desk.fake.calls)
        for number in range(5):
            answer = await post(house, desk.signed(str(770_000 + number)))
            assert answer.status_code == 204
        await house.passes(seconds=10)
        assert len(desk.fake.calls) == calls
        assert counted("unconcerned") == before + 5
        rows = await house.app.store.run(
            lambda tx: tx._db.execute("SELECT count(*) FROM upstream WHERE identity LIKE 'webhook/%'").fetchone()
        )
        assert rows == (0,)


async def test_a_look_that_fails_is_made_up_for_by_the_next_poll(at, desk) -> None:
    async with at as house:
        ticket = await ticketed(house)
        desk.person_closes()
        desk.fake.break_next(Fault(kind=Kind.STATUS, status=500))
        await post(house, desk.signed(ticket["id"]))

        async def failed() -> bool:
            await house.passes(seconds=2)
            return not desk.fake.faults_left

        await house.eventually(failed, what="a look that failed")
        assert (await house.incident())["muted"] == []
        await house.passes(hours=1)
        await house.sees(condition="link_down", muted=["human_closed"])


async def test_what_was_acknowledged_before_a_crash_is_seen_by_the_first_poll_after_it(build, desk) -> None:
    """The hint itself is in memory only: the ticket that it named is on disk, and each start looks at all of them."""
    more = desk.config + 'webhook_secret = "env:WEBHOOK_SECRET"\n[tickets]\ndefault_sinks = ["desk"]\n'
    transports, clock = {"desk": httpx.ASGITransport(app=desk.fake)}, desk.fake.clock
    async with build(more=more, transports=transports, clock=clock) as house:
        ticket = await ticketed(house)
        desk.person_closes()
        delivery = desk.signed(ticket["id"])
        assert (await post(house, delivery)).status_code == 204
        # No time passes here, so the look was not made when the daemon stops.
    async with build(more=more, transports=transports, clock=clock) as house:
        assert (await house.incident())["muted"] == []
        assert (await post(house, delivery)).status_code == 204, "a repetition is acknowledged, and remembered"
        await house.passes(minutes=2)
        await house.sees(condition="link_down", muted=["human_closed"])


async def test_wrong_methods_sinks_sizes_and_a_store_that_refuses(at, desk) -> None:
    async with at as house:
        ticket = await ticketed(house)
        good = desk.signed(ticket["id"])
        for method in ("GET", "PUT", "DELETE"):
            assert (await house.http.request(method, "/webhooks/desk", content=good.body)).status_code == 405
        assert (await post(house, good, sink="nobody")).status_code == 404
        assert (await post(house, good, sink="local")).status_code == 404, "a sink that hears no webhooks"
        assert (await post(house, vendor.Delivery(good.headers, b"x" * 65_537))).status_code == 413

        async def endless():
            for _ in range(70):
                yield b"x" * 1000

        chunked = await house.http.post("/webhooks/desk", content=endless(), headers=good.headers)
        assert chunked.status_code == 413

        await house.app.store.run(lambda tx: tx._db.execute("ALTER TABLE upstream RENAME TO gone"))
        assert (await post(house, good)).status_code == 503
        await house.app.store.run(lambda tx: tx._db.execute("ALTER TABLE gone RENAME TO upstream"))
        assert (await post(house, good)).status_code == 204
        assert counted("heard") >= 1


async def test_no_secret_is_in_an_answer_a_log_line_or_a_metric(at, desk) -> None:
    with capture_logs() as logs:
        async with at as house:
            ticket = await ticketed(house)
            for secret in (vendor.SECRET, "y" * 32):
                for _ in range(3):
                    answer = await post(house, desk.signed(ticket["id"], secret=secret))
                    assert vendor.SECRET not in answer.text + str(answer.headers)
            assert (await post(house, desk.signed(ticket["id"]), sink="strange")).status_code == 404
            page = (await house.http.get("/metrics")).text
    assert vendor.SECRET not in page
    assert "strange" not in page
    assert vendor.SECRET not in json.dumps(logs, default=str)
    refused = [line for line in logs if line["event"] == "webhook.refused" and line["outcome"] == "bad_signature"]
    assert len(refused) == 1, "logged on change, not on repetition"
    assert "webhook_secret" in refused[0]["cure"]

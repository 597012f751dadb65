"""Every operation of the Jira sink, in its three deployments, under the vendor's own documents."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.ticket import Comment, TicketRef, TicketState
from gateway.plugin import Reject
from sinks.jira import JiraSink
from sinks.jira.codec import PROPERTY
from tests.contract.referee import FAULT_HEADER
from tests.trackers._jira_rig import DEPLOYMENTS, KEY, LABEL, MARK, config, draft, fake, sink_for
from tests.trackers.jira import Jira

pytestmark = pytest.mark.shared

DESK = "/rest/servicedeskapi"
DATACENTER_LACKS = (
    "/api/2/mypermissions",  # the copy lacks it
    "/api/2/priority",
    "/api/2/project/OPS/statuses",  # the document says that the answer is one object; it is a list
    *(f"/api/2/issue/{number}/transitions?expand" for number in range(10_000, 10_010)),  # it lacks expand
    *(f"/api/2/issue/{number}/attachments" for number in range(10_000, 10_010)),  # an object, for a list
)


def empty_is_well(app):
    """The documents promise "any JSON" where Jira answers with nothing at all (204, and 201 of a link)."""

    async def wrapped(scope, receive, send) -> None:
        held = []

        async def hold(message) -> None:
            held.append(message)
            if message["type"] == "http.response.body" and not message.get("body"):
                held[0]["headers"] = [*held[0]["headers"], (FAULT_HEADER.encode(), b"empty")]

        await app(scope, receive, hold)
        for message in held:
            await send(message)

    return wrapped


class ByPath(httpx.AsyncBaseTransport):
    """Service Management is two APIs with a document each."""

    def __init__(self, desk: httpx.AsyncBaseTransport, platform: httpx.AsyncBaseTransport) -> None:
        self._desk, self._platform = desk, platform

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        inner = self._desk if request.url.path.startswith(DESK) else self._platform
        return await inner.handle_async_request(request)


@pytest.fixture(params=DEPLOYMENTS)
def deployment(request) -> str:
    return request.param


@pytest.fixture
def tracker(deployment) -> Jira:
    return fake(deployment)


@pytest.fixture
def play(tracker, deployment, spec, refereed):
    """``play(**options)``: the sink with a configuration of its own, every call refereed."""

    app = empty_is_well(tracker)

    def start(**options):
        if deployment == "datacenter":
            document = spec("jira-dc-10.3.json")
            transport = refereed(app, document, "https://jira.example/rest", unlisted=DATACENTER_LACKS, strict=False)
        else:
            site = "https://ops.atlassian.net"
            desk = refereed(app, spec("jsm-cloud.json"), site)
            transport = ByPath(desk, refereed(app, spec("jira-cloud-v3.json"), site, strict=False))
        return sink_for(tracker, config(deployment, **options), transport=transport)

    return start


@pytest.fixture
async def sink(play) -> AsyncIterator[JiraSink]:
    async with play() as made:
        yield made


def the_issue(tracker: Jira):
    (issue,) = tracker.issues.values()
    return issue


async def test_a_ticket_is_opened_with_all_that_finds_it_again(sink, tracker, deployment) -> None:
    ref = await sink.open(draft())
    issue = the_issue(tracker)
    site = tracker.views.base
    assert ref == TicketRef(id=issue.id, url=f"{site}/browse/OPS-1", name="OPS-1")
    assert issue.summary == f"[P2] Link down r1 ge-0/0/1 [{MARK}]"
    assert issue.labels == [LABEL]
    assert issue.priority == "2"
    if deployment != "datacenter":
        assert issue.properties[PROPERTY]["id"] == KEY
    assert await sink.find(KEY, since_ms=tracker.clock.now_ms()) == ref


async def test_an_update_writes_what_differs_and_nothing_the_second_time(sink, tracker) -> None:
    ref = await sink.open(draft())
    await sink.update(ref, draft())
    issue, grave = the_issue(tracker), draft(impact=Impact.CRITICAL, title=f"[P1] Link down [{MARK}]", occurrences=7)
    await sink.update(ref, grave)
    assert (issue.priority, issue.summary) == ("1", f"[P1] Link down [{MARK}]")
    assert issue.properties[PROPERTY]["occurrences"] == 7
    assert issue.mails == 0
    before = len(tracker.calls)
    await sink.update(ref, grave)
    assert [call.method for call in tracker.calls[before:]] == ["GET"]


async def test_a_ticket_is_resolved_closed_and_reopened(sink, tracker, deployment) -> None:
    ref = await sink.open(draft())
    issue = the_issue(tracker)
    for state in (TicketState.RESOLVED, TicketState.CLOSED):
        await sink.update(ref, draft(state=state))
        (seen,) = await sink.observe([ref])
        assert seen.state.done
        assert issue.resolution == "Done"
        moves = len(tracker.asked("POST", "/transitions"))
        await sink.update(ref, draft(state=state))
        assert len(tracker.asked("POST", "/transitions")) == moves
    assert seen.state is (TicketState.CLOSED if deployment == "datacenter" else TicketState.RESOLVED)
    await sink.update(ref, draft())
    (seen,) = await sink.observe([ref])
    assert seen.state is TicketState.OPEN
    if deployment == "datacenter":
        assert issue.resolution == ""


@pytest.mark.parametrize("public", [False, True])
async def test_a_comment_is_written_and_found_by_its_mark(sink, tracker, deployment, public) -> None:
    ref = await sink.open(draft())
    comment = Comment(mark=f"{MARK}-1", text="cleared by [~admin] *now*", public=public)
    assert not await sink.has_comment(ref, comment.mark)
    await sink.comment(ref, comment)
    await sink.comment(ref, replace(comment, mark=f"{MARK}-17"))
    assert await sink.has_comment(ref, comment.mark)
    assert not await sink.has_comment(ref, f"{MARK}-7")
    if deployment == "service_management":
        assert [one["public"] for one in the_issue(tracker).comments] == [public, public]


async def test_internal_comments_may_be_for_a_role(play, tracker, deployment) -> None:
    async with play(internal_role="Staff") as sink:
        ref = await sink.open(draft())
        await sink.comment(ref, Comment(mark=f"{MARK}-1", text="within"))
        await sink.comment(ref, Comment(mark=f"{MARK}-2", text="without", public=True))
    within, without = the_issue(tracker).comments
    if deployment == "service_management":
        assert (within["public"], without["public"]) == (False, True)
    else:
        assert within["visibility"] == {"type": "role", "value": "Staff"}
        assert "visibility" not in without


async def test_tickets_are_linked_once(sink, tracker) -> None:
    one, other = [await sink.open(draft(key=key)) for key in ("TA", "TB")]
    await sink.link(one, other)
    await sink.link(one, other)
    assert tracker.issues[one.id].links == {other.id}


async def test_a_file_is_attached_once(sink, tracker) -> None:
    ref = await sink.open(draft())
    log = Attachment(name="größe.txt", media_type="text/plain", content=b"\0\xff1")
    await sink.attach(ref, log, mark="a1")
    await sink.attach(ref, log, mark="a1")
    (stored,) = the_issue(tracker).attachments
    assert stored["content"] == log.content
    assert stored["filename"].startswith("a1-gr")


async def test_a_team_owns_the_ticket_until_a_person_gives_it_away(play, tracker) -> None:
    async with play(teams={"wan": {"component": "Transmission", "assignee": "noc"}}) as sink:
        ref = await sink.open(draft(team="wan"))
        issue = the_issue(tracker)
        assert (issue.components, issue.assignee) == (["Transmission"], "noc")
        issue.assignee = "anna"
        await sink.update(ref, draft(team="wan", keep=frozenset({"owner"})))
        assert issue.assignee == "anna"
        assert (await sink.observe([ref]))[0].owner == "Anna"
        await sink.update(ref, draft(team="wan"))
        assert issue.assignee == "noc"


async def test_people_s_words_are_seen(sink, tracker) -> None:
    refs = [await sink.open(draft(key=f"T{number}")) for number in range(4)]
    first, second, moved, deleted = (tracker.issues[ref.id] for ref in refs)
    done = next(status.name for status in tracker.project.workflow.statuses if status.category == "done")
    tracker.person_sets(first, status=done, resolution="Won't Do")
    second.priority = "4"
    tracker.person_moves(moved, "NET")
    del tracker.issues[deleted.id]
    seen = await sink.observe(refs)
    assert [one.exists for one in seen] == [True, True, True, False]
    assert [one.wont_fix for one in seen[:3]] == [True, False, False]
    assert [one.impact for one in seen[:3]] == [Impact.HIGH, Impact.LOW, Impact.HIGH]
    assert (seen[2].ref.id, seen[2].ref.name) == (moved.id, "NET-7")
    assert seen[2].ref.url.endswith("/browse/NET-7")


async def test_a_ticket_has_one_link_to_our_page(play, tracker) -> None:
    async with play(page="https://noc.example/i/{key}") as sink:
        ref = await sink.open(draft())
        await sink.update(ref, draft())
        assert len(tracker.asked("POST", "/remotelink")) == 1
    async with play(page="https://noc.example/i/{key}") as sink:
        await sink.update(ref, draft())
    assert the_issue(tracker).pages == {
        f"tocsin={KEY}": {"url": f"https://noc.example/i/{KEY}", "title": f"Incident {KEY}"}
    }


async def test_the_set_up_is_found_well(sink) -> None:
    findings = await sink.check(apply=True)
    assert [finding.what for finding in findings if not finding.ok] == []
    assert len(findings) >= 6
    assert findings[-1].what.startswith("Nothing was applied")


async def test_what_is_deleted_cannot_be_updated(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.issues.clear()
    with pytest.raises(Reject, match="OPS-1 is not there any more"):
        await sink.update(ref, draft())

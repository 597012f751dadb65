"""The ClickUp sink against a workspace with a memory.

Each story is told twice: in the words of the vendor's document, with the referee between; and in those of the live API,
whose answers are known to differ from its document (people and tags are objects, nulls, values of custom fields).
"""

import asyncio
from dataclasses import replace

import httpx
import pytest
from structlog.testing import capture_logs

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.reason import Failed
from gateway.core.ticket import Comment, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import Host, Reject, Retry, Secret, SinkError, Unauthorized, UnknownOutcome
from gateway.testing.clock import ManualClock
from gateway.testing.keep import MemoryKeep
from gateway.testing.sink_bench import LiveClock, NotOffered, Subject
from gateway.testing.sink_kit import REQUIREMENTS, fulfil
from sinks.clickup import plugin
from sinks.clickup.config import ClickupConfig
from tests.trackers._base import Fault, Kind
from tests.trackers.clickup import GROUP, KEY_FIELD, LIST, TOKEN, WORKSPACE, FakeClickup

BASE = "https://api.clickup.com/api"
LIVE, DOCUMENT = "live", "document"
GROUPED = {"noc": {"users": [183], "groups": [GROUP]}, "field": {"users": [184]}}


def draft(**changes) -> TicketDraft:
    plain = TicketDraft(
        key="01JD9F2C",
        title="[P2] Link down gw-7 [TOC-01JD9F2C]",
        description="ifIndex 7 is down",
        impact=Impact.HIGH,
        state=TicketState.OPEN,
        fingerprint="1:9f2c",
        source="gw-7",
        condition="link_down",
        object="ge-0/0/1",
        team="noc",
    )
    return replace(plain, **changes)


def config(**changes) -> ClickupConfig:
    teams = {"noc": {"users": [183]}, "field": {"users": [184]}}
    return ClickupConfig(**{"token": Secret(TOKEN), "list_id": LIST, "teams": teams} | changes)


@pytest.fixture(params=[DOCUMENT, LIVE])
def words(request) -> str:
    return request.param


@pytest.fixture
def fake(words) -> FakeClickup:
    return FakeClickup(ManualClock(), spec_words=words == DOCUMENT)


@pytest.fixture
def host(request, words, tmp_path):
    def make(fake: FakeClickup) -> Host:
        if words == DOCUMENT:
            spec, refereed = request.getfixturevalue("spec"), request.getfixturevalue("refereed")
            transport = refereed(fake, spec("clickup-v2.json"), BASE)
        else:
            transport = httpx.ASGITransport(app=fake)
        return Host(name="clickup", clock=fake.clock, keep=MemoryKeep(), state_dir=tmp_path, transport=transport)

    return make


@pytest.fixture
async def sink(fake, host):
    async with plugin.build(config(), host(fake)) as sink:
        yield sink


def only(fake: FakeClickup):
    (task,) = fake.tasks.values()
    return task


# --- what every sink must do -----------------------------------------------------------------------


class Agent:
    """Somebody who works in ClickUp."""

    def __init__(self, fake: FakeClickup) -> None:
        self.fake = fake

    async def close(self, ref: TicketRef) -> None:
        self.fake.tasks[ref.id].status = "complete"

    async def delete(self, ref: TicketRef) -> None:
        self.fake.delete(ref.id)

    async def comments(self, ref: TicketRef) -> list[str]:
        return [comment["text"] for comment in self.fake.tasks[ref.id].comments]

    async def count(self, key: str) -> int:
        return len(self.fake.by_mark(key))


@pytest.mark.parametrize("name", REQUIREMENTS)
async def test_conformance(name, fake, host, tmp_path) -> None:
    subject = Subject(
        plugin=plugin,
        config=config(),
        state_dir=tmp_path,
        transport=host(fake).transport,
        person=Agent(fake),
        clock=fake.clock,
    )
    try:
        await fulfil(subject, name)
    except NotOffered as why:
        pytest.fail(f"the sink offers all abilities: {why}")


# --- open --------------------------------------------------------------------------------------------


async def test_a_task_is_made_with_all_that_people_need(fake, host) -> None:
    fields = {"key": KEY_FIELD}
    async with plugin.build(config(fields=fields, teams=GROUPED), host(fake)) as sink:
        ref = await sink.open(draft(description="a *star*\n<b>", runbook="https://wiki.example/link_down"))
    task = only(fake)
    assert ref == TicketRef(id=task.id, name=task.id, url=f"https://app.clickup.com/t/{task.id}")
    (call,) = fake.asked("POST")
    assert call.json == {
        "name": "[P2] Link down gw-7 [TOC-01JD9F2C]",
        "markdown_content": "Runbook: https://wiki.example/link\\_down\n\na \\*star\\*  \n\\<b\\>",
        "priority": 2,
        "tags": ["tocsin"],
        "assignees": [183],
        "group_assignees": [GROUP],
        "notify_all": False,
        "custom_fields": [{"id": KEY_FIELD, "value": "01JD9F2C"}],
    }
    assert call.headers["content-type"] == "application/json"
    assert task.status == "to do"


async def test_the_mark_ends_the_name_however_long_the_title(fake, sink) -> None:
    await sink.open(draft(title="x" * 400))
    assert only(fake).name.endswith("… [TOC-01JD9F2C]")
    assert len(only(fake).name) == 250


async def test_a_draft_that_is_done_already_makes_a_done_task(fake, sink) -> None:
    await sink.open(draft(state=TicketState.RESOLVED))
    assert only(fake).status == "complete"  # the one of type closed, since none is configured


async def test_a_refused_custom_field_never_stops_a_ticket(fake, host) -> None:
    fake.fields_refused = True
    async with plugin.build(config(fields={"key": KEY_FIELD}), host(fake)) as sink:
        with capture_logs() as logs:
            ref = await sink.open(draft())
            assert await sink.find("01JD9F2C", since_ms=fake.clock.now_ms()) == ref
            await sink.open(draft(key="2"))
    assert [entry["event"] for entry in logs] == ["fields.refused"]
    assert len(fake.asked("POST")) == 3, "refused once, then left out"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.RESET, after=True),
        Fault(kind=Kind.TIMEOUT, after=True),
        Fault(kind=Kind.STATUS, status=500, after=True),
        Fault(kind=Kind.STATUS, status=504, after=True),
        Fault(kind=Kind.HTML, after=True),
        Fault(kind=Kind.WRONG_JSON, after=True),
    ],
    ids=lambda fault: f"{fault.kind.value} {fault.status}",
)
async def test_a_lost_answer_to_a_create_is_unknown_and_the_task_is_found(fake, sink, fault) -> None:
    since_ms = fake.clock.now_ms()
    fake.break_next(fault)
    with pytest.raises(UnknownOutcome):
        await sink.open(draft())
    await fake.clock.advance(2)
    found = await sink.find("01JD9F2C", since_ms=since_ms)
    assert found is not None
    assert found.id == only(fake).id


async def test_on_a_real_socket_it_is_the_same(served, tmp_path) -> None:
    fake = FakeClickup(LiveClock())  # the server tells the system's time in its Date header
    host = Host(name="clickup", clock=fake.clock, keep=MemoryKeep(), state_dir=tmp_path)
    fake.break_next(Fault(kind=Kind.RESET, after=True))
    async with plugin.build(config(base_url=served(fake) + "/api"), host) as sink:
        with pytest.raises(UnknownOutcome):
            await sink.open(draft())
        ref = await sink.find("01JD9F2C", since_ms=fake.clock.now_ms())
        file = Attachment(name="log.bin", media_type="application/octet-stream", content=bytes(range(256)))
        await sink.attach(ref, file, mark="m1")
    assert only(fake).files == [("m1-log.bin", bytes(range(256)))]


@pytest.mark.parametrize(
    ("fault", "kind", "reason", "after_s"),
    [
        (Fault(kind=Kind.RATE_LIMITED), Retry, Failed.RATE_LIMITED, 17),
        (Fault(kind=Kind.RATE_LIMITED, retry_after="5"), Retry, Failed.RATE_LIMITED, 5),
        (Fault(kind=Kind.STATUS, status=429), Retry, Failed.RATE_LIMITED, 60),
        (Fault(kind=Kind.UNAUTHORIZED), Unauthorized, Failed.AUTH_ERROR, None),
        (Fault(kind=Kind.FORBIDDEN), Unauthorized, Failed.AUTH_ERROR, None),
        (Fault(kind=Kind.STATUS, status=400), Reject, Failed.CLIENT_ERROR, None),
        (Fault(kind=Kind.STATUS, status=413), Reject, Failed.CLIENT_ERROR, None),
    ],
    ids=lambda value: f"{value.kind.value} {value.status}" if isinstance(value, Fault) else None,
)
async def test_a_refused_create_was_none(fake, sink, fault, kind, reason, after_s) -> None:
    fake.break_next(fault)
    with pytest.raises(kind) as caught:
        await sink.open(draft())
    assert caught.value.reason is reason
    assert getattr(caught.value, "after_s", None) == after_s
    assert TOKEN not in str(caught.value)
    assert fake.tasks == {}


# --- find --------------------------------------------------------------------------------------------


async def test_find_asks_for_what_the_list_got_since_then_by_their_clock(words, host) -> None:
    fake = FakeClickup(ManualClock(), spec_words=words == DOCUMENT, skew_ms=-600_000)
    async with plugin.build(config(), host(fake)) as sink:
        ref = await sink.open(draft())
        assert await sink.find("01JD9F2C", since_ms=fake.clock.now_ms()) == ref
    (call,) = fake.asked("GET", "/task")
    assert dict(call.query) == {
        "date_created_gt": str(fake.clock.now_ms() - 600_000 - 120_000),
        "include_closed": "true",
        "subtasks": "true",
        "order_by": "created",
        "page": "0",
    }


async def test_right_after_a_start_their_clock_is_learnt_before_the_search(words, host) -> None:
    fake = FakeClickup(ManualClock(), spec_words=words == DOCUMENT, skew_ms=-600_000)
    since_ms = fake.clock.now_ms()
    async with plugin.build(config(), host(fake)) as sink:
        ref = await sink.open(draft())
    async with plugin.build(config(), host(fake)) as sink:
        assert await sink.find("01JD9F2C", since_ms=since_ms) == ref


async def test_a_task_that_the_list_does_not_show_yet_is_found_later(words, host) -> None:
    fake = FakeClickup(ManualClock(), spec_words=words == DOCUMENT, search_lag_s=5)
    async with plugin.build(config(), host(fake)) as sink:
        ref = await sink.open(draft())
        assert await sink.find("01JD9F2C", since_ms=0) is None
        await fake.clock.advance(5)
        assert await sink.find("01JD9F2C", since_ms=0) == ref


async def test_find_reads_every_page_and_takes_the_older_of_two(fake, sink) -> None:
    older = await sink.open(draft())
    await fake.clock.advance(1)
    await sink.open(draft())
    for n in range(220):
        await fake.clock.advance(0.001, settle=0)
        await sink.open(draft(key=f"other-{n}"))
    assert (await sink.find("01JD9F2C", since_ms=0)).id == older.id
    assert [dict(call.query)["page"] for call in fake.asked("GET")] == ["0", "1", "2"]


async def test_a_search_that_is_cut_short_is_never_not_there(fake, host) -> None:
    async with plugin.build(config(find_pages=1), host(fake)) as sink:
        for n in range(101):
            await sink.open(draft(key=f"other-{n}"))
        with pytest.raises(Retry, match="find_pages"):
            await sink.find("01JD9F2C", since_ms=0)


async def test_a_quoted_mark_is_not_the_tickets_own(fake, sink) -> None:
    await sink.open(draft(key="02", title="Re: [TOC-01JD9F2C] is back [TOC-02]"))
    await sink.open(draft(key="03", title="[TOC-03] Re: mine [TOC-01JD9F2C]"))
    assert await sink.find("01JD9F2C", since_ms=0) is None
    assert (await sink.find("02", since_ms=0)).id != (await sink.find("03", since_ms=0)).id


async def test_a_renamed_task_is_found_by_its_field(fake, host, words) -> None:
    if words == DOCUMENT:
        pytest.skip("the document shows no values of custom fields in lists")
    async with plugin.build(config(fields={"key": KEY_FIELD}), host(fake)) as sink:
        ref = await sink.open(draft())
        only(fake).name = "renamed"
        assert await sink.find("01JD9F2C", since_ms=0) == ref
        assert await sink.find("01JD9F2", since_ms=0) is None


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.RESET),
        Fault(kind=Kind.TIMEOUT),
        Fault(kind=Kind.STATUS, status=500),
        Fault(kind=Kind.HTML),
        Fault(kind=Kind.WRONG_JSON),
        Fault(kind=Kind.RATE_LIMITED),
        Fault(kind=Kind.UNAUTHORIZED),
        Fault(kind=Kind.STATUS, status=404),
    ],
    ids=lambda fault: f"{fault.kind.value} {fault.status}",
)
async def test_a_failed_search_is_never_not_there(fake, sink, fault) -> None:
    fake.break_next(replace(fault, on="/task"))
    with pytest.raises(SinkError) as caught:
        await sink.find("01JD9F2C", since_ms=0)
    assert not isinstance(caught.value, UnknownOutcome)


# --- update ------------------------------------------------------------------------------------------


async def test_an_update_writes_only_what_differs(fake, sink) -> None:
    ref = await sink.open(draft())
    await sink.update(ref, draft())
    assert fake.asked("PUT") == []
    await sink.update(ref, draft(impact=Impact.CRITICAL, title="[P1] Link down gw-7 [TOC-01JD9F2C]"))
    assert [call.json for call in fake.asked("PUT")] == [{"name": "[P1] Link down gw-7 [TOC-01JD9F2C]", "priority": 1}]


async def test_after_a_restart_the_description_is_written_once_more(fake, host) -> None:
    async with plugin.build(config(), host(fake)) as sink:
        ref = await sink.open(draft())
    async with plugin.build(config(), host(fake)) as sink:
        for _ in range(3):
            await sink.update(ref, draft())
    assert [call.json for call in fake.asked("PUT")] == [{"markdown_content": "ifIndex 7 is down"}]


async def test_an_empty_description_clears_the_old_one(fake, sink) -> None:
    ref = await sink.open(draft())
    await sink.update(ref, draft(description=""))
    assert only(fake).markdown == ""


async def test_a_ticket_is_resolved_closed_and_reopened_by_the_types_of_statuses(fake, sink) -> None:
    ref = await sink.open(draft())
    seen = []
    for state in (TicketState.RESOLVED, TicketState.CLOSED, TicketState.RESOLVED, TicketState.OPEN):
        await sink.update(ref, draft(state=state))
        seen.append(only(fake).status)
    assert seen == ["complete", "complete", "complete", "to do"]
    assert len(fake.asked("GET", f"/list/{LIST}")) == 1, "the statuses are read once"


async def test_configured_statuses_come_first_and_cost_no_call(fake, host) -> None:
    names = {"open": "In Progress", "resolved": "Solved", "closed": "Complete", "wont_fix": ["Won't Fix"]}
    async with plugin.build(config(statuses=names), host(fake)) as sink:
        ref = await sink.open(draft())
        for state, status in (("resolved", "solved"), ("closed", "complete"), ("open", "in progress")):
            await sink.update(ref, draft(state=TicketState(state)))
            assert only(fake).status == status
            (seen,) = await sink.observe([ref])
            assert seen.state == state
        only(fake).status = "won't fix"
        (seen,) = await sink.observe([ref])
        assert (seen.state, seen.wont_fix) == ("closed", True)
    assert not [call for call in fake.asked("GET") if call.path.endswith(f"/list/{LIST}")]


async def test_a_status_in_progress_stays_where_a_person_moved_it(fake, sink) -> None:
    ref = await sink.open(draft())
    only(fake).status = "in progress"
    await sink.update(ref, draft(occurrences=2))
    assert only(fake).status == "in progress"


async def test_a_renamed_status_is_read_again(fake, sink) -> None:
    ref = await sink.open(draft())
    await sink.update(ref, draft(state=TicketState.CLOSED))
    await sink.update(ref, draft())
    fake.statuses = [("to do", "open"), ("finished", "closed")]
    await sink.update(ref, draft(state=TicketState.CLOSED))
    assert only(fake).status == "finished"


async def test_a_configured_status_that_the_list_lost_is_named(fake, host) -> None:
    async with plugin.build(config(statuses={"closed": "gone"}), host(fake)) as sink:
        ref = await sink.open(draft())
        with pytest.raises(Reject, match=r"Status not found.*statuses\.closed"):
            await sink.update(ref, draft(state=TicketState.CLOSED))
        made = await sink.open(draft(key="2", state=TicketState.CLOSED))
        assert fake.tasks[made.id].status == "to do", "a ticket in the wrong status is better than none"


async def test_a_list_without_a_done_status_says_the_cure(fake, sink) -> None:
    ref = await sink.open(draft())
    fake.statuses = [("to do", "open")]
    with pytest.raises(Reject, match=r"statuses\.closed"):
        await sink.update(ref, draft(state=TicketState.CLOSED))


@pytest.mark.parametrize("kept", list(TicketField))
async def test_what_a_person_owns_is_kept(fake, sink, kept) -> None:
    ref = await sink.open(draft())
    task = only(fake)
    task.status, task.priority, task.users = "complete", 4, [184]
    await sink.update(ref, draft(keep=frozenset({kept})))
    assert (task.status == "complete") == (kept is TicketField.STATE)
    assert (task.priority == 4) == (kept is TicketField.PRIORITY)
    assert (task.users == [184]) == (kept is TicketField.OWNER)


async def test_another_team_takes_over_and_nobody_else_is_sent_away(fake, host) -> None:
    async with plugin.build(config(teams=GROUPED), host(fake)) as sink:
        ref = await sink.open(draft())
        only(fake).users.append(999)
        await sink.update(ref, draft())
        assert fake.asked("PUT") == []
        await sink.update(ref, draft(team="field"))
        assert (only(fake).users, only(fake).groups) == ([999, 184], [])
        await sink.update(ref, draft(team="noc"))
        assert (only(fake).users, only(fake).groups) == ([999, 183], [GROUP])
        await sink.update(ref, draft(team="unknown"))
        assert only(fake).users == [999, 183]
        (seen,) = await sink.observe([ref])
        assert seen.owner == f"183,999,{GROUP}"


async def test_an_archived_task_is_closed_and_comes_back_when_reopened(fake, sink) -> None:
    ref = await sink.open(draft())
    only(fake).archived = True
    (seen,) = await sink.observe([ref])
    assert seen.state == "closed"
    await sink.update(ref, draft())
    assert not only(fake).archived


@pytest.mark.parametrize("gone_is_401", [False, True])
async def test_work_on_a_deleted_task_is_rejected_and_does_not_pause_the_sink(fake, sink, gone_is_401) -> None:
    ref, other = await sink.open(draft()), await sink.open(draft(key="other"))
    fake.deleted_says_401 = gone_is_401
    fake.delete(ref.id)
    file = Attachment(name="a", media_type="text/plain", content=b"a")
    for call in (
        sink.update(ref, draft()),
        sink.comment(ref, Comment(mark="m", text="t")),
        sink.has_comment(ref, "m"),
        sink.link(ref, other),
        sink.link(other, ref),
        sink.attach(ref, file, mark="m"),
    ):
        with pytest.raises(Reject):
            await call
    (seen,) = await sink.observe([ref])
    assert not seen.exists


async def test_a_token_that_lost_the_workspace_pauses_the_sink_and_deletes_nothing(fake, sink) -> None:
    ref = await sink.open(draft())
    fake.deleted_says_401, fake.reaches_list = True, False
    fake.delete(ref.id)
    with pytest.raises(Unauthorized):
        await sink.observe([ref])
    with pytest.raises(Unauthorized):
        await sink.comment(ref, Comment(mark="m", text="t"))


# --- comments, links, files --------------------------------------------------------------------------


async def test_a_comment_ends_with_its_mark_and_calls_nobody(fake, sink) -> None:
    ref = await sink.open(draft())
    await sink.comment(ref, Comment(mark="TOC-01JD9F2C-7", text="cleared, says @alice\x00"))
    (comment,) = only(fake).comments
    assert comment["text"] == "cleared, says @\u2060alice\n\n[TOC-01JD9F2C-7]"
    (call,) = fake.asked("POST", "/comment")
    assert call.json["notify_all"] is False


async def test_a_huge_comment_fits_and_keeps_its_mark(fake, sink) -> None:
    ref = await sink.open(draft())
    await sink.comment(ref, Comment(mark="TOC-01JD9F2C-7", text="ä" * 100_000))
    (comment,) = only(fake).comments
    assert len(comment["text"]) == 16_000
    assert comment["text"].endswith("[TOC-01JD9F2C-7]")


async def test_a_comment_is_found_by_its_own_mark_among_many(fake, sink) -> None:
    ref = await sink.open(draft())
    for n in range(60):
        await sink.comment(ref, Comment(mark=f"TOC-01JD9F2C-{n}", text=f"quotes [TOC-01JD9F2C-{n + 100}] only"))
    assert await sink.has_comment(ref, "TOC-01JD9F2C-0")
    assert await sink.has_comment(ref, "TOC-01JD9F2C-59")
    assert not await sink.has_comment(ref, "TOC-01JD9F2C-100")
    assert not await sink.has_comment(ref, "TOC-01JD9F2C")
    assert len(fake.asked("GET", "/comment")) == 3 + 1 + 3 + 3


async def test_a_comment_with_a_lost_answer_is_looked_for(fake, sink) -> None:
    ref = await sink.open(draft())
    fake.break_next(Fault(kind=Kind.RESET, after=True))
    with pytest.raises(UnknownOutcome):
        await sink.comment(ref, Comment(mark="m-1", text="t"))
    assert await sink.has_comment(ref, "m-1")
    fake.break_next(Fault(kind=Kind.STATUS, status=503))
    with pytest.raises(Retry):
        await sink.has_comment(ref, "m-1")


async def test_two_tasks_are_linked_and_twice_is_once(fake, sink) -> None:
    one, two, three = [await sink.open(draft(key=key)) for key in ("1", "2", "3")]
    for _ in range(2):
        await sink.link(one, two)
    await sink.link(one, one)
    assert fake.tasks[one.id].links == [two.id]
    fake.break_next(Fault(kind=Kind.STATUS, status=400))
    with pytest.raises(Reject):
        await sink.link(one, three)


async def test_a_file_is_uploaded_once_under_a_harmless_name(fake, sink) -> None:
    ref = await sink.open(draft())
    file = Attachment(name='../größe"1".txt', media_type="text/plain", content=b"\x00\xff")
    for _ in range(2):
        await sink.attach(ref, file, mark="a1b2")
    assert only(fake).files == [("a1b2-.._größe_1_.txt", b"\x00\xff")]


async def test_a_file_that_is_too_large_is_rejected_before_any_call(fake, host) -> None:
    async with plugin.build(config(max_attachment_bytes=3), host(fake)) as sink:
        ref = await sink.open(draft())
        calls = len(fake.calls)
        with pytest.raises(Reject, match="max_attachment_bytes"):
            await sink.attach(ref, Attachment(name="a", media_type="x/y", content=b"1234"), mark="m")
        assert len(fake.calls) == calls


# --- observe -----------------------------------------------------------------------------------------


async def test_what_people_did_is_observed(fake, sink) -> None:
    ref = await sink.open(draft())
    (seen,) = await sink.observe([ref])
    assert (seen.state, seen.impact, seen.owner, seen.labels) == ("open", "high", "183", {"tocsin"})
    task = only(fake)
    task.status, task.priority, task.users = "solved", 1, [184]
    (seen,) = await sink.observe([ref])
    assert (seen.state, seen.impact, seen.owner, seen.asked) == ("resolved", "critical", "184", "")
    task.priority, task.list_id = None, "other list"
    (seen,) = await sink.observe([ref])
    assert (seen.exists, seen.impact) == (True, None)


async def test_a_merged_task_is_followed(fake, sink) -> None:
    older, younger = await sink.open(draft()), await sink.open(draft(key="2"))
    fake.merge(younger.id, older.id)
    (seen,) = await sink.observe([younger])
    assert (seen.ref, seen.asked) == (older, younger.id)


async def test_many_tickets_are_observed_in_few_calls(fake, sink) -> None:
    refs = [await sink.open(draft(key=f"T{n}")) for n in range(150)]
    fake.delete(refs[7].id)
    fake.tasks[refs[8].id].list_id = "elsewhere"
    fake.tasks[refs[9].id].status = "complete"
    fake.calls.clear()
    seen = await sink.observe(refs)
    assert [each.ref.id for each in seen] == [ref.id for ref in refs]
    assert [each.exists for each in seen] == [n != 7 for n in range(150)]
    assert seen[9].state == "closed"
    assert len(fake.calls) == 2 + 2, "two pages, and the two that they don't show"


async def test_old_tickets_in_a_busy_list_are_asked_for_by_id(fake, sink) -> None:
    refs = [await sink.open(draft(key=f"T{n}")) for n in range(3)]
    await fake.clock.advance(60)
    for n in range(300):
        await sink.open(draft(key=f"new-{n}"))
    fake.calls.clear()
    assert all(each.exists for each in await sink.observe(refs))
    assert len(fake.calls) == 1 + 3


async def test_no_poll_reads_more_pages_than_it_may(fake, host) -> None:
    async with plugin.build(config(observe_pages=0), host(fake)) as sink:
        refs = [await sink.open(draft(key=f"T{n}")) for n in range(4)]
        fake.calls.clear()
        assert all(each.exists for each in await sink.observe(refs))
        assert len(fake.calls) == 4


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.HTML, Kind.WRONG_JSON, Kind.RATE_LIMITED, Kind.UNAUTHORIZED])
@pytest.mark.parametrize("tickets", [1, 3])
async def test_a_failed_poll_says_nothing_about_any_ticket(fake, sink, kind, tickets) -> None:
    refs = [await sink.open(draft(key=f"T{n}")) for n in range(tickets)]
    fake.break_next(Fault(kind=kind))
    with pytest.raises(Retry):
        await sink.observe(refs)


async def test_a_slow_tracker_holds_up_nothing_else(fake, sink) -> None:
    fake.break_next(Fault(kind=Kind.SLOW, seconds=20))
    async with asyncio.TaskGroup() as tasks:
        slow = tasks.create_task(sink.open(draft(key="slow")))
        await asyncio.sleep(0)
        await fake.clock.advance(1)
        await sink.open(draft(key="quick"))
        assert not slow.done()
        await fake.clock.advance(20, settle=50)
    assert len(fake.tasks) == 2


# --- set-up ------------------------------------------------------------------------------------------


async def faults(fake, host, **changes) -> list[str]:
    async with plugin.build(config(**changes), host(fake)) as sink:
        return [finding.what for finding in await sink.check(apply=True) if not finding.ok]


async def test_a_workspace_that_is_well_is_told_so(fake, host) -> None:
    async with plugin.build(config(fields={"key": KEY_FIELD}), host(fake)) as sink:
        findings = await sink.check(apply=False)
    assert all(finding.ok and not finding.applied for finding in findings)
    told = "\n".join(finding.what for finding in findings)
    for part in (
        "100 calls a minute",
        "Free, Unlimited or Business",
        "Operations",
        "NOC",
        "status complete",
        "Tocsin key",
    ):
        assert part in told
    assert fake.asked("POST") == fake.asked("PUT") == []


OTHER_FIELD = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"list_id": "902"}, "The list cannot be read"),
        ({"workspace_id": "99"}, f"{WORKSPACE} (Operations); set workspace_id"),
        ({"statuses": {"closed": "gone"}}, "statuses.closed: the list has no status gone; it has"),
        ({"statuses": {"wont_fix": ["never"]}}, "statuses.wont_fix: the list has no status never"),
        ({"fields": {"key": OTHER_FIELD}}, f"Text fields of the list now: Tocsin key: {KEY_FIELD}"),
        ({"fields": {"key": OTHER_FIELD}}, "press + at the right end of the columns"),
        ({"teams": {"noc": {"users": [7]}}}, "Team noc: the workspace has no user or group 7."),
        ({"teams": {"noc": {"groups": ["x"]}}}, "Team noc: the workspace has no user or group x."),
    ],
)
async def test_each_wrong_option_is_one_sentence_with_its_cure(fake, host, changes, sentence) -> None:
    assert any(sentence in what for what in await faults(fake, host, **changes))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"type": "drop_down"}, "is of type drop_down; make one of type Text"),
        ({"applied_objects": [{"object_type": 19, "object_id": 1001}]}, "applies to other task types only"),
    ],
)
async def test_a_field_that_cannot_hold_the_key_is_told(fake, host, changes, sentence) -> None:
    fake.fields[0] |= changes
    (what,) = await faults(fake, host, fields={"key": KEY_FIELD})
    assert sentence in what


async def test_an_archived_list_is_told(fake, host) -> None:
    fake.list_archived = True
    (what,) = await faults(fake, host)
    assert "is archived" in what


async def test_a_refused_token_is_the_only_finding_and_is_not_shown(fake, host) -> None:
    (what,) = await faults(fake, host, token=Secret("pk_999_WRONGWRONG"))
    assert "make a new token" in what
    assert "WRONG" not in what


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.HTML, Kind.WRONG_JSON, Kind.RATE_LIMITED])
@pytest.mark.parametrize("on", ["/user", "/team", f"/list/{LIST}", "/field"])
async def test_a_check_that_cannot_be_made_is_a_finding(fake, host, kind, on) -> None:
    fake.break_next(Fault(kind=kind, on=on))
    (what,) = await faults(fake, host, fields={"key": KEY_FIELD})
    assert "ClickUp" in what


async def test_an_oauth_token_is_a_bearer(fake, host) -> None:
    await faults(fake, host, token=Secret("12345_abcdef"))
    assert fake.calls[0].headers["authorization"] == "Bearer 12345_abcdef"

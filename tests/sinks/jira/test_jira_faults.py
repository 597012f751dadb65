"""However Jira fails, the sink says truthfully how a call ended, and no ticket is made twice."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from gateway.core.reason import Failed
from gateway.core.ticket import Comment, TicketState
from gateway.plugin import Reject, Retry, SinkError, Unauthorized, UnknownOutcome
from sinks.jira import JiraSink
from sinks.jira.codec import PROPERTY
from tests.trackers._base import Fault, Kind
from tests.trackers._jira_rig import DEPLOYMENTS, KEY, LABEL, MARK, config, draft, fake, sink_for
from tests.trackers._jira_state import Project
from tests.trackers.jira import Jira, JiraCloud

CREATE = {
    "cloud": "POST /rest/api/3/issue",
    "service_management": "POST /rest/servicedeskapi/request",
    "datacenter": "POST /rest/api/2/issue",
}
REMARK = Comment(mark=f"{MARK}-1", text="cleared")


@pytest.fixture(params=DEPLOYMENTS)
def deployment(request) -> str:
    return request.param


@pytest.fixture
def tracker(deployment) -> Jira:
    return fake(deployment)


@pytest.fixture
async def sink(tracker, deployment) -> AsyncIterator[JiraSink]:
    async with sink_for(tracker, config(deployment)) as made:
        yield made


def stories(kind: Kind, end: type[Exception], **more):
    return pytest.param(Fault(kind=kind, **more), end, id=f"{kind.value} {more}")


WRITES = [
    stories(Kind.STATUS, UnknownOutcome, status=500),
    stories(Kind.STATUS, UnknownOutcome, status=503, after=True),
    stories(Kind.RESET, UnknownOutcome),
    stories(Kind.RESET, UnknownOutcome, after=True),
    stories(Kind.TIMEOUT, UnknownOutcome, after=True),
    stories(Kind.HTML, UnknownOutcome, after=True),
    stories(Kind.WRONG_JSON, UnknownOutcome, after=True),
    stories(Kind.RATE_LIMITED, Retry, retry_after="7"),
    stories(Kind.UNAUTHORIZED, Unauthorized),
    stories(Kind.FORBIDDEN, Unauthorized),
    stories(Kind.STATUS, Reject, status=400),
    stories(Kind.STATUS, Retry, status=409),
    stories(Kind.STATUS, Reject, status=410),
]


@pytest.mark.parametrize(("fault", "end"), WRITES)
async def test_a_create_ends_as_it_ended(sink, tracker, deployment, fault, end) -> None:
    struck = Fault(**{name: getattr(fault, name) for name in fault.__slots__} | {"on": CREATE[deployment]})
    tracker.break_next(struck)
    with pytest.raises(end) as caught:
        await sink.open(draft())
    assert type(caught.value) is end
    assert len(tracker.issues) == int(fault.after)
    assert tracker.faults_left == 0
    if end is UnknownOutcome:
        found = await sink.find(KEY, since_ms=tracker.clock.now_ms())
        assert [ref.id for ref in [found] if ref] == list(tracker.issues)
    if fault.kind is Kind.RATE_LIMITED:
        assert caught.value.after_s == 7
        assert caught.value.reason is Failed.RATE_LIMITED


@pytest.mark.parametrize("fault", [Fault(kind=kind) for kind in (Kind.RESET, Kind.TIMEOUT, Kind.HTML, Kind.WRONG_JSON)])
async def test_a_failed_look_at_the_screen_is_no_attempt_to_create(sink, tracker, fault) -> None:
    tracker.break_next(fault)
    with pytest.raises(Retry) as caught:
        await sink.open(draft())
    assert type(caught.value) is Retry
    assert tracker.issues == {}


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=kind, on=on)
        for kind in Kind
        if kind is not Kind.SLOW
        for on in ("/search", "/bulkfetch", "/issue/OPS-")
    ],
    ids=lambda fault: f"{fault.kind.value} {fault.on}",
)
async def test_a_failed_search_is_never_not_there(sink, tracker, fault) -> None:
    tracker.break_next(fault)
    try:
        found = await sink.find(KEY, since_ms=tracker.clock.now_ms())
    except SinkError:
        return
    assert found is None
    assert tracker.faults_left == 1  # this deployment makes no such call


async def test_an_update_of_a_ticket_written_too_often_waits(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.issues[ref.id].writes_ms = [tracker.clock.now_ms()] * 20
    with pytest.raises(Retry, match="this ticket was written to too often") as caught:
        await sink.update(ref, draft(title=f"[P1] worse [{MARK}]"))
    assert caught.value.after_s == 2
    await tracker.clock.advance(2)
    await sink.update(ref, draft(title=f"[P1] worse [{MARK}]"))


async def test_a_burst_is_waited_out_until_the_reset(tracker, deployment) -> None:
    class Busy(type(tracker)):
        def rate_limited(self, fault):
            response = super().rate_limited(fault)
            response.headers["x-ratelimit-reset"] = "2026-11-22T00:00:30Z"
            return response

    busy = Busy(tracker.clock)
    busy.break_next(Fault(kind=Kind.RATE_LIMITED))
    async with sink_for(busy, config(deployment)) as sink:
        with pytest.raises(Retry, match="jira-burst-based") as caught:
            await sink.open(draft())
    assert caught.value.after_s == 30


async def test_a_forbidden_act_does_not_stop_the_sink(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.break_next(Fault(kind=Kind.FORBIDDEN))
    with pytest.raises(Reject, match="lacks a permission"):
        await sink.comment(ref, REMARK)


async def test_an_answer_to_nobody_is_no_answer(tracker, deployment) -> None:
    """With a dead token Jira may serve us as anonymous: a search finds nothing, and means nothing."""

    class Anonymous(type(tracker)):
        async def _work(self, scope, body, held) -> None:
            await super()._work(scope, body, held)
            held.messages[0]["headers"].append((b"x-seraph-loginreason", b"AUTHENTICATED_FAILED"))

    async with sink_for(Anonymous(tracker.clock), config(deployment)) as sink:
        with pytest.raises(Unauthorized, match="as if we were nobody"):
            await sink.find(KEY, since_ms=0)


async def test_wrong_credentials_are_told_with_the_cure(tracker, deployment) -> None:
    tracker.authorization = "Basic other"
    async with sink_for(tracker, config(deployment)) as sink:
        with pytest.raises(Unauthorized, match="check the token"):
            await sink.open(draft())
        (finding,) = await sink.check(apply=False)
    assert not finding.ok
    assert "token-of-the-noc" not in finding.what


async def test_what_we_may_not_search_is_not_absent(sink, tracker) -> None:
    tracker.break_next(Fault(kind=Kind.FORBIDDEN))
    with pytest.raises(Unauthorized):
        await sink.find(KEY, since_ms=0)


async def test_issues_shown_without_their_fields_prove_nothing(sink, tracker) -> None:
    hit = {"issues": [{"id": "10001", "key": "OPS-1", "self": "https://x"}]}
    tracker.break_next(Fault(kind=Kind.STATUS, status=200, body=hit, on="/search"))
    with pytest.raises(Retry, match="in a form that we cannot read"):
        await sink.find(KEY, since_ms=0)


async def test_a_project_out_of_sight_is_not_a_mass_deletion(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.issues.clear()
    tracker.project.key = "NET"
    with pytest.raises(Unauthorized, match="does not see the project OPS"):
        await sink.observe([ref])


# --- screens -------------------------------------------------------------------------------------


async def test_fields_off_the_create_screen_are_not_sent(tracker, deployment) -> None:
    tracker.project.create_screen -= {"priority", "labels"}
    async with sink_for(tracker, config(deployment)) as sink:
        await sink.open(draft())
    (issue,) = tracker.issues.values()
    assert issue.labels == [LABEL]  # by the edit that follows
    assert issue.priority == "2"
    assert [call.status for call in tracker.asked("POST")] == [201]


async def test_a_screen_that_changed_costs_one_more_call(tracker, deployment) -> None:
    if deployment == "service_management":
        pytest.skip("its form takes none of these fields")
    async with sink_for(tracker, config(deployment)) as sink:
        await sink.open(draft(key="TA"))
        tracker.project.create_screen -= {"priority"}
        tracker.project.edit_screen -= {"priority"}
        with capture_logs():
            await sink.open(draft(key="TB"))
            await sink.open(draft(key="TC"))
    creates = [call.status for call in tracker.asked("POST") if call.path.endswith("/issue")]
    assert creates == [201, 400, 201, 201]
    assert [issue.priority for issue in tracker.issues.values()] == ["2", "3", "3"]


async def test_fields_off_the_edit_screen_are_left_out_and_told_once(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.project.edit_screen -= {"priority", "labels"}
    tracker.issues[ref.id].labels.clear()
    with capture_logs() as logs:
        await sink.update(ref, draft(impact="low", title=f"[P4] x [{MARK}]"))
        await sink.update(ref, draft(impact="low", title=f"[P4] y [{MARK}]"))
    assert tracker.issues[ref.id].summary == f"[P4] y [{MARK}]"
    assert [entry["event"] for entry in logs] == ["ticket.fields_refused"]


async def test_a_refusal_of_the_summary_is_told(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.project.edit_screen -= {"summary"}
    with pytest.raises(Reject, match="summary: Field 'summary' cannot be set"):
        await sink.update(ref, draft(title=f"other [{MARK}]"))


async def test_a_refused_edit_keeps_no_ticket_open(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.project.edit_screen -= {"summary"}
    with pytest.raises(Reject, match="summary"):
        await sink.update(ref, draft(title=f"other [{MARK}]", state=TicketState.RESOLVED))
    assert (await sink.observe([ref]))[0].state is TicketState.RESOLVED


async def test_a_description_too_long_for_this_jira_costs_one_ticket_its_description(tracker, deployment) -> None:
    tracker.project.text_limit = 1_000
    async with sink_for(tracker, config(deployment)) as sink:
        with capture_logs() as logs:
            long = await sink.open(draft(key="TA", description="x" * 2_000))
            short = await sink.open(draft(key="TB"))
            await sink.update(short, draft(key="TB", description="better"))
    assert not tracker.issues[long.id].description
    assert tracker.views.text(tracker.issues[short.id].description) == "better"
    assert {entry["event"] for entry in logs} == {"ticket.fields_refused"}


async def test_a_ticket_without_its_page_is_a_ticket(tracker, deployment) -> None:
    async with sink_for(tracker, config(deployment, page="https://noc.example/i/{key}")) as sink:
        tracker.break_next(Fault(kind=Kind.FORBIDDEN, on="/remotelink"))
        with capture_logs() as logs:
            await sink.open(draft())
    assert [entry["event"] for entry in logs] == ["ticket.link_refused"]


# --- workflow ------------------------------------------------------------------------------------


async def test_no_way_to_the_state_is_a_sentence(sink, tracker) -> None:
    ref = await sink.open(draft())
    tracker.project.workflow = type(tracker.project.workflow)(tracker.project.workflow.statuses, ())
    with pytest.raises(Reject, match="No transition leads OPS-1"):
        await sink.update(ref, draft(state=TicketState.RESOLVED))


async def test_a_person_who_was_faster_is_no_failure(tracker, deployment) -> None:
    class Raced(type(tracker)):
        async def transition(self, request):
            (issue,) = self.issues.values()
            done = next(status for status in self.project.workflow.statuses if status.category == "done")
            self.person_sets(issue, status=done.name)
            return await super().transition(request)

    raced = Raced(tracker.clock, project=tracker.project)
    async with sink_for(raced, config(deployment)) as sink:
        ref = await sink.open(draft())
        await sink.update(ref, draft(state=TicketState.RESOLVED))
    assert [call.status for call in raced.asked("POST", "/transitions")] == [400]


async def test_a_ticket_for_what_is_over_already_is_made_done(sink, tracker) -> None:
    ref = await sink.open(draft(state=TicketState.RESOLVED))
    assert (await sink.observe([ref]))[0].state is TicketState.RESOLVED


# --- past the index ------------------------------------------------------------------------------


async def test_a_ticket_is_found_before_the_index_knows_it(deployment) -> None:
    tracker = fake(deployment, search_lag_s=7_200)
    for _ in range(3):
        tracker.person_creates("by hand")
    async with sink_for(tracker, config(deployment)) as sink:
        first = await sink.open(draft(key="TA"))
        for _ in range(60):
            tracker.person_creates("a busy day")
        tracker.break_next(Fault(kind=Kind.RESET, after=True, on=CREATE[deployment]))
        began = tracker.clock.now_ms()
        with pytest.raises(UnknownOutcome):
            await sink.open(draft())
        later = await sink.open(draft(key="TC"))
        if deployment == "datacenter":  # reads one by one from the last key it knew, for 50 x 4 keys
            assert len({first.id, later.id}) == 2
        found = await sink.find(KEY, since_ms=began)
        assert found is not None
        assert found.name == "OPS-65"
        assert await sink.find("TNEVER", since_ms=began) is None


async def test_after_a_restart_the_walk_begins_at_the_newest_older_key(deployment) -> None:
    tracker = fake(deployment, search_lag_s=600)
    for _ in range(300):
        tracker.person_creates("by hand")
    await tracker.clock.advance(3_600)
    tracker.person_creates("too new for the index")
    began = tracker.clock.now_ms()
    async with sink_for(tracker, config(deployment)) as sink:
        tracker.break_next(Fault(kind=Kind.TIMEOUT, after=True, on=CREATE[deployment]))
        with pytest.raises(UnknownOutcome):
            await sink.open(draft())
    async with sink_for(tracker, config(deployment)) as restarted:
        found = await restarted.find(KEY, since_ms=began)
    assert found is not None
    assert found.name == "OPS-302"


async def test_of_two_tickets_the_older_is_ours(sink, tracker) -> None:
    older, _ = await sink.open(draft()), await sink.open(draft())
    assert await sink.find(KEY, since_ms=tracker.clock.now_ms()) == older


# --- Service Management --------------------------------------------------------------------------


@pytest.fixture
def desk() -> Jira:
    return fake("service_management")


async def test_a_request_without_its_label_is_found_by_the_summary(desk) -> None:
    async with sink_for(desk, config("service_management")) as sink:
        desk.break_next(Fault(kind=Kind.RESET, on="PUT "))
        with pytest.raises(UnknownOutcome, match="OPS-1 was made but is not complete yet"):
            await sink.open(draft())
        (issue,) = desk.issues.values()
        assert issue.labels == []
        ref = await sink.find(KEY, since_ms=desk.clock.now_ms())
        assert ref is not None
        await sink.update(ref, draft())
    assert (issue.labels, issue.properties[PROPERTY]["id"]) == ([LABEL], KEY)


async def test_a_published_internal_comment_is_taken_back(desk) -> None:
    desk.project.publishes = True
    async with sink_for(desk, config("service_management")) as sink:
        ref = await sink.open(draft())
        with pytest.raises(Reject, match="it was deleted again"):
            await sink.comment(ref, REMARK)
        assert desk.issues[ref.id].comments == []
        desk.break_next(Fault(kind=Kind.FORBIDDEN, on="DELETE"))
        with pytest.raises(Reject, match=r"delete comment \d+ by hand at once"):
            await sink.comment(ref, REMARK)


async def test_an_answer_that_hides_who_can_read_counts_as_public(desk) -> None:
    async with sink_for(desk, config("service_management")) as sink:
        ref = await sink.open(draft())
        answer = Fault(kind=Kind.STATUS, status=201, body={"id": "10002"}, after=True, on="/comment")
        desk.break_next(answer)
        with pytest.raises(Reject, match="it was deleted again"):
            await sink.comment(ref, REMARK)
    assert desk.issues[ref.id].comments == []


async def test_a_request_whose_form_we_may_not_see_is_made_anyway(desk) -> None:
    async with sink_for(desk, config("service_management")) as sink:
        desk.break_next(Fault(kind=Kind.FORBIDDEN, on="/field"))
        await sink.open(draft())
    assert len(desk.issues) == 1


async def test_a_form_s_own_fields_are_filled_at_once(desk) -> None:
    desk.project.form |= {"priority": True, "labels": False, "customfield_1": True}
    async with sink_for(desk, config("service_management", fields={"customfield_1": "x"})) as sink:
        await sink.open(draft())
    (request,) = desk.asked("POST", "/request")
    assert request.json["requestFieldValues"].keys() == {
        "summary",
        "description",
        "priority",
        "labels",
        "customfield_1",
    }


# --- set-up --------------------------------------------------------------------------------------


async def whats_wrong(tracker: Jira, deployment: str, **options) -> list[str]:
    async with sink_for(tracker, config(deployment, **options)) as sink:
        return [finding.what for finding in await sink.check(apply=False) if not finding.ok]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"project": "NET"}, "There is no project NET that our account may see"),
        ({"issue_type": "Epic"}, "set issue_type to one of Task, Bug"),
        ({"priorities": {"critical": "Blocker"}}, "There is no priority Blocker in OPS"),
        ({"states": {"closed": ["Archived"]}}, "There is no status Archived in OPS: correct states.closed"),
    ],
)
@pytest.mark.parametrize("deployment", ["cloud", "datacenter"])
async def test_a_wrong_setting_is_one_sentence(deployment, options, sentence) -> None:
    assert any(sentence in what for what in await whats_wrong(fake(deployment), deployment, **options))


async def test_what_the_project_lacks_is_told() -> None:
    project = Project(
        kind="service_desk", required={"summary", "customfield_7", "labels"}, permissions_lacking={"EDIT_ISSUES"}
    )
    said = await whats_wrong(JiraCloud(fake("cloud").clock, project=project), "cloud")
    assert len(said) == 3
    assert "set deployment to service_management" in said[0]
    assert "lacks EDIT_ISSUES" in said[1]
    assert "demands Customfield_7" in said[2]


async def test_a_wrong_deployment_is_told(tmp_path) -> None:
    tracker = fake("cloud")
    tracker.authorization = "Bearer token-of-the-noc"
    async with sink_for(tracker, config("datacenter")) as sink:
        said = [finding.what for finding in await sink.check(apply=False) if not finding.ok]
    assert said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"service_desk_id": "99"}, "no service desk 99"),
        ({"request_type_id": "99"}, "set request_type_id to one of 25 (Report an outage)"),
    ],
)
async def test_a_wrong_desk_is_told(desk, options, sentence) -> None:
    assert any(sentence in what for what in await whats_wrong(desk, "service_management", **options))


async def test_a_form_that_demands_more_is_told(desk) -> None:
    desk.project.form["customfield_9"] = True
    assert any("demands Customfield_9" in what for what in await whats_wrong(desk, "service_management"))

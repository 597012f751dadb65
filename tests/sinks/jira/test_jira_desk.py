"""Service Management: requests in two steps, comments that customers must not read."""

import pytest
from structlog.testing import capture_logs

from gateway.core.ticket import Comment
from gateway.plugin import Reject, UnknownOutcome
from sinks.jira.codec import PROPERTY
from tests.trackers._base import Fault, Kind
from tests.trackers._jira_rig import KEY, LABEL, MARK, config, draft, sink_for

REMARK = Comment(mark=f"{MARK}-1", text="cleared")


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
        ref = await sink.open(draft())
    (request,) = desk.asked("POST", "/request")
    assert desk.issues[ref.id].properties[PROPERTY]["id"] == KEY
    assert request.json["requestFieldValues"].keys() == {
        "summary",
        "description",
        "priority",
        "labels",
        "customfield_1",
    }


async def test_a_form_that_changed_costs_one_more_call(desk) -> None:
    desk.project.form |= {"priority": False}
    async with sink_for(desk, config("service_management")) as sink:
        await sink.open(draft(key="TA"))
        del desk.project.form["priority"]
        with capture_logs() as logs:
            await sink.open(draft(key="TB"))
            await sink.open(draft(key="TC"))
    assert [call.status for call in desk.asked("POST", "/request")] == [201, 400, 201, 201]
    assert [issue.priority for issue in desk.issues.values()] == ["2", "2", "2"]  # by the edit that follows
    assert [entry["event"] for entry in logs] == ["ticket.fields_refused"]

"""A field, an edit or a transition that Jira refuses costs as little as possible."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.core.ticket import TicketState
from gateway.plugin import Reject
from tests.trackers._base import Fault, Kind
from tests.trackers._jira_rig import LABEL, MARK, config, draft, sink_for


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


# --- workflow --------------------------------------------------------------------------------


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


def demanding(tracker, *fields: str) -> None:
    """Let every transition demand these fields."""
    workflow = tracker.project.workflow
    demands = tuple(replace(transition, required=frozenset(fields)) for transition in workflow.transitions)
    tracker.project.workflow = replace(workflow, transitions=demands)


async def test_a_demanded_comment_is_given_unless_customers_would_read_it(sink, tracker, deployment) -> None:
    ref = await sink.open(draft())
    demanding(tracker, "comment")
    if deployment == "service_management":
        with pytest.raises(Reject, match="demands a comment"):
            await sink.update(ref, draft(state=TicketState.RESOLVED))
        return
    await sink.update(ref, draft(state=TicketState.RESOLVED))
    (move,) = tracker.asked("POST", "/transitions")
    body = move.json["update"]["comment"][0]["add"]["body"]
    assert tracker.views.shown(body) == "Tocsin moved this ticket, since the incident is resolved."


async def test_a_demanded_field_that_nobody_can_fill_is_named(sink, tracker) -> None:
    ref = await sink.open(draft())
    demanding(tracker, "root_cause")
    with pytest.raises(Reject, match="demands Root_Cause: give these fields a default value"):
        await sink.update(ref, draft(state=TicketState.RESOLVED))
    assert tracker.asked("POST", "/transitions") == []

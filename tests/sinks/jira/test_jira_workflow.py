"""A transition is chosen by where it leads, in any workflow."""

import pytest

from gateway.core.ticket import TicketState
from sinks.jira.config import States
from sinks.jira.workflow import choose, settled
from tests.trackers._jira_state import CLASSIC, SIMPLE, Project
from tests.trackers._jira_views import CloudViews

OPEN, RESOLVED, CLOSED = TicketState


def chosen(workflow, status, wanted, *, states=States(), resolution="Done"):  # noqa: B008 - frozen
    here = workflow.status(status)
    shown = CloudViews().transitions(workflow.from_here(here.id), Project(workflow=workflow), fields=True)
    now = OPEN if here.category != "done" else CLOSED if here.name == "Closed" else RESOLVED
    return choose(shown["transitions"], now=now, wanted=wanted, states=states, resolution=resolution)


@pytest.mark.parametrize(
    ("workflow", "status", "wanted", "transition"),
    [
        (SIMPLE, "To Do", RESOLVED, "31"),
        (SIMPLE, "In Progress", CLOSED, "31"),
        (SIMPLE, "Done", OPEN, "11"),
        (CLASSIC, "Open", RESOLVED, "5"),
        (CLASSIC, "Open", CLOSED, "2"),
        (CLASSIC, "Resolved", CLOSED, "701"),
        (CLASSIC, "Closed", OPEN, "3"),
    ],
)
def test_the_way_is_found(workflow, status, wanted, transition) -> None:
    assert chosen(workflow, status, wanted).id == transition


def test_no_way_is_none() -> None:
    assert choose([], now=OPEN, wanted=RESOLVED, states=States(), resolution="Done") is None
    assert chosen(SIMPLE, "Done", CLOSED) is None


def test_a_configured_name_comes_first() -> None:
    assert chosen(SIMPLE, "Done", OPEN, states=States(open=("in progress", "To Do"))).id == "21"


def test_a_resolution_is_sent_where_the_screen_has_it() -> None:
    assert chosen(CLASSIC, "Open", RESOLVED).fields == {"resolution": {"name": "Done"}}
    assert chosen(CLASSIC, "Resolved", CLOSED).fields == {}
    assert chosen(CLASSIC, "Closed", OPEN).fields == {"resolution": None}
    assert chosen(CLASSIC, "Open", RESOLVED, resolution="Fixed").fields == {"resolution": {"name": "Done"}}
    assert chosen(SIMPLE, "To Do", RESOLVED, resolution="Fixed").fields == {}


def test_fields_that_nobody_can_fill_are_named_and_avoided() -> None:
    def to_done(number, **fields):
        status = {"name": "Done", "statusCategory": {"key": "done"}}
        return {"id": number, "to": status, "fields": fields}

    cause = {"name": "Root cause", "required": True}
    only = choose([to_done("1", cause=cause)], now=OPEN, wanted=RESOLVED, states=States(), resolution="Done")
    assert only.missing == ("Root cause",)
    both = [to_done("1", cause=cause), to_done("2", cause=cause | {"hasDefaultValue": True})]
    assert choose(both, now=OPEN, wanted=RESOLVED, states=States(), resolution="Done").id == "2"
    remark = choose(
        [to_done("1", comment={"required": True})], now=OPEN, wanted=RESOLVED, states=States(), resolution=""
    )
    assert remark.comment
    assert remark.missing == ()


@pytest.mark.parametrize(
    ("now", "wanted", "is_settled"),
    [
        (OPEN, OPEN, True),
        (CLOSED, RESOLVED, True),
        (RESOLVED, CLOSED, False),
        (OPEN, RESOLVED, False),
        (CLOSED, OPEN, False),
    ],
)
def test_what_people_did_further_is_left_alone(now, wanted, is_settled) -> None:
    assert settled(now, wanted) is is_settled

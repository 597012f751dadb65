"""Drafts become fields, issues become observations."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.impact import Impact
from gateway.core.ticket import TicketField, TicketState
from sinks._text import size
from sinks.jira import codec
from sinks.jira.codec import belongs, changes, finding_jql, holds_mark, key_number, observation, proof, summary, wanted
from tests.trackers._jira_jql import parse
from tests.trackers._jira_rig import KEY, LABEL, MARK, config, draft

CLOUD = config("cloud")


def issue(**fields):
    given = {
        "summary": "x",
        "status": {"name": "To Do", "statusCategory": {"key": "new"}},
        "resolution": None,
        "priority": {"id": "2", "name": "High"},
        "labels": [LABEL],
        "assignee": None,
    }
    return {"id": "10001", "key": "OPS-24", "fields": given | fields, "properties": {}}


@given(st.text(max_size=400))
def test_the_summary_is_one_short_line_with_the_mark(title) -> None:
    made = summary(draft(title=title))
    assert size(made) <= 255
    assert "\n" not in made
    assert "\r" not in made
    assert holds_mark(made, MARK)


def test_a_title_that_fits_is_the_summary() -> None:
    assert summary(draft()) == draft().title
    long = summary(draft(title=f"[P1] {'🚨' * 200} [{MARK}]"))
    assert long.endswith(f"… [{MARK}]")
    assert long.count(MARK) == 1


def test_facts_of_any_size_fit_the_property() -> None:
    value = proof(draft(source="🚨" * 40_000, object="\x00" * 9, condition="\\" * 40_000, fingerprint="x" * 40_000))
    assert len(json.dumps(value)) <= 32_768


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"[P1] x [{MARK}]", True),
        (MARK, True),
        (f"{MARK}-2", False),
        (f"X{MARK}", False),
        (f"{MARK}9", False),
        ("", False),
    ],
)
def test_a_mark_is_a_word_of_its_own(text, found) -> None:
    assert holds_mark(text, MARK) is found


def test_an_issue_is_ours_by_label_property_or_mark_only() -> None:
    assert belongs(issue(), KEY, MARK, CLOUD)
    assert belongs(issue(labels=[]) | {"properties": {codec.PROPERTY: {"id": KEY}}}, KEY, MARK, CLOUD)
    assert belongs(issue(labels=[], summary=f"x [{MARK}]"), KEY, MARK, CLOUD)
    assert not belongs(issue(labels=[LABEL + "-2"], summary=f"x [{MARK}-2]"), KEY, MARK, CLOUD)
    with pytest.raises(KeyError):  # not shown as asked, so it proves nothing
        belongs({"fields": {}, "properties": None}, KEY, MARK, CLOUD)


@given(st.text(max_size=20))
def test_no_key_escapes_from_the_query(key) -> None:
    jql = finding_jql(key, f"TOC-{key}", CLOUD)
    query = parse(jql, now_ms=0)
    row = {"project": "NET", "labels": (codec.label(key, CLOUD),), "summary": f"TOC-{key}", "id": "1", "key": "NET-1"}
    assert not query.matches(row)
    assert query.matches(row | {"project": "OPS"})


@pytest.mark.parametrize(("key", "number"), [("OPS-24", 24), ("OPS-x", None), ("NET-24", None), ("XOPS-2", None)])
def test_only_our_project_s_keys_count(key, number) -> None:
    assert key_number(key, "OPS") == number


@pytest.mark.parametrize(
    ("status", "category", "state"),
    [
        ("To Do", "new", TicketState.OPEN),
        ("In Progress", "indeterminate", TicketState.OPEN),
        ("Done", "done", TicketState.RESOLVED),
        ("Closed", "done", TicketState.CLOSED),
        ("Undefined", "undefined", TicketState.OPEN),
    ],
)
def test_a_state_is_read_from_the_category(status, category, state) -> None:
    seen = observation(issue(status={"name": status, "statusCategory": {"key": category}}), CLOUD)
    assert seen.state is state


def test_a_configured_name_outweighs_the_category() -> None:
    ours = config("cloud", states={"resolved": ["waiting for parts"]})
    seen = observation(issue(status={"name": "Waiting for Parts", "statusCategory": {"key": "indeterminate"}}), ours)
    assert seen.state is TicketState.RESOLVED


def test_won_t_fix_needs_a_done_status() -> None:
    declined = {"name": "won't do"}
    done = {"name": "Done", "statusCategory": {"key": "done"}}
    assert observation(issue(resolution=declined, status=done), CLOUD).wont_fix
    assert not observation(issue(resolution=declined), CLOUD).wont_fix
    assert not observation(issue(resolution={"name": "Done"}, status=done), CLOUD).wont_fix


@pytest.mark.parametrize(
    ("priorities", "impact"),
    [
        ({"high": "High", "low": "Low"}, Impact.HIGH),
        ({"high": "2"}, Impact.HIGH),
        ({"critical": "High", "high": "High"}, None),
        ({"low": "Low"}, None),
    ],
)
def test_a_priority_stands_for_one_impact_or_for_none(priorities, impact) -> None:
    assert observation(issue(), config("cloud", priorities=priorities)).impact is impact


def test_an_issue_without_priority_says_nothing_of_impact() -> None:
    assert observation(issue(priority=None), CLOUD).impact is None


def test_people_s_fields_are_left_alone() -> None:
    ours = config("cloud", teams={"wan": {"component": "Net", "assignee": "u1"}}, labels=("noc",))
    now = issue(priority={"id": "4", "name": "Low"}, components=[{"name": "Other"}])["fields"]
    want = wanted(draft(team="wan"), ours)
    differs, labels = changes(now, want, keep=(), owner="u2", described=False)
    assert differs == {"summary", "description", "priority", "assignee", "components"}
    assert labels == ("noc",)
    differs, _ = changes(now, want, keep=(TicketField.OWNER, TicketField.PRIORITY), owner="u2", described=True)
    assert differs == {"summary"}

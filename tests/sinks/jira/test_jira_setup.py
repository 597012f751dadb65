"""``tocsin setup jira --check`` says each thing that is wrong in one sentence."""

import pytest

from tests.trackers._jira_rig import config, fake, sink_for
from tests.trackers._jira_state import Project
from tests.trackers.jira import Jira, JiraCloud


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

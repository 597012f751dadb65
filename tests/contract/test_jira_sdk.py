"""The public ``jira`` package, which thousands use against real sites, takes our fakes for Jira.

It shares no code with the sink, so a mistake about the API would have to be made twice.
"""

import io

import pytest
from jira import JIRA, JIRAError

from gateway.testing.clock import ManualClock
from sinks.jira import adf
from tests.trackers._jira_rig import LABEL, MARK, config, draft, fake, sink_for
from tests.trackers._jira_views import CloudViews, DataCenterViews
from tests.trackers.jira import Jira


def text(deployment: str, plain: str):
    return plain if deployment == "datacenter" else adf.document(plain)


@pytest.fixture(params=["cloud", "datacenter"])
def deployment(request) -> str:
    return request.param


@pytest.fixture
def tracker(deployment) -> Jira:
    return fake(deployment, ManualClock())


@pytest.fixture
def client(tracker, deployment, served) -> JIRA:
    tracker.views = {"cloud": CloudViews, "datacenter": DataCenterViews}[deployment]()
    tracker.views.base = served(tracker)
    options = {"server": tracker.views.base, "rest_api_version": tracker.api[-1]}
    if deployment == "datacenter":
        made = JIRA(options=options, token_auth="token-of-the-noc", max_retries=0)
    else:
        made = JIRA(options=options, basic_auth=("noc@example.com", "token-of-the-noc"), max_retries=0)
    yield made
    made.close()


def test_it_knows_the_deployment(client, deployment) -> None:
    assert client._is_cloud is (deployment == "cloud")
    assert client.myself()["displayName"] == "Noc"


def test_it_makes_edits_moves_and_reads_an_issue(client, tracker, deployment) -> None:
    made = client.create_issue(
        fields={
            "project": {"key": "OPS"},
            "issuetype": {"name": "Task"},
            "summary": f"down [{MARK}]",
            "description": text(deployment, "a\nb"),
            "labels": [LABEL],
            "priority": {"name": "High"},
        }
    )
    assert made.key == "OPS-1"
    made.update(fields={"priority": {"id": "1"}}, notify=False)
    made.add_field_value("labels", "second")
    read = client.issue("OPS-1")
    assert (read.fields.priority.name, read.fields.labels) == ("Highest", [LABEL, "second"])
    assert read.fields.status.statusCategory.key == "new"
    done = "Done" if deployment == "cloud" else "Resolve Issue"
    assert done in {transition["name"] for transition in client.transitions(read)}
    client.transition_issue(read, done, fields={"resolution": {"name": "Done"}})
    assert client.issue("OPS-1").fields.resolution.name == "Done"
    assert tracker.issues[read.id].mails == 1  # the second edit did not ask for silence


def test_it_finds_comments_links_and_attaches(client, tracker, deployment) -> None:
    tracker.person_creates(f"one [{MARK}]")
    tracker.person_creates("other")
    found = client.search_issues(f'project = OPS AND summary ~ "{MARK}"', fields="summary,status", maxResults=10)
    assert [issue.key for issue in found] == ["OPS-1"]
    client.add_comment("OPS-1", text(deployment, "said"))
    (comment,) = client.comments("OPS-1")
    assert comment.body == "said" or comment.raw["body"] == text(deployment, "said")
    client.create_issue_link("Relates", "OPS-1", "OPS-2")
    assert tracker.by_key("OPS-1").links == {tracker.by_key("OPS-2").id}
    client.add_attachment("OPS-1", attachment=io.BytesIO(b"x"), filename="a.txt")
    assert [one.filename for one in client.issue("OPS-1").fields.attachment] == ["a.txt"]


def test_it_reads_the_screens(client, deployment) -> None:
    if deployment == "cloud":
        pytest.skip("the package asks for them on Data Center only")
    kinds = client.project_issue_types("OPS")
    assert [kind.name for kind in kinds] == ["Task", "Bug"]
    assert {field.fieldId for field in client.project_issue_fields("OPS", "10001")} >= {"summary", "priority"}


def test_it_is_refused_in_words_it_understands(client) -> None:
    with pytest.raises(JIRAError) as caught:
        client.issue("OPS-404")
    assert caught.value.status_code == 404
    assert "does not exist" in caught.value.text
    with pytest.raises(JIRAError, match="not on the appropriate screen"):
        client.create_issue(
            fields={"project": {"key": "OPS"}, "issuetype": {"name": "Task"}, "summary": "x", "duedate": "2026-11-22"}
        )


async def test_it_sees_what_the_sink_made(client, tracker, deployment) -> None:
    settings = config(deployment, site=tracker.views.base)
    async with sink_for(tracker, settings) as sink:
        ref = await sink.open(draft())
    seen = client.issue(ref.name)
    assert seen.fields.summary == draft().title
    body = seen.raw["fields"]["description"]
    shown = body.replace("\\", "") if deployment == "datacenter" else adf.text(body)
    assert shown == draft().description

"""However Jira fails, the sink says truthfully how a call ended, and no ticket is made twice."""

import pytest

from gateway.core.reason import Failed
from gateway.core.ticket import Comment
from gateway.plugin import Reject, Retry, SinkError, Unauthorized, UnknownOutcome
from tests.trackers._base import Fault, Kind
from tests.trackers._jira_rig import KEY, MARK, config, draft, sink_for

CREATE = {
    "cloud": "POST /rest/api/3/issue",
    "service_management": "POST /rest/servicedeskapi/request",
    "datacenter": "POST /rest/api/2/issue",
}
REMARK = Comment(mark=f"{MARK}-1", text="cleared")


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

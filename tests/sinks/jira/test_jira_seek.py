"""A ticket is found although the index does not know it yet."""

import pytest

from gateway.plugin import UnknownOutcome
from tests.trackers._base import Fault, Kind
from tests.trackers._jira_rig import KEY, config, draft, fake, sink_for

CREATE = {
    "cloud": "POST /rest/api/3/issue",
    "service_management": "POST /rest/servicedeskapi/request",
    "datacenter": "POST /rest/api/2/issue",
}


async def test_a_ticket_is_found_before_the_index_knows_it(deployment) -> None:
    tracker = fake(deployment, search_lag_s=7_200)
    for _ in range(300):
        tracker.person_creates("before our time")
    async with sink_for(tracker, config(deployment)) as sink:
        assert (await sink.open(draft(key="TA"))).name == "OPS-301"
        for _ in range(60):
            tracker.person_creates("a busy day")
        tracker.break_next(Fault(kind=Kind.RESET, after=True, on=CREATE[deployment]))
        began = tracker.clock.now_ms()
        with pytest.raises(UnknownOutcome):
            await sink.open(draft())
        assert (await sink.open(draft(key="TC"))).name == "OPS-363"
        found = await sink.find(KEY, since_ms=began)
        assert found is not None
        assert found.name == "OPS-362"
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

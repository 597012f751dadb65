"""Every ticket that we made for a key is found, and none of a person's: what is found may be closed."""

import copy
from dataclasses import replace

import httpx
import pytest

from gateway.core.impact import Impact
from gateway.core.ticket import TicketRef
from gateway.plugin import FindsDuplicates, Host, Reject, Retry, Secret
from gateway.testing.clock import ManualClock
from gateway.testing.keep import MemoryKeep
from sinks.clickup.config import ClickupConfig
from sinks.clickup.sink import build as build_clickup
from tests.trackers import _jira_rig as rig
from tests.trackers import clickup
from tests.trackers._base import Fault, Kind

NOW_MS = ManualClock().now_ms()


@pytest.fixture(params=rig.DEPLOYMENTS)
def deployment(request) -> str:
    return request.param


async def made_twice(sink, draft):
    return [await sink.open(draft), await sink.open(draft)]


async def test_jira_finds_both_and_in_the_order_made(deployment: str) -> None:
    fake = rig.fake(deployment)
    async with rig.sink_for(fake, rig.config(deployment)) as sink:
        assert isinstance(sink, FindsDuplicates)
        refs = await made_twice(sink, rig.draft())
        await sink.open(rig.draft(key="T0ABCDEFGHJK2", title="[P2] Another [TOC-T0ABCDEFGHJK2]"))
        assert await sink.find_all(rig.KEY, since_ms=NOW_MS) == refs
        assert await sink.find_all("T0NEVER", since_ms=NOW_MS) == []


async def test_jira_finds_no_ticket_that_a_person_copied_or_named_after_ours(deployment: str) -> None:
    fake = rig.fake(deployment)
    async with rig.sink_for(fake, rig.config(deployment)) as sink:
        ref = await sink.open(rig.draft())
        ours = fake.issues[ref.id]
        for summary in (
            f"CLONE - {ours.summary}",
            f"[P2] what about this? [{rig.MARK}] still broken",
            f"follow-up to [{rig.MARK}]",
            rig.MARK,
        ):
            theirs = fake.person_creates(summary)
            theirs.labels, theirs.properties = list(ours.labels), copy.deepcopy(ours.properties)
            theirs.index(NOW_MS)
        # A stranger's mail quotes our mark in its subject: its ticket is another incident's.
        await sink.open(rig.draft(key="T0OTHER", title=f"[P3] [P1] let me in [{rig.MARK}] [TOC-T0OTHER]"))
        assert await sink.find_all(rig.KEY, since_ms=NOW_MS) == [ref]


async def test_jira_says_what_duplicates_what_and_relates_them_where_it_cannot(deployment: str) -> None:
    for kind in ("Duplicate", "Twin"):
        fake = rig.fake(deployment)
        async with rig.sink_for(fake, rig.config(deployment, duplicate_link_type=kind)) as sink:
            older, newer = await made_twice(sink, rig.draft())
            await sink.mark_duplicate(newer, of=older)
            await sink.mark_duplicate(newer, of=older)
            assert fake.issues[newer.id].links == {older.id}
            (first, *_) = [call.json for call in fake.calls if call.path.endswith("/issueLink")]
            assert (first["inwardIssue"]["id"], first["outwardIssue"]["id"]) == (newer.id, older.id)


async def test_jiras_search_that_fails_or_finds_too_much_says_nothing(deployment: str) -> None:
    fake = rig.fake(deployment)
    async with rig.sink_for(fake, rig.config(deployment)) as sink:
        fake.break_next(Fault(kind=Kind.STATUS, status=503))
        with pytest.raises(Retry):
            await sink.find_all(rig.KEY, since_ms=NOW_MS)
        for _ in range(50):
            fake.person_creates(f"about {rig.MARK}")
        with pytest.raises(Retry, match="not all"):
            await sink.find_all(rig.KEY, since_ms=NOW_MS)


@pytest.fixture
async def tasks(tmp_path):
    """A ClickUp sink and its fake."""
    fake = clickup.FakeClickup(ManualClock())
    config = ClickupConfig(token=Secret(clickup.TOKEN), list_id=clickup.LIST, find_pages=1)
    host = Host(
        name="desk",
        clock=fake.clock,
        keep=MemoryKeep(),
        state_dir=tmp_path,
        transport=httpx.ASGITransport(app=fake),
    )
    async with build_clickup(config, host) as sink:
        yield sink, fake


async def test_clickup_finds_both_and_no_copy_of_a_persons(tasks) -> None:
    sink, fake = tasks
    assert isinstance(sink, FindsDuplicates)
    draft = rig.draft(impact=Impact.LOW)
    first = await sink.open(draft)
    await fake.clock.advance(1)
    second = await sink.open(draft)
    ours = fake.tasks[first.id]
    for number, name in enumerate((f"{ours.name} (copy)", f"Copy of {ours.name}", f"re [{rig.MARK}]")):
        fake.tasks[f"p{number}"] = replace(ours, id=f"p{number}", name=name)
    await sink.open(rig.draft(key="T0OTHER", title=f"[P3] [P1] let me in [{rig.MARK}] [TOC-T0OTHER]"))
    assert await sink.find_all(rig.KEY, since_ms=NOW_MS) == [first, second]
    await sink.mark_duplicate(second, of=first)
    await sink.mark_duplicate(second, of=first)
    assert fake.tasks[second.id].links == [first.id]
    with pytest.raises(Reject):
        await sink.mark_duplicate(second, of=TicketRef(id="nothere"))


async def test_clickups_list_that_is_too_long_to_read_says_nothing(tasks) -> None:
    sink, fake = tasks
    ref = await sink.open(rig.draft())
    for number in range(120):
        fake.tasks[f"n{number}"] = replace(fake.tasks[ref.id], id=f"n{number}", name="not ours")
    with pytest.raises(Retry, match="find_pages"):
        await sink.find_all(rig.KEY, since_ms=NOW_MS)

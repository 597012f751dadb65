"""The HubSpot sink against a portal with a memory, each call held against the vendor's document."""

import asyncio
import html
import re
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.reason import Failed
from gateway.core.ticket import Comment, TicketDraft, TicketField, TicketRef, TicketState
from gateway.plugin import Host, Reject, Retry, Secret, SinkError, Unauthorized, UnknownOutcome
from gateway.testing.clock import ManualClock
from gateway.testing.keep import MemoryKeep
from gateway.testing.sink_bench import NotOffered, Subject
from gateway.testing.sink_kit import REQUIREMENTS, fulfil
from sinks.hubspot import plugin
from sinks.hubspot.codec import EXTRA
from sinks.hubspot.config import HubspotConfig
from tests.trackers._base import Fault, Kind
from tests.trackers.hubspot import TOKEN, FakeHubspot

pytestmark = pytest.mark.shared
BASE = "https://api.hubapi.com"


def draft(**changes) -> TicketDraft:
    plain = TicketDraft(
        key="01JD9F2C",
        title="[P2] Link down gw-7 [TOC-01JD9F2C]",
        description="ifIndex 7 is down",
        impact=Impact.HIGH,
        state=TicketState.OPEN,
        fingerprint="1:9f2c",
        source="gw-7",
        condition="link_down",
        object="ge-0/0/1",
        first_seen_ms=1_795_305_600_000,
        last_seen_ms=1_795_305_660_000,
        team="noc",
    )
    return replace(plain, **changes)


def config(**changes) -> HubspotConfig:
    return HubspotConfig(
        **{"token": Secret(TOKEN), "owners": {"noc": "noc@example.com", "field": "41629780"}} | changes
    )


@pytest.fixture
def portal():
    """A portal that was set up."""
    fake = FakeHubspot(ManualClock())
    fake.make_property("tocsin_incident_id", unique=True)
    for name, (type_, _, _) in EXTRA.items():
        fake.make_property("tocsin_" + name, type_=type_)
    return fake


@pytest.fixture
def host(spec, refereed, tmp_path):
    def make(portal: FakeHubspot) -> Host:
        referee = refereed(portal, spec("hubspot-2026-09.json"), BASE, unlisted=["/files/2026-03/files"])
        return Host(name="hubspot", clock=portal.clock, keep=MemoryKeep(), state_dir=tmp_path, transport=referee)

    return make


@pytest.fixture
async def sink(portal, host):
    async with plugin.build(config(), host(portal)) as sink:
        yield sink


# --- what every sink must do -----------------------------------------------------------------------


class Agent:
    """Somebody who works in the portal."""

    def __init__(self, portal: FakeHubspot) -> None:
        self.portal = portal

    async def close(self, ref: TicketRef) -> None:
        self.portal.things["tickets", ref.id].properties["hs_pipeline_stage"] = "4"

    async def delete(self, ref: TicketRef) -> None:
        self.portal.things["tickets", ref.id].archived = True

    async def comments(self, ref: TicketRef) -> list[str]:
        return [html.unescape(re.sub(r"<[^>]*>", "\n", body)) for body in self.portal.notes(ref.id)]

    async def count(self, key: str) -> int:
        return sum(each.properties["tocsin_incident_id"] == key for each in self.portal.tickets())


@pytest.mark.parametrize("name", REQUIREMENTS)
async def test_conformance(name, portal, host, tmp_path) -> None:
    subject = Subject(
        plugin=plugin,
        config=config(),
        state_dir=tmp_path,
        transport=host(portal).transport,
        person=Agent(portal),
        clock=portal.clock,
    )
    try:
        await fulfil(subject, name)
    except NotOffered as why:
        pytest.skip(str(why))


# --- create and find -------------------------------------------------------------------------------


async def test_a_ticket_is_made_with_all_that_the_portal_shows(portal, sink) -> None:
    ref = await sink.open(draft())
    (ticket,) = portal.tickets()
    assert (ref.id, ref.name) == (ticket.id, ticket.id)
    assert ref.url == f"https://app.hubspot.com/contacts/12345678/record/0-5/{ticket.id}"
    assert ticket.properties == {
        "subject": "[P2] Link down gw-7 [TOC-01JD9F2C]",
        "content": "ifIndex 7 is down",
        "hs_pipeline": "0",
        "hs_pipeline_stage": "1",
        "hs_ticket_priority": "HIGH",
        "hubspot_owner_id": "41629779",
        "tocsin_incident_id": "01JD9F2C",
        "tocsin_fingerprint": "1:9f2c",
        "tocsin_source": "gw-7",
        "tocsin_condition": "link_down",
        "tocsin_object": "ge-0/0/1",
        "tocsin_occurrences": "1",
        "tocsin_first_seen": "2026-11-22T00:00:00Z",
        "tocsin_last_seen": "2026-11-22T00:01:00Z",
    }


@pytest.mark.parametrize("status", [409, 400])
async def test_a_key_that_is_taken_is_adopted_however_the_portal_words_it(portal, sink, status) -> None:
    portal.conflict_status = status
    first = await sink.open(draft())
    assert await sink.open(draft(title="again")) == first
    assert len(portal.tickets()) == 1


async def test_a_taken_key_that_cannot_be_read_yet_is_no_second_ticket(portal, sink) -> None:
    await sink.open(draft())
    portal.hidden_keys.add(draft().key)
    with pytest.raises(Retry, match="does not show that ticket yet"):
        await sink.open(draft())
    assert len(portal.tickets()) == 1


LOST = [
    Fault(kind=Kind.RESET, after=True),
    Fault(kind=Kind.TIMEOUT, after=True),
    Fault(kind=Kind.STATUS, status=500, after=True),
    Fault(kind=Kind.STATUS, status=503, after=True, retry_after="1"),
    Fault(kind=Kind.HTML, after=True),
    Fault(kind=Kind.WRONG_JSON, after=True),
]


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.kind.value} {fault.status}")
async def test_a_lost_answer_to_a_create_is_unknown_and_the_ticket_is_found(portal, sink, fault) -> None:
    portal.break_next(replace(fault, on="POST /crm/objects"))
    with pytest.raises(UnknownOutcome):
        await sink.open(draft())
    found = await sink.find(draft().key, since_ms=0)
    assert found is not None
    assert await sink.open(draft()) == found
    assert len(portal.tickets()) == 1


REFUSED = [
    (Fault(kind=Kind.RATE_LIMITED), Retry, Failed.RATE_LIMITED, 10.0),
    (Fault(kind=Kind.RATE_LIMITED, retry_after="3"), Retry, Failed.RATE_LIMITED, 3.0),
    (Fault(kind=Kind.STATUS, status=423), Retry, Failed.SERVER_ERROR, 2.0),
    (Fault(kind=Kind.STATUS, status=477, retry_after="90"), Retry, Failed.SERVER_ERROR, 90.0),
    (Fault(kind=Kind.UNAUTHORIZED), Unauthorized, Failed.AUTH_ERROR, None),
    (Fault(kind=Kind.FORBIDDEN), Unauthorized, Failed.AUTH_ERROR, None),
    (Fault(kind=Kind.STATUS, status=400), Reject, Failed.CLIENT_ERROR, None),
]


@pytest.mark.parametrize(("fault", "kind", "reason", "after_s"), REFUSED)
async def test_a_refused_create_was_none(portal, sink, fault, kind, reason, after_s) -> None:
    portal.break_next(replace(fault, on="POST /crm/objects"))
    with pytest.raises(SinkError) as caught:
        await sink.open(draft())
    assert type(caught.value) is kind
    assert caught.value.reason is reason
    assert getattr(caught.value, "after_s", None) == after_s
    assert TOKEN not in str(caught.value)
    assert portal.tickets() == []


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.STATUS, status=502),
        Fault(kind=Kind.HTML),
        Fault(kind=Kind.RESET),
        Fault(kind=Kind.TIMEOUT),
        Fault(kind=Kind.WRONG_JSON),
    ],
)
async def test_a_failed_search_is_never_not_there(portal, sink, fault) -> None:
    await sink.open(draft())
    portal.break_next(fault)
    with pytest.raises(Retry):
        await sink.find(draft().key, since_ms=0)


async def test_a_missing_owner_never_stops_a_ticket(portal, host) -> None:
    portal.scopes = frozenset({"crm.objects.tickets.read", "crm.objects.tickets.write"})
    async with plugin.build(config(owners={"noc": "gone@example.com"}), host(portal)) as sink:
        with capture_logs() as logs:
            await sink.open(draft())
            await sink.open(draft(key="other"))
    assert len(portal.tickets()) == 2
    assert [entry["event"] for entry in logs] == ["owner.not_readable"]


async def test_a_portal_that_was_not_set_up_says_the_cure(host) -> None:
    portal = FakeHubspot(ManualClock())
    async with plugin.build(config(), host(portal)) as sink:
        with pytest.raises(Reject, match="tocsin setup hubspot --apply"):
            await sink.open(draft())


async def test_a_portal_without_own_properties_uses_the_built_in_unique_one(host) -> None:
    portal = FakeHubspot(ManualClock())
    options = config(id_property="hs_external_object_ids", extra_properties=False)
    async with plugin.build(options, host(portal)) as sink:
        ref = await sink.open(draft())
        assert await sink.open(draft()) == ref
        assert await sink.find(draft().key, since_ms=0) == ref
    assert len(portal.tickets()) == 1


# --- update ----------------------------------------------------------------------------------------


def written(portal: FakeHubspot) -> list[dict]:
    """The properties of each PATCH."""
    return [call.json["properties"] for call in portal.asked("PATCH")]


async def test_an_update_writes_only_what_differs(portal, sink) -> None:
    ref = await sink.open(draft())
    await sink.update(ref, draft())
    assert written(portal) == []
    await sink.update(ref, draft(impact=Impact.CRITICAL, occurrences=2))
    assert written(portal) == [{"hs_ticket_priority": "URGENT", "tocsin_occurrences": "2"}]


async def test_a_ticket_is_closed_and_reopened(portal, sink) -> None:
    ref = await sink.open(draft())
    for state, stage in ((TicketState.RESOLVED, "4"), (TicketState.CLOSED, "4"), (TicketState.OPEN, "1")):
        await sink.update(ref, draft(state=state))
        assert portal.tickets()[0].properties["hs_pipeline_stage"] == stage


async def test_a_stage_of_the_same_meaning_stays_where_a_person_moved_it(portal, sink) -> None:
    ref = await sink.open(draft())
    portal.tickets()[0].properties["hs_pipeline_stage"] = "3"  # "Waiting on us"
    await sink.update(ref, draft(occurrences=5))
    assert portal.tickets()[0].properties["hs_pipeline_stage"] == "3"
    await sink.update(ref, draft(state=TicketState.CLOSED))
    assert portal.tickets()[0].properties["hs_pipeline_stage"] == "4"


async def test_a_ticket_that_a_person_closed_is_not_taken_back_to_resolved(portal, host) -> None:
    portal.pipelines[0]["stages"].append({**portal.pipelines[0]["stages"][3], "id": "5", "label": "Resolved"})
    async with plugin.build(config(stages={"resolved": "5"}), host(portal)) as sink:
        ref = await sink.open(draft())
        for stage, state, after in (
            ("4", "resolved", "4"),
            ("1", "resolved", "5"),
            ("5", "closed", "4"),
            ("5", "open", "1"),
        ):
            portal.tickets()[0].properties["hs_pipeline_stage"] = stage
            await sink.update(ref, draft(state=TicketState(state)))
            assert portal.tickets()[0].properties["hs_pipeline_stage"] == after


@pytest.mark.parametrize(
    ("kept", "name", "value"),
    [
        (TicketField.PRIORITY, "hs_ticket_priority", "LOW"),
        (TicketField.STATE, "hs_pipeline_stage", "4"),
        (TicketField.OWNER, "hubspot_owner_id", "41629780"),
    ],
)
async def test_what_a_person_owns_is_kept(portal, sink, kept, name, value) -> None:
    ref = await sink.open(draft())
    ticket = portal.tickets()[0]
    ticket.properties[name] = value
    await sink.update(ref, draft(keep=frozenset({kept})))
    assert ticket.properties[name] == value
    await sink.update(ref, draft())
    assert ticket.properties[name] != value


async def test_another_team_is_another_owner(portal, sink) -> None:
    ref = await sink.open(draft())
    await sink.update(ref, draft(team="field"))
    assert portal.tickets()[0].properties["hubspot_owner_id"] == "41629780"
    await sink.update(ref, draft(team="unmapped"))
    assert portal.tickets()[0].properties["hubspot_owner_id"] == "41629780"


@pytest.mark.parametrize("fault", LOST, ids=lambda fault: f"{fault.kind.value} {fault.status}")
async def test_an_update_with_a_lost_answer_may_be_repeated(portal, sink, fault) -> None:
    ref = await sink.open(draft())
    portal.break_next(replace(fault, on="PATCH"))
    if fault.kind is not Kind.WRONG_JSON:  # nothing of that answer is needed
        with pytest.raises(UnknownOutcome):
            await sink.update(ref, draft(state=TicketState.CLOSED))
    await sink.update(ref, draft(state=TicketState.CLOSED))
    assert portal.tickets()[0].properties["hs_pipeline_stage"] == "4"


async def test_an_update_of_a_deleted_ticket_is_rejected(portal, sink) -> None:
    ref = await sink.open(draft())
    portal.tickets()[0].archived = True
    with pytest.raises(Reject, match="deleted"):
        await sink.update(ref, draft())


# --- comments, links, files ------------------------------------------------------------------------


async def test_a_comment_is_a_note_whose_text_is_never_markup(portal, sink) -> None:
    ref = await sink.open(draft())
    text = 'cleared </p><img src=x onerror="alert(1)"> & done\nsecond line'
    await sink.comment(ref, Comment(mark="TOC-01JD9F2C-7", text=text))
    said, mark = portal.notes(ref.id)[0].split("</p>", 1)
    assert said == "<p>cleared &lt;/p&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt; &amp; done<br>second line"
    assert mark == "<p>TOC-01JD9F2C-7</p>"
    note = portal.asked("POST", "/notes")[0].json
    assert note["properties"]["hs_timestamp"] == "2026-11-22T00:00:00Z"
    assert note["associations"][0]["types"] == [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 228}]


async def test_a_huge_comment_fits_and_keeps_its_mark(portal, sink) -> None:
    ref = await sink.open(draft())
    await sink.comment(ref, Comment(mark="TOC-X-1", text="<&>" * 60_000))
    (body,) = portal.notes(ref.id)
    assert len(body) <= 65_536
    assert body.endswith("<p>TOC-X-1</p>")
    assert await sink.has_comment(ref, "TOC-X-1")


async def test_a_comment_in_doubt_is_found_by_its_whole_mark(portal, sink) -> None:
    ref = await sink.open(draft())
    portal.break_next(Fault(kind=Kind.RESET, after=True, on="POST /crm/objects/2026-09/notes"))
    with pytest.raises(UnknownOutcome):
        await sink.comment(ref, Comment(mark="TOC-X-12", text="text"))
    assert await sink.has_comment(ref, "TOC-X-12")
    assert not await sink.has_comment(ref, "TOC-X-1")
    assert not await sink.has_comment(ref, "TOC-X-123")


async def test_a_comment_is_found_among_more_notes_than_one_answer_lists(portal, sink) -> None:
    portal.page = 3
    ref = await sink.open(draft())
    for number in range(6):
        await sink.comment(ref, Comment(mark=f"TOC-X-{number}", text="text"))
    assert all([await sink.has_comment(ref, f"TOC-X-{number}") for number in range(6)])
    assert not await sink.has_comment(ref, "TOC-X-6")


async def test_a_comment_that_cannot_be_looked_for_is_in_doubt(portal, sink) -> None:
    ref = await sink.open(draft())
    portal.break_next(Fault(kind=Kind.STATUS, status=502))
    with pytest.raises(Retry):
        await sink.has_comment(ref, "TOC-X-1")


async def test_two_tickets_are_linked_both_ways_and_twice_is_once(portal, sink) -> None:
    one, two = await sink.open(draft()), await sink.open(draft(key="other"))
    await sink.link(one, two)
    await sink.link(one, two)
    assert portal.things["tickets", one.id].linked == {("tickets", two.id)}
    assert portal.things["tickets", two.id].linked == {("tickets", one.id)}


async def test_a_file_is_uploaded_privately_and_hung_on_the_ticket_once(portal, sink) -> None:
    ref = await sink.open(draft())
    photo = Attachment(name="<b>rack.jpg", media_type="image/jpeg", content=b"\xff\xd8photo")
    portal.break_next(Fault(kind=Kind.TIMEOUT, after=True, on="POST /crm/objects/2026-09/notes"))
    with pytest.raises(UnknownOutcome):
        await sink.attach(ref, photo, mark="TOC-X-a1")
    await sink.attach(ref, photo, mark="TOC-X-a1")
    ((id_, file),) = portal.files.items()
    assert (file["content"], file["access"], file["folder"]) == (b"\xff\xd8photo", "PRIVATE", "/tocsin")
    assert portal.notes(ref.id) == ["<p>Attachment: &lt;b&gt;rack.jpg</p><p>TOC-X-a1</p>"]
    assert portal.asked("POST", "/notes")[0].json["properties"]["hs_attachment_ids"] == id_


async def test_a_file_that_is_too_large_is_told_instead(portal, host) -> None:
    async with plugin.build(config(max_attachment_bytes=3), host(portal)) as sink:
        ref = await sink.open(draft())
        await sink.attach(ref, Attachment(name="a.log", media_type="text/plain", content=b"1234"), mark="TOC-X-a1")
    assert portal.files == {}
    assert "too large: a.log" in portal.notes(ref.id)[0]


# --- observe ---------------------------------------------------------------------------------------


async def test_what_people_did_is_observed(portal, sink) -> None:
    refs = [await sink.open(draft(key=f"K{number}")) for number in range(5)]
    worked_on, closed, deleted, merged, other = (portal.things["tickets", ref.id] for ref in refs)
    worked_on.properties |= {"hs_pipeline_stage": "2", "hs_ticket_priority": "LOW", "hubspot_owner_id": "41629780"}
    closed.properties["hs_pipeline_stage"] = "4"
    deleted.archived = True
    new = portal.merge(merged.id, other.id)
    seen = await sink.observe(refs)
    assert [(each.exists, each.state) for each in seen[:2]] == [(True, TicketState.OPEN), (True, TicketState.CLOSED)]
    assert (seen[0].impact, seen[0].owner, seen[0].asked) == (Impact.LOW, "41629780", "")
    assert not seen[2].exists
    assert [(each.ref.id, each.asked) for each in seen[3:]] == [(new, refs[3].id), (new, refs[4].id)]


async def test_many_tickets_are_observed_in_few_calls(portal, sink) -> None:
    refs = [await sink.open(draft(key=f"K{number}")) for number in range(101)]
    before = len(portal.calls)
    assert [each.ref.id for each in await sink.observe(refs)] == [ref.id for ref in refs]
    assert len(portal.calls) - before == 2


async def test_a_stage_that_means_wont_fix_is_seen_as_such(portal, host) -> None:
    portal.pipelines[0]["stages"].append({**portal.pipelines[0]["stages"][3], "id": "77", "label": "Declined"})
    portal.pipelines[0]["stages"].append({**portal.pipelines[0]["stages"][3], "id": "78", "label": "Done"})
    async with plugin.build(config(wont_fix_stages=["77"]), host(portal)) as sink:
        declined, done = await sink.open(draft()), await sink.open(draft(key="other"))
        portal.things["tickets", declined.id].properties["hs_pipeline_stage"] = "77"
        portal.things["tickets", done.id].properties["hs_pipeline_stage"] = "78"
        seen = await sink.observe([declined, done])
    assert [(each.state, each.wont_fix) for each in seen] == [(TicketState.CLOSED, True), (TicketState.CLOSED, False)]


async def test_a_failed_poll_says_nothing_about_any_ticket(portal, sink) -> None:
    ref = await sink.open(draft())
    portal.break_next(Fault(kind=Kind.WRONG_JSON))
    with pytest.raises(Retry):
        await sink.observe([ref])


async def test_a_slow_portal_is_waited_for(portal, sink) -> None:
    portal.break_next(Fault(kind=Kind.SLOW, seconds=30, on="POST"))
    async with asyncio.TaskGroup() as tasks:
        opening = tasks.create_task(sink.open(draft()))
        await portal.clock.advance(29)
        assert not opening.done()
        await portal.clock.advance(1)
    assert opening.result().id == portal.tickets()[0].id


# --- set-up ----------------------------------------------------------------------------------------


async def wrong(portal: FakeHubspot, host, *, apply: bool = False, **changes) -> list[str]:
    """The sentences of the findings that are not well."""
    async with plugin.build(config(**changes), host(portal)) as sink:
        return [finding.what for finding in await sink.check(apply=apply) if not finding.ok]


async def test_a_portal_that_is_well_is_told_so(portal, host) -> None:
    assert await wrong(portal, host) == []
    assert portal.tickets() == []


async def test_set_up_makes_our_properties_once_and_then_a_ticket_works(host) -> None:
    portal = FakeHubspot(ManualClock())
    assert len(await wrong(portal, host)) == 8
    async with plugin.build(config(), host(portal)) as sink:
        applied = [finding for finding in await sink.check(apply=True) if finding.applied]
        assert len(applied) == 8
        assert [finding for finding in await sink.check(apply=True) if finding.applied or not finding.ok] == []
        await sink.open(draft())
    assert portal.defined["tickets"]["tocsin_incident_id"]["hasUniqueValue"]
    assert portal.groups["tocsin"] == "Tocsin"


async def test_a_key_property_that_is_not_unique_is_refused(portal, host) -> None:
    portal.make_property("tocsin_incident_id", unique=False)
    (sentence,) = [each for each in await wrong(portal, host, apply=True) if "incident_id" in each]
    assert "does not demand unique values" in sentence
    assert "id_property" in sentence


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"pipeline": "9"}, "no ticket pipeline with the id 9: set pipeline to one of: 0 (Support)."),
        (
            {"stages": {"open": "8"}},
            "no stage with the id 8: set stages.open to one of: 1 (New), 2 (Waiting on contact)",
        ),
        ({"stages": {"closed": "3"}}, "The stage 3 (Waiting on us) counts as OPEN, not CLOSED"),
        (
            {"priorities": {"critical": "P1"}},
            "hs_ticket_priority has no option P1: set priorities.critical to one of: LOW",
        ),
        ({"owners": {"noc": "who@example.com"}}, "no owner who@example.com for team noc"),
        ({"owners": {"noc": "7"}}, "no owner 7 for team noc"),
        ({"portal_id": "1"}, 'belongs to account 12345678: set portal_id = "12345678"'),
    ],
)
async def test_each_wrong_option_is_one_sentence_with_its_cure(portal, host, changes, sentence) -> None:
    assert [each for each in await wrong(portal, host, **changes) if sentence in each]


async def test_a_refused_token_is_the_only_finding_and_is_not_shown(portal, host) -> None:
    (sentence,) = await wrong(portal, host, token=Secret("pat-wrong-token", reference="env:HUBSPOT_TOKEN"))
    assert "env:HUBSPOT_TOKEN" in sentence
    assert "pat-wrong-token" not in sentence


async def test_a_missing_scope_is_named(portal, host) -> None:
    portal.scopes = frozenset({"crm.objects.tickets.read", "crm.objects.tickets.write", "crm.objects.owners.read"})
    sentences = await wrong(portal, host)
    assert [each for each in sentences if "may not write notes" in each and "crm.objects.notes.write" in each]
    assert not [each for each in sentences if "may not write tickets" in each]


async def test_a_portal_that_cannot_be_reached_is_not_called_a_bad_token(portal, host) -> None:
    portal.break_next(Fault(kind=Kind.STATUS, status=502))
    (sentence,) = await wrong(portal, host)
    assert "502" in sentence
    assert "service key" not in sentence


async def test_a_set_up_that_breaks_off_still_tells_what_it_made(host) -> None:
    portal = FakeHubspot(ManualClock())
    portal.break_next(Fault(kind=Kind.STATUS, status=502, on="GET /crm/properties/2026-09/tickets/tocsin_source"))
    async with plugin.build(config(), host(portal)) as sink:
        findings = await sink.check(apply=True)
    assert [each.what for each in findings if each.applied] == [
        "The property tocsin_incident_id was made.",
        "The property tocsin_fingerprint was made.",
    ]
    assert [each.what for each in findings if "could not be verified" in each.what and "502" in each.what]

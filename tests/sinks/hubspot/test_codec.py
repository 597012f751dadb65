"""HubSpot's JSON: everything a string, nothing foreign markup, nothing too long."""

import html
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.impact import Impact
from gateway.core.ticket import Comment, Observation, TicketDraft, TicketField, TicketState
from gateway.plugin import Secret
from sinks._text import size
from sinks.hubspot import codec
from sinks.hubspot.config import HubspotConfig

CONFIG = HubspotConfig(token=Secret("pat-x"), wont_fix_stages=("9",), portal_id="77")
DRAFT = TicketDraft(
    key="K",
    title="t",
    description="d",
    impact=Impact.LOW,
    state=TicketState.OPEN,
    fingerprint="1:f",
    source="s",
    condition="c",
)
foreign = st.text(alphabet=st.characters() | st.sampled_from("<>&\"'/!?\n"), max_size=200)
drafts = st.builds(
    lambda title, text, impact, state: replace(
        DRAFT, title=title, description=text, source=text, object=title, impact=impact, state=state
    ),
    foreign,
    foreign,
    st.sampled_from(Impact),
    st.sampled_from(TicketState),
)
TAG = re.compile(r"<[A-Za-z/!?]")


@given(drafts)
def test_every_property_is_a_string_that_can_be_sent_and_begins_no_tag(draft) -> None:
    for name, value in codec.create_body(draft, CONFIG, owner="5")["properties"].items():
        assert isinstance(value, str), name
        value.encode("utf-8")
        assert not TAG.search(value)
        assert size(value) <= codec.TEXT_LIMIT


@given(foreign, st.sampled_from(["TOC-K-7", "TOC-<K>&-7"]))
def test_a_note_holds_the_text_as_text_and_its_mark(text, mark) -> None:
    body = codec.note_body(Comment(mark=mark, text=text * 50), ticket="1", now_ms=0)["properties"]["hs_note_body"]
    assert set(re.findall(r"<[^>]*>", body)) <= {"<p>", "</p>", "<br>"}
    assert size(body) <= codec.NOTE_LIMIT
    assert codec.holds_mark(body, mark)


def test_a_note_that_is_cut_still_says_all_it_can() -> None:
    body = codec.note_body(Comment(mark="TOC-K-7", text="&" * 70_000), ticket="1", now_ms=0)["properties"][
        "hs_note_body"
    ]
    assert codec.NOTE_LIMIT - 10 < size(body) <= codec.NOTE_LIMIT
    assert "cut: the whole text is in Tocsin" in html.unescape(body)


def test_markup_from_outside_is_broken_visibly_for_nobody() -> None:
    sent = codec.properties_of(replace(DRAFT, description="a<b and <script>x</script> 1 < 2"), CONFIG)["content"]
    assert sent == "a<\u2060b and <\u2060script>x<\u2060/script> 1 < 2"


@given(drafts, drafts)
def test_writing_the_changes_leaves_nothing_to_change(seen, wanted) -> None:
    properties = codec.create_body(seen, CONFIG, owner="5")["properties"]
    record = codec.Record("1", properties, "")
    written = codec.changes(wanted, record, seen.state, CONFIG, owner="6")
    after = codec.Record("1", {**properties, **written}, "")
    now = codec.known_state(after.properties[codec.STAGE], CONFIG)
    assert codec.changes(wanted, after, now, CONFIG, owner="6") == {}


@given(drafts, st.sets(st.sampled_from(TicketField)))
def test_no_change_touches_what_a_person_owns(wanted, kept) -> None:
    seen = codec.Record("1", {codec.STAGE: "2", codec.PRIORITY: "X", codec.OWNER: "1"}, "")
    written = codec.changes(replace(wanted, keep=frozenset(kept)), seen, TicketState.OPEN, CONFIG, owner="6")
    owned = {TicketField.STATE: codec.STAGE, TicketField.PRIORITY: codec.PRIORITY, TicketField.OWNER: codec.OWNER}
    assert not {owned[each] for each in kept} & set(written)


def test_the_runbook_is_in_the_description_once() -> None:
    draft = replace(DRAFT, runbook="https://wiki/x")
    assert codec.properties_of(draft, CONFIG)["content"] == "Runbook: https://wiki/x\n\nd"
    said = replace(draft, description="see https://wiki/x")
    assert codec.properties_of(said, CONFIG)["content"] == "see https://wiki/x"


def shown(**properties) -> codec.Record:
    return codec.Record("5", properties, "")


def test_an_observation_says_only_what_the_priority_means() -> None:
    seen = codec.observation(shown(hs_ticket_priority="URGENT"), TicketState.OPEN, CONFIG, asked="5")
    assert seen == Observation(ref=codec.ref(shown(), CONFIG), impact=Impact.CRITICAL)
    assert seen.ref.url == "https://app.hubspot.com/contacts/77/record/0-5/5"
    shared = CONFIG.model_copy(update={"priorities": CONFIG.priorities.model_copy(update={"high": "URGENT"})})
    for config, option in ((shared, "URGENT"), (CONFIG, "NEW_ONE"), (CONFIG, "")):
        record = shown(hs_ticket_priority=option)
        assert codec.observation(record, TicketState.OPEN, config, asked="5").impact is None


def test_a_stage_means_what_the_configuration_says() -> None:
    apart = CONFIG.model_copy(update={"stages": CONFIG.stages.model_copy(update={"resolved": "3"})})
    assert [codec.known_state(stage, apart) for stage in "13498"] == [
        TicketState.OPEN,
        TicketState.RESOLVED,
        TicketState.CLOSED,
        TicketState.CLOSED,
        None,
    ]
    assert codec.known_state("4", CONFIG) is TicketState.CLOSED


@pytest.mark.parametrize(
    "body", [None, [], {}, {"id": "1"}, {"id": "1", "properties": []}, {"id": "x", "properties": {}}, "text", 5]
)
def test_what_is_no_record_is_told(body) -> None:
    with pytest.raises((LookupError, TypeError, ValueError, AttributeError)):
        codec.record(body)


def test_a_link_that_is_no_web_address_is_not_passed_on() -> None:
    body = {"id": "1", "properties": {"a": None, "b": "x"}, "url": "javascript:alert(1)"}
    assert codec.record(body) == codec.Record("1", {"b": "x"}, "")


def test_the_newest_notes_come_first() -> None:
    notes = {"results": [{"id": "9"}, {"id": "10"}, {"id": "10"}], "paging": {"next": {"after": "x"}}}
    assert codec.associated_notes({"associations": {"notes": notes}}) == (["10", "9"], True)
    assert codec.associated_notes({}) == ([], False)

"""ClickUp's JSON is written and read without a network."""

from dataclasses import replace

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gateway.core.impact import Impact
from gateway.core.ticket import Comment, TicketDraft, TicketState
from gateway.plugin import Secret, Unauthorized
from gateway.testing.clock import ManualClock
from sinks._http import Refused
from sinks._text import size
from sinks.clickup import codec
from sinks.clickup import task as answers
from sinks.clickup.config import ClickupConfig
from sinks.clickup.manners import FieldRefused, Manners, OutOfReach, StatusRefused

FIELD = "0a52c486-5f05-403b-b4fd-c512ff05131c"
DRAFT = TicketDraft(
    key="01JD9F2C",
    title="[P2] Link down gw-7 [TOC-01JD9F2C]",
    description="ifIndex 7 is down",
    impact=Impact.HIGH,
    state=TicketState.OPEN,
    fingerprint="1:9f2c",
    source="gw-7",
    condition="link_down",
)
TASK = {"id": "9hx", "name": "x", "status": {"status": "To Do", "type": "open"}, "date_created": "1567780450202"}


def config(**changes) -> ClickupConfig:
    return ClickupConfig(**{"token": Secret("pk_1"), "list_id": "901"} | changes)


@given(st.text(max_size=400), st.text(alphabet="0123456789ABCXYZ-", min_size=1, max_size=20))
def test_a_name_fits_and_is_its_own_tickets(title, key):
    name = codec.title(replace(DRAFT, title=title, key=key), 250)
    assert size(name) <= 250
    assert "\n" not in name
    seen = replace(answers.task(TASK), name=name)
    assert codec.belongs(seen, key, config())
    assert not codec.belongs(seen, key + "0", config())
    assert not codec.belongs(seen, key[:-1], config())


@given(st.text(max_size=3000), st.integers(500, 1000))
def test_a_description_fits_with_its_markup_and_is_never_empty(text, limit):
    sent = codec.description(replace(DRAFT, description=text), limit)
    assert 1 <= size(sent) <= limit


@given(st.text(max_size=2000))
def test_a_comment_fits_and_is_found_by_its_mark_only(text):
    body = codec.comment_body(Comment(mark="TOC-1-7", text=text), config(comment_limit=500))
    assert size(body["comment_text"]) <= 500
    assert codec.carries(body["comment_text"] + "\n", "TOC-1-7")
    assert not codec.carries(body["comment_text"], "TOC-1-70")


@given(st.text(max_size=300))
def test_the_name_of_a_file_stays_a_name(name):
    made = codec.file_name(name, "a1b2")
    assert made.startswith("a1b2-")
    assert not set(made) & set('\\/"<>\n\r\0')
    assert len(made) > len("a1b2-")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*TASK, "tasks", "comments", "statuses", "assignees", "err", "ECODE"]), inner)
    ),
    max_leaves=15,
)


@given(JSON)
def test_any_answer_is_read_or_refused_in_the_promised_way(body):
    for parse in (answers.task, answers.tasks, answers.remarks, answers.statuses, answers.status):
        try:
            parse(body)
        except (LookupError, TypeError, ValueError, AttributeError):
            continue
    assert isinstance(answers.explain(body), str)
    assert isinstance(answers.error_code(body), str)


def test_a_strange_task_of_somebody_else_spoils_no_page():
    strange = TASK | {"name": None, "priority": None, "assignees": None, "date_created": None, "url": "javascript:1"}
    (seen,), last = answers.tasks({"tasks": [strange]})
    assert last
    assert (seen.name, seen.url, seen.priority, seen.created_ms) == ("", "", None, 0)


def test_a_priority_that_stands_for_two_impacts_says_neither():
    chosen = config(priorities={"critical": 1, "high": 1})
    seen = answers.task(TASK | {"priority": {"id": "1"}})
    asked = codec.ref(seen)
    assert codec.observation(seen, asked, chosen).impact is None
    assert codec.observation(seen, asked, config()).impact is Impact.CRITICAL


def test_with_a_key_field_the_field_says_whose_it_is():
    chosen = config(fields={"key": FIELD})
    seen = replace(answers.task(TASK), name="renamed [TOC-2]", fields={FIELD: "1"})
    assert codec.belongs(seen, "1", chosen)
    assert not codec.belongs(seen, "2", chosen)
    assert codec.belongs(replace(seen, fields={}), "2", chosen)


def refused(status: int, body: object = None, headers: dict[str, str] | None = None) -> Refused:
    return Refused(
        status=status, json=body, headers=httpx.Headers(headers or {}), writes=True, sentence="said so", after_s=None
    )


@pytest.mark.parametrize(
    ("status", "code", "verdict"),
    [
        (401, "OAUTH_023", OutOfReach),
        (401, "OAUTH_027", OutOfReach),
        (401, "OAUTH_045", OutOfReach),
        (401, "OAUTH_025", None),
        (401, "OAUTH_017", None),
        (403, "OAUTH_027", None),
        (400, "FIELD_011", FieldRefused),
        (403, "FIELD_605", FieldRefused),
        (500, "FIELD_605", None),
        (400, "CRTSK_001", StatusRefused),
        (400, "INPUT_003", None),
    ],
)
def test_a_refusal_means_what_clickup_means(status, code, verdict):
    judged = Manners(ManualClock()).judge(refused(status, {"err": "x", "ECODE": code}))
    assert (judged is None) if verdict is None else (type(judged) is verdict)
    assert isinstance(judged, Unauthorized) == (verdict is OutOfReach)


@pytest.mark.parametrize(
    ("reset_in_s", "after_s"),
    [(17, 17), (0, 1), (-5, 1), (3600, 60), (None, 60)],
    ids=["soon", "now", "past", "far", "-"],
)
def test_a_rate_limit_is_waited_for_by_their_clock(reset_in_s, after_s):
    clock = ManualClock()
    manners = Manners(clock)
    manners.listen(200, {"date": "Sun, 22 Nov 2026 01:00:00 GMT", "x-ratelimit-limit": "1000"})
    assert (manners.skew_ms, manners.calls_per_minute) == (3_600_000, 1000)
    reset = {} if reset_in_s is None else {"x-ratelimit-reset": str(clock.now_ms() // 1000 + 3600 + reset_in_s)}
    assert manners.judge(refused(429, headers=reset)).after_s == after_s


def test_headers_that_say_nothing_change_nothing():
    manners = Manners(ManualClock())
    manners.listen(200, {"date": "yesterday", "x-ratelimit-limit": "many"})
    assert (manners.skew_ms, manners.calls_per_minute) == (0, None)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"token": Secret("Bearer x")}, "without Bearer"),
        ({"base_url": "https://api.clickup.com/api/v2"}, "without the version"),
        ({"base_url": "http://api.clickup.com/api"}, "https://"),
        ({"list_id": "https://app.clickup.com/1/v/li/2"}, "list_id"),
        ({"statuses": {"open": "done", "closed": "Done"}}, "must differ"),
        ({"priorities": {"low": 5}}, "low"),
        ({"fields": {"key": "Tocsin key"}}, "key"),
        ({"fields": {"colour": FIELD}}, "colour"),
        ({"tags": ["a/b"]}, "tags"),
    ],
)
def test_a_mistake_in_the_options_is_told(changes, sentence):
    with pytest.raises(ValidationError, match=sentence):
        config(**changes)

"""Fingerprints, ids, text, drafts, paces and outbox rules."""

import random
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core import operation as outbox
from gateway.core.decision import OperationKind, Rank
from gateway.core.draft import LONGEST_TITLE, draft
from gateway.core.event import Event, EventKind, event_changed
from gateway.core.fingerprint import LONGEST, fingerprint
from gateway.core.ids import ALPHABET, IdMaker, encode, is_id
from gateway.core.impact import Impact, graver
from gateway.core.incident import Incident, State, changed, made
from gateway.core.operation import Operation, OperationState
from gateway.core.pace import Breaker, Budget
from gateway.core.reason import Failed
from gateway.core.text import clean, is_printable, one_line, span, toml_string, utc
from gateway.core.ticket import Ticket, TicketField, TicketRef, TicketState

NOW = 1_795_305_600_000
_words = st.text(max_size=30)


# --- identity --------------------------------------------------------------------------------------


def test_a_fingerprint_is_readable() -> None:
    assert fingerprint("link_down", "r1", "ge-0/0/1", [("vlan", "12")]) == "1:link_down|r1|ge-0/0/1|vlan=12"


@given(st.tuples(_words, _words, _words, _words), st.tuples(_words, _words, _words, _words))
def test_different_identities_have_different_fingerprints(first, second) -> None:
    marks = [fingerprint(a, b, c, [("x", d)]) for a, b, c, d in (first, second)]
    assert (marks[0] == marks[1]) == (first == second)


@given(st.text(min_size=LONGEST, max_size=2 * LONGEST))
def test_a_long_fingerprint_is_cut_and_still_tells_apart(source: str) -> None:
    mark = fingerprint("c", source)
    assert len(mark) <= LONGEST
    assert mark != fingerprint("c", source + "x")


def test_ids_ascend_even_when_the_clock_stands_still_or_steps_back() -> None:
    make = IdMaker(random.Random(7).getrandbits)
    made = [make(NOW - (n % 3) * 1000) for n in range(5000)]
    assert made == sorted(set(made))
    assert all(map(is_id, made))
    assert not is_id("short")
    assert not is_id("0123456789ABI")


# --- words for people ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "said"), [(0, "0 s"), (999, "0 s"), (61_000, "1 min 1 s"), (90_061_000, "1 d 1 h"), (-5, "0 s")]
)
def test_spans(ms: int, said: str) -> None:
    assert span(ms) == said


def test_instants() -> None:
    assert utc(NOW) == "2026-11-22 00:00:00 UTC"


@given(st.text())
def test_one_line_is_one_line_without_hidden_characters(text: str) -> None:
    line = one_line(text, 40)
    assert len(line) <= 40
    assert line.splitlines() in ([line], [])
    assert clean(line) == line


def test_direction_marks_and_escapes_are_taken_out() -> None:
    assert clean("a\u202eb\x1b[31m\r\nc\x00\ud800") == "ab[31m\nc"


def test_every_hidden_character_of_unicode_is_taken_out_and_no_other() -> None:
    import sys
    import unicodedata

    kept = {"\n", "\t", "\u200d"}
    for number in range(sys.maxunicode + 1):
        character = chr(number)
        hidden = unicodedata.category(character) in {"Cc", "Cf", "Cs", "Co"} and character not in kept
        if hidden:
            assert clean(character) in ("", "\n"), hex(number)  # a lone return is a line end
        elif unicodedata.category(character) != "Cn":
            assert clean(character) == character, hex(number)


@given(st.text(st.characters(max_codepoint=0x100) | st.characters(), max_size=8))
def test_printable_is_what_python_calls_so(text) -> None:
    assert is_printable(text) == text.isprintable()
    assert is_printable(text, also=b"\n\t") == text.replace("\n", "").replace("\t", "").isprintable()


# --- drafts ----------------------------------------------------------------------------------------


def test_a_draft_says_everything_and_keeps_the_mark(life) -> None:
    life.raised(summary="x" * 500, runbook="https://wiki/link", said={"description": "varbinds", "requester": "a@b"})
    made = draft(life.incident, Ticket(incident=life.id, sink="desk"))
    assert len(made.title) <= LONGEST_TITLE
    assert made.title.startswith("[P3] xxx")
    assert made.title.endswith(f"[{made.mark}]")
    assert "Runbook: https://wiki/link" in made.description
    assert made.description.endswith("varbinds")
    assert (made.state, made.keep, made.key) == (TicketState.OPEN, frozenset(), life.id)


def test_without_a_summary_the_title_says_what_and_where(life) -> None:
    life.raised()
    made = draft(life.incident, Ticket(incident=life.id, sink="desk"))
    assert made.title == f"[P3] link_down on r1 3 [TOC-{life.id}]"


def test_a_description_has_a_bound(life) -> None:
    life.raised(said={"description": "y" * 100_000})
    assert len(draft(life.incident, Ticket(incident=life.id, sink="desk")).description) == 16_000


def test_only_an_open_unmuted_incident_wants_a_ticket(life) -> None:
    life.raised(hold_ms=1)
    assert not life.wants_ticket
    life.after(1)
    assert life.wants_ticket
    life.seen(state="closed")
    assert not life.wants_ticket


def test_the_owner_is_left_alone_once_the_ticket_is_made(life) -> None:
    life.raised()
    ticket = Ticket(incident=life.id, sink="desk", ref=TicketRef(id="1"), owned=frozenset({TicketField.PRIORITY}))
    assert draft(life.incident, ticket).keep == {TicketField.OWNER, TicketField.PRIORITY}


def test_impacts() -> None:
    assert [impact.short for impact in Impact] == ["P1", "P2", "P3", "P4"]
    assert Impact.LOW.raised(9) is Impact.CRITICAL
    assert graver(Impact.LOW, Impact.HIGH) is Impact.HIGH


# --- pace ------------------------------------------------------------------------------------------


def test_a_budget_allows_a_burst_and_then_its_rate() -> None:
    budget = Budget(per_s=2, burst=2)
    for _ in range(2):
        assert budget.wait_s(now_s=0) == 0
        budget.spend(now_s=0)
    assert budget.wait_s(now_s=0) == pytest.approx(0.5)
    assert budget.wait_s(now_s=0.5) == 0
    budget.pause(10, now_s=1)
    assert budget.wait_s(now_s=1) == pytest.approx(10)
    assert budget.wait_s(now_s=11) == pytest.approx(0)


def test_a_breaker_opens_after_failures_in_a_row_probes_and_closes() -> None:
    breaker = Breaker(threshold=2, first_s=30, longest_s=100)
    breaker.failed(now_s=0)
    assert breaker.closed
    breaker.succeeded()
    breaker.failed(now_s=1)
    breaker.failed(now_s=1)
    assert (breaker.closed, breaker.wait_s(now_s=1)) == (False, 30)
    breaker.failed(now_s=31)
    assert breaker.wait_s(now_s=31) == 60
    breaker.failed(now_s=91)
    assert breaker.wait_s(now_s=91) == 100
    breaker.succeeded()
    assert breaker.wait_s(now_s=91) == 0


# --- outbox ----------------------------------------------------------------------------------------


def operation(**more) -> Operation:
    given_ = {
        "id": 1, "incident": "i", "sink": "s", "kind": OperationKind.SYNC, "rank": Rank.CREATE, "impact": Impact.HIGH,
        "reason": "first_raised", "created_ms": NOW, "next_ms": NOW, **more,
    }  # fmt: skip
    return Operation(**given_)


def test_a_refusal_is_tried_again_with_growing_jittered_back_off() -> None:
    waits = [outbox.backoff_ms(n, chance=1.0) for n in range(12)]
    assert waits[:3] == [1000, 2000, 4000]
    assert max(waits) == 600_000
    assert outbox.backoff_ms(3, chance=0.0) == 800


def test_retry_after_wins_within_its_cap() -> None:
    again = outbox.failed(operation(attempts=1), Failed.RATE_LIMITED, "slow down", now_ms=NOW, after_ms=5000, chance=1)
    assert (again.state, again.next_ms, again.error) == (OperationState.PENDING, NOW + 5000, "rate_limited: slow down")
    again = outbox.failed(operation(), Failed.RATE_LIMITED, "x", now_ms=NOW, after_ms=10**9, chance=1)
    assert again.next_ms == NOW + 3_600_000


def test_what_fails_for_a_week_is_dead() -> None:
    late = NOW + outbox.MAX_AGE_MS + 1
    assert outbox.failed(operation(), Failed.TIMEOUT, "x", now_ms=late, after_ms=None, chance=1).state == "dead"


def test_an_unknown_outcome_is_looked_for_until_patience_ends_and_then_sent_again() -> None:
    lags = (2.0, 5.0, 30.0)
    op = outbox.unknown(operation(impact=Impact.CRITICAL), "timeout", now_ms=NOW, lags_s=lags)
    assert (op.state, op.next_ms) == (OperationState.UNKNOWN, NOW + 2000)
    looked = []
    now = op.next_ms
    while op.state is OperationState.UNKNOWN:
        looked.append(now - NOW)
        op = outbox.not_found(op, impact=Impact.CRITICAL, now_ms=now, unique_key=False, lags_s=lags)
        now = op.next_ms
    assert looked == [2000, 5000, 30_000, 60_000]
    assert op.state is OperationState.PENDING


def test_with_a_unique_key_it_is_sent_again_at_once() -> None:
    op = outbox.unknown(operation(), "reset", now_ms=NOW, lags_s=(0.0,))
    assert outbox.not_found(op, impact=Impact.LOW, now_ms=NOW, unique_key=True, lags_s=(0.0,)).state == "pending"


def test_the_third_crash_during_an_operation_sets_it_aside() -> None:
    op = operation(state=OperationState.INFLIGHT)
    for _ in range(2):
        op = outbox.crashed(op, now_ms=NOW)
        assert op.state is OperationState.UNKNOWN
        op = replace(op, state=OperationState.INFLIGHT, unknown_ms=None)
    op = outbox.crashed(op, now_ms=NOW)
    assert (op.state, op.unknown_ms) == (OperationState.DEAD, NOW)  # whoever repeats it looks first


@given(st.text())
def test_a_string_of_toml_reads_back(text):
    assert tomllib.loads(f"x = {toml_string(text)}")["x"] == text.encode("utf-8", "replace").decode()


def test_a_string_of_toml_is_readable():
    assert toml_string('a "b"\\\n\x00\x7f\ud800') == '"a \\"b\\"\\\\\\n\\u0000\\u007f?"'


@given(st.integers(0, 2**65 - 1))
def test_an_id_says_its_number_in_base_32(number):
    assert sum(ALPHABET.index(letter) * 32**place for place, letter in enumerate(reversed(encode(number)))) == number
    assert is_id(encode(number))


def test_a_changed_incident_is_a_replaced_one():
    least = {
        "id": "1", "fingerprint": "1:x", "condition": "c", "source": "s", "state": State.OPEN, "impact": Impact.LOW,
        "first_seen_ms": 1, "last_seen_ms": 1, "raised_ms": 1,
    }  # fmt: skip
    known = Incident(**least)
    assert made(**least) == known
    assert vars(made(**least, parent="2")) == vars(replace(known, parent="2"))
    for wrong in ({**least, "nothing": 1}, {"id": "1"}):
        with pytest.raises(AttributeError):
            made(**wrong)
    changes = {"occurrences": 7, "labels": {"a": "b"}, "due_ms": 9}
    assert changed(known, **changes) == replace(known, **changes)
    assert known.occurrences == 1
    event = Event(collector="snmp", source="s", condition="c", kind=EventKind.RAISE, at_ms=1, labels={"a": "b"})
    assert event_changed(event, at_ms=2) == replace(event, at_ms=2)
    with pytest.raises(AttributeError):
        event_changed(event, nothing=1)
    with pytest.raises(AttributeError):
        changed(known, nothing=1)

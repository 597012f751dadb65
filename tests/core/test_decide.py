"""Each cell of the state table, and what people get to hear of it."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.decide import decide
from gateway.core.decision import Command, Due, Heard, Verb
from gateway.core.event import Attachment, EventKind
from gateway.core.gather import PARENT_RULES
from gateway.core.heard import _count, _one_more
from gateway.core.impact import Impact
from gateway.core.incident import TABLE, State, Trigger, changed, due_of
from gateway.core.making import Making
from gateway.core.reason import Muted, Reason
from gateway.core.rules import Verdict

HOUR = 60


def test_the_table_is_total() -> None:
    assert set(TABLE) == set(itertools.product((None, *State), Trigger))


def test_a_raise_opens_an_incident_and_wishes_a_ticket(life) -> None:
    assert life.raised() is Reason.FIRST_RAISED
    assert (life.state, life.impact, life.occurrences, life.last.began) == (State.OPEN, Impact.MEDIUM, 1, True)
    assert life.syncs == ["CREATE"]
    assert life.last.known_as == (f"incident:{life.id}",)


def test_without_sinks_nothing_is_wished(life) -> None:
    life.raised(sinks=())
    assert life.last.wishes == ()


def test_a_held_raise_waits_and_opens_when_its_hold_has_passed(life) -> None:
    assert life.raised(hold_ms=5 * 60_000) is Reason.HELD
    assert (life.state, life.syncs, life.due_ms) == (State.PENDING, [], life.now + 300_000)
    assert life.after(4) is Reason.UNCHANGED
    assert life.after(1) is Reason.HOLD_ENDED
    assert (life.state, life.syncs) == (State.OPEN, ["CREATE"])


def test_what_clears_within_its_hold_is_closed_silently(life) -> None:
    life.raised(hold_ms=60_000)
    assert life.cleared() is Reason.CLEARED_IN_HOLD
    assert (life.state, life.syncs, life.comments) == (State.CLOSED, [], [])


def test_repeats_are_counted_without_a_word(life) -> None:
    life.raised()
    assert [life.raised() for _ in range(8)] == [Reason.REPEATED] * 8
    assert (life.occurrences, life.comments, life.syncs) == (9, [], ["CREATE"])


@pytest.mark.parametrize("number", [10, 100, 1000])
def test_the_tenth_hundredth_and_thousandth_occurrence_are_worth_a_comment(life, number: int) -> None:
    life.raised(count=number - 1)
    assert life.raised() is Reason.RECURRED
    assert str(number) in life.comments[-1]
    assert life.raised() is Reason.REPEATED


def test_a_fold_over_several_thresholds_gives_one_comment(life) -> None:
    life.raised()
    life.raised(count=5000)
    assert len(life.comments) == 1
    assert "1000" in life.comments[0]


def test_a_graver_raise_raises_the_impact_and_a_lighter_one_does_not_lower_it(life) -> None:
    life.raised()
    life.raised(impact=Impact.CRITICAL)
    assert (life.impact, life.syncs) == (Impact.CRITICAL, ["CREATE", "PRIORITY"])
    life.raised(impact=Impact.LOW)
    assert life.impact is Impact.CRITICAL


def test_while_it_is_held_its_impact_rises_without_a_word(life) -> None:
    life.raised(hold_ms=60_000)
    life.raised(impact=Impact.HIGH, hold_ms=60_000)
    assert (life.impact, life.last.wishes) == (Impact.HIGH, ())


def test_a_clear_resolves_and_says_so(life) -> None:
    life.raised()
    life.wait(5)
    assert life.cleared() is Reason.CLEARED
    assert (life.state, life.syncs[-1]) == (State.RESOLVED, "CLOSE")
    assert life.comments == ["Cleared after 5 min, 1 occurrence."]


def test_with_a_clear_hold_it_recovers_first(life) -> None:
    life.raised(clear_hold_ms=5 * 60_000)
    assert life.cleared() is Reason.CLEARING
    assert (life.state, life.comments) == (State.RECOVERING, [])
    assert life.cleared() is Reason.UNMATCHED_CLEAR
    assert life.after(5) is Reason.CLEARED
    assert life.state is State.RESOLVED


def test_a_raise_within_the_clear_hold_opens_without_a_word(life) -> None:
    life.raised(clear_hold_ms=60_000)
    life.cleared()
    assert life.raised() is Reason.RAISED_AGAIN
    assert (life.state, life.occurrences, life.comments, life.cleared_ms) == (State.OPEN, 2, [], None)


def test_a_clear_of_the_very_moment_of_the_raise_clears(life) -> None:
    life.raised()
    assert life.cleared() is Reason.CLEARED


def test_a_clear_older_than_the_last_raise_changes_nothing(life) -> None:
    life.raised()
    before = life.incident
    late = Heard(
        event=life.decisions[0].incident and _clear(life),
        verdict=_verdict(),
        first_ms=life.now - 1,
        last_ms=life.now - 1,
    )
    assert life.take(late) is Reason.STALE_CLEAR
    assert life.incident is before


def _clear(life):
    from gateway.core.event import Event

    return Event(collector="snmp", source="r1", condition="linkUp", kind=EventKind.CLEAR, at_ms=life.now - 1)


def _verdict() -> Verdict:
    return Verdict(
        rule="link", fingerprint="1:link_down|r1|3", condition="link_down", kind=EventKind.CLEAR, source="r1",
        impact=Impact.MEDIUM,
    )  # fmt: skip


def test_a_raise_soon_after_the_end_reopens_the_same_incident(life) -> None:
    life.raised()
    first = life.id
    life.cleared()
    life.wait(30)
    assert life.raised() is Reason.REOPENED
    assert (life.id, life.state, life.syncs[-1], life.resolved_ms) == (first, State.OPEN, "REOPEN", None)


def test_after_two_quiet_hours_it_closes_and_the_next_raise_is_a_new_incident_linked_to_it(life) -> None:
    life.raised()
    first = life.id
    life.cleared()
    assert life.after(2 * HOUR) is Reason.CLOSED
    assert life.due_ms is None
    assert life.raised() is Reason.RAISED_AGAIN
    assert (life.id != first, life.previous, life.state) == (True, first, State.OPEN)


def test_a_clear_of_nothing_is_counted_and_ignored(life) -> None:
    assert life.cleared() is Reason.UNMATCHED_CLEAR
    assert life.incident is None


def test_what_a_rule_drops_touches_nothing(life) -> None:
    assert life.raised(drop=True) is Reason.DROPPED
    assert life.incident is None


def test_age_raises_the_impact_step_by_step(life) -> None:
    life.raised(impact_after=((2 * HOUR * 60_000, Impact.HIGH), (8 * HOUR * 60_000, Impact.CRITICAL)))
    assert life.due_ms == life.now + 2 * HOUR * 60_000
    assert life.after(2 * HOUR) is Reason.IMPACT_AGED
    assert life.impact is Impact.HIGH
    life.after(6 * HOUR)
    assert (life.impact, life.due_ms) == (Impact.CRITICAL, None)
    assert "open for 8 h" in life.comments[-1]


def test_a_trouble_whose_end_nobody_tells_is_over_when_it_has_been_quiet(life) -> None:
    life.raised(clear_after_ms=HOUR * 60_000, impact_after=((30 * 60_000, Impact.HIGH),))
    assert life.after(30) is Reason.IMPACT_AGED
    life.raised()
    assert life.after(30) is Reason.UNCHANGED
    assert life.after(30) is Reason.CLEARED
    assert (life.state, life.cleared_ms) == (State.RESOLVED, life.now)


def test_a_note_is_kept_with_the_incident_it_is_about(life) -> None:
    assert life.noted() is Reason.NOTED
    assert life.incident is None
    life.raised()
    assert life.noted(said={"description": "acknowledged by bob"}) is Reason.NOTED
    assert "acknowledged by bob" in life.comments[-1]
    assert life.state is State.OPEN


def test_a_follow_up_belongs_to_its_incident_whatever_its_fingerprint(life) -> None:
    life.raised()
    first = life.id
    reply = {"requester": "alice@example.com", "description": "still broken", "known_as": ("mid:<2@x>",)}
    assert life.raised(fingerprint="1:mail|alice|2", follow_up=True, said=reply) is Reason.NOTED
    assert (life.id, life.occurrences, life.last.known_as) == (first, 1, ("mid:<2@x>",))
    assert "still broken" in life.comments[-1]


def test_what_is_said_of_a_held_incident_joins_its_ticket(life) -> None:
    life.raised(hold_ms=60_000, said={"description": "it smokes"})
    life.raised(follow_up=True, said={"requester": "alice@example.com", "description": "now it burns"})
    assert life.last.wishes == ()
    life.after(1)
    assert life.comments == []
    assert life.description.startswith("it smokes")
    assert life.description.endswith("now it burns")


def test_a_persons_follow_up_wakes_a_resolved_incident_and_a_machines_does_not(life) -> None:
    life.raised()
    life.cleared()
    assert life.noted(follow_up=True, said={"description": "out of office"}) is Reason.NOTED
    assert life.state is State.RESOLVED
    assert life.raised(follow_up=True, said={"requester": "alice@example.com"}) is Reason.REOPENED
    assert (life.state, life.syncs[-1]) == (State.OPEN, "REOPEN")


def test_a_requesters_answer_wakes_a_request_whose_ticket_was_closed(life) -> None:
    life.raised()
    life.seen(state="closed")
    assert life.noted(follow_up=True, said={"description": "out of office"}) is Reason.NOTED
    assert (life.muted, life.comments) == ({Muted.HUMAN_CLOSED}, [])
    said = {"requester": "alice@example.com", "description": "still broken"}
    assert life.raised(follow_up=True, said=said) is Reason.REOPENED
    assert (life.state, life.muted, life.syncs[-1]) == (State.OPEN, frozenset(), "REOPEN")
    assert "still broken" in life.comments[-1]


def test_a_requesters_words_reach_a_ticket_that_nobody_will_work_on_without_reopening_it(life) -> None:
    life.raised()
    life.seen(state="closed", wont_fix=True)
    before = len(life.syncs)
    said = {"requester": "alice@example.com", "description": "why?"}
    assert life.raised(follow_up=True, said=said) is Reason.NOTED
    assert (life.muted, len(life.syncs)) == ({Muted.WONT_FIX}, before)
    assert "why?" in life.comments[-1]


def test_what_nobody_will_work_on_mutes_no_other_fingerprint(life) -> None:
    life.raised(fingerprint="1:mail|alice|1")
    life.seen(state="closed", wont_fix=True)
    life.cleared()
    life.after(2 * HOUR)
    assert life.state is State.CLOSED
    life.raised(fingerprint="1:mail|alice|2", follow_up=True, said={"requester": "alice@example.com"})
    assert (life.last.began, life.muted, life.syncs[-1]) == (True, frozenset(), "CREATE")


def test_a_follow_up_to_a_closed_incident_begins_a_new_one_linked_to_it(life) -> None:
    life.raised()
    first = life.id
    life.cleared()
    life.after(2 * HOUR)
    life.raised(follow_up=True, said={"requester": "alice@example.com"})
    assert (life.previous, life.last.began) == (first, True)


def test_files_are_kept_and_attached(life) -> None:
    file = Attachment(name="a.png", media_type="image/png", content=b"png")
    life.raised(said={"attachments": (file,)})
    assert life.last.attachments == (file,)
    assert [w.body["name"] for w in life.last.wishes if w.kind == "attach"] == ["a.png"]


def test_files_of_a_held_incident_are_attached_when_its_ticket_is_made(life) -> None:
    file = Attachment(name="a.png", media_type="image/png", content=b"png")
    life.raised(hold_ms=60_000, said={"attachments": (file,)})
    assert (life.last.attachments, life.last.wishes) == ((file,), ())
    life.after(1)
    assert [(w.kind, w.body) for w in life.last.wishes if w.kind == "attach"] == [("attach", {})]


def test_a_wont_fix_is_inherited_by_the_next_incident(life) -> None:
    life.raised()
    life.seen(state="closed", wont_fix=True)
    life.cleared()
    life.after(2 * HOUR)
    life.raised()
    assert life.muted == {Muted.WONT_FIX}
    assert life.last.wishes == ()


@pytest.mark.parametrize("rule", sorted(PARENT_RULES))
def test_a_wont_fix_of_a_storm_or_a_group_holds_for_that_one(life, rule: str) -> None:
    life.raised(rule=rule)
    life.seen(state="closed", wont_fix=True)
    life.raised(rule=rule)
    assert (life.muted, life.last.wishes) == ({Muted.WONT_FIX}, ())
    life.cleared(rule=rule)
    life.after(2 * HOUR)
    life.raised(rule=rule)
    assert (life.muted, life.syncs[-1]) == (frozenset(), "CREATE")


def test_an_operator_closes_an_incident_and_lifts_mutes(life) -> None:
    life.raised()
    life.seen(state="closed", wont_fix=True)
    assert life.take(Command(verb=Verb.UNMUTE, actor="bob")) is Reason.PERSON
    assert (life.muted, life.syncs[-1]) == (frozenset(), "CREATE")
    life.take(Command(verb=Verb.CLOSE, actor="bob"))
    assert (life.state, life.syncs[-1]) == (State.CLOSED, "CLOSE")
    assert life.take(Command(verb=Verb.CLOSE, actor="bob")) is Reason.UNCHANGED


# --- whatever happens ------------------------------------------------------------------------------

_STEPS = st.lists(
    st.tuples(
        st.sampled_from(["raise", "clear", "note", "due", "closed", "wont_fix", "priority", "deleted", "reopened"]),
        st.integers(0, 200),
        st.integers(1, 20),
    ),
    max_size=25,
)


@given(_STEPS, st.booleans(), st.booleans())
def test_whatever_happens_the_incident_stays_sound(life_class, steps, held: bool, patient: bool) -> None:
    life = life_class()
    holds = {"hold_ms": 60_000 if held else 0, "clear_hold_ms": 60_000 if patient else 0}
    for what, minutes, count in steps:
        life.now += minutes * 60_000
        before = life.incident
        _happen(life, what, count, holds)
        after, decision = life.incident, life.last
        if before is not None and not decision.began and after is not before:
            assert after.id == before.id
            assert after.version == before.version + 1
            assert after.occurrences >= before.occurrences
        if after is not None:
            assert after.due_ms == due_of(after)
            assert (after.state is State.CLOSED) == (after.closed_ms is not None)
            assert after.muted == frozenset() or not any(w.kind == "comment" for w in decision.wishes)
        again = decide(before, life.what, now_ms=life.now, new_id=after.id if after else "")
        assert again == decision  # the same input at the same time gives the same decision


def _happen(life, what: str, count: int, holds: dict[str, int]) -> None:
    life.what = None
    take = life.take

    def remember(given):
        life.what = given
        return take(given)

    life.take = remember
    match what:
        case "raise":
            life.raised(count=count, **holds)
        case "clear":
            life.cleared(**holds)
        case "note":
            life.noted()
        case "due":
            remember(Due())
        case _ if life.incident is None:
            remember(Due())
        case "closed":
            life.seen(state="closed")
        case "wont_fix":
            life.seen(state="closed", wont_fix=True)
        case "priority":
            life.seen(impact=Impact.CRITICAL)
        case "deleted":
            life.seen(exists=False)
        case "reopened":
            life.seen(life.ticket(state="closed"), state="open")
    life.take = take


@given(
    occurrences=st.integers(1, 2_000),
    count=st.integers(1, 2_000),
    later_ms=st.integers(-5_000, 5_000),
    impact=st.sampled_from(Impact),
    fields=st.fixed_dictionaries(
        {
            "state": st.sampled_from([State.OPEN, State.PENDING]),
            "muted": st.frozensets(st.sampled_from(Muted)),
            "impact_owned": st.booleans(),
            "clear_after_ms": st.sampled_from([0, 1, 60_000]),
            "impact_after": st.sampled_from([(), ((60_000, Impact.HIGH),)]),
            "paused_ms": st.none() | st.integers(1, 5_000),
            "calm_ms": st.none() | st.integers(1, 10_000_000),
            "lapses_ms": st.none() | st.integers(1, 10_000_000),
        }
    ),
)
def test_one_more_comes_to_what_counting_it_by_moves_comes_to(
    life_class, occurrences, count, later_ms, impact, fields
) -> None:
    """A storm's repeats take a way of their own, which must lead to the same place."""
    life = life_class()
    life.raised()
    incident = life.incident = changed(life.incident, occurrences=occurrences, **fields)
    life.now += later_ms
    life.take = lambda what: what
    more = life.raised(count=count, impact=impact)
    decision = _one_more(incident, more, now_ms=life.now)
    assert not (incident.counting and decision)
    assert decision is None or decision == _count(Making(incident, now_ms=life.now), more)
    assert decision is None or decide(incident, more, now_ms=life.now) == decision

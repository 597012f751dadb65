"""Six quick transitions flap; the ticket hears of it once, once per hundred, and when it is calm."""

from math import inf

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.core.decide import decide
from gateway.core.decision import Command, Due, Look, Verb
from gateway.core.draft import draft
from gateway.core.event import Attachment, EventKind
from gateway.core.flap import FlapLimits
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.mute import Mute
from gateway.core.reason import Muted, Reason
from gateway.core.ticket import TicketState

NOW, SECOND, MINUTE = 1_795_305_600_000, 1000, 60_000
LIMITS = FlapLimits()


def flap(life, transitions: int, *, every_s: float = 1, **more) -> None:
    """So many transitions, the first of them a raise unless it is raised."""
    for _ in range(transitions):
        raised = life.incident is not None and life.state in (State.OPEN, State.PENDING)
        (life.cleared if raised else life.raised)(**more)
        life.wait(every_s / 60)


def test_the_numbers_of_the_reference():
    penalty, seen = 0.0, []
    for _ in range(9):
        penalty = LIMITS.after_transition(penalty, 0)
        seen.append(penalty)
    assert seen == [2, 4, 8, 16, 32, 64, 128, 256, 256]
    assert LIMITS.aged(256, 300_000) == 16
    assert LIMITS.aged(16, 600_000) == 2
    assert LIMITS.aged(0, 5) == 0
    assert LIMITS.aged(9, -5) == 9, "a clock that goes back makes nothing worse"


@given(st.floats(1.6, 256), st.integers(0, 10**7))
def test_calm_comes_when_it_is_said(penalty, early_ms):
    calm_ms = LIMITS.calm_after_ms(penalty)
    assert LIMITS.aged(penalty, calm_ms) < LIMITS.below
    assume(early_ms > 2)
    assert LIMITS.aged(penalty, calm_ms - early_ms) >= LIMITS.below * 0.999999


def test_a_small_penalty_is_calm_at_once():
    assert LIMITS.calm_after_ms(1.4) == 0


def test_the_sixth_quick_transition_flaps_and_says_so_once(life):
    flap(life, 5)
    assert Muted.FLAPPING not in life.muted
    said = len(life.comments)
    flap(life, 1)
    assert (life.muted, life.state, life.last.reason) == ({Muted.FLAPPING}, State.RESOLVED, Reason.CLEARED)
    assert life.comments[said:] == ["Flapping: 6 transitions since 2026-11-22 00:00:00 UTC."]
    flap(life, 93)
    assert len(life.comments) == said + 1, "occurrences count, and nothing is said"
    assert life.syncs.count("CLOSE") == 2, "those before it flapped"
    flap(life, 1)
    assert life.comments[said + 1 :] == ["Still flapping: 100 transitions since 2026-11-22 00:00:00 UTC."]
    assert life.occurrences == 50


def test_the_ticket_stays_open_until_it_is_calm(life):
    flap(life, 6)
    assert life.state is State.RESOLVED
    assert life.incident.wants_ticket
    shown = draft(life.incident, life.ticket())
    assert (shown.state, "Flapping: since" in shown.description) == (TicketState.OPEN, True)
    life.after(10)
    assert life.last.reason is Reason.UNCHANGED
    life.now = life.due_ms
    assert life.take(Due()) is Reason.CALM
    assert life.comments[-1].startswith(
        "Calm again: 6 transitions from 2026-11-22 00:00:00 UTC to 2026-11-22 00:00:05 UTC"
    )
    assert life.comments[-1].endswith("it is cleared.")
    assert (life.syncs[-1], draft(life.incident, life.ticket()).state) == ("CLOSE", TicketState.RESOLVED)
    life.now = life.due_ms
    assert life.take(Due()) is Reason.CLOSED


def test_what_is_still_raised_when_it_is_calm_keeps_its_ticket(life):
    flap(life, 7)
    life.now = life.due_ms
    life.take(Due())
    assert (life.state, life.muted, life.syncs[-1]) == (State.OPEN, frozenset(), "REOPEN")
    assert life.comments[-1].endswith("it is still raised.")
    assert (life.transitions, life.calm_ms) == (7, None)


def test_slow_transitions_never_flap(life):
    flap(life, 60, every_s=300)
    assert Muted.FLAPPING not in life.muted


def test_a_transition_after_the_calm_that_no_timer_saw_begins_anew(life):
    flap(life, 6)
    life.wait(60)
    life.raised()
    assert (life.muted, life.transitions) == (frozenset(), 1)
    assert "Calm again" in life.comments[-2]


def test_repeats_are_no_transitions(life):
    for _ in range(50):
        life.raised()
        life.wait(0.01)
    life.cleared()
    for _ in range(50):
        life.cleared()
    assert life.transitions == 2


def test_what_flaps_within_its_hold_is_told(life):
    flap(life, 5, hold_ms=MINUTE)
    assert (life.state, life.syncs) == (State.PENDING, [])
    flap(life, 1, hold_ms=MINUTE)
    assert (life.state, life.muted, life.syncs) == (State.RESOLVED, {Muted.FLAPPING}, ["REOPEN"])
    assert life.incident.wants_ticket


def test_what_closes_at_each_clear_flaps_too(life):
    for _ in range(3):
        life.raised(reopen_within_ms=0)
        life.wait(0.1)
        life.cleared()
        life.after(0)
        life.wait(0.1)
    assert (life.muted, life.state) == ({Muted.FLAPPING}, State.RESOLVED)
    first = life.id
    life.raised(reopen_within_ms=0)
    assert life.id == first, "what flaps is not closed before it is calm"


def test_a_graver_impact_is_told_all_the_same(life):
    flap(life, 7)
    life.raised(impact=Impact.CRITICAL)
    assert life.syncs[-1] == "PRIORITY"


def test_who_closes_it_while_it_flaps_has_peace_until_calm(life):
    flap(life, 7)
    said = len(life.comments)
    life.seen(state="closed")
    assert life.muted == {Muted.FLAPPING, Muted.HUMAN_CLOSED}
    flap(life, 100)
    assert (len(life.comments), Muted.HUMAN_CLOSED in life.muted) == (said, True)
    life.now = life.calm_ms
    life.take(Due())
    assert (life.muted, life.syncs[-1], len(life.comments)) == (frozenset(), "REOPEN", said + 1)


def test_who_closed_what_is_cleared_when_calm_hears_no_more(life):
    flap(life, 7)
    life.seen(state="closed")
    flap(life, 1)
    said = len(life.comments)
    life.now = life.calm_ms
    life.take(Due())
    assert (life.state, life.muted, len(life.comments)) == (State.RESOLVED, frozenset(), said)


@pytest.mark.parametrize(
    ("seen", "muted"),
    [
        ({"wont_fix": True, "state": "closed"}, {Muted.FLAPPING, Muted.WONT_FIX}),
        ({"exists": False}, {Muted.FLAPPING}),
        ({"impact": Impact.LOW}, {Muted.FLAPPING}),
    ],
)
def test_other_acts_of_people_while_it_flaps(life, seen, muted):
    flap(life, 7)
    life.seen(**seen)
    assert life.muted == muted
    assert life.impact is Impact.MEDIUM, "a changed priority is recorded"


def test_an_operator_closes_or_unmutes_it(life):
    flap(life, 7)
    life.take(Command(verb=Verb.UNMUTE, actor="ann"))
    assert (life.muted, life.calm_ms) == (frozenset(), None)
    flap(life, 2)
    assert life.muted == {Muted.FLAPPING}
    life.take(Command(verb=Verb.CLOSE, actor="ann"))
    assert (life.state, life.muted, life.due_ms) == (State.CLOSED, frozenset(), None)


def test_what_flaps_in_a_silence_is_told_at_its_end(life, say):
    silence, around = Mute(mark=Muted.SILENCE, by="w", why="silence"), []

    def take(what) -> list[str]:
        decision = decide(life.incident, what, now_ms=life.now, new_id="I" * 13, around=lambda _one: tuple(around))
        life.incident = decision.incident
        return [wish.kind.value for wish in decision.wishes]

    around.append(silence)
    for number in range(7):
        kind = EventKind.CLEAR if number % 2 else EventKind.RAISE
        wished = take(say.heard(kind, at_ms=life.now, hold_ms=MINUTE if number < 3 else 0))
        life.now += SECOND
    assert (life.muted, wished, life.unseen) == ({Muted.SILENCE, Muted.FLAPPING}, [], True)
    around.clear()
    assert take(Look()) == ["sync", "attach", "comment"]
    assert life.incident.wants_ticket


def test_a_held_one_that_flaps_brings_its_files(life):
    file = (Attachment(name="a", media_type="b", content=b"c"),)
    flap(life, 6, hold_ms=MINUTE, said={"attachments": file})
    assert [wish.kind.value for wish in life.last.wishes][:2] == ["attach", "sync"]


def test_it_can_be_turned_off(life):
    flap(life, 40, flap=FlapLimits(above=inf))
    assert life.muted == frozenset()


STEPS = st.lists(st.tuples(st.sampled_from(["raise", "clear"]), st.sampled_from([1, 30, 400, 4000])), max_size=40)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    steps=STEPS,
    hold=st.sampled_from([0, MINUTE]),
    clear_hold=st.sampled_from([0, MINUTE]),
    reopen=st.sampled_from([0, MINUTE]),
)
def test_calm_always_ends_it_and_the_ticket_is_true(life_class, steps, hold, clear_hold, reopen):
    """Whatever comes: the last line said is true, and in the end ticket and incident say the same."""
    life = life_class()
    for kind, wait_s in steps:
        while life.incident is not None and life.due_ms is not None and life.due_ms <= life.now:
            life.take(Due())
        given = {"hold_ms": hold, "clear_hold_ms": clear_hold, "reopen_within_ms": reopen}
        (life.raised if kind == "raise" else life.cleared)(**given)
        life.wait(wait_s / 60)
    while life.incident is not None and life.due_ms is not None:
        life.now = max(life.now, life.due_ms)
        life.take(Due())
    if life.incident is None:
        return
    assert life.muted == frozenset()
    begun = [one for one in life.comments if one.startswith("Flapping")]
    ended = [one for one in life.comments if one.startswith("Calm")]
    assert len(begun) == len(ended)
    if life.state is State.OPEN:
        assert life.syncs, "its ticket"

"""Tickets wait while a window is on; clears pass; survivors are decided afresh."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.decide import decide
from gateway.core.decision import Command, Due, Look, Verb, WindowBegan
from gateway.core.draft import description
from gateway.core.event import Attachment, EventKind
from gateway.core.impact import Impact
from gateway.core.incident import State, quiet_ms
from gateway.core.mute import FROM_OUTSIDE, Mute, Planned, Window, in_force, next_edge_ms
from gateway.core.reason import Muted, Reason

NOW, MINUTE = 1_795_305_600_000, 60_000
SILENCE = Mute(mark=Muted.SILENCE, by="w1", why='silence "fan" by ann')
STORM = Mute(mark=Muted.STORM, by="i1", why="a storm")


def window(*match: str, **more) -> Planned:
    given = {"id": "w1", "kind": Muted.MAINTENANCE, "match": match, "from_ms": NOW, "until_ms": NOW + 9, **more}
    return Planned.of(Window(**given))


class Muffled:
    """A life that something mutes."""

    def __init__(self, life, *mutes: Mute) -> None:
        self.life, self.mutes = life, mutes

    def take(self, what):
        life = self.life
        decision = decide(life.incident, what, now_ms=life.now, new_id="I" * 13, around=lambda _one: self.mutes)
        life.incident = decision.incident
        return decision


@pytest.fixture
def muffled(life):
    return Muffled(life, SILENCE)


def test_a_raise_inside_is_recorded_and_its_ticket_waits(muffled, life, say):
    begun = muffled.take(say.heard())
    assert (life.state, life.muted, life.unseen) == (State.OPEN, {Muted.SILENCE}, True)
    assert begun.wishes == ()
    assert 'its ticket waits for silence "fan" by ann' in [entry.text for entry in begun.entries]
    assert not life.incident.wants_ticket


def test_a_clear_passes_and_nobody_hears_of_it(muffled, life, say):
    muffled.take(say.heard())
    cleared = muffled.take(say.heard(EventKind.CLEAR))
    assert (life.state, life.muted) == (State.RESOLVED, frozenset())
    assert [wish.rank.name for wish in cleared.wishes] == ["CLOSE"]


def test_a_survivor_opens_its_ticket_and_tells_when_it_began(muffled, life, say):
    muffled.take(say.heard(said={"attachments": (Attachment(name="a", media_type="b", content=b"c"),)}))
    assert muffled.take(Look()).reason is Reason.UNCHANGED
    muffled.mutes = ()
    released = muffled.take(Look())
    assert released.reason is Reason.RELEASED
    assert [(wish.kind.value, wish.reason.value) for wish in released.wishes] == [
        ("sync", "released"), ("attach", "noted"), ("comment", "released"),
    ]  # fmt: skip
    assert "It began during silence" in released.wishes[-1].body["text"]
    assert 'Began during: silence "fan" by ann' in description(life.incident)
    assert life.incident.wants_ticket
    assert muffled.take(Look()).reason is Reason.UNCHANGED


def test_what_two_things_mute_waits_for_both(muffled, life, say):
    muffled.mutes = (SILENCE, STORM)
    muffled.take(say.heard())
    muffled.mutes = (STORM,)
    assert muffled.take(Look()).wishes == ()
    assert life.muted == {Muted.STORM}
    muffled.mutes = ()
    assert muffled.take(Look()).wishes != ()


def test_a_hold_that_ends_inside_makes_no_ticket(muffled, life, say):
    muffled.take(say.heard(hold_ms=MINUTE))
    assert life.muted == frozenset()
    life.now += MINUTE
    assert muffled.take(Due()).wishes == ()
    assert (life.state, life.unseen, life.muted) == (State.OPEN, True, {Muted.SILENCE})


def test_a_reopening_inside_waits_too(muffled, life, say):
    muffled.mutes = ()
    muffled.take(say.heard())
    muffled.take(say.heard(EventKind.CLEAR))
    muffled.mutes = (SILENCE,)
    assert muffled.take(say.heard()).wishes == ()
    assert not life.unseen, "people know of it"
    muffled.mutes = ()
    assert [wish.kind.value for wish in muffled.take(Look()).wishes] == ["sync", "comment"]


def test_what_a_person_says_of_it_meanwhile_is_in_its_ticket(muffled, life, say):
    muffled.take(say.heard())
    muffled.take(say.heard(EventKind.NOTE, follow_up=True, said={"requester": "ann@x", "description": "help"}))
    assert "help" in life.description


def test_an_operator_lifts_a_mute_by_hand(muffled, life, say):
    muffled.take(say.heard(said={"attachments": (Attachment(name="a", media_type="b", content=b"c"),)}))
    lifted = muffled.take(Command(verb=Verb.UNMUTE, actor="ann"))
    assert [wish.kind.value for wish in lifted.wishes] == ["sync", "attach"]
    assert (life.muted, life.unseen) == (frozenset(), False)


def test_what_recovers_waits_for_its_end(muffled, life, say):
    muffled.take(say.heard(clear_hold_ms=MINUTE))
    muffled.take(say.heard(EventKind.CLEAR))
    muffled.mutes = ()
    assert (life.state, muffled.take(Look()).reason) == (State.RECOVERING, Reason.UNCHANGED)


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        ((), True),
        (("source = r1",), True),
        (("source = r1", "object = 4"), False),
        (("site = lyon", "impact = medium"), True),
        (("collector = snmp",), False),
    ],
)
def test_matchers_look_at_the_incident(life, match, holds):
    life.raised(said={"labels": {"site": "lyon"}})
    assert (window(*match).mutes(life.incident, now_ms=NOW) is not None) is holds


def test_the_end_is_no_part_of_a_window(life):
    life.raised()
    assert [window().mutes(life.incident, now_ms=NOW + at) is not None for at in (-1, 0, 8, 9)] == [
        *(False, True, True, False)
    ]


def test_what_a_person_moved_stands_in_place_of_what_was_planned():
    moved = window(until_ms=NOW + 99)
    other = window(id="w2")
    assert in_force([window(), other], [moved]) == (moved, other)
    assert next_edge_ms([moved, other], now_ms=NOW) == NOW + 9
    assert next_edge_ms([moved, other], now_ms=NOW + 9) == NOW + 99
    assert next_edge_ms([other], now_ms=NOW + 9) is None
    assert next_edge_ms([window(from_ms=NOW + 5)], now_ms=NOW) == NOW + 5


STEPS = st.lists(st.sampled_from(["raise", "clear", "look", "due", "silence", "storm", "calm"]), max_size=20)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, hold=st.sampled_from([0, MINUTE]), clear_hold=st.sampled_from([0, MINUTE]))
def test_nothing_that_survives_is_forgotten(life_class, say, steps, hold, clear_hold):
    """Whatever comes in which order: when nothing mutes it any more and it is still raised, a ticket was wished for."""
    one = Muffled(life_class())
    around = {"silence": (SILENCE,), "storm": (STORM,), "calm": ()}
    wished = 0
    for step in [*steps, "calm", "due", "due", "look"]:
        one.life.now += MINUTE
        if step in around:
            one.mutes = around[step]
            continue
        what = {"look": Look(), "due": Due()}.get(step) or say.heard(
            EventKind(step), at_ms=one.life.now, hold_ms=hold, clear_hold_ms=clear_hold
        )
        before = one.life.incident
        decision = one.take(what)
        if one.life.incident is not None and (before is None or one.life.id != before.id or decision.began):
            wished = 0
        wished += any(wish.kind.value == "sync" and wish.rank.name in ("CREATE", "REOPEN") for wish in decision.wishes)
        if decision.wishes and one.life.incident.alive:
            assert not one.life.muted & FROM_OUTSIDE
    incident = one.life.incident
    if incident is not None and incident.state is State.OPEN:
        assert incident.muted == frozenset()
        assert wished, "its ticket"
        assert not incident.unseen


def test_looking_is_idempotent(life, say):
    one = Muffled(life, SILENCE)
    one.take(say.heard())
    one.mutes = ()
    one.take(Look())
    assert one.take(Look()).incident is life.incident
    assert replace(life.incident) == life.incident


# --- a window that begins while the incident is open ------------------------------------------------

UPGRADE = Mute(mark=Muted.MAINTENANCE, by="w2", why='maintenance "upgrade"')


def test_a_window_that_begins_lets_the_ticket_wait_and_its_end_tells(life, muffled, say):
    life.raised()
    began = muffled.take(WindowBegan(mutes=(SILENCE,)))
    assert (began.reason, began.wishes, life.muted, life.unseen) == (Reason.MUTED, (), {Muted.SILENCE}, False)
    assert 'its ticket waits for silence "fan" by ann' in [entry.text for entry in began.entries]
    assert muffled.take(WindowBegan(mutes=(SILENCE,))).reason is Reason.UNCHANGED
    assert muffled.take(say.heard(count=9, impact=Impact.CRITICAL)).wishes == (), (
        "neither recurrence nor impact is told"
    )
    muffled.mutes = ()
    released = muffled.take(Look())
    assert [wish.rank.name for wish in released.wishes] == ["REOPEN", "COMMENT"]


def test_a_clear_passes_a_window_that_began_while_it_was_open(life, muffled, say):
    life.raised()
    muffled.take(WindowBegan(mutes=(SILENCE,)))
    cleared = muffled.take(say.heard(EventKind.CLEAR))
    assert (life.state, life.muted) == (State.RESOLVED, frozenset())
    assert [wish.rank.name for wish in cleared.wishes] == ["CLOSE"]


@pytest.mark.parametrize(("hold_ms", "clear", "reason"), [(9, False, Reason.UNCHANGED), (0, True, Reason.UNCHANGED)])
def test_what_is_held_or_over_is_muted_by_no_window_that_begins(life, say, hold_ms, clear, reason):
    life.raised(hold_ms=hold_ms)
    if clear:
        life.cleared()
    assert life.take(WindowBegan(mutes=(SILENCE,))) is reason


def test_a_ticket_that_a_person_closes_inside_is_opened_again_at_the_end(life, muffled):
    life.raised()
    muffled.take(WindowBegan(mutes=(UPGRADE,)))
    assert life.seen(state="closed") is Reason.PERSON_CLOSED
    assert life.muted == {Muted.MAINTENANCE}
    muffled.mutes = ()
    assert muffled.take(Look()).wishes[0].rank.name == "REOPEN"


# --- deadlines stand still in maintenance -----------------------------------------------------------


def test_silence_and_age_say_nothing_in_maintenance_and_count_on_after_it(life, muffled):
    life.raised(clear_after_ms=10 * MINUTE, impact_after=((30 * MINUTE, Impact.HIGH),))
    life.wait(4)
    muffled.take(WindowBegan(mutes=(UPGRADE,)))
    assert life.due_ms is None
    life.wait(60)
    muffled.mutes = ()
    muffled.take(Look())
    assert life.due_ms == life.now + 6 * MINUTE
    life.raised(clear_after_ms=10 * MINUTE)
    assert life.due_ms == life.now + 10 * MINUTE, "what was raised since counts from there"
    life.raised(impact=Impact.MEDIUM)
    assert life.after(10) is Reason.CLEARED


def test_age_counts_on_after_maintenance(life, muffled):
    life.raised(impact_after=((30 * MINUTE, Impact.HIGH),))
    life.wait(10)
    muffled.take(WindowBegan(mutes=(UPGRADE,)))
    life.wait(60)
    muffled.mutes = ()
    muffled.take(Look())
    assert life.after(19) is Reason.UNCHANGED
    assert life.after(1) is Reason.IMPACT_AGED


def test_a_silence_stops_no_clock(life, muffled):
    life.raised(clear_after_ms=10 * MINUTE)
    muffled.take(WindowBegan(mutes=(SILENCE,)))
    assert life.after(10) is Reason.CLEARED


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pauses=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 50)), max_size=5))
def test_however_often_it_is_paused_it_is_quiet_for_its_time(life_class, pauses):
    life = life_class()
    muffled = Muffled(life)
    life.raised(clear_after_ms=100 * MINUTE)
    run = 0
    for minutes, paused in pauses:
        life.wait(minutes)
        run += minutes
        muffled.take(WindowBegan(mutes=(UPGRADE,)))
        assert quiet_ms(life.incident) is None
        life.wait(paused)
        muffled.take(Look())
    assert quiet_ms(life.incident) == life.now + (100 - run) * MINUTE

"""A source whose clock is off is decided alike, and events that overtake each other end no trouble that lasts."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.counting import Frequency
from gateway.core.decision import Due
from gateway.core.event import EventKind
from gateway.core.flap import FlapLimits
from gateway.core.impact import Impact
from gateway.core.overtaken import Clear, newest, over_at_ms
from gateway.core.reason import Muted, Reason

STEPS = st.lists(st.tuples(st.sampled_from(["raise", "raise", "clear", "note"]), st.integers(0, 20)), max_size=30)


def lived(life, say, steps, skew_s: int):
    """States, marks and what was wished for, step by step; events are dated by a clock that is off."""
    seen = []
    for kind, wait_s in steps:
        life.wait(wait_s / 60)
        while life.incident is not None and life.due_ms is not None and life.due_ms <= life.now:
            life.take(Due())
        heard = say.heard(say.kind(kind), at_ms=life.now + skew_s * 1000, flap=FlapLimits(above=7))
        life.take(heard)
        one = life.incident
        seen.append(one and (one.state, sorted(one.muted), one.occurrences, one.transitions, one.unseen))
        seen.append([(wish.kind, wish.rank) for wish in life.last.wishes])
    return seen


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=STEPS, skew_s=st.integers(-3600, 3600))
def test_a_clock_that_is_off_changes_no_decision(life_class, say, steps, skew_s):
    assert lived(life_class(), say, steps, 0) == lived(life_class(), say, steps, skew_s)


WITHIN_MS = 120_000
ARRIVALS = st.lists(st.tuples(st.integers(0, 120), st.sampled_from(["raise", "clear"])), min_size=1, max_size=12)


class Remembering:
    """A life whose newest clear is remembered, as the engine does."""

    def __init__(self, life) -> None:
        self.life = life
        self.clear: Clear | None = None
        self.occurrences: dict[str, int] = {}

    def hear(self, heard, *, now_ms: int, within_ms: int = WITHIN_MS) -> Reason:
        self.life.now = now_ms
        raised, said = heard.verdict.kind is EventKind.RAISE, heard.event
        if raised:
            over_ms = over_at_ms(self.clear, said, last_ms=heard.last_ms, within_ms=within_ms, now_ms=now_ms)
            heard = replace(heard, cleared_ms=over_ms)
        else:
            clear = Clear(at_ms=heard.last_ms, heard_ms=now_ms, collector=said.collector)
            self.clear = newest(self.clear, clear)
        reason = self.life.take(heard)
        if self.life.incident is not None:
            self.occurrences[self.life.id] = self.life.occurrences
        return reason

    @property
    def raised(self) -> bool:
        return self.life.incident is not None and self.life.alive and self.life.cleared_ms is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    arrivals=ARRIVALS,
    hold=st.sampled_from([0, 60_000]),
    clear_hold=st.sampled_from([0, 60_000]),
)
@example(arrivals=[(5, "clear"), (3, "raise")], hold=0, clear_hold=0)
@example(arrivals=[(1, "raise"), (5, "clear"), (3, "raise")], hold=0, clear_hold=0)
@example(arrivals=[(1, "raise"), (5, "clear"), (9, "clear"), (7, "raise")], hold=0, clear_hold=0)
@example(arrivals=[(5, "clear"), (5, "raise")], hold=0, clear_hold=0)
def test_in_whatever_order_they_come_what_was_said_last_is_so(life_class, say, arrivals, hold, clear_hold) -> None:
    """Event time orders, of equal ones arrival; and each raise is counted in some incident."""
    heard = [
        say.heard(say.kind(kind), at_ms=say.now + at_s * 1000, hold_ms=hold, clear_hold_ms=clear_hold)
        for at_s, kind in arrivals
    ]
    ends = []
    for order in (heard, sorted(heard, key=lambda one: one.last_ms)):
        one = Remembering(life_class())
        for what in order:
            one.hear(what, now_ms=say.now + WITHIN_MS)
        ends.append(one.raised)
        assert sum(one.occurrences.values()) == sum(kind == "raise" for _, kind in arrivals)
    last_kind = max(enumerate(arrivals), key=lambda numbered: (numbered[1][0], numbered[0]))[1][1]
    assert ends == [last_kind == "raise"] * 2


OVERTAKEN, OPEN = Reason.OVERTAKEN, Reason.FIRST_RAISED
DOUBTS = {
    "overtaken": ({}, OVERTAKEN),
    "overtaken by as much as may be": ({"raised_ms": -WITHIN_MS}, OVERTAKEN),
    "in the same tick: the order of arrival decides": ({"raised_ms": 0}, OPEN),
    "newer": ({"raised_ms": 1}, OPEN),
    "much older: its clock was set back, or it was under way for long": ({"raised_ms": -WITHIN_MS - 1}, OPEN),
    "the clear was heard just as long ago as may be": (
        {"clear_heard_ms": -WITHIN_MS, "cleared_ms": -WITHIN_MS},
        OVERTAKEN,
    ),
    "the clear was heard long ago: its clock was set back": ({"clear_heard_ms": -WITHIN_MS - 1}, OPEN),
    "our clock was set back": ({"clear_heard_ms": 1}, OPEN),
    "the clear's clock is ahead of ours": ({"cleared_ms": 1, "raised_ms": 0}, OPEN),
    "heard by another collector, which may date otherwise": ({"said": {"collector": "mail"}}, OPEN),
    "said by a person": ({"said": {"requester": "ann@example.com"}}, OPEN),
    "never": ({"within_ms": 0}, OPEN),
}


@pytest.mark.parametrize("doubt", DOUBTS)
def test_where_in_doubt_it_is_raised(life, say, doubt) -> None:
    given, wanted = DOUBTS[doubt]
    cleared_ms, heard_ms = given.get("cleared_ms", 0), given.get("clear_heard_ms", 0)
    raised_ms = given.get("raised_ms", cleared_ms - 1)
    one = Remembering(life)
    one.clear = Clear(at_ms=say.now + cleared_ms, heard_ms=say.now + heard_ms, collector="snmp")
    raised = say.heard(at_ms=say.now + raised_ms, said=given.get("said"))
    assert one.hear(raised, now_ms=say.now, within_ms=given.get("within_ms", WITHIN_MS)) is wanted


def test_what_is_over_before_it_is_heard_of_is_in_the_books_and_tells_nobody(life, say) -> None:
    over = say.replace(say.heard(at_ms=say.now - 2000), cleared_ms=say.now - 1000)
    for reason in (Reason.OVERTAKEN, Reason.OVERTAKEN):  # the second one is counted where the first one is
        assert life.take(over) is reason
    assert (life.state, life.occurrences, life.due_ms, life.cleared_ms) == ("closed", 2, None, say.now - 1000)
    assert not any(decision.wishes for decision in life.decisions)
    assert "before it was heard of; nobody was told" in life.decisions[0].entries[-1].text
    ended = life.id
    assert life.raised() is Reason.RAISED_AGAIN
    assert (life.previous, life.state) == (ended, "open")


@pytest.mark.parametrize(("clear_hold", "state"), [(0, "resolved"), (5, "recovering")])
def test_what_is_over_is_counted_where_it_was_and_opens_nothing(life, say, clear_hold, state) -> None:
    life.raised(clear_hold_ms=clear_hold * say.minute)
    life.wait(1)
    life.cleared()
    before = life.incident
    over = say.heard(at_ms=life.now - 1000, impact=Impact.CRITICAL)
    assert life.take(say.replace(over, cleared_ms=life.now + 500)) is Reason.OVERTAKEN
    assert life.last.wishes == ()
    assert (life.state, life.id, life.occurrences, life.impact) == (state, before.id, 2, before.impact)
    assert (life.raised_ms, life.cleared_ms) == (life.now - 1000, life.now + 500)
    assert life.due_ms == before.due_ms + (500 if clear_hold else 0)


def test_what_is_raised_since_counts_also_what_was_over(life, say) -> None:
    life.raised()
    assert life.take(say.replace(say.heard(at_ms=life.now - 2), cleared_ms=life.now - 1)) is Reason.REPEATED


def test_what_is_over_makes_no_number_that_a_rule_asks_for(life, say) -> None:
    often = Frequency(count=2, within_ms=say.minute)
    over = say.replace(say.heard(at_ms=life.now - 2, frequency=often), cleared_ms=life.now - 1)
    assert [life.take(over), life.state] == [Reason.OVERTAKEN, "closed"]
    assert [life.raised(frequency=often), life.state, life.counted] == [Reason.COUNTING, "pending", 1]
    assert [life.take(over), life.state, life.counted, life.occurrences] == [Reason.OVERTAKEN, "pending", 1, 2]
    assert life.cleared_ms is None
    assert [life.raised(frequency=often), life.state] == [Reason.COUNTED, "open"]


def test_a_closed_incident_counts_nothing_that_came_after_it(life, say) -> None:
    life.raised(hold_ms=say.minute)
    life.cleared(hold_ms=say.minute)
    ended = life.id
    life.wait(1)
    assert life.take(say.replace(say.heard(at_ms=life.now), cleared_ms=life.now + 1)) is Reason.OVERTAKEN
    assert (life.previous, life.state, life.occurrences) == (ended, "closed", 1)


def test_what_flaps_is_told_though_each_raise_comes_too_late(life, say) -> None:
    for _ in range(4):
        life.wait(0.01)
        over = say.heard(at_ms=life.now, flap=FlapLimits(above=20), clear_hold_ms=say.minute)
        life.take(say.replace(over, cleared_ms=life.now + 1))
    assert Muted.FLAPPING in life.muted
    assert "REOPEN" in life.syncs
    assert life.state in ("recovering", "resolved")

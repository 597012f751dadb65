"""A source whose clock is off is decided alike, and events that overtake each other end no trouble that lasts."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.decision import Due
from gateway.core.flap import FlapLimits

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


ARRIVALS = st.lists(
    st.tuples(st.integers(0, 120), st.sampled_from(["raise", "clear"])),
    min_size=1,
    max_size=12,
    unique_by=lambda one: one[0],
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(arrivals=ARRIVALS, hold=st.sampled_from([0, 60_000]), clear_hold=st.sampled_from([0, 60_000]))
def test_in_whatever_order_they_come_what_was_raised_last_stays_raised(life_class, say, arrivals, hold, clear_hold):
    """Event time orders. What was cleared last is over, unless a raise overtook its clear: then the clear's repeat ends it."""
    life = life_class()
    for at_s, kind in arrivals:
        life.take(say.heard(say.kind(kind), at_ms=say.now + at_s * 1000, hold_ms=hold, clear_hold_ms=clear_hold))
    last_s, kind = max(arrivals)
    if kind == "clear":
        life.take(say.heard(say.kind("clear"), at_ms=say.now + last_s * 1000))
    raised = life.incident is not None and life.incident.alive and life.cleared_ms is None
    assert raised is (kind == "raise")

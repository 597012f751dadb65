"""What is beyond a cap on incidents is a number, and what that number is told in."""

from dataclasses import replace

import pytest

from gateway.core.event import OURSELVES, Attachment, EventKind, Reference
from gateway.core.gather import PARENT_RULES, Caps, raise_parent
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.overflow import begins, overall_cap, source_cap

MINUTE = 60_000
CAPS = Caps(source_new_per_min=9, open_max=50)


def test_only_a_raise_that_begins_an_incident_counts(say):
    raised, verdict = say.event(), say.verdict()
    assert begins(None, raised, verdict)
    assert not begins(None, raised, replace(verdict, drop=True))
    assert not begins(None, raised, say.verdict(EventKind.CLEAR))


@pytest.mark.parametrize(("state", "new"), [(state, state is State.CLOSED) for state in State])
def test_repeats_of_what_is_known_are_never_held_back(life, say, state, new):
    life.raised()
    assert begins(replace(life.incident, state=state), say.event(), say.verdict()) is new


@pytest.mark.parametrize(
    "mail",
    [
        {"references": (Reference(key="mid:<1>"),)},
        {"known_as": ("mid:<2>",)},
        {"attachments": (Attachment(name="a", media_type="b", content=b"c"),)},
    ],
)
def test_a_mail_never_becomes_a_number(say, mail):
    assert not begins(None, say.event(**mail), say.verdict())


def test_what_the_daemon_tells_of_itself_is_never_held_back(say):
    assert not begins(None, say.event(collector=OURSELVES), say.verdict())


def test_what_is_said_only_once_is_never_held_back(say):
    assert not begins(None, say.event(once=True), say.verdict())


@pytest.mark.parametrize(
    ("greater", "mark", "said"),
    [
        (source_cap("r1", CAPS), "1:source_storm|r1|", "storm: r1 began more than 9 new incidents in 1 min"),
        (overall_cap(CAPS), "1:overflow|everywhere|", "overflow: 50 incidents are open; what begins beyond them is only counted here"),
    ],
)  # fmt: skip
def test_what_counts_the_rest_is_grave_and_ends_by_itself(say, greater, mark, said):
    child = say.verdict(fingerprint="1:a", hold_ms=5, team="noc")
    event, verdict = raise_parent(
        greater, say.event(object="1", description="varbinds"), child, impact=Impact.LOW, period_ms=MINUTE
    )
    assert (verdict.fingerprint, verdict.summary, verdict.impact) == (mark, said, Impact.HIGH)
    assert (verdict.sinks, verdict.team, verdict.hold_ms, verdict.clear_after_ms) == (("desk",), "noc", 0, 2 * MINUTE)
    assert (event.description, event.source) == ("", greater.source)
    assert verdict.rule in PARENT_RULES

"""One source costs one ticket, however much it raises."""

from dataclasses import replace

import pytest

from gateway.core.event import Attachment, EventKind, Reference
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.storm import CALM_MS, SourceBudget, begins, storm

NOW, MINUTE = 1_795_305_600_000, 60_000


def test_a_source_has_a_budget_of_new_incidents_in_each_minute():
    budget = SourceBudget(2)
    assert [budget.spend("r1", now_ms=NOW) for _ in range(3)] == [True, True, False]
    assert budget.spend("r2", now_ms=NOW)
    assert budget.spend("r1", now_ms=NOW + MINUTE)


def test_zero_means_any_number():
    budget = SourceBudget(0)
    assert all(budget.spend("r1", now_ms=NOW) for _ in range(5000))


def test_what_did_not_reach_the_disk_is_given_back():
    budget = SourceBudget(2)
    budget.spend("r1", now_ms=NOW)
    budget.settle(kept=True)
    budget.spend("r1", now_ms=NOW)
    budget.settle(kept=False)
    assert [budget.spend("r1", now_ms=NOW) for _ in range(2)] == [True, False]


def test_giving_back_survives_the_turn_of_the_minute():
    budget = SourceBudget(1)
    budget.spend("r1", now_ms=NOW)
    budget.spend("r2", now_ms=NOW + MINUTE)
    budget.settle(kept=False)
    assert budget.spend("r2", now_ms=NOW + MINUTE)
    assert budget._begun == {"r2": 1}


def test_forged_sources_fill_no_memory():
    budget = SourceBudget(5, most_sources=100)
    for number in range(1000):
        budget.spend(f"forged-{number}", now_ms=NOW)
        budget.settle(kept=True)
        assert len(budget._begun) <= 100
    assert budget._unsettled == []


def test_only_a_raise_that_begins_an_incident_counts(say):
    raised, verdict = say.event(), say.verdict()
    assert begins(None, raised, verdict)
    assert not begins(None, raised, replace(verdict, drop=True))
    assert not begins(None, raised, say.verdict(EventKind.CLEAR))


@pytest.mark.parametrize(("state", "new"), [(state, state is State.CLOSED) for state in State])
def test_repeats_of_what_is_known_are_no_storm(life, say, state, new):
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


def test_a_storm_is_one_incident_of_its_source_and_ends_by_itself(say):
    one, first = storm(
        say.event(object="1", description="varbinds"), say.verdict(fingerprint="1:a", hold_ms=5, team="noc"), per_min=9
    )
    _, other = storm(say.event(object="2"), say.verdict(fingerprint="1:b", impact=Impact.CRITICAL), per_min=9)
    assert first.fingerprint == other.fingerprint == "1:source_storm|r1|"
    assert (first.impact, other.impact) == (Impact.HIGH, Impact.CRITICAL)
    assert (first.sinks, first.team, first.hold_ms, first.clear_after_ms) == (("desk",), "noc", 0, CALM_MS)
    assert "more than 9 new troubles" in one.description
    assert one.description.endswith("varbinds")

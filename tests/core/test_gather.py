"""What belongs to which greater incident, and what its ticket says."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.decide import decide
from gateway.core.decision import Join
from gateway.core.draft import draft
from gateway.core.event import EventKind
from gateway.core.family import LISTED, Family
from gateway.core.gather import (
    MOST_STORMS,
    Gathering,
    Gatherings,
    Group,
    Rate,
    Scope,
    is_parent,
    raise_parent,
    said_of_parent,
    told_of,
)
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.match import Matcher
from gateway.core.mute import Mute
from gateway.core.reason import Muted, Reason

MINUTE = 60_000
SITE = Group(
    name="site outage", matchers=(Matcher.parse("condition = link_down"),), by=("site",), more_than=3, within_ms=MINUTE, until=1
)  # fmt: skip
RATES = {scope: Rate(9, 3) for scope in Scope}
BOOK = Gatherings(groups=(SITE,), rates=RATES, ourselves="me")
PARENT = Mute(mark=Muted.CHILD, by="P" * 13, why="TOC-P (site outage)")


@pytest.fixture
def incident(life):
    life.raised(said={"labels": {"site": "lyon"}})
    return life.incident


def test_members_share_a_label(incident):
    (group,) = BOOK.groups_of(incident)
    assert (group.fingerprint, group.mark) == ("1:group|lyon|site outage", Muted.CHILD)
    assert BOOK.groups_of(replace(incident, labels={})) == []
    assert BOOK.groups_of(replace(incident, condition="fan")) == []


def test_the_narrowest_storm_comes_first(incident):
    assert [one.fingerprint for one in BOOK.storms_of(incident)] == [
        "1:object_storm|r1|3", "1:source_storm|r1|", "1:rule_storm|link|", "1:storm|everywhere|",
    ]  # fmt: skip
    assert next(one.condition for one in BOOK.storms_of(replace(incident, object=""))) == "source_storm"
    off = Gatherings(rates={**RATES, Scope.RULE: Rate(0, 1)})
    assert "rule_storm" not in [one.condition for one in off.storms_of(incident)]


@pytest.mark.parametrize("apart", [{"source": "me"}, {"rule": "group"}, {"rule": "source_storm"}])
def test_what_we_tell_of_ourselves_and_parents_belong_to_nothing(incident, apart):
    one = replace(incident, **apart)
    assert (BOOK.groups_of(one), BOOK.storms_of(one)) == ([], ())


def test_what_people_wrote_belongs_to_no_storm(incident):
    assert BOOK.storms_of(replace(incident, requester="ann@x")) == ()


def test_storms_of_more_places_than_are_remembered_are_told_all_the_same() -> None:
    book = Gatherings(rates=RATES)
    first = book.storms_at("r0", "", "rule")
    for number in range(1, MOST_STORMS + 1):
        assert book.storms_at(f"r{number}", "", "rule")[0].source == f"r{number}"
    assert book.storms_at("r0", "", "rule") == first


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope.OBJECT, "storm: r1 3 began more than 9 new incidents in 1 min"),
        (Scope.SOURCE, "storm: r1 began more than 9 new incidents in 1 min"),
        (Scope.RULE, "storm: rule link began more than 9 new incidents in 1 min"),
        (Scope.ALL, "storm: all sources together began more than 9 new incidents in 1 min"),
    ],
)
def test_each_storm_says_what_it_is_a_storm_of(incident, scope, said):
    gathering = next(one for one in BOOK.storms_of(incident) if one.condition == scope)
    assert told_of(gathering, period_ms=MINUTE) == said


def test_a_storm_is_grave_and_ends_by_itself(incident, say):
    gathering = Gathering(condition=Scope.SOURCE, source="r1", mark=Muted.STORM, rate=Rate(9, 3))
    event, verdict = raise_parent(gathering, say.event(), say.verdict(hold_ms=5), impact=Impact.LOW, period_ms=MINUTE)
    assert (verdict.impact, verdict.hold_ms, verdict.clear_after_ms, verdict.sinks) == (
        Impact.HIGH,
        0,
        2 * MINUTE,
        ("desk",),
    )
    assert (event.kind, event.condition, event.description) == (EventKind.RAISE, "source_storm", "")


@pytest.mark.parametrize(("own", "impact"), [(None, Impact.LOW), (Impact.CRITICAL, Impact.CRITICAL)])
def test_a_group_is_as_grave_as_its_gravest_child_or_as_it_says(incident, say, own, impact):
    gathering = replace(BOOK.groups_of(incident)[0], group=replace(SITE, impact=own))
    _, verdict = raise_parent(gathering, say.event(), say.verdict(), impact=Impact.LOW, period_ms=MINUTE)
    assert (verdict.impact, verdict.clear_after_ms, verdict.clear_hold_ms) == (impact, 0, MINUTE)


def test_a_parent_is_cleared_by_name(life, say):
    group = BOOK.groups_of(replace(_raised(life), labels={"site": "lyon"}))[0]
    event, verdict = raise_parent(group, say.event(), say.verdict(), impact=Impact.LOW, period_ms=MINUTE)
    parent = decide(None, say.heard(), now_ms=life.now, new_id="P" * 13).incident
    parent = replace(parent, rule=verdict.rule, fingerprint=verdict.fingerprint, condition=event.condition)
    said, about = said_of_parent(parent, EventKind.CLEAR, at_ms=life.now)
    assert is_parent(parent)
    assert (said.kind, about.kind, about.fingerprint) == (EventKind.CLEAR, EventKind.CLEAR, group.fingerprint)


def _raised(life):
    life.raised()
    return life.incident


def test_who_joins_says_so_and_waits(life):
    life.raised()
    assert life.take(Join(mute=PARENT)) is Reason.CHILD
    assert (life.muted, life.parent) == ({Muted.CHILD}, PARENT.by)
    assert life.comments == ["It belongs to TOC-P (site outage), which has the ticket."]
    assert "Part of: TOC-PPPP" in draft(life.incident, life.ticket()).description
    assert life.take(Join(mute=PARENT)) is Reason.UNCHANGED


def test_who_is_held_joins_without_a_word(life):
    life.raised(hold_ms=MINUTE)
    assert life.take(Join(mute=PARENT)) is Reason.CHILD
    assert (life.state, life.muted, life.parent) == (State.PENDING, frozenset(), PARENT.by)
    assert life.last.wishes == ()


def test_what_is_over_joins_nothing(life):
    assert life.take(Join(mute=PARENT)) is Reason.UNCHANGED
    life.raised()
    life.cleared()
    assert life.take(Join(mute=PARENT)) is Reason.UNCHANGED


def test_a_parents_recurrence_counts_incidents_and_writes_its_ticket(life):
    life.raised(rule="group")
    life.raised(rule="group", count=9)
    assert life.comments[0].startswith("10 incidents belong to it since")
    assert life.syncs == ["CREATE", "PRIORITY"]


def test_a_familys_words():
    assert Family().told == ""
    one = Family(total=60, raised=3, by_condition={"x": 60}, by_source={"r1": 60}, some=["TOC-A"] * LISTED)
    assert one.told.startswith(
        "Incidents that belong to it: 60, of which 3 are not over\nBy condition: x 60\nBy source: r1 60\nTOC-A"
    )
    assert one.told.endswith("... and 10 more")
    held = Family(held_back=90, held_by_source={"r1": 60, "r2": 20})
    assert held.told == "Held back, without incidents of their own: 90\nBy source: r1 60, r2 20, others 10"
    assert "more" not in Family(total=1, raised=1, by_condition={"x": 1}, by_source={"r": 1}, some=["TOC-A"]).told


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.dictionaries(st.sampled_from(["site", "x"]), st.text(max_size=5)),
    by=st.sampled_from([("site",), ("site", "x")]),
)
def test_a_member_has_all_that_is_shared(life_class, labels, by):
    life = life_class()
    life.raised(said={"labels": labels})
    key = replace(SITE, matchers=(), by=by).key(life.incident)
    assert (key is not None) == all(labels.get(name) for name in by)

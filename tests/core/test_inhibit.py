"""Who mutes whom: matchers on both sides, equal labels, and what rests on what."""

import pytest

from gateway.core.inhibit import BETWEEN, DEPENDS_ON, Facet, Inhibition, Inhibitions
from gateway.core.inventory import Inventory, Known
from gateway.core.match import Matcher


def rule(source: str, target: str, *equal: str) -> Inhibition:
    return Inhibition(
        name="one", source=(Matcher.parse(source),), target=(Matcher.parse(target),), equal=equal
    )  # fmt: skip


@pytest.fixture
def incident(life):
    life.raised(said={"labels": {"site": "lyon"}})
    return life.incident


def test_sides_and_keys(incident):
    book = Inhibitions((rule("condition = link_down", "impact = low", "site", "rack"),))
    assert book.as_source(incident) == (Facet("one", f"lyon{BETWEEN}"),)
    assert book.as_target(incident) == ()


def test_what_matches_both_sides_says_so(incident):
    book = Inhibitions((rule("condition = link_down", "site = lyon"),))
    assert book.as_source(incident) == book.as_target(incident) == (Facet("one", "", both=True),)


def test_what_is_down_mutes_what_rests_on_it(incident):
    inventory = Inventory({"r1": Known(depends_on=("uplink",))})
    book = Inhibitions((), frozenset({"link_down"}), inventory)
    assert book.as_source(incident) == (Facet(DEPENDS_ON, "r1"),)
    assert book.as_target(incident) == (Facet(DEPENDS_ON, "uplink"), Facet(DEPENDS_ON, "lyon"))
    assert Inhibitions((), frozenset(), inventory).as_target(incident) == ()


def test_other_rules_are_told_from_these():
    one, other = rule("a = 1", "b = 1"), rule("a = 1", "b = 2")
    assert Inhibitions((one,)).told != Inhibitions((other,)).told
    assert Inhibitions((one,)).told == Inhibitions((rule("a = 1", "b = 1"),)).told
    assert Inhibitions((), frozenset({"x"})).told != Inhibitions().told

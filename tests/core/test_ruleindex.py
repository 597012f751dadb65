"""The index of rules: it finds what may match, whatever the rules demand, and costs the same for ten and ten thousand."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.event import Event, EventKind
from gateway.core.impact import Impact
from gateway.core.match import Matcher
from gateway.core.ruleindex import RuleIndex
from gateway.core.rules import Rule, Rulebook, Setting

DEFAULTS = Setting(impact=Impact.MEDIUM, sinks=(), hold_ms=0, clear_hold_ms=0, reopen_within_ms=0)
WORDS = ("", "a", "b", "ab", "7", "A B")
MATCHERS = st.builds(
    "{} {} {}".format,
    st.sampled_from(["x", "y", "source"]),
    st.sampled_from(["=", "=", "!=", "=~", "=~", "!~", "<"]),
    st.sampled_from(["7", "a", "ab", "^a", "b$", "[ab]+", ""]),
).filter(lambda text: not text.endswith(("< a", "< ab", "< ^a", "< b$", "< [ab]+", "< ")))
RULES = st.lists(
    st.builds(
        Rule,
        name=st.just(""),
        collector=st.sampled_from(["", "", "", "snmp", "smtp"]),
        conditions=st.sampled_from([(), (), (), ("c1",), ("c1",), ("c1", "c2"), ("1.2.3",)]),
        matchers=st.lists(MATCHERS.map(Matcher.parse), max_size=3).map(tuple),
        proceed=st.sampled_from([False, False, True]),
        setting=st.sampled_from([Setting(), Setting(team="noc"), Setting(impact=Impact.LOW)]),
    ),
    min_size=30,
    max_size=60,
)


def named(rules: list[Rule]) -> list[Rule]:
    return [
        Rule(
            name=f"r{number}", collector=one.collector, conditions=one.conditions, matchers=one.matchers,
            proceed=one.proceed, setting=one.setting,
        )
        for number, one in enumerate(rules)
    ]  # fmt: skip


@settings(max_examples=150)
@given(
    RULES, st.sampled_from(["c1", "c2", "c3", ""]), st.sampled_from(["", "1.2.3"]),
    st.sampled_from(WORDS), st.sampled_from(WORDS), st.sampled_from(["snmp", "north"]),
)  # fmt: skip
def test_the_winner_is_the_one_that_trying_every_rule_finds(rules, condition, oid, x, y, collector) -> None:
    book = Rulebook(named(rules), defaults=DEFAULTS, types={"north": "smtp"})
    event = Event(
        collector=collector, source="s", condition=condition, kind=EventKind.RAISE, at_ms=0,
        labels={"x": x, "y": y, "trap_oid": oid},
    )  # fmt: skip
    winner = next(one.rule for one in book.explain(event) if one.won)
    for _ in range(2):  # the second time from memory
        assert book.judge(event).rule == winner


def demands(*matchers: str) -> list[tuple[int, list[Matcher]]]:
    return [(order, [Matcher.parse(one)]) for order, one in enumerate(matchers)]


def test_ten_thousand_rules_leave_one_to_try() -> None:
    index = RuleIndex(demands(*(f"source = sw{n}" for n in range(10_000))))
    assert (index.always, index.find({"source": "sw77"}.__getitem__)) == ((), [77])
    index = RuleIndex(demands(*(f'source =~ "^sw{n}-"' for n in range(10_000))))
    assert (index.always, index.find({"source": "sw77-lyon"}.__getitem__)) == ((), [77])
    assert index.find({"source": "else"}.__getitem__) == []


def test_of_two_equalities_the_rarer_is_looked_up() -> None:
    index = RuleIndex([(n, [Matcher.parse("site = lyon"), Matcher.parse(f"port = {n}")]) for n in range(20)])
    assert index.find({"site": "lyon", "port": "7"}.__getitem__) == [7]


def test_patterns_too_large_for_one_automaton_are_tried_one_by_one() -> None:
    index = RuleIndex(demands(*(f"x =~ {number}\\pL{{150}}" for number in range(12))))
    assert (len(index.always), index.selects) == (12, False)


def test_a_lone_surrogate_hides_no_rule() -> None:
    index = RuleIndex(demands(*(f"x =~ a{n}" for n in range(20))))
    assert sorted(index.find({"x": "\ud800"}.__getitem__)) == list(range(20))

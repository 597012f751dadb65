"""Rules, matchers, templates: who wins, why others lose, and that hostile text costs nothing."""

import time
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.event import Event, EventKind
from gateway.core.impact import Impact
from gateway.core.judge import Inventory, Judge, Known, own_labels, with_label
from gateway.core.match import Matcher, Operator, Template, fields_of
from gateway.core.rules import Rule, Rulebook, Setting

DEFAULTS = Setting(impact=Impact.MEDIUM, sinks=("desk",), hold_ms=0, clear_hold_ms=0, reopen_within_ms=7_200_000)


def book(*rules: Rule, **more) -> Rulebook:
    return Rulebook(rules, defaults=DEFAULTS, **more)


def rule(name: str, *matchers: str, conditions=("linkDown",), **more) -> Rule:
    setting = Setting(**{key: more.pop(key) for key in list(more) if key in Setting.__dataclass_fields__})
    return Rule(name=name, conditions=conditions, matchers=tuple(map(Matcher.parse, matchers)), setting=setting, **more)


# --- matchers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("port = 3", True), ("port=4", False), ("port != 3", False), ('port =~ "^[0-9]+$"', True),
        ("port !~ ^3", False), ("port > 2", True), ("port >= 3", True), ("port < 3", False), ("port <= 3.0", True),
        ("name > 2", False), ("nothing = x", False), ('nothing = ""', True), ("source = r1", True),
        ("condition = linkDown", True), ("kind = raise", True), ("ifDescr =~ ge-.*", True),
    ],
)  # fmt: skip
def test_matchers_hold_or_not(say, text: str, holds: bool) -> None:
    event = say.event(labels={"port": "3", "name": "x", "ifDescr": "ge-0/0/1"})
    assert (Matcher.parse(text).match(fields_of(event)) is not None) is holds


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("port", "is no matcher"),
        ("= 3", "is no matcher"),
        ("port > many", "is no number"),
        ('port =~ "(?=a)"', "is not RE2"),
        ('port =~ "("', "is not RE2"),
    ],
)
def test_a_wrong_matcher_is_told_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Matcher.parse(text)


@given(st.sampled_from(list(Operator)), st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20))
def test_a_matcher_reads_back_what_it_shows(operator: Operator, value: str) -> None:
    try:
        matcher = Matcher.parse(f'field {operator} "{value}"')
    except ValueError:
        return
    assert Matcher.parse(str(matcher)) == matcher


def test_catastrophic_patterns_meet_hostile_text_in_linear_time(say) -> None:
    matcher = Matcher.parse('summary =~ "^(a+)+$"')
    began = time.perf_counter()
    assert matcher.match(fields_of(say.event(summary="a" * 5000 + "!"))) is None
    assert time.perf_counter() - began < 1.0  # Python's own `re` would need longer than the universe has


def test_templates_substitute_and_do_nothing_else(say) -> None:
    look_up = fields_of(say.event(labels={"port": "{source}"}), {"host": "h1"})
    assert Template("plain").render(look_up) == "plain"
    assert [Template(text).flaw for text in ("plain", "{host}", "a } b {not a field}")] == ["", "", ""]
    assert Template("a {host").flaw.startswith('"{host" has no end')
    assert (
        Template("{host}: {port} {source} {missing} {not a field}").render(look_up) == "h1: {source} r1  {not a field}"
    )


# --- rulebook --------------------------------------------------------------------------------------


def test_the_first_rule_that_matches_wins(say) -> None:
    rules = book(rule("a", "port = 9"), rule("b", impact=Impact.HIGH), rule("c", impact=Impact.LOW))
    verdict = rules.judge(say.event(labels={"port": "3"}))
    assert (verdict.rule, verdict.impact) == ("b", Impact.HIGH)


def test_what_no_rule_matches_is_never_dropped(say) -> None:
    verdict = book().judge(say.event(condition="1.3.6.1.4.1.9.9.9"))
    assert (verdict.rule, verdict.drop, verdict.impact, verdict.sinks) == ("default", False, Impact.MEDIUM, ("desk",))


@pytest.mark.parametrize("kinds", list(product([EventKind.RAISE, EventKind.CLEAR, None], repeat=3)))
def test_what_both_raises_and_clears_clears(say, kinds) -> None:
    rules = [rule(f"r{number}", kind=kind, proceed=number + 1 < len(kinds)) for number, kind in enumerate(kinds)]
    wanted = EventKind.CLEAR if EventKind.CLEAR in kinds else EventKind.RAISE
    assert book(*rules).judge(say.event()).kind is wanted


def test_continue_adds_and_what_was_set_first_stays(say) -> None:
    rules = book(
        rule("team", conditions=(), team="noc", impact=Impact.LOW, proceed=True),
        rule("link", impact=Impact.HIGH, team="x"),
    )
    verdict = rules.judge(say.event())
    assert (verdict.rule, verdict.team, verdict.impact) == ("link", "noc", Impact.LOW)
    verdict = rules.judge(say.event(condition="else"))
    assert (verdict.rule, verdict.team, verdict.impact, verdict.sinks) == ("default", "noc", Impact.LOW, ("desk",))


def test_order_holds_between_rules_with_and_without_condition(say) -> None:
    rules = book(rule("any", "port = 1", conditions=()), rule("own"), rule("late", conditions=()))
    assert rules.judge(say.event(labels={"port": "1"})).rule == "any"
    assert rules.judge(say.event(labels={"port": "2"})).rule == "own"
    assert rules.judge(say.event(condition="else")).rule == "late"


def test_a_trap_oid_names_a_condition_too(say) -> None:
    rules = book(rule("by-oid", conditions=("1.3.6.1.6.3.1.1.5.3",)))
    assert rules.judge(say.event(labels={"trap_oid": "1.3.6.1.6.3.1.1.5.3"})).rule == "by-oid"


def test_a_rule_may_name_a_collector_by_instance_or_type(say) -> None:
    rules = book(rule("mine", collector="smtp"), types={"mail-north": "smtp"})
    assert rules.judge(say.event(collector="mail-north")).rule == "mine"
    assert rules.judge(say.event(collector="smtp")).rule == "mine"
    assert rules.judge(say.event(collector="snmp")).rule == "default"


def test_captures_become_fields(say) -> None:
    found = rule(
        "nagios", r'subject =~ "(?P<host>[^/ ]+)/(?P<service>.+) is (?P<severity>\w+)"', conditions=("mail",),
        condition=Template("{service}"), source=Template("{host}"), kind=EventKind.RAISE,
        impact_by={"severity": {"CRITICAL": Impact.CRITICAL}},
    )  # fmt: skip
    verdict = book(found).judge(say.event(condition="mail", labels={"subject": "db1/disk is CRITICAL"}))
    assert (verdict.source, verdict.condition, verdict.severity) == ("db1", "disk", "CRITICAL")
    assert (verdict.impact, verdict.fingerprint) == (Impact.CRITICAL, "1:disk|db1|")


def test_identity_may_hold_more_labels_but_never_severity_by_itself(say) -> None:
    rules = book(rule("vlan", identity=("vlan",)))
    marks = {
        rules.judge(say.event(severity=severity, labels={"vlan": vlan})).fingerprint
        for severity in ("minor", "major") for vlan in ("1", "2")
    }  # fmt: skip
    assert marks == {"1:linkDown|r1||vlan=1", "1:linkDown|r1||vlan=2"}


def test_the_first_field_with_a_mapping_for_its_value_gives_the_impact(say) -> None:
    by = {"state": {"x": Impact.LOW}, "port": {"3": Impact.CRITICAL}}
    assert book(rule("by", impact_by=by)).judge(say.event(labels={"port": "3"})).impact is Impact.CRITICAL
    assert book(rule("by", impact_by=by)).judge(say.event(labels={"port": "4"})).impact is Impact.MEDIUM


def test_a_rule_that_names_both_condition_and_trap_oid_is_tried_once(say) -> None:
    rules = book(rule("both", "port = 9", conditions=("linkDown", "1.2.3")))
    assert [one.rule for one in rules.explain(say.event(labels={"trap_oid": "1.2.3"}))] == ["both", "default"]


def test_the_memory_of_conditions_is_bounded_and_changes_nothing(say) -> None:
    rules = book(rule("all", conditions=()))
    assert {rules.judge(say.event(condition=f"c{n}")).rule for n in range(5000)} == {"all"}


def test_drop_and_holds_and_ages_come_through(say) -> None:
    ages = ((60_000, Impact.HIGH),)
    rules = book(rule("d", drop=True, hold_ms=1, clear_hold_ms=2, reopen_within_ms=0, impact_after=ages))
    verdict = rules.judge(say.event())
    assert (verdict.drop, verdict.hold_ms, verdict.clear_hold_ms, verdict.reopen_within_ms) == (True, 1, 2, 0)
    assert verdict.impact_after == ages


def test_explain_names_the_winner_and_why_others_lost(say) -> None:
    rules = book(
        rule("port9", "source = r1", "port = 9"),
        rule("mail", collector="smtp"),
        rule("note", proceed=True),
        rule("all"),
        rule("late"),
    )
    said = {one.rule: (one.won, one.why) for one in rules.explain(say.event(labels={"port": "3"}))}
    assert said["port9"] == (False, "port = 9 does not hold: port is '3'; 1 of its 2 matchers hold")
    assert "wants collector smtp" in said["mail"][1]
    assert said["note"] == (False, "matched, and said continue")
    assert said["all"][0] is True
    assert "comes after all" in said["late"][1]
    assert book().explain(say.event())[-1].rule == "default"


@given(st.integers(0, 400), st.sampled_from(["linkDown", "other", "zzz"]))
def test_the_index_never_changes_the_winner(wanted: int, condition: str) -> None:
    from gateway.core.event import Event

    rules = [
        rule(str(n), f"n = {n}", conditions=() if n % 3 else ("linkDown", "other")[n % 2 :]) for n in range(0, 400, 7)
    ]
    event = Event(
        collector="c", source="s", condition=condition, kind=EventKind.RAISE, at_ms=0, labels={"n": str(wanted)}
    )
    naive = next(
        (r.name for r in rules if condition in (r.conditions or (condition,)) and r.name == str(wanted)), "default"
    )
    assert book(*rules).judge(event).rule == naive


# --- inventory -------------------------------------------------------------------------------------


def test_the_inventory_adds_labels_and_raises_the_impact(say) -> None:
    from ipaddress import ip_network

    inventory = Inventory(
        {"r1": Known(steps=1, team="core", labels={"site": "lyon"})},
        [(ip_network("10.0.0.0/8"), Known(steps=2)), (ip_network("10.1.0.0/16"), Known(team="edge"))],
    )
    judge = Judge(book(rule("lyon", "site = lyon")), inventory)
    event, verdict = judge.judge(say.event())
    assert (event.labels["site"], verdict.rule, verdict.impact, verdict.team) == ("lyon", "lyon", Impact.HIGH, "core")
    assert judge.judge(say.event(source="10.1.2.3"))[1].team == "edge"
    assert judge.judge(say.event(source="10.2.2.3"))[1].impact is Impact.CRITICAL
    assert judge.judge(say.event(source="fe80::1"))[1].impact is Impact.MEDIUM
    for _ in range(2):
        assert judge.judge(say.event(source="no address"))[1].impact is Impact.MEDIUM


def test_importance_is_that_of_the_source_which_the_rule_named(say) -> None:
    judge = Judge(book(rule("n", source=Template("{host}"))), Inventory({"db1": Known(steps=2)}))
    event = say.event(labels={"host": "db1"})
    assert judge.judge(event)[1].impact is Impact.CRITICAL
    assert judge.judge(event)[1].fingerprint == "1:linkDown|db1|"


# --- what a verdict depends on ---------------------------------------------------------------------


def event(**labels: str) -> Event:
    return Event(
        collector="snmp", source="r1", condition="linkDown", kind=EventKind.RAISE, at_ms=0, labels=labels
    )  # fmt: skip


def mentioning(field: str, way: int) -> Rule:
    """A rule that looks at a field, in one of the ways that there are."""
    template = Template(f"is {{{field}}}")
    return rule(
        f"{field} {way}",
        *((f"{field} = 2",) if way == 0 else ()),
        **[
            {},
            {"identity": (field,)},
            {"impact_by": {field: {"2": Impact.HIGH}}},
            *({name: template} for name in ("condition", "source", "object", "severity", "summary", "runbook")),
        ][way],
    )


@given(
    st.lists(st.builds(mentioning, st.sampled_from(["uptime", "port"]), st.integers(0, 8)), max_size=4),
    st.sampled_from(["rule", "continue", "default", "expected"]),
)
def test_a_verdict_depends_on_no_label_that_the_judge_does_not_read(rules: list[Rule], where: str) -> None:
    rules = [replace(one, proceed=where == "continue") for one in rules]
    defaults = rules[0].setting.filled_from(DEFAULTS) if rules and where == "default" else DEFAULTS
    rulebook = Rulebook(rules if where in ("rule", "continue") else (), defaults=defaults)
    judge = Judge(rulebook, expected=book(*rules) if where == "expected" else None)
    verdicts = [judge.judge(event(uptime=now, port="2"))[1] for now in ("1", "2")]
    assert judge.reads("uptime") or verdicts[0] == verdicts[1]
    assert not judge.reads("port") or any("port" in one.name for one in rules)


@pytest.mark.parametrize("read", ["site", "trap_oid"])
def test_a_judge_reads_labels_that_no_rule_names(read: str) -> None:
    assert Judge(book()).reads(read)
    assert not Judge(book()).reads("uptime")


@given(st.booleans())
def test_another_value_of_a_label_leaves_the_rest_and_tells_the_own_ones_apart(known: bool) -> None:
    judge = Judge(book(), Inventory({"r1": Known(labels={"role": "core"})} if known else {}))
    told, _ = judge.judge(event(uptime="1", port="2"))
    labels = with_label(told.labels, "uptime", "3")
    own = {"uptime": "3", "port": "2"}
    assert labels == own | ({"role": "core"} if known else {})
    assert own_labels(replace(told, labels=labels)) == own
    assert told.labels["uptime"] == own_labels(told)["uptime"] == "1"

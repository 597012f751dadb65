"""``tocsin test``: what people and pipelines see."""

import json

import pytest
from structlog.testing import capture_logs

RULES = """
[sinks.local]
[[rule]]
name = "link"
condition = "linkDown"
impact = "high"
[[rule]]
name = "forgotten"
condition = "x"
"""
GOOD = """
[[test]]
name = "good"
step = [{ trap = "linkDown", source = "r1", expect = { impact = "high" } }]
"""
BAD = """
[[test]]
name = "bad"
step = [{ trap = "linkDown", source = "r1", expect = { impact = "low" } }]
"""


@pytest.fixture
def test_of(tmp_path, command):
    def run(text, *options):
        (tmp_path / "tocsin.toml").write_text(text)
        with capture_logs():
            return command("test", "--config", str(tmp_path / "tocsin.toml"), *options)

    return run


def test_what_holds_and_which_rule_was_not_reached(test_of, tmp_path):
    shown = test_of(RULES + GOOD)
    assert shown.exit_code == 0
    assert shown.stdout.replace(f"{tmp_path}/", "").splitlines() == [
        "ok      good",
        'tocsin.toml:7: rule "forgotten" is reached by no test',
        "tocsin.toml: 1 test, 0 failed, 1 rule without a test",
    ]


def test_what_does_not_hold_is_one_sentence_and_exit_code_1(test_of, tmp_path):
    shown = test_of(RULES + GOOD + BAD)
    assert shown.exit_code == 1
    assert shown.stderr.replace(f"{tmp_path}/", "").splitlines() == [
        'tocsin.toml:17: test "bad" at 0s: incident linkDown on r1 has impact high, not low'
    ]


def test_a_pipeline_may_want_every_rule_tested(test_of):
    assert test_of(RULES + GOOD, "--every-rule").exit_code == 1
    assert test_of(RULES.partition('[[rule]]\nname = "forgotten"')[0] + GOOD, "--every-rule").exit_code == 0


def test_for_programs(test_of, tmp_path):
    shown = test_of(RULES + GOOD + BAD, "--json")
    assert shown.exit_code == 1
    said = json.loads(shown.stdout)
    assert not said["ok"]
    assert [one["ok"] for one in said["tests"]] == [True, False]
    assert said["tests"][1]["failures"][0]["line"] == 17
    assert [one["rule"] for one in said["unreached"]] == ["forgotten"]


def test_only_some(test_of):
    assert test_of(RULES + GOOD + BAD, "--only", "goo").exit_code == 0
    shown = test_of(RULES + GOOD, "--only", "zzz")
    assert shown.exit_code == 1
    assert "no test of" in shown.stderr


def test_without_tests_it_says_so(test_of):
    shown = test_of(RULES)
    assert shown.exit_code == 1
    assert "has no [[test]]" in shown.stderr


def test_no_secret_is_read_and_mistakes_have_code_78(test_of):
    hubspot = '[sinks.hubspot]\ntoken = "env:NOT_THERE"\npipeline = "0"\nstages = { open = "1", resolved = "4", closed = "4" }\n'
    assert test_of(hubspot + RULES + GOOD).exit_code == 0
    assert test_of(hubspot.replace("env:", "") + RULES + GOOD).exit_code == 78

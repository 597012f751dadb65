"""``tocsin unknown``: what no rule knows, and rules to paste that load as they are."""

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.exits import Exit
from gateway.cli.unknown import rule_for
from gateway.config.rules import RuleConfig

SAMPLE = "fanFailed (ACME-MIB, 1.3.6.1.4.1.9999.0.1)\nifIndex.7 = 7\n1.3.6.1.4.1.9999.5.1 (fanName) = x\n1.3.6.1.4.1.9999.6.0 = 4"


def item(condition: str, count: int, sample: str = SAMPLE) -> dict:
    seen = "2026-11-22T06:48:18.418Z"
    return {"condition": condition, "count": count, "first_seen": seen, "last_seen": seen, "sample": sample}


@pytest.fixture
def asked(daemon):
    daemon.will_answer(
        "/api/v1/unknown", {"items": [item("1.3.6.1.4.1.5.0.1", 2, "head"), item("fanFailed", 9)], "next": None}
    )
    return daemon


def test_the_most_frequent_comes_first(command, asked) -> None:
    lines = command("unknown", "--url", asked.url).stdout.splitlines()
    assert lines[0].split() == ["CONDITION", "COUNT", "FIRST", "LAST", "SAMPLE"]
    assert [line.split()[:2] for line in lines[1:]] == [["fanFailed", "9"], ["1.3.6.1.4.1.5.0.1", "2"]]


def test_one_is_shown_with_its_sample_and_a_rule(command, asked) -> None:
    shown = command("unknown", "fanFailed", "--url", asked.url).stdout
    assert SAMPLE in shown
    assert "# fields: ifIndex fanName varbind.3" in shown
    assert 'condition = "fanFailed"' in shown


def test_rules_for_all_load_as_they_are(command, asked, tmp_path) -> None:
    file = tmp_path / "tocsin.toml"
    file.write_text(command("unknown", "--rules", "--url", asked.url).stdout)
    assert len(tomllib.loads(file.read_text())["rule"]) == 2
    assert command("check", "--config", str(file)).exit_code == 0


def test_programs_get_the_rules_too(command, asked) -> None:
    told = json.loads(command("unknown", "--json", "--url", asked.url).stdout)
    assert [(one["condition"], one["count"]) for one in told["items"]] == [("fanFailed", 9), ("1.3.6.1.4.1.5.0.1", 2)]
    assert told["items"][0]["rule"].startswith("[[rule]]\n")


def test_one_that_is_not_there_is_told(command, asked) -> None:
    shown = command("unknown", "nothing", "--url", asked.url)
    assert (shown.exit_code, len(shown.stderr.splitlines())) == (Exit.FAILED, 1)


def test_nothing_is_told(command, daemon) -> None:
    daemon.will_answer("/api/v1/unknown", {"items": [], "next": None})
    assert command("unknown", "--url", daemon.url).stdout == "nothing came that no rule knows\n"


@given(st.text(min_size=1, max_size=60).filter(str.strip), st.text(max_size=200))
def test_whatever_came_its_rule_is_toml_that_loads(condition: str, sample: str) -> None:
    (rule,) = tomllib.loads(rule_for(condition, sample))["rule"]
    RuleConfig.model_validate(rule)

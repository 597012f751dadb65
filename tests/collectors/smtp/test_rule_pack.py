"""The rule pack for monitoring mails: each sample is judged as told, and raise and clear of a pair meet."""

import tomllib
from pathlib import Path

import pytest

from collectors.smtp.event import Policy, Received, event_of
from collectors.smtp.limits import Limits
from collectors.smtp.machine import Machine, recognise
from collectors.smtp.mail import parse
from gateway.config.rules import RuleConfig
from gateway.core.event import Event
from gateway.core.fingerprint import fingerprint
from gateway.core.impact import Impact
from gateway.core.rules import DEFAULT_RULE, Rulebook, Setting, Verdict

SAMPLES = Path(__file__).parent / "samples"
EXPECTED = tomllib.loads((SAMPLES / "expected.toml").read_text())
PACK = Path(__file__).parents[3] / "config" / "rules" / "mail-monitoring.toml"
PLATFORMS = (
    "nagios",
    "icinga",
    "zabbix",
    "grafana",
    "alertmanager",
    "prtg",
    "azure",
    "checkmk",
    "monit",
    "uptimerobot",
    "datadog",
    "healthchecks",
)


@pytest.fixture(scope="module")
def book() -> Rulebook:
    rules = [RuleConfig.model_validate(rule).compiled() for rule in tomllib.loads(PACK.read_text())["rule"]]
    return Rulebook(rules, defaults=Setting(impact=Impact.MEDIUM))


def event_in(name: str) -> Event:
    raw = (SAMPLES / f"{name}.eml").read_bytes()
    received = Received(raw=raw, at_ms=0, envelope_from="x@example.net", recipients=("support@example.com",))
    return event_of(parse(raw, Limits()), received, Policy(collector="smtp"))


def judged(book: Rulebook, name: str) -> Verdict:
    return book.judge(event_in(name))


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sample_is_judged_as_told(book: Rulebook, name: str) -> None:
    verdict = judged(book, name)
    found = {
        "rule": verdict.rule,
        "kind": verdict.kind.value,
        "source": verdict.source,
        "condition": verdict.condition,
        "object": verdict.object,
    }
    assert found == EXPECTED[name]


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.endswith("-raise")])
def test_raise_and_clear_of_a_pair_are_one_trouble(book: Rulebook, name: str) -> None:
    first, second = judged(book, name), judged(book, name.removesuffix("-raise") + "-clear")
    assert (first.kind, second.kind) == ("raise", "clear")
    assert first.fingerprint == second.fingerprint == fingerprint(first.condition, first.source, first.object)


def test_every_platform_has_a_pair_and_every_rule_a_sample(book: Rulebook) -> None:
    for platform in PLATFORMS:
        kinds = {expected["kind"] for name, expected in EXPECTED.items() if name.startswith(platform)}
        assert kinds >= {"raise", "clear"}, platform
    assert {rule.name for rule in book.rules} == {expected["rule"] for expected in EXPECTED.values()}
    assert {path.stem for path in SAMPLES.glob("*.eml")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_nobody_acknowledges_a_monitoring_system(name: str) -> None:
    mail = parse((SAMPLES / f"{name}.eml").read_bytes(), Limits())
    assert recognise(mail).machine is Machine.MACHINE
    assert event_in(name).requester == ""


@pytest.mark.parametrize(
    ("name", "impact"),
    [
        ("nagios-service-raise", "high"),
        ("zabbix-raise", "high"),
        ("azure-raise", "high"),
        ("prtg-warning-raise", "medium"),
    ],
)
def test_what_the_platform_claims_decides_the_impact(book: Rulebook, name: str, impact: str) -> None:
    assert judged(book, name).impact == impact


@pytest.mark.parametrize(
    "subject",
    [
        "Problem: my printer is on fire",
        "Resolved: thank you",
        "The network is DOWN",
        "Re: [OK] for Monday",
        "Question about the monitor",
        "PROBLEM with my login",
        "UP or DOWN?",
    ],
)
def test_what_people_write_is_no_monitoring_mail(book: Rulebook, subject: str) -> None:
    raw = f"From: Alice <alice@example.org>\r\nSubject: {subject}\r\n\r\nHost: mine\r\n".encode()
    event = event_of(parse(raw, Limits()), Received(raw=raw, at_ms=0, envelope_from="a@b"), Policy(collector="smtp"))
    assert book.judge(event).rule == DEFAULT_RULE

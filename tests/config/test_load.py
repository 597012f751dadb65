"""A configuration without mistakes becomes one frozen value."""

from pathlib import Path

import pytest

from gateway.config import load
from gateway.core.event import Event, EventKind
from gateway.core.impact import Impact


def event(condition, **fields):
    return Event(collector="door", source="r1", condition=condition, kind=EventKind.RAISE, at_ms=0, **fields)


def test_an_empty_file_means_the_defaults(loading):
    config = loading.load("")
    assert str(config.http.listen) == "127.0.0.1:9464"
    assert config.http.token is None
    assert config.engine.lazy_ms == 100
    assert config.daemon.node_name
    assert config.default_setting.impact is Impact.MEDIUM
    assert config.default_setting.reopen_within_ms == 7_200_000
    assert config.default_setting.clear_hold_ms == 0


def test_an_instance_takes_its_name_for_its_type_unless_it_says_so(loading):
    config = loading.load("[collectors.bell]\n[collectors.door]\ntype = 'bell'\nlisten = '127.0.0.1:4001'\n")
    assert {name: instance.plugin.name for name, instance in config.collectors.items()} == {
        "bell": "bell",
        "door": "bell",
    }
    assert config.collectors["door"].config.listen == "127.0.0.1:4001"


def test_what_is_disabled_is_checked_but_left_out(loading):
    config = loading.load(
        "[tickets]\ndefault_sinks = ['a', 'b']\n"
        "[sinks.a]\ntype = 'paper'\nurl = 'x'\n[sinks.b]\ntype = 'paper'\nurl = 'x'\nenabled = false\n"
        "[[rule]]\nname = 'both'\nsinks = ['b', 'a']\n"
    )
    assert list(config.sinks) == ["a"]
    assert config.default_sinks == ("a",)
    assert config.rulebook().judge(event("x")).sinks == ("a",)
    assert "url" in loading.mistakes("[sinks.paper]\nenabled = false\n")[0]


def test_without_a_choice_every_sink_gets_a_ticket(loading):
    sinks = "[sinks.a]\ntype = 'paper'\nurl = 'x'\n[sinks.b]\ntype = 'paper'\nurl = 'x'\n"
    assert loading.load(sinks).default_sinks == ("a", "b")
    assert loading.load("[tickets]\ndefault_sinks = []\n" + sinks).default_sinks == ()


def test_a_rule_says_all_that_it_can(loading):
    config = loading.load(
        """
        [collectors.door]
        type = "bell"
        [sinks.paper]
        url = "x"
        [[rule]]
        name = "noted"
        condition = "ring"
        severity = "{claim}"
        continue = true
        [[rule]]
        name = "ring"
        collector = "bell"
        condition = ["ring", "1.3.6.1.4.1.9"]
        match = ['subject =~ "^door (?P<door>.+)$"', "volume > 80"]
        set_condition = "door_{condition}"
        kind = "clear"
        set_source = "house-{site}"
        object = "{door}"
        impact = "low"
        impact_by = {severity = {LOUD = "critical"}}
        identity = ["site"]
        summary = "The {door} door"
        runbook = "https://wiki/{condition}"
        team = "porters"
        sinks = ["paper"]
        hold = "90s"
        clear_hold = 5
        reopen_within = "1d"
        impact_after = {"1d" = "critical", "2h" = "high"}
        [[rule]]
        name = "hush"
        match = "volume <= 80"
        drop = true
        """
    )
    labels = {"subject": "door front", "volume": "90", "claim": "LOUD", "site": "lyon"}
    verdict = config.rulebook().judge(event("ring", labels=labels))
    assert verdict.rule == "ring"
    assert (verdict.condition, verdict.source, verdict.object) == ("door_ring", "house-lyon", "front")
    assert (verdict.kind, verdict.impact, verdict.severity) == (EventKind.CLEAR, Impact.CRITICAL, "LOUD")
    assert (verdict.summary, verdict.runbook, verdict.team) == ("The front door", "https://wiki/ring", "porters")
    assert (verdict.hold_ms, verdict.clear_hold_ms, verdict.reopen_within_ms) == (90_000, 5000, 86_400_000)
    assert verdict.impact_after == ((7_200_000, Impact.HIGH), (86_400_000, Impact.CRITICAL))
    assert verdict.sinks == ("paper",)
    assert verdict.fingerprint.endswith("site=lyon")
    assert config.rulebook().judge(event("other", labels={"volume": "1"})).drop


def test_included_files_come_after_the_own_rules_and_bring_inventory(loading):
    loading.write("[[rule]]\nname = 'b'\n[[source]]\nname = '10.2.0.0/16'\nsite = 'lyon'\n", "parts/1.toml")
    loading.write("[[rule]]\nname = 'c'\n[[station]]\nname = 's1'\nmust_appear_within = '10m'\n", "parts/2.toml")
    config = loading.load("include = ['parts/*.toml', 'parts/1.toml']\n[[rule]]\nname = 'a'\n")
    assert [rule.name for rule in config.rules] == ["a", "b", "c"]
    assert [path.name for path in config.files] == ["tocsin.toml", "1.toml", "2.toml"]
    assert str(config.source[0].network) == "10.2.0.0/16"
    assert config.station[0].must_appear_within.seconds == 600


def test_secrets_are_collected_for_redaction_wherever_they_stand(loading, tmp_path):
    (tmp_path / "t").write_text("hunter2\n")
    (tmp_path / "c").write_text("public1\n")
    (tmp_path / "m").write_text("deeper\n")
    config = loading.load(
        f"[http]\ntoken = 'file:{tmp_path}/t'\n[collectors.bell]\ncommunity = 'file:{tmp_path}/c'\n"
        f"more = [{{a = 'file:{tmp_path}/m'}}]\n"
    )
    assert config.secrets() == {"hunter2", "public1", "deeper"}
    assert "hunter2" not in repr(config)


def test_a_configuration_cannot_be_changed(loading):
    config = loading.load("")
    with pytest.raises(ValueError, match="frozen"):
        config.daemon.drain_s = 3
    with pytest.raises(AttributeError):
        config.daemon = None


def test_a_file_that_is_not_there_is_one_sentence(plugins):
    with pytest.raises(Exception, match=r"^/nowhere/tocsin\.toml: there is no such file; correct its path"):
        load(Path("/nowhere/tocsin.toml"), plugins=plugins)


def test_stations_have_general_terms_and_their_own(loading):
    config = loading.load(
        "[stations]\ninterval = '2m'\ngrace = '40s'\n[[station]]\nname = 's1'\nsite = 'lyon'\ninterval = '10s'\n"
        "[[station]]\nname = 's2'\nmust_appear_within = '10m'\n"
    )
    assert (config.stations.interval.seconds, config.stations.grace.seconds) == (120, 40)
    first, second = config.station
    assert (first.interval.seconds, first.grace, first.site) == (10, None, "lyon")
    assert (second.interval, second.must_appear_within.seconds) == (None, 600)

"""``tocsin setup`` and ``tocsin check --online``: what is wrong with a tracker, a sentence each."""

import json
from contextlib import asynccontextmanager

import pytest

from gateway.cli.exits import Exit, Failure
from gateway.cli.setup import look
from gateway.config import SinkInstance
from gateway.plugin import Finding, PluginConfig, Retry, SinkPlugin, Unauthorized


class Tracker:
    """A sink that only checks its set-up."""

    def __init__(self, error=None):
        self.error = error
        self.applied = None

    async def check(self, *, apply):
        self.applied = apply
        if self.error:
            raise self.error
        return [
            Finding(ok=True, what="the project OPS exists"),
            Finding(ok=apply, what="a property is missing", applied=apply),
        ]


def instance(tracker):
    @asynccontextmanager
    async def build(config, host):
        yield tracker

    return SinkInstance(
        name="desk", plugin=SinkPlugin(name="desk", config=PluginConfig, build=build), config=PluginConfig()
    )


@pytest.mark.parametrize("apply", [False, True])
async def test_the_sinks_own_check_is_asked(tmp_path, apply):
    tracker = Tracker()
    findings = await look(instance(tracker), state_dir=tmp_path, apply=apply)
    assert tracker.applied is apply
    assert [finding.ok for finding in findings] == [True, apply]


async def test_a_sink_without_a_check_needs_no_set_up(tmp_path):
    (finding,) = await look(instance(object()), state_dir=tmp_path, apply=False)
    assert (finding.ok, finding.what) == (True, "desk needs no set-up")


async def test_a_refused_credential_is_a_finding(tmp_path):
    (finding,) = await look(instance(Tracker(Unauthorized("the token was refused"))), state_dir=tmp_path, apply=False)
    assert (finding.ok, finding.what) == (False, "the token was refused")


async def test_a_tracker_that_is_away_is_a_reason_to_try_again(tmp_path):
    with pytest.raises(Failure, match="desk: no route; try again") as caught:
        await look(instance(Tracker(Retry("no route"))), state_dir=tmp_path, apply=False)
    assert caught.value.exit_code == Exit.TEMPORARY


@pytest.fixture
def only_local(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text("rule_packs = []\n[http]\nenabled = false\n[sinks.local]\n")
    return ("--config", str(path), "--state-dir", str(tmp_path / "state"))


def test_the_local_desk_is_set_up(command, only_local):
    shown = command("setup", "local", *only_local)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("ok ")
    assert all(found["ok"] for found in json.loads(command("setup", "local", "--json", *only_local).stdout))


def test_an_unknown_sink_is_a_usage_error(command, only_local):
    shown = command("setup", "locl", *only_local)
    assert (shown.exit_code, shown.stderr) == (Exit.USAGE, 'there is no sink "locl"; did you mean "local"?\n')


def test_an_online_check_tells_what_answers(command, only_local):
    shown = command("check", "--online", *only_local)
    assert shown.exit_code == 0, shown.stderr
    assert shown.stdout.startswith("ok ")


def test_an_online_check_tells_what_does_not(command, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text("rule_packs = []\n[http]\nenabled = false\n[collectors.snmp]\nlisten = ['192.0.2.1:1162']\n")
    shown = command("check", "--online", "--config", str(path), "--state-dir", str(tmp_path / "state"))
    assert shown.exit_code == Exit.FAILED
    assert "WRONG" in shown.stdout
    assert "192.0.2.1:1162" in shown.stdout

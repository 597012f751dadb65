"""``tocsin drill`` asks the daemon on its admin socket, and tells what came of it."""

import json

import pytest

STAGES = {"heard": 0.11, "opened": 0.6, "seen": 0.7, "cleared": 0.1, "closed": 0.5}
GOOD = {"collector": "snmp", "ok": True, "skipped": False, "why": "", "incident": "T1", "stages": STAGES}
BAD = {"collector": "mqtt", "ok": False, "skipped": False, "why": "nothing was heard", "incident": "", "stages": {}}
LEFT = {"collector": "smtp", "ok": False, "skipped": True, "why": "no recipient", "incident": "", "stages": {}}


@pytest.fixture
def drilled(command, admin, tmp_path):
    def run(*legs, ok, words=()):
        admin.will_answer("/api/v1/drill", {"ok": ok, "legs": list(legs)})
        return command("drill", "--state-dir", str(tmp_path), *words)

    return run


def test_times_of_each_stage_and_what_was_left_out(drilled):
    shown = drilled(GOOD, LEFT, ok=True)
    assert shown.exit_code == 0
    head, good, left = shown.stdout.splitlines()
    assert head.split() == ["COLLECTOR", "HEARD", "OPENED", "SEEN", "CLEARED", "CLOSED", "WHY"]
    assert good.split()[:3] == ["snmp", "0.11", "s"]
    assert left.endswith("left out: no recipient")


def test_what_did_not_come_through_is_exit_code_1(drilled):
    shown = drilled(GOOD, BAD, ok=False)
    assert shown.exit_code == 1
    assert "nothing was heard" in shown.stdout
    assert "did not come through" in shown.stderr
    assert "no collector could be drilled" in drilled(LEFT, ok=False).stderr


def test_for_programs(drilled):
    assert json.loads(drilled(GOOD, ok=True, words=["--json"]).stdout)["legs"] == [GOOD]


def test_without_a_daemon_it_is_69(command, tmp_path):
    assert command("drill", "--state-dir", str(tmp_path)).exit_code == 69

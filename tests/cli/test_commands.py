"""Commands that ask the daemon: tables for people, JSON for programs, one sentence and a code when they fail."""

import json
import time
from datetime import UTC, datetime

import pytest

from gateway.cli.exits import Exit
from gateway.cli.tables import until

INCIDENT = {
    "id": "T000000000001",
    "fingerprint": "1:link_down|r1|7",
    "source": "r1",
    "condition": "link_down",
    "object": "7",
    "impact": "high",
    "priority": "P2",
    "severity": "",
    "state": "open",
    "occurrences": 1000,
    "first_seen": "2026-11-22T00:00:00.000Z",
    "last_seen": "2026-11-22T00:16:40.000Z",
    "due": None,
    "summary": "port \x1b[31mge-0/0/7\r\nis down",
    "description": "",
    "labels": {"site": "lyon"},
    "rule": "ietf-link-down",
    "team": "noc",
    "runbook": "",
    "requester": "",
    "muted": [],
    "previous": "",
    "tickets": [{"incident": "T000000000001", "sink": "jira", "ref": "OPS-24", "id": "1", "url": "https://x/OPS-24", "state": "open", "impact": "high"}],
}  # fmt: skip
OPERATION = {
    "id": 7, "incident": "T000000000001", "sink": "jira", "kind": "sync", "rank": "create", "impact": "high", "reason": "first_raised",
    "body": {}, "state": "dead", "attempts": 3, "created": "2026-11-22T00:00:00.000Z", "next": None, "sent": None, "unknown": None,
    "error": "the project OPS does not exist",
}  # fmt: skip
STATION = {
    "station": "s1", "site": "lyon", "state": "down", "fault": "", "interval_s": 60.0, "interval_from": "learned", "grace_s": 30.0,
    "seen": "2026-11-22T00:00:00.000Z", "expected": "2026-11-22T00:01:00.000Z", "down_since": None, "beats": 12,
}  # fmt: skip


def page(*items, cursor=None):
    return {"items": list(items), "next": cursor}


def test_incidents_are_a_table_for_people_without_escape_sequences(command, daemon):
    daemon.will_answer("/api/v1/incidents", page(INCIDENT))
    shown = command("incidents", "--url", daemon.url)
    assert shown.exit_code == 0
    head, row = shown.stdout.splitlines()
    assert head.split()[:4] == ["ID", "P", "STATE", "COUNT"]
    assert row.split()[:4] == ["T000000000001", "P2", "open", "1000"]
    assert "jira:OPS-24" in row
    assert "\x1b" not in shown.stdout


def test_incidents_for_programs_are_one_json_document(command, daemon):
    daemon.will_answer("/api/v1/incidents", page(INCIDENT))
    shown = command(
        "incidents", "list", "--json", "--url", daemon.url, "--state", "open", "--state", "pending", "--source", "r1"
    )
    assert json.loads(shown.stdout) == {"items": [INCIDENT], "next": None}
    assert daemon.asked[0][2] == {"state": ["open,pending"], "source": ["r1"], "limit": ["100"]}


def test_json_carries_no_raw_escape_sequence(command, daemon):
    daemon.will_answer("/api/v1/incidents", page({**INCIDENT, "summary": "\x1b[2J \x9b2J \u202e"}))
    shown = command("incidents", "--json", "--url", daemon.url)
    assert shown.stdout.replace("\n", "").isprintable()
    assert json.loads(shown.stdout)["items"][0]["summary"] == "\x1b[2J \x9b2J \u202e"


def test_lists_are_read_page_after_page_up_to_the_limit(command, daemon):
    daemon.will_answer(
        "/api/v1/incidents", page(INCIDENT, INCIDENT, cursor="a"), page(INCIDENT, cursor="b"), page(INCIDENT)
    )
    shown = command("incidents", "--json", "--limit", "4", "--url", daemon.url)
    assert len(json.loads(shown.stdout)["items"]) == 4
    assert [query.get("cursor") for _, _, query in daemon.asked] == [None, ["a"], ["b"]]
    assert [query["limit"] for _, _, query in daemon.asked] == [["4"], ["2"], ["1"]]


def test_one_incident_is_shown_with_tickets_and_timeline(command, daemon, monkeypatch):
    entry = {"at": "2026-11-22T00:00:00.000Z", "reason": "first_raised", "text": "by trap"}
    told = {**INCIDENT, "description": "linkDown\nifIndex = \x1b[31m7", "timeline": [entry]}
    daemon.will_answer("/api/v1/incidents/T000000000001", told)
    with monkeypatch.context() as patched:
        patched.setenv("TZ", "Europe/Paris")
        time.tzset()
        shown = command("incidents", "show", "T000000000001", "--url", daemon.url)
    time.tzset()
    for text in ("link_down", "https://x/OPS-24", "first_raised", "lyon", "by trap", "2026-11-22 01:00:00 CET"):
        assert text in shown.stdout
    assert "\n\nlinkDown\nifIndex = \\x1b[31m7\n\n" in shown.stdout  # lines of their own, hostile text escaped


def test_an_id_cannot_leave_its_place_in_the_path(command, daemon):
    shown = command("incidents", "show", "../stations?x", "--url", daemon.url)
    assert shown.exit_code == Exit.FAILED
    assert daemon.asked[0][1] == "/api/v1/incidents/..%2Fstations%3Fx"


def test_an_argument_that_is_no_text_is_asked_for_as_it_is(command, daemon):
    answer = command("incidents", "show", "\udcff\udcfe", "--url", daemon.url)
    assert answer.exit_code == 1
    assert "the daemon says" in answer.stderr


def test_stations_are_listed(command, daemon):
    daemon.will_answer("/api/v1/stations", page(STATION))
    row = command("stations", "--url", daemon.url).stdout.splitlines()[1]
    assert row.split()[:3] == ["s1", "lyon", "down"]
    assert " late " in row
    soon = until("2026-11-22T00:05:00.000Z", datetime(2026, 11, 22, tzinfo=UTC))
    assert (soon, until(None)) == ("in 5m", "-")
    assert json.loads(command("stations", "--json", "--url", daemon.url).stdout)["items"] == [STATION]


def test_the_outbox_is_listed_and_one_operation_shown(command, daemon):
    daemon.will_answer("/api/v1/outbox", page(OPERATION))
    assert "the project OPS does not exist" in command("outbox", "list", "--state", "dead", "--url", daemon.url).stdout
    assert "attempts" in command("outbox", "show", "7", "--url", daemon.url).stdout
    missing = command("outbox", "show", "8", "--url", daemon.url)
    assert missing.exit_code == Exit.FAILED
    assert missing.stderr == "the outbox has no operation 8; see tocsin outbox\n"


@pytest.mark.parametrize(
    ("url", "arguments", "said"),
    [
        ("/api/v1/outbox/7/requeue", ("outbox", "requeue", "7"), "operation 7 is queued again"),
        ("/api/v1/outbox/7/drop", ("outbox", "drop", "7"), "operation 7 is dropped"),
        ("/api/v1/incidents/T1/close", ("incidents", "close", "T1"), "incident T1 is closed"),
        ("/api/v1/incidents/T1/unmute", ("incidents", "unmute", "T1"), "incident T1 is closed"),
    ],
)
def test_changes_go_over_the_admin_socket(command, admin, tmp_path, url, arguments, said):
    admin.will_answer(url, {"id": "T1", "state": "closed"})
    shown = command(*arguments, "--state-dir", str(tmp_path))
    assert shown.stdout == said + "\n"
    assert admin.asked == [("POST", url, {})]


def test_a_refusal_is_told_in_the_daemons_words(command, admin, tmp_path):
    admin.will_answer("/api/v1/outbox/9/drop", {"error": "the outbox has no dead operation 9"}, status=404)
    shown = command("outbox", "drop", "9", "--state-dir", str(tmp_path))
    assert (shown.exit_code, shown.stderr) == (
        Exit.FAILED,
        "the daemon says: the outbox has no dead operation 9 (404)\n",
    )


def test_a_busy_daemon_is_a_reason_to_try_again(command, daemon):
    daemon.will_answer("/api/v1/stations", {"error": "the store cannot be read"}, status=503)
    shown = command("stations", "--url", daemon.url)
    assert (shown.exit_code, shown.stderr) == (Exit.TEMPORARY, "the daemon says: the store cannot be read (503)\n")


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "nonsense", "ftp://127.0.0.1"])
def test_no_daemon_is_one_sentence_and_its_own_code(command, url):
    shown = command("incidents", "--url", url)
    assert shown.exit_code == Exit.UNREACHABLE
    assert (
        shown.stderr == f"no daemon answers at {url}; start it (tocsin run), or say where it is (--url, --state-dir)\n"
    )


def test_no_admin_socket_is_one_sentence(command, tmp_path):
    shown = command("outbox", "requeue", "1", "--state-dir", str(tmp_path))
    assert shown.exit_code == Exit.UNREACHABLE
    assert f"no daemon answers at {tmp_path}/admin.sock" in shown.stderr


def test_something_else_that_answers_is_not_taken_for_tocsin(command, daemon):
    daemon.will_answer("/api/v1/stations", b"<html>hello</html>")
    shown = command("stations", "--url", daemon.url)
    assert (shown.exit_code, "is not tocsin" in shown.stderr) == (Exit.UNREACHABLE, True)


def test_a_daemon_that_fails_is_not_taken_for_something_else(command, daemon):
    daemon.will_answer("/api/v1/stations", b"Internal Server Error", status=500)
    shown = command("stations", "--url", daemon.url)
    assert (shown.exit_code, shown.stderr) == (Exit.TEMPORARY, "the daemon says: Internal Server Error (500)\n")


def test_a_wrong_command_line_is_a_usage_error(command):
    assert command("incidents", "--state", "broken").exit_code == Exit.USAGE
    assert command("nonsense").exit_code == Exit.USAGE


def test_drops_are_listed_by_source_and_reason(command, daemon):
    drops = {
        "collector": "snmp", "source": "192.0.2.7", "reason": "auth_failed", "count": 12,
        "first_seen": "2026-11-22T03:00:00Z", "last_seen": "2026-11-22T03:00:05Z", "detail": "wrong digest for user 'ops'",
    }  # fmt: skip
    daemon.will_answer("/api/v1/drops", {"items": [drops], "next": None})
    lines = command("drops", "--reason", "auth_failed", "--url", daemon.url).stdout.splitlines()
    assert lines[0].split() == ["COLLECTOR", "SOURCE", "REASON", "COUNT", "FIRST", "LAST", "WHY"]
    assert lines[1].split()[:4] == ["snmp", "192.0.2.7", "auth_failed", "12"]
    assert daemon.asked[-1][2]["reason"] == ["auth_failed"]
    assert json.loads(command("drops", "--json", "--url", daemon.url).stdout)["items"] == [drops]
    daemon.will_answer("/api/v1/drops", {"items": [], "next": None})
    assert command("drops", "--url", daemon.url).stdout == "nothing was dropped\n"

"""Commands that read a configuration: every mistake in one sentence, exit code 78, never a traceback."""

import json
import socket
import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from gateway.cli.exits import Exit, Failure
from gateway.cli.explain import read_event
from gateway.cli.run import invitation
from gateway.plugin import CollectorPlugin, PluginConfig
from gateway.plugins import COLLECTORS, PluginError, discover


def test_mistakes_are_told_one_a_line(command, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text("colour = 1\n[http]\nlisten = 1\n")
    shown = command("check", "--config", str(path))
    assert shown.exit_code == Exit.BAD_CONFIG
    assert [line.split(": ")[1] for line in shown.stderr.splitlines()] == ["colour", "http.listen"]


def test_mistakes_for_programs_are_json(command, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text("colour = 1\n")
    shown = command("check", "--config", str(path), "--json")
    assert shown.exit_code == Exit.BAD_CONFIG
    (mistake,) = json.loads(shown.stdout)["mistakes"]
    assert (mistake["file"], mistake["line"], mistake["key"]) == (str(path), 1, "colour")


def test_the_configuration_may_be_named_by_the_environment(command, tmp_path):
    shown = command("check", TOCSIN_CONFIG=str(tmp_path / "none.toml"))
    assert shown.stderr == f"{tmp_path}/none.toml: there is no such file; correct its path\n"


def test_a_good_configuration_is_counted(command, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text("rule_packs = []\n[sinks.local]\n[[rule]]\nname = 'a'\n")
    shown = command("check", "--config", str(path))
    assert shown.stdout == f"{path}: no mistakes: 0 collectors, 1 sink, 1 rule, 0 sources, 0 stations\n"


def test_maintenance_that_nobody_will_see_is_told(command, tmp_path):
    path = tmp_path / "t.toml"
    once = "duration = '2h'\nstart = '2020-12-01T22:00'\n"
    path.write_text(
        f"[[maintenance]]\nname = 'old'\n{once}[[maintenance]]\nname = 'weekly'\n{once}rrule = 'FREQ=WEEKLY'\n"
    )
    shown = command("check", "--config", str(path))
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[:-1] == [
        'over   maintenance "old" has no window to come: remove it, or correct start'
    ]
    assert json.loads(command("check", "--config", str(path), "--json").stdout)["over"] == ["old"]


def test_a_port_that_is_taken_is_told_before_the_start(command, tmp_path):
    path = tmp_path / "t.toml"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        path.write_text(
            f"rule_packs = []\n[http]\nlisten = '127.0.0.1:{port}'\n"
            f"[collectors.smtp]\nlisten = ['127.0.0.1:{port}']\nrecipients = ['a@b.example']\n"
        )
        shown = command("check", "--online", "--config", str(path), "--state-dir", str(tmp_path / "state"))
    assert shown.exit_code == Exit.FAILED
    wrong = [line for line in shown.stdout.splitlines() if line.startswith("WRONG")]
    assert [line.partition(f"127.0.0.1:{port}: ")[0] for line in wrong] == [
        "WRONG  smtp: cannot listen for mail on ",
        "WRONG  cannot listen for HTTP on ",
    ]
    assert [line.partition(f":{port}: ")[2].lower() for line in wrong] == [
        "address already in use; stop the other mail server or change listen",
        "address already in use; stop what listens there or change http.listen",
    ]


@pytest.mark.parametrize("arguments", [(), ("--config",)])
def test_the_shipped_configurations_have_no_mistake(command, arguments, monkeypatch):
    from gateway.config import shipped

    for name in ("TOCSIN_HTTP_TOKEN", "TOCSIN_COMMUNITY", "TOCSIN_SNMP_AUTH", "TOCSIN_SNMP_PRIV", "TOCSIN_MQTT_PASSWORD",
                 "JIRA_TOKEN", "JIRA_DC_TOKEN", "HUBSPOT_TOKEN", "CLICKUP_TOKEN"):  # fmt: skip
        monkeypatch.setenv(name, "long-enough")
    given = (*arguments, str(shipped("config", "tocsin.example.toml"))) if arguments else ()
    shown = command("check", *given)
    assert (shown.stderr, shown.exit_code) == ("", 0)


def test_a_state_directory_that_cannot_be_written_is_one_sentence(command, tmp_path):
    (tmp_path / "file").write_text("")
    shown = command("run", "--state-dir", str(tmp_path / "file" / "state"))
    assert shown.exit_code == Exit.BAD_CONFIG
    assert "cannot be written (Not a directory); give another with --state-dir" in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_the_winner_is_explained_and_why_others_lose(command, tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(
        "rule_packs = []\n[[rule]]\nname = 'hot'\nmatch = 'temperature > 80'\n"
        "[[rule]]\nname = 'warm'\nmatch = 'temperature > 40'\nimpact = 'high'\n"
    )
    event = '{"source": "r1", "condition": "warm", "labels": {"temperature": 60}}'
    shown = command("explain", "--config", str(path), "-", stdin=event)
    assert shown.exit_code == 0
    assert "hot" in shown.stdout
    assert "temperature > 80 does not hold: temperature is '60'" in shown.stdout
    told = json.loads(command("explain", "--config", str(path), "--json", "-", stdin=event).stdout)
    assert (told["verdict"]["rule"], told["verdict"]["impact"]) == ("warm", "high")
    assert [rule["won"] for rule in told["rules"]] == [False, True]


def test_a_verdict_is_told_in_the_words_of_the_configuration(command, tmp_path):
    path = tmp_path / "t.toml"
    late = "".join(f"[[rule]]\nname = 'late-{number}'\n" for number in range(9))
    path.write_text(
        "rule_packs = []\n[sinks.local]\n[[rule]]\nname = 'all'\nhold = '30s'\nreopen_within = '0s'\n"
        "impact_after = { '2h' = 'critical' }\n" + late
    )
    shown = command("explain", "--config", str(path), "-", stdin='{"source": "r1", "condition": "warm"}').stdout
    facts = dict(line.split(maxsplit=1) for line in shown.partition("\n\n")[0].splitlines()[1:])
    assert facts["hold"] == "30 s"
    assert facts["flap"] == "above 35, calm below 1.5, halved in 5 min"
    assert facts["reopen_within"] == "0 s"
    assert facts["impact_after"] == "critical after 2 h"
    assert "late-4" in shown
    assert "late-5" not in shown
    assert shown.endswith("4 more come after it; --json names them\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "EVENT is not JSON"),
        ("[]", "must be JSON objects"),
        ('{"labels": 3}', "must be JSON objects"),
        ('{"sorce": "r1"}', 'unknown key; did you mean "source"?'),
        ('{"kind": "up"}', "write raise, clear or note"),
        ("[" * 100_000, "EVENT is not JSON"),
    ],
)
def test_what_is_no_event_is_one_sentence(text, said):
    with pytest.raises(Failure, match="EVENT") as caught:
        read_event(text)
    assert said in caught.value.message


def test_the_quick_start_invites_with_three_lines_to_paste():
    lines = [line.strip() for line in invitation().splitlines() if " send " in line]
    assert [line.split()[2] for line in lines] == ["trap", "beat", "mail"]


# --- plugins -------------------------------------------------------------------------------------


class Unmeant(PluginConfig):
    what: "NobodyKnows"  # noqa: F821


good = CollectorPlugin(name="good", config=PluginConfig, build=None)  # type: ignore[arg-type]
unmeant = CollectorPlugin(name="unmeant", config=Unmeant, build=None)  # type: ignore[arg-type]


def entries(**values):
    return lambda group: [EntryPoint(name, value, group) for name, value in values.items() if group == COLLECTORS]


class Points:
    """Entry points that give what they are told, since this module has no importable name."""

    def __init__(self, name, plugin):
        self.name, self.value, self._plugin = name, f"somewhere:{name}", plugin

    def load(self):
        return self._plugin


def test_a_plugin_that_does_not_load_is_a_reason_not_to_start():
    with pytest.raises(
        PluginError, match=r"plugin broken \(no\.such:thing, entry point tocsin\.collectors\) does not load: Module"
    ):
        discover(entries(broken="no.such:thing"))


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([Points("unmeant", unmeant)], "does not load: .*'NobodyKnows' is not defined"),
        ([Points("good", object())], "is not a CollectorPlugin"),
        ([Points("other", good)], "calls itself 'good'"),
        ([Points("good", good), Points("good", good)], "has the name of another"),
    ],
)
def test_what_is_no_proper_plugin_is_one_sentence(points, said):
    with pytest.raises(PluginError, match=said):
        discover(lambda group: points if group == COLLECTORS else [])


def test_plugins_are_listed(command):
    shown = json.loads(command("plugins", "--json").stdout)
    names = {(item["kind"], item["name"]) for item in shown["items"]}
    assert {
        ("collector", "snmp"),
        ("collector", "mqtt"),
        ("collector", "smtp"),
        ("sink", "local"),
        ("sink", "jira"),
    } <= names
    assert "snmp" in command("plugins").stdout


# --- the command itself --------------------------------------------------------------------------


def test_every_command_explains_itself(command):
    from gateway.cli import tocsin

    for name in tocsin.commands:
        shown = command(name, "--help")
        assert shown.exit_code == 0, name
        assert "Usage:" in shown.stdout


def test_every_sender_explains_itself(command):
    for name in ("trap", "beat", "mail"):
        assert command("send", name, "--help").exit_code == 0


def test_the_command_runs_as_a_program_and_says_its_version():
    from importlib.metadata import version

    done = subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main()", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"tocsin {version('tocsin')}\n"


def test_every_exit_code_is_documented():
    from gateway.config import shipped

    page = shipped("docs", "reference", "cli.md").read_text()
    for code in Exit:
        assert f"| {code.value} |" in page


def test_a_locale_that_lacks_a_sign_is_no_reason_to_fail(tmp_path):
    config = tmp_path / "\N{EURO SIGN}.toml"
    config.write_text("", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "from gateway.cli import main; main()", "check", "--config", config],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "1"},
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "\\u20ac.toml: no mistakes" in done.stdout


def test_an_event_that_is_no_text_is_one_sentence(command, tmp_path):
    event = tmp_path / "event.json"
    event.write_bytes(b"\xff")
    shown = command("explain", str(event))
    assert shown.stderr == "EVENT is not UTF-8; save it in that encoding\n"

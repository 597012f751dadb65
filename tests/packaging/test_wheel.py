"""The wheel installs in an empty environment, brings its data, and runs."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
OFFLINE = re.compile(r"NewConnectionError|Temporary failure in name resolution|Network is unreachable|ConnectTimeout")


def run(*command, cwd, **environ):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("TOCSIN", "PYTHON", "VIRTUAL"))}
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env={**clean, **environ}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    built = run(sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", folder, cwd=REPOSITORY)
    assert built.returncode == 0, built.stderr
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """An environment of its own, with the locked dependencies and the wheel; the folder of its commands."""
    folder = tmp_path_factory.mktemp("empty")
    assert run(sys.executable, "-m", "venv", folder / "venv", cwd=folder).returncode == 0
    pip = (folder / "venv" / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "install", "-q")
    locked = run(*pip, "--require-hashes", "--no-deps", "-r", REPOSITORY / "requirements.lock", cwd=folder)
    if locked.returncode and OFFLINE.search(locked.stderr):
        pytest.skip("the locked dependencies cannot be fetched: no network")
    assert locked.returncode == 0, locked.stderr
    assert run(*pip, "--no-deps", "--no-index", wheel, cwd=folder).returncode == 0
    return folder / "venv" / "bin"


def test_the_wheel_holds_the_packages_their_data_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"gateway", "collectors", "sinks"}
    shipped = {name.removeprefix("gateway/_shipped/") for name in names if name.startswith("gateway/_shipped/")}
    kept = {
        str(path.relative_to(REPOSITORY))
        for top in ("config", "systemd")
        for path in (REPOSITORY / top).rglob("*")
        if path.is_file()
    }
    assert shipped == kept
    assert "gateway/py.typed" in names


def test_every_file_of_the_packages_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    listed = run("git", "ls-files", "gateway", "collectors", "sinks", cwd=REPOSITORY)
    if listed.returncode:
        pytest.skip("not a git checkout")
    assert [path for path in listed.stdout.split() if (REPOSITORY / path).exists() and path not in names] == []


def test_the_command_runs(environment, tmp_path):
    said = run(environment / "tocsin", "--version", cwd=tmp_path)
    assert re.fullmatch(r"tocsin \d+\.\d+\.\d+\n", said.stdout)


def test_the_quick_start_is_there_and_has_no_mistake(environment, tmp_path):
    said = run(environment / "tocsin", "check", cwd=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    assert "/gateway/_shipped/config/quickstart.toml: no mistakes: 3 collectors, 1 sink" in said.stdout


def test_plugins_senders_and_schema_are_found(environment, tmp_path):
    said = json.loads(run(environment / "tocsin", "plugins", "--json", cwd=tmp_path).stdout)
    assert {item["name"] for item in said["items"]} >= {"snmp", "mqtt", "smtp", "hubspot", "jira", "clickup", "local"}
    for sender in ("trap", "beat", "mail"):
        assert run(environment / "tocsin", "send", sender, "--help", cwd=tmp_path).returncode == 0
    for words in (("mibs", "list"), ("import", "snmptt", "--help"), ("import", "opennms", "--help")):
        assert run(environment / "tocsin", *words, cwd=tmp_path).returncode == 0
    assert "42" in run(environment / "tocsin", "mibs", "list", cwd=tmp_path).stdout, (
        "the shipped names are in the wheel"
    )
    schema = run(environment / "tocsin", "schema", cwd=tmp_path)
    assert json.loads(schema.stdout)["title"] == "Tocsin configuration"


def test_a_bad_configuration_ends_with_78_and_no_traceback(environment, tmp_path):
    (tmp_path / "bad.toml").write_text("colour = 1\n[http]\nlisten = 1\n")
    said = run(environment / "tocsin", "run", "--config", "bad.toml", cwd=tmp_path)
    assert said.returncode == 78
    assert [line.split(": ")[0] for line in said.stderr.splitlines()] == ["bad.toml:1", "bad.toml:3"]

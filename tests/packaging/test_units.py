"""The systemd units are valid, and the service is as narrow as promised."""

import re
import shutil
import subprocess

import pytest

from gateway.config import shipped

pytestmark = pytest.mark.tools


@pytest.fixture(scope="module")
def analyze():
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian package systemd)")

    def run(*arguments):
        return subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)

    return run


def test_the_units_verify_without_a_word(analyze):
    units = sorted(str(path) for path in shipped("systemd").iterdir())
    assert {path.rpartition("/")[2] for path in units} >= {"tocsin.service", "tocsin-snmp.socket", "tocsin-smtp.socket"}
    done = analyze("verify", *units)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_exposure_is_at_most_1_5(analyze):
    done = analyze("security", "--offline=true", "--threshold=15", str(shipped("systemd", "tocsin.service")))
    assert done.returncode == 0
    exposure = re.search(r"Overall exposure level for tocsin\.service: ([\d.]+)", done.stdout)
    assert exposure is not None
    assert float(exposure[1]) <= 1.5


@pytest.mark.parametrize(
    "line",
    ["Type=notify", "WatchdogSec=30", "ExecReload=/bin/kill -HUP $MAINPID", "RestartPreventExitStatus=78", "DynamicUser=yes", "StateDirectory=tocsin"],
)  # fmt: skip
def test_the_service_keeps_its_promises(line):
    assert line in shipped("systemd", "tocsin.service").read_text().splitlines()


@pytest.mark.parametrize("name", ["snmp", "smtp"])
def test_sockets_carry_the_name_that_the_daemon_looks_for(name):
    assert f"FileDescriptorName={name}" in shipped("systemd", f"tocsin-{name}.socket").read_text().splitlines()

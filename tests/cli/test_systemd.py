"""Readiness, watchdog and sockets, against a fake manager and systemd's own tool."""

import os
import shutil
import socket
import subprocess
import sys

import pytest

from gateway import systemd


@pytest.fixture
def manager(tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(5)
        yield listener


def test_states_reach_the_manager_in_one_datagram(manager):
    assert systemd.notify("READY=1", "STATUS=all well", environ={"NOTIFY_SOCKET": manager.getsockname()})
    assert manager.recv(100) == b"READY=1\nSTATUS=all well"


def test_an_abstract_address_is_understood():
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0tocsin-test-{os.getpid()}")
        assert systemd.notify("READY=1", environ={"NOTIFY_SOCKET": f"@tocsin-test-{os.getpid()}"})
        assert listener.recv(100) == b"READY=1"


def test_nobody_listening_is_no_failure(tmp_path):
    assert not systemd.notify("READY=1", environ={})
    assert not systemd.notify("READY=1", environ={"NOTIFY_SOCKET": str(tmp_path / "gone")})


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_asked(environ, interval_s):
    assert systemd.watchdog_interval_s(environ) == interval_s


@pytest.mark.parametrize(
    "environ", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}]
)
def test_sockets_meant_for_another_process_are_left_alone(environ):
    assert systemd.listen_fds(environ) == {}
    assert environ == {}


TAKE = """
import os, socket
from gateway import systemd
passed = systemd.listen_fds()
taken = [(name, socket.socket(fileno=fd)) for name, fds in passed.items() for fd in fds]
print([(name, s.type.name, s.get_inheritable()) for name, s in taken], "LISTEN_FDS" in os.environ)
"""


@pytest.mark.tools
def test_sockets_are_taken_over_by_name_from_systemd():
    tool = shutil.which("systemd-socket-activate")
    if tool is None:
        pytest.skip("systemd-socket-activate is not installed (Debian package systemd)")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [tool, "--datagram", "-l", f"127.0.0.1:{port}", "--fdname=snmp", sys.executable, "-c", TAKE]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
    ):
        assert process.stderr is not None
        for line in process.stderr:  # "Listening on ... as 3."
            if "Listening" in line:
                break
        sender.sendto(b"wake", ("127.0.0.1", port))
        said, _ = process.communicate(timeout=20)
    assert said.strip() == "[('snmp', 'SOCK_DGRAM', False)] False"

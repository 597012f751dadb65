"""The daemon as a process that can be killed."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.daemon import tool
from tests.faults.campaign import mails
from tests.faults.campaign.powercut import Disk
from tests.ports import free_port
from tests.trackers import clickup, hubspot

TOOLS = ("gcc", "mosquitto", "snmpinform")
START_S = 30.0
"""Longest start; a slower one is a failure of the campaign."""
STOP_S = 30.0
CONFIG = """
[http]
listen = "127.0.0.1:{http}"
[defaults]
impact = "critical"  # the shortest patience with lost creates: a minute
reopen_within = "7d"
[tickets]
default_sinks = []
observe_every = "5s"
[stations]
interval = "7d"
discover_per_min = 1000000
[engine]
source_new_per_min = 0
[storm]
object_high = 0
source_high = 0
rule_high = 0
high = 0
[collectors.snmp]
listen = ["127.0.0.1:{trap}"]
communities = ["public"]
[[collectors.snmp.users]]
name = "campaign"
auth = "sha1"
auth_password = "env:CAMPAIGN_SNMP"
priv = "aes128"
priv_password = "env:CAMPAIGN_SNMP"
[collectors.smtp]
listen = ["127.0.0.1:{mail}"]
recipients = ["{to}"]
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{beat}"
client_id = "tocsin-campaign"
reconnect_least_s = 0.1
reconnect_most_s = 0.5
[sinks.hubspot]
token = "env:CAMPAIGN_HUBSPOT"
base_url = "{hubspot}"
extra_properties = false
read_timeout_s = 5
[sinks.jira]
deployment = "cloud"
site = "{jira}"
email = "noc@example.com"
token = "env:CAMPAIGN_JIRA"
project = "OPS"
timeout_s = 5
[sinks.clickup]
token = "env:CAMPAIGN_CLICKUP"
base_url = "{clickup}/api"
list_id = "{list}"
read_timeout_s = 5
[[rule]]
name = "down"
condition = "linkDown"
set_condition = "link_down"
object = "{{ifDescr}}"
continue = true
[[rule]]
name = "up"
condition = "linkUp"
kind = "clear"
set_condition = "link_down"
object = "{{ifDescr}}"
continue = true
[[rule]]
name = "ticket-link"
match = ['ifDescr =~ "^t-"']
sinks = {sinks}
[[rule]]
name = "ticket-station"
condition = "station_fault"
match = ['source =~ "^t-"']
sinks = {sinks}
[[rule]]
name = "ticket-mail"
condition = "mail"
match = ['subject =~ "^t-"']
sinks = {sinks}
"""
SECRETS = {
    "CAMPAIGN_SNMP": "correct horse battery",
    "CAMPAIGN_HUBSPOT": hubspot.TOKEN,
    "CAMPAIGN_JIRA": "token-of-the-noc",
    "CAMPAIGN_CLICKUP": clickup.TOKEN,
}


class Refused(Exception):
    """The daemon did not start, or did not stop as it should: the tail of its log."""


def missing_tools() -> list[str]:
    """What has to be installed first."""
    return [name for name in TOOLS if tool(name) is None]


class Daemon:
    """``tocsin run`` on a disk that forgets; started, killed and started again on the same ports."""

    def __init__(self, folder: Path, disk: Disk, trackers: dict[str, str], *, broker: int, plant: str = "") -> None:
        self.ports = {
            "http": free_port(),
            "mail": free_port(),
            "trap": free_port(),
            "beat": broker,
        }
        self.disk = disk
        self.log = folder / "daemon.log"
        self._config = folder / "tocsin.toml"
        self._config.write_text(
            CONFIG.format(**self.ports, **trackers, to=mails.TO, list=clickup.LIST, sinks=sorted(trackers))
        )
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify_path = folder / "notify.sock"
        self._notify.bind(str(self._notify_path))
        self._process: subprocess.Popen[bytes] | None = None
        self._program = [sys.executable, "-m", "tests.faults.campaign.plants", plant] if plant else [_command()]
        self.start_s: list[float] = []
        """How long each start took that was waited for."""

    def start(self) -> None:
        """Begin to start it."""
        self._notify.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self._notify.recv(4096)  # of an earlier life
        self._began_s = time.monotonic()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._program, "run", "--config", str(self._config), "--state-dir", str(self.disk.live)],
                stdout=log,
                stderr=log,
                env={**os.environ, **SECRETS, **self.disk.environ(), "NOTIFY_SOCKET": str(self._notify_path)},
            )

    def wait_ready(self) -> None:
        """Return when it says that it is ready.

        Raises:
            Refused: it ended, or took too long.
        """
        self._notify.settimeout(0.1)
        while True:
            with contextlib.suppress(TimeoutError):
                if b"READY=1" in self._notify.recv(4096):
                    self.start_s.append(time.monotonic() - self._began_s)
                    return
            self.check_alive()
            if time.monotonic() - self._began_s > START_S:
                raise Refused(f"it is not ready after {START_S:.0f} s\n{self.tail()}")

    def check_alive(self) -> None:
        """Raises: Refused: it ended by itself."""
        if self._process is not None and self._process.poll() is not None:
            raise Refused(f"it ended by itself with {self._process.returncode}\n{self.tail()}")

    def kill(self) -> None:
        """SIGKILL.

        Raises:
            Refused: it had ended by itself before.
        """
        assert self._process is not None
        self.check_alive()
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self._process is not None
        self.check_alive()
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)

    def close(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._notify.close()

    def get(self, path: str) -> dict:
        """A document of the API."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            return client.get(f"http://127.0.0.1:{self.ports['http']}{path}").raise_for_status().json()

    def requeue(self, *operations: int) -> None:
        """What a person does about dead operations."""
        words = [_command(), "outbox", "requeue", "--state-dir", str(self.disk.live), *map(str, operations)]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)

    def tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])


def _command() -> str:
    return str(Path(sys.executable).with_name("tocsin"))

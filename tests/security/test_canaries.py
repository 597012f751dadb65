"""Secrets as canaries: the whole daemon as a process, everything fails that can, and no secret comes out anywhere."""

import base64
import contextlib
import os
import shutil
import signal
import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from collectors.snmp import codec
from tests.broker import Mosquitto
from tests.ports import free_port

pytestmark = pytest.mark.tools
NAMES = (
    "COMMUNITY", "V3_AUTH", "V3_PRIV", "MQTT", "SMTP_USER", "HTTP_TOKEN", "HUBSPOT", "JIRA", "CLICKUP",
    "HUBSPOT_HOOK", "JIRA_HOOK", "CLICKUP_HOOK",
)  # fmt: skip
CANARIES = {name: f"canary-{name.lower().replace('_', '-')}-{'x7Kq' * 5}" for name in NAMES}
PATIENCE_S = 30.0
CONFIG = """
[daemon]
log_verbosity = "debug"
[http]
listen = "127.0.0.1:{http}"
token = "env:HTTP_TOKEN"
[collectors.snmp]
listen = ["127.0.0.1:{trap}"]
communities = ["env:COMMUNITY"]
[[collectors.snmp.users]]
name = "operator"
auth = "sha1"
auth_password = "env:V3_AUTH"
priv = "aes128"
priv_password = "env:V3_PRIV"
[collectors.smtp]
listen = ["127.0.0.1:{mail}"]
recipients = ["support@example.com"]
users = {{ robot = "env:SMTP_USER" }}
auth_without_tls = true
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{beat}"
username = "gateway"
password = "env:MQTT"
[sinks.local]
[sinks.hubspot]
token = "env:HUBSPOT"
base_url = "http://127.0.0.1:{echo}"
webhook_secret = "env:HUBSPOT_HOOK"
webhook_url = "https://tocsin.example/webhooks/hubspot"
[sinks.jira]
deployment = "cloud"
site = "https://127.0.0.1:{echo}"
email = "noc@example.com"
token = "env:JIRA"
project = "OPS"
webhook_secret = "env:JIRA_HOOK"
[sinks.clickup]
token = "env:CLICKUP"
base_url = "http://127.0.0.1:{echo}/api"
list_id = "901"
webhook_secret = "env:CLICKUP_HOOK"
"""


def disguises(secret: str) -> set[bytes]:
    """A secret as it is, and as headers and dumps write it."""
    raw = secret.encode()
    forms = {raw, raw.hex().encode(), raw[::-1]}
    for text in (raw, b"\0robot\0" + raw, b"noc@example.com:" + raw, b"robot:" + raw):
        forms.add(base64.b64encode(text).rstrip(b"="))
    return forms


def found_in(data: bytes) -> set[str]:
    return {name for name, secret in CANARIES.items() if any(form in data for form in disguises(secret))}


class Echo(BaseHTTPRequestHandler):
    """A tracker that refuses, and repeats all that it was told, credentials first."""

    status = 400

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = f"you said: {self.headers!s} {self.rfile.read(length).decode('utf-8', 'replace')}".encode()
        type(self).status = {400: 500, 500: 401, 401: 400}[self.status]
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    do_GET = do_PUT = do_PATCH = do_POST  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        pass


def needs(tool: str) -> str:
    path = shutil.which(tool) or shutil.which(tool, path="/usr/sbin:/usr/bin")
    return path or pytest.skip(f"{tool} is not installed")


def eventually(look: Any, what: str) -> Any:
    until_s = time.monotonic() + PATIENCE_S
    while not (seen := look()):
        assert time.monotonic() < until_s, f"not seen: {what}"
        time.sleep(0.05)
    return seen


class Daemon:
    """The process, and everything that it ever said to us."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder, self.ports = folder, ports
        self.config = folder / "tocsin.toml"
        self.config.write_text(CONFIG.format(**ports))
        self.said = b""
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{ports['http']}", trust_env=False, timeout=10)
        with (folder / "daemon.log").open("wb") as log:
            self.process = subprocess.Popen(
                [self.command, "run", "--config", str(self.config), "--state-dir", str(folder / "state")],
                stdout=log, stderr=log, env={**os.environ, **CANARIES},
            )  # fmt: skip

    @property
    def command(self) -> str:
        return str(Path(sys.executable).with_name("tocsin"))

    def ask(self, path: str, method: str = "GET", **more: Any) -> httpx.Response:
        answer = self.http.request(method, path, **more)
        self.said += str(answer.headers).encode() + answer.content
        return answer

    def run(self, *words: str) -> None:
        done = subprocess.run(
            [self.command, *words], capture_output=True, env={**os.environ, **CANARIES}, check=False, timeout=60
        )
        self.said += done.stdout + done.stderr

    def ready(self) -> bool:
        assert self.process.poll() is None, (self.folder / "daemon.log").read_text()
        with contextlib.suppress(httpx.TransportError):
            return self.ask("/readyz").status_code == 200
        return False


@pytest.fixture(scope="module")
def daemon(tmp_path_factory) -> Iterator[Daemon]:
    folder = tmp_path_factory.mktemp("canaries")
    needs("mosquitto")
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    serving = threading.Thread(target=echo.serve_forever)
    serving.start()
    ports = {name: free_port() for name in ("http", "mail", "beat")} | {"trap": free_port()}
    with Mosquitto(folder, port=ports["beat"]):
        made = Daemon(folder, {**ports, "echo": echo.server_address[1]})
        try:
            eventually(made.ready, "ready")
            yield made
        finally:
            made.process.kill()
            made.process.wait()
            made.http.close()
            echo.shutdown()
            serving.join()
            echo.server_close()


def exercise(daemon: Daemon) -> None:
    """Everything that knows a secret is used, rightly and wrongly."""
    trap = f"127.0.0.1:{daemon.ports['trap']}"
    secret = CANARIES["COMMUNITY"].encode()
    said = [
        codec.VarBind("1.3.6.1.2.1.1.3.0", 0x43, 1),
        codec.VarBind("1.3.6.1.6.3.1.1.4.1.0", 6, "1.3.6.1.6.3.1.1.5.3"),
        codec.VarBind("1.3.6.1.6.3.18.1.4.0", 4, secret),  # snmpTrapCommunity.0, as a forwarder adds it
    ]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        for kind in (codec.PduType.TRAP_V2, codec.PduType.INFORM):
            for community in (secret, secret[:-1], secret + b"x"):
                data = codec.encode_message(codec.V2C, community, codec.encode_pdu(kind, said, request_id=1))
                sock.sendto(data, ("127.0.0.1", daemon.ports["trap"]))
                sock.sendto(data[:-3], ("127.0.0.1", daemon.ports["trap"]))
    words = ["-u", "operator", "-l", "authPriv", "-a", "SHA", "-x", "AES", "-e", "0x8000000001020304"]
    for auth, priv in (
        (CANARIES["V3_AUTH"], CANARIES["V3_PRIV"]),
        (CANARIES["V3_AUTH"], "wrong" * 4),
        ("wrong" * 4, "x" * 9),
    ):
        subprocess.run(
            [needs("snmptrap"), "-v3", *words, "-A", auth, "-X", priv, trap, "", "1.3.6.1.6.3.1.1.5.4"], check=True
        )
    for password in (CANARIES["SMTP_USER"], CANARIES["SMTP_USER"] + "!"):
        with smtplib.SMTP("127.0.0.1", daemon.ports["mail"], timeout=10) as server:
            try:
                server.login("robot", password)
                server.sendmail("a@b.example", "support@example.com", b"Subject: help\r\n\r\nIt is broken.")
            except smtplib.SMTPAuthenticationError as error:
                daemon.said += bytes(error.smtp_error)
            daemon.said += server.docmd("AUTH", "PLAIN " + CANARIES["SMTP_USER"])[1]  # no base64 at all
    eventually(lambda: len(daemon.ask("/api/v1/incidents").json()["items"]) >= 2, "incidents")
    incident = daemon.ask("/api/v1/incidents").json()["items"][0]["id"]
    for token in (CANARIES["HTTP_TOKEN"], CANARIES["HTTP_TOKEN"] + "x", "none", "\xff"):
        for path in (
            f"/api/v1/incidents/{incident}/unmute",
            "/api/v1/incidents/none/close",
            "/api/v1/outbox/1/requeue",
        ):
            daemon.ask(path, "POST", headers={"Authorization": b"Bearer " + token.encode("latin-1")})
    for sink in ("hubspot", "jira", "clickup"):
        for name in ("x-hubspot-signature-v3", "x-hub-signature", "x-signature"):
            daemon.ask(f"/webhooks/{sink}", "POST", headers={name: "sha256=00"}, content=b"{}")
    daemon.config.write_text(CONFIG.format(**daemon.ports).replace('"env:JIRA_HOOK"', f'"{CANARIES["JIRA_HOOK"]}"'))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.run("check", "--config", str(daemon.config))
    daemon.config.write_text(CONFIG.format(**daemon.ports))
    daemon.process.send_signal(signal.SIGHUP)
    daemon.run("check", "--config", str(daemon.config), "--online")


def look_everywhere(daemon: Daemon) -> None:
    for path in ("/", "/metrics", "/healthz", "/readyz", "/api/v1/openapi.json", "/nowhere"):
        daemon.ask(path)
    for path in ("incidents", "stations", "tickets", "outbox", "unknown"):
        daemon.ask(f"/api/v1/{path}?limit=1000")
    for item in daemon.ask("/api/v1/incidents").json()["items"]:
        daemon.ask(f"/incidents/{item['id']}")
        daemon.ask(f"/api/v1/incidents/{item['id']}")
        for ticket in item["tickets"]:
            daemon.ask(f"/tickets/{ticket['ref']}")
    for words in (["incidents"], ["outbox"], ["stations"]):
        daemon.run(*words, "--url", f"http://127.0.0.1:{daemon.ports['http']}")


def test_no_secret_comes_out_anywhere(daemon) -> None:
    exercise(daemon)

    def tried() -> bool:
        items = daemon.ask("/api/v1/outbox?limit=1000").json()["items"]
        return {item["sink"] for item in items if item["error"]} >= {"hubspot", "jira", "clickup"}

    eventually(tried, "failures of every tracker")
    time.sleep(1)  # let what follows a failure be written too
    look_everywhere(daemon)
    log = (daemon.folder / "daemon.log").read_bytes()
    assert b"sink.paused" in log or b"operation.died" in log, "something failed, and was told"
    places = {"answers": daemon.said, "log": log}
    places |= {path.name: path.read_bytes() for path in (daemon.folder / "state").rglob("*") if path.is_file()}
    assert len(places) > 3, "the store's files are there to be looked at"
    leaks = {place: found for place, data in places.items() if (found := found_in(data))}
    assert leaks == {}


def test_a_leak_would_be_found() -> None:
    for name, secret in CANARIES.items():
        assert found_in(b"..." + secret.encode() + b"...") == {name}
        assert name in found_in(b"Basic " + base64.b64encode(b"noc@example.com:" + secret.encode()))

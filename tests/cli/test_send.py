"""``tocsin send``: what leaves is what a device, a station or a person would send; failures are one sentence."""

import socket

import pytest
from aiosmtpd.controller import Controller

from gateway.cli.exits import Exit


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.settimeout(5)
        yield taken


def test_a_trap_leaves_with_its_community_and_varbinds(command, receiver):
    port = receiver.getsockname()[1]
    shown = command("send", "trap", "linkDown", "--to", f"127.0.0.1:{port}", "--community", "secret-7")
    assert (shown.exit_code, shown.stdout) == (0, f"linkDown was sent to 127.0.0.1:{port}\n")
    datagram = receiver.recv(2000)
    assert datagram[0] == 0x30
    assert b"secret-7" in datagram


def test_an_inform_that_nobody_answers_is_a_failure(command):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shown = command("send", "trap", "no such trap", "--to", f"127.0.0.1:{port}")
    assert shown.exit_code == Exit.FAILED
    assert len(shown.stderr.splitlines()) == 1


class Mailbox:
    """Keeps what it is given."""

    def __init__(self):
        self.mails = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802 - aiosmtpd's name
        self.mails.append(envelope)
        return "250 OK"


def test_a_mail_reaches_its_recipient(command):
    mailbox = Mailbox()
    controller = Controller(mailbox, hostname="127.0.0.1", port=0)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        controller.port = free.getsockname()[1]
    controller.start()
    try:
        shown = command(
            "send", "mail", "It is broken", "--to", "noc@example.com", "--server", f"127.0.0.1:{controller.port}"
        )
    finally:
        controller.stop()
    assert shown.exit_code == 0, shown.stderr
    (mail,) = mailbox.mails
    assert mail.rcpt_tos == ["noc@example.com"]
    assert b"Subject: It is broken" in mail.content


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "mail", "--server", "127.0.0.1:9"),
        ("send", "beat", "--broker", "mqtt://127.0.0.1:9"),
    ],
)
def test_nobody_listening_is_one_sentence(command, arguments):
    shown = command(*arguments)
    assert shown.exit_code == Exit.FAILED
    assert len(shown.stderr.splitlines()) == 1
    assert "refused" in shown.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("send", "trap", "--to", "nowhere"),
        ("send", "mail", "--server", "nowhere"),
        ("send", "mail", "two\nlines"),
        ("send", "beat", "--station", "a/b"),
        ("send", "mail", "--password", "hunter2"),
        ("send", "trap", "--version", "3", "--user", "u", "--auth", "sha256", "--auth-password", "hunter2"),
    ],
)
def test_a_wrong_argument_is_a_usage_error_that_repeats_no_password(command, arguments):
    shown = command(*arguments)
    assert shown.exit_code == Exit.USAGE
    assert "hunter2" not in shown.stderr

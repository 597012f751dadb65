"""A stop loses nothing, and a restart hears what came meanwhile: the real process, signals and sockets."""

import signal
import smtplib
import socket
import threading
import time

import pytest

BUSY = "[daemon]\ndrain_s = 2\n"
"""A tracker that never answers keeps a stop waiting for so long."""


def test_sigterm_under_load_drains_and_loses_nothing_that_was_acknowledged(daemon) -> None:
    daemon.start()
    acknowledged, stopping = [], threading.Event()

    def sender(who: int) -> None:
        for number in range(1000):
            message = f"Subject: {who}-{number}\r\nMessage-ID: <{who}-{number}@x>\r\n\r\nHelp\r\n"
            try:
                with smtplib.SMTP("127.0.0.1", daemon.ports["mail"], timeout=5) as server:
                    server.sendmail("alice@customer.example", "support@example.com", message)
            except (OSError, smtplib.SMTPException):
                return
            acknowledged.append(f"{who}-{number}")
            if stopping.is_set():
                return

    senders = [threading.Thread(target=sender, args=(who,)) for who in range(3)]
    for thread in senders:
        thread.start()
    daemon.eventually(lambda: len(acknowledged) > 20, what="mails that were taken")
    daemon.trap(*range(1, 101))
    began_s = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - began_s < 15
    stopping.set()
    for thread in senders:
        thread.join()
    daemon.start()
    kept = {item["summary"] for item in daemon.incidents(condition="mail")}
    assert set(acknowledged) <= kept, daemon.incidents()[:3]
    assert [line["event"] for line in daemon.said("drain.incomplete") + daemon.said("daemon.failed")] == []


def test_a_call_under_way_at_the_end_of_the_drain_is_unknown_and_no_crash(daemon) -> None:
    daemon.configure(BUSY + daemon.troubled("desk", mood="hang"))
    daemon.start()
    daemon.trap(7)

    def under_way() -> bool:
        return [one["state"] for one in daemon.outbox()] == ["inflight"]

    for _ in range(3):  # as often as would set aside what crashes
        daemon.eventually(under_way, what="a call")
        began_s = time.monotonic()
        assert daemon.stop() == 0
        assert 1.9 < time.monotonic() - began_s < 12
        daemon.start()
    assert daemon.said("outbox.recovered") == []
    daemon.stop()
    daemon.configure(BUSY + daemon.troubled("desk"))
    daemon.start()
    daemon.eventually(lambda: daemon.tickets("desk"), what="the ticket")
    daemon.eventually(lambda: not daemon.outbox(), what="an empty outbox")
    assert len(daemon.tickets("desk")) == 1


@pytest.fixture
def passed():
    """Sockets as tocsin-snmp.socket and tocsin-smtp.socket open them: both families under one name."""
    sockets = []
    for name, kind in (("snmp", socket.SOCK_DGRAM), ("smtp", socket.SOCK_STREAM)):
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            sock = socket.socket(family, kind)
            sock.bind((host, 0))
            if kind is socket.SOCK_STREAM:
                sock.listen(50)
            sockets.append((name, sock))
    yield sockets
    for _, sock in sockets:
        sock.close()


def test_sockets_of_systemd_lose_no_datagram_and_no_mail_across_a_restart(daemon, passed) -> None:
    trap4, trap6, mail4, mail6 = (sock.getsockname()[:2] for _, sock in passed)

    def talk(address, text: str) -> threading.Thread:
        def send() -> None:
            with smtplib.SMTP(*address, timeout=30) as server:
                message = f"Subject: {text}\r\nMessage-ID: <{text}@x>\r\n\r\nHelp\r\n"
                server.sendmail("alice@customer.example", "support@example.com", message)

        thread = threading.Thread(target=send)
        thread.start()
        return thread

    daemon.start(passed=passed)
    daemon.trap(1, to=trap4)
    daemon.trap(2, to=trap6)
    daemon.eventually(lambda: len(daemon.incidents(condition="link_down")) == 2, what="both families")
    assert daemon.stop() == 0
    daemon.trap(*range(11, 61), to=trap4)
    daemon.trap(*range(61, 111), to=trap6)
    waiting = [talk(mail4, "four"), talk(mail6, "six")]
    daemon.start(passed=passed)
    for thread in waiting:
        thread.join()

    def all_there() -> bool:
        ports = {int(item["object"]) for item in daemon.incidents(condition="link_down")}
        mails = {item["summary"] for item in daemon.incidents(condition="mail")}
        return ports == {1, 2, *range(11, 111)} and mails == {"four", "six"}

    daemon.eventually(all_there, what="everything that came while nobody was there")
    assert daemon.ends(signal.SIGINT) == 0


def test_a_socket_of_systemd_that_no_collector_takes_is_told(daemon, passed) -> None:
    daemon.configure(base=NO_TRAPS)
    daemon.start(passed=passed)
    (told,) = daemon.said("socket.unused")
    assert told["sockets"] == ["snmp"]
    assert daemon.stop() == 0


NO_TRAPS = """
[http]
listen = "127.0.0.1:{http}"
[collectors.smtp]
recipients = ["support@example.com"]
"""

"""What keeps the process honest: readiness, the watchdog, and the end of one that has a bug or a poisoned operation."""

import signal
import socket
import sqlite3
import time


def heard(manager: socket.socket, within_s: float) -> list[str]:
    """All that systemd was told in this time."""
    said, limit = [], time.monotonic() + within_s
    while (left := limit - time.monotonic()) > 0:
        manager.settimeout(left)
        try:
            said += manager.recv(4096).decode().split("\n")
        except TimeoutError:
            break
    return said


def until(manager: socket.socket, word: str) -> list[str]:
    manager.settimeout(30)
    said: list[str] = []
    while word not in said:
        said += manager.recv(4096).decode().split("\n")
    return said


def test_ready_is_said_when_everything_listens_and_stopping_at_the_end(daemon, manager) -> None:
    daemon.launch(NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="1000000")
    assert until(manager, "READY=1") == ["READY=1"]
    assert daemon.ready()
    with socket.create_connection(("127.0.0.1", daemon.ports["mail"]), timeout=5) as mail:
        assert mail.recv(100).startswith(b"220")
    assert heard(manager, 1.2).count("WATCHDOG=1") >= 2
    daemon.process.send_signal(signal.SIGHUP)
    reload = until(manager, "READY=1")
    assert "RELOADING=1" in reload
    assert any(word.startswith("MONOTONIC_USEC=") for word in reload)
    daemon.process.terminate()
    assert "STOPPING=1" in until(manager, "STOPPING=1")
    assert daemon.ends() == 0


def test_the_watchdog_starves_while_the_writer_is_stuck(daemon, manager) -> None:
    daemon.launch(NOTIFY_SOCKET=manager.getsockname(), WATCHDOG_USEC="400000")
    until(manager, "WATCHDOG=1")
    stuck = sqlite3.connect(daemon.state / "tocsin.db", isolation_level=None)
    try:
        stuck.execute("BEGIN IMMEDIATE")  # the writer waits for us, up to its busy_timeout
        heard(manager, 0.5)
        assert heard(manager, 1.5) == []
    finally:
        stuck.execute("ROLLBACK")
        stuck.close()
    until(manager, "WATCHDOG=1")


def test_an_operation_that_crashes_the_process_three_times_is_set_aside(daemon) -> None:
    daemon.configure(daemon.troubled("desk", mood="crash 7"))
    daemon.start()
    daemon.trap(7)
    assert daemon.ends() == 9
    for _ in range(2):
        daemon.launch()
        assert daemon.ends() == 9
    daemon.start()
    daemon.trap(8)
    daemon.eventually(lambda: [one["object"] for one in daemon.tickets("desk")] == ["8"], what="the other ticket")
    (dead,) = daemon.outbox()
    assert (dead["state"], dead["error"]) == ("dead", "under way at 3 crashes of the process")
    assert 'tocsin_outbox_operations{sink="desk",state="dead"} 1.0' in daemon.metrics()


def test_a_bug_ends_the_process_with_its_name_in_the_log(daemon) -> None:
    """A sink whose end fails, at a reload: a task of the daemon dies, and no half of it lives on."""
    daemon.configure(daemon.troubled("desk", mood="bug later"))
    daemon.start()
    daemon.configure(daemon.troubled("desk"))
    daemon.process.send_signal(signal.SIGHUP)
    assert daemon.ends() == 1
    (failed,) = daemon.said("daemon.failed")
    assert failed["why"] == 'KeyError: "a bug in the plugin\'s end"'
    assert "troubled_sink.py" in failed["exception"]

"""A start that cannot be says why in one sentence, with an exit code that a service manager understands."""

import socket
import sqlite3

import pytest

BROKER = """
[collectors.mqtt]
broker = "mqtt://127.0.0.1:{port}"
reconnect_least_s = 0.1
reconnect_most_s = 0.2
"""


def sentence(done) -> str:
    """The one line that says why; there is no other trouble, and never a traceback."""
    text = done.stdout + done.stderr
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if "not_started" in line or not line.startswith("{")]
    return line


@pytest.mark.parametrize(("port", "kind"), [("http", "STREAM"), ("mail", "STREAM"), ("trap", "DGRAM")])
def test_a_port_in_use_is_told_and_worth_another_try(daemon, port, kind) -> None:
    with socket.socket(socket.AF_INET, getattr(socket, f"SOCK_{kind}")) as taken:
        taken.bind(("127.0.0.1", daemon.ports[port]))
        if kind == "STREAM":
            taken.listen(1)
        done = daemon.run()
    assert done.returncode == 75
    said = sentence(done)
    assert f"127.0.0.1:{daemon.ports[port]}" in said
    assert "in use" in said


def test_a_port_that_the_embedded_broker_needs_is_told_and_worth_another_try(daemon) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        port = taken.getsockname()[1]
        daemon.configure(BROKER.format(port=port) + "embedded = true\n")
        done = daemon.run()
    assert done.returncode == 75
    said = sentence(done)
    assert said.count(f"127.0.0.1:{port}") == 1
    assert "in use" in said


def test_a_state_directory_that_is_none_is_told(daemon) -> None:
    daemon.state.write_text("a file")
    done = daemon.run()
    assert done.returncode in (2, 78)
    assert str(daemon.state) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_socket_for_commands_that_cannot_be_made_is_told_by_its_path(daemon) -> None:
    (daemon.state / "admin.sock").mkdir(parents=True)
    done = daemon.run()
    assert done.returncode == 75
    said = sentence(done)
    assert f"cannot make the socket for commands {daemon.state / 'admin.sock'}" in said
    assert "HTTP" not in said


def test_a_store_in_use_is_told_and_worth_another_try(daemon) -> None:
    daemon.start()
    ports = dict(daemon.ports)
    done = daemon.run()
    assert done.returncode == 75
    assert "another Tocsin runs on the store" in sentence(done)
    assert daemon.ports == ports
    assert daemon.ready()


def test_a_store_that_is_none_is_told_and_left_alone(daemon) -> None:
    daemon.state.mkdir()
    (daemon.state / "tocsin.db").write_bytes(b"no database at all, but somebody's letter" * 100)
    done = daemon.run()
    assert done.returncode == 78
    assert "is damaged" in sentence(done)
    assert (daemon.state / "tocsin.db").read_bytes().startswith(b"no database")


def test_a_store_of_a_newer_version_is_told(daemon) -> None:
    daemon.start()
    daemon.stop()
    with sqlite3.connect(daemon.state / "tocsin.db") as database:
        database.execute("PRAGMA user_version = 9999")
    done = daemon.run()
    assert done.returncode == 78
    assert "newer" in sentence(done)


def test_a_bad_configuration_exits_with_78_and_every_mistake_at_once(daemon) -> None:
    daemon.configure('[sinks.local]\ncolour = "red"\n[daemon]\ndrain = 3\n')
    done = daemon.run()
    assert done.returncode == 78
    assert "Traceback" not in done.stderr
    assert sorted(line.split(":")[0] for line in done.stderr.splitlines()) == [str(daemon.config)] * 2
    assert "colour" in done.stderr
    assert "drain_s" in done.stderr


def test_a_secret_that_is_missing_exits_with_78(daemon) -> None:
    daemon.configure('[sinks.desk]\ntype = "hubspot"\ntoken = "env:NOBODY_SET_THIS"\n')
    done = daemon.run()
    assert done.returncode == 78
    assert "the environment variable NOBODY_SET_THIS is not set" in sentence(done)


def test_a_broker_that_refuses_is_told_once_and_keeps_no_other_from_being_heard(daemon) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # bound and not listening: refused
        daemon.configure(BROKER.format(port=nobody.getsockname()[1]) + "[sinks.local]\n")
        daemon.launch()
        daemon.eventually(lambda: daemon.log.exists() and daemon.said("daemon.started"), what="a start")
        daemon.trap(3)
        daemon.eventually(lambda: daemon.incidents(condition="link_down"), what="the trap")
        assert daemon.get_any("/readyz") == 503
        (lost,) = daemon.said("broker.lost")
        assert "refused" in lost["why"].lower() or "refused" in str(lost)
        assert daemon.stop() == 0


def test_a_plugin_with_a_bug_ends_the_start_with_its_traceback_in_the_log(daemon) -> None:
    daemon.configure(daemon.troubled("desk", mood="bug"))
    done = daemon.run()
    assert done.returncode == 1
    assert "sinks.desk" in done.stderr
    assert "a bug in the plugin" in done.stderr
    assert "daemon.failed" in done.stderr

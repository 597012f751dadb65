"""Lines of log: one line each, no secret, no forged line, no repetition."""

import io
import json
import logging

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from gateway import logs


@pytest.fixture
def stream():
    """A stream to log to; afterwards logging is as it was."""
    root = logging.getLogger()
    before = (root.handlers[:], root.level, {name: logging.getLogger(name).level for name in logs.QUIET})
    yield io.StringIO()
    structlog.reset_defaults()
    logging.captureWarnings(capture=False)
    root.handlers[:], root.level = before[0], before[1]
    for name, level in before[2].items():
        logging.getLogger(name).setLevel(level)


def fail(text):
    raise ValueError(text)


def lines(stream):
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_without_a_terminal_lines_are_json_with_time_kind_and_event_first(stream):
    logs.configure(stream=stream)
    structlog.get_logger().info("incident.opened", source="r1", count=3)
    (entry,) = lines(stream)
    assert list(entry) == ["timestamp", "level", "event", "source", "count"]
    assert (entry["level"], entry["event"], entry["count"]) == ("info", "incident.opened", 3)


def test_library_loggers_go_the_same_way(stream):
    logs.configure(stream=stream)
    logging.getLogger("some.library").warning("lost %d", 3)
    (entry,) = lines(stream)
    assert (entry["logger"], entry["event"], entry["level"]) == ("some.library", "lost 3", "warning")


def test_libraries_that_log_requests_are_quiet_even_when_debugging(stream):
    logs.configure(stream=stream, verbosity="debug")
    logging.getLogger("httpcore.http11").debug("send_request_headers authorization")
    logging.getLogger("httpx").info("HTTP Request")
    assert stream.getvalue() == ""


def test_verbosity_is_the_least_urgent_that_is_written(stream):
    logs.configure(stream=stream, verbosity="warning")
    structlog.get_logger().info("a.b")
    structlog.get_logger().warning("c.d")
    assert [entry["event"] for entry in lines(stream)] == ["c.d"]


def test_an_exception_is_one_line_of_json(stream):
    logs.configure(stream=stream)
    try:
        fail("first\nsecond")
    except ValueError:
        structlog.get_logger().exception("it.failed")
    (entry,) = lines(stream)
    assert "ValueError: first\nsecond" in entry["exception"]


@pytest.mark.parametrize("form", ["json", "console"])
def test_no_line_shows_a_secret(stream, form):
    logs.configure(stream=stream, form=form, secrets=["hunter2!", "hunter2!longer"])
    log = structlog.get_logger()
    log.info(
        "sink.failed", text="Bearer hunter2!", deep={"a": ["hunter2!longer", b"hunter2!"]}, error=KeyError("hunter2!")
    )
    logging.getLogger("library").error("with %s", "hunter2!")
    try:
        fail("hunter2!")
    except ValueError:
        log.exception("it.failed")
    assert "hunter2" not in stream.getvalue()
    assert stream.getvalue().count("***") >= 6


def test_a_short_secret_does_not_blank_out_innocent_words(stream):
    logs.configure(stream=stream, secrets=["a", "event"])
    structlog.get_logger().info("event.kept")
    assert lines(stream)[0]["event"] == "event.kept"


def test_people_get_no_forged_line_and_no_escape_sequence(stream):
    logs.configure(stream=stream, form="console")
    structlog.get_logger().info("mail.received", subject="hi\r\n2026-11-22 [error] forged\x1b[2J\u202e")
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()
    assert r"\r" in stream.getvalue()


def test_text_inside_an_exception_cannot_pass_for_a_line(stream):
    logs.configure(stream=stream, form="console")
    try:
        fail("x\n2026-11-22T00:00:00Z [info] forged\x1b")
    except ValueError:
        structlog.get_logger().exception("it.failed")
    head, *rest = stream.getvalue().splitlines()
    assert head.rstrip().endswith("it.failed")
    assert all(line.startswith("    | ") for line in rest)
    assert "\x1b" not in stream.getvalue()


@given(st.text())
def test_what_is_printable_stays_and_everything_else_is_escaped(text):
    shown = logs.printable(text)
    assert shown.isprintable()
    assert shown == text or not text.isprintable()


@given(
    st.recursive(
        st.text() | st.integers() | st.binary(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_no_value_makes_the_escape_fail(value):
    json.dumps(logs.escape(None, "info", {"event": value, "exception": value}))


def test_repetition_is_held_back_and_counted():
    now = 0.0
    once = logs.OncePer(60, now=lambda: now)
    assert once("malformed", "r1") == 0
    assert once("malformed", "r1") is None
    assert once("malformed", "r2") == 0
    now = 59.9
    assert once("malformed", "r1") is None
    now = 60.0
    assert once("malformed", "r1") == 2
    assert once("malformed", "r1") is None


def test_the_memory_of_repetition_is_bounded():
    once = logs.OncePer(60, now=lambda: 0.0, capacity=3)
    for source in range(100):
        assert once(source) == 0
    assert once(99) is None
    assert once(0) == 0


class Time:
    now_s = 0.0

    def __call__(self):
        return self.now_s


def record(said, name="gateway"):
    return logging.LogRecord(name, logging.WARNING, "", 0, said, None, None)


def test_no_event_can_fill_the_disk_with_lines_and_what_was_held_back_is_told():
    time = Time()
    flood = logs.Flood(3, 60, now=time)
    assert [flood.filter(record({"event": "mail.session_failed"})) for _ in range(5)] == [True] * 3 + [False] * 2
    assert flood.filter(record({"event": "ticket.opened"})), "others still speak"
    time.now_s = 60
    later = record({"event": "mail.session_failed"})
    assert flood.filter(later)
    assert later.msg["held_back"] == 2
    last = record({"event": "mail.session_failed"})
    assert flood.filter(last)
    assert "held_back" not in last.msg


def test_a_library_that_repeats_what_clients_send_is_bounded_as_a_whole():
    flood = logs.Flood(3, 60, now=Time())
    assert sum(flood.filter(record(f"bad request {number}", "uvicorn.error")) for number in range(100)) == 3
    assert len(flood._seen) == 1


def test_the_flood_filter_is_in_the_way_of_every_line(stream):
    logs.configure(stream=stream)
    for _ in range(logs.MOST_LINES + 50):
        structlog.get_logger().warning("input.dropped")
        logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert len(lines(stream)) == 2 * logs.MOST_LINES

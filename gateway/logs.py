"""Logs: readable on a terminal, JSON lines elsewhere; hostile text escaped, secrets left out, repetition held back.

Library loggers (`logging`) go the same way as ours (`structlog`). A line of log is one line of text, whatever a device
put into it: control and bidirectional characters are shown as escapes.
"""

import logging
import os
import re
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

SHORTEST_SECRET = 6
"""Characters; a shorter secret would blank out innocent words."""
QUIET = ("httpx", "httpcore", "hpack", "uvicorn", "iotcore", "mail.log", "asyncio")
"""Libraries that log each request, some with headers, or their own comings and goings: only warnings are kept."""
HIDDEN = "***"
MOST_LINES = 1000
"""Lines of one event in a minute: whoever can cause a line must not be able to fill the disk with them."""
MINUTE_S = 60.0


def configure(
    *,
    form: Literal["auto", "console", "json"] = "auto",
    verbosity: str = "info",
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Set up `structlog` and `logging` for the whole process; may be called again (reload).

    Args:
        form: ``auto`` is ``console`` on a terminal and ``json`` elsewhere.
        verbosity: the least urgent kind of line that is written: ``debug``, ``info``, ``warning`` or ``error``.
        secrets: values that no line may show.
        stream: where lines go; standard error if None.
    """
    stream = stream or sys.stderr
    for_people = form == "console" or (form == "auto" and stream.isatty() and "JOURNAL_STREAM" not in os.environ)
    common: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *common, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *common],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                Redactor(secrets),
                escape,
                *(_for_people(stream) if for_people else _for_programs()),
            ],
        )
    )
    handler.addFilter(Flood())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(verbosity.upper())
    for name in QUIET:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    logging.captureWarnings(capture=True)


def _for_people(stream: TextIO) -> list[Processor]:
    colours = stream.isatty() and "NO_COLOR" not in os.environ
    return [
        _indent_exception,
        structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback),
    ]


def _for_programs() -> list[Processor]:
    return [_head_first, structlog.processors.JSONRenderer(ensure_ascii=False, default=str)]


def _head_first(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    head = {key: event.pop(key) for key in ("timestamp", "level", "event") if key in event}
    return {**head, **event}


def _indent_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Set an exception's lines apart, so that text inside it cannot pass for a line of log."""
    if isinstance(event.get("exception"), str):
        event["exception"] = "\n".join(f"    | {line}" for line in event["exception"].split("\n"))
    return event


class Redactor:
    """Replaces every secret by ``***``, wherever in a line it stands."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, known))) if known else None

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        """Serve as a structlog processor."""
        pattern = self._pattern
        if pattern is None:
            return event
        return {key: _mapped(value, lambda text: pattern.sub(HIDDEN, text)) for key, value in event.items()}


def escape(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Show what cannot be printed as escapes; an exception keeps its line ends (see `_indent_exception`)."""
    return {
        printable(key): _mapped(value, lambda text: "\n".join(map(printable, text.split("\n"))))
        if key == "exception"
        else _mapped(value, printable)
        for key, value in event.items()
    }


def printable(text: str) -> str:
    """``text`` with control, bidirectional and surrogate characters shown as their escapes."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii") for sign in text)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """``value`` with ``change`` applied to every text in it; what is no plain value is taken as its text."""
    if isinstance(value, str):
        return change(str(value))
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        return {change(str(key)): _mapped(item, change) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_mapped(item, change) for item in value]
    return change(str(value))


class Flood(logging.Filter):
    """Lets so many lines of each event, or of each library, through in a minute; the next one says how many it held back.

    Memory is bounded, since the names of our events and of libraries' loggers are.
    """

    def __init__(
        self, most: int = MOST_LINES, every_s: float = MINUTE_S, *, now: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._most, self._every_s, self._now = most, every_s, now
        self._seen: dict[str, tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is written."""
        said: object = record.msg
        name = str(said.get("event", "")) if isinstance(said, dict) else record.name
        now_s = self._now()
        began_s, lines = self._seen.get(name, (now_s, 0))
        if now_s - began_s >= self._every_s:
            if isinstance(said, dict) and lines > self._most:
                said["held_back"] = lines - self._most
            began_s, lines = now_s, 0
        self._seen[name] = (began_s, lines + 1)
        return lines < self._most


class OncePer:
    """Holds back repetition: says of each key, once per interval, that it may be logged.

    Memory is bounded: beyond ``capacity`` keys the one seen least recently is forgotten.
    """

    def __init__(self, interval_s: float, *, now: Callable[[], float], capacity: int = 10_000) -> None:
        self._interval_s, self._now, self._capacity = interval_s, now, capacity
        self._seen: OrderedDict[Hashable, tuple[float, int]] = OrderedDict()

    def __call__(self, *key: Hashable) -> int | None:
        """How many were held back since this key was last let through; None: hold this one back too."""
        now = self._now()
        since, held = self._seen.get(key, (float("-inf"), 0))
        self._seen[key] = (since, held + 1)
        self._seen.move_to_end(key)
        if len(self._seen) > self._capacity:
            self._seen.popitem(last=False)
        if now - since < self._interval_s:
            return None
        self._seen[key] = (now, 0)
        return held

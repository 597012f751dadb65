"""The journal of inputs: what was heard, in files that are bounded by age and size, for `tocsin replay`.

It is off the way of the inputs: what a commit took is handed over after its acknowledgement, and written together with
what came in the same second, on another thread. It is no promise: a crash may lose its last second, a full disk makes it
stop, and neither holds up or loses an input. Each second that has inputs is a gzip member of JSON lines, so that what was
written whole can be read however the file ends, by ``zcat`` too.
"""

import asyncio
import contextlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import structlog
from pydantic_core import to_json

from gateway import metrics
from gateway.core.record import Recorded, as_record, of_record
from gateway.pending import Run
from gateway.plugin import Clock

log = structlog.get_logger()

FOLDER = "journal"
SUFFIX = ".jsonl.gz"
GATHER_S = 1.0
RUNS_MAX = 20_000
"""Runs that may wait to be written; more are not kept, and counted."""
FILES = 16
"""About so many files make up the whole, so that the oldest part can go."""
LEVEL = 1
GZIP = 31
"""zlib's word for a gzip header around a window of the usual size."""


class Journal:
    """Keeps inputs; `run` serves until cancelled."""

    def __init__(self, state_dir: Path, *, clock: Clock, days: int, megabytes: int) -> None:
        self._folder = state_dir / FOLDER
        self._clock = clock
        self._keep_s = days * 86_400
        self._bytes_max = megabytes << 20
        self._waiting: list[tuple[Run, str]] = []
        self._file: Path | None = None
        self._failing = False

    def keep(self, runs: Sequence[Run], incidents: Sequence[str]) -> None:
        """Take what was committed, with the incident that each run touched; it is written soon."""
        room = max(0, RUNS_MAX - len(self._waiting))
        self._waiting += list(zip(runs, incidents, strict=True))[:room]
        if len(runs) > room:
            metrics.JOURNAL_LOST.inc(len(runs) - room)

    async def run(self) -> None:
        """Serve until cancelled."""
        while True:
            await self._clock.sleep(GATHER_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits."""
        if not self._waiting:
            return
        runs, self._waiting = self._waiting, []
        try:
            await asyncio.to_thread(self._append, runs, self._clock.now_ms() / 1000)
        except OSError as error:
            metrics.JOURNAL_LOST.inc(len(runs))
            if not self._failing:
                log.warning("journal.failed", why=str(error), cure="make room in the state directory")
            self._failing = True
        else:
            metrics.JOURNAL_KEPT.inc(len(runs))
            self._failing = False

    # --- on another thread ------------------------------------------------------------------------

    def _append(self, runs: Sequence[tuple[Run, str]], now_s: float) -> None:
        member = packed(
            [
                Recorded(event=r.event, first_ms=r.first_ms, last_ms=r.last_ms, count=r.count, incident=incident)
                for r, incident in runs
            ]
        )
        if self._file is None or not self._file.exists() or self._file.stat().st_size >= self._bytes_max // FILES:
            self._file = self._begin_file(now_s)
        about = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)  # mails are in there
        with os.fdopen(about, "ab") as file:
            file.write(member)
        self._forget(now_s)

    def _begin_file(self, now_s: float) -> Path:
        """A new file, named after the time."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / (datetime.fromtimestamp(now_s, UTC).strftime("%Y%m%dT%H%M%S.%f") + SUFFIX)

    def _forget(self, now_s: float) -> None:
        """Let go what is too old, and the oldest of what is too much."""
        room = self._bytes_max
        for path in reversed(files(self._folder)):
            about = path.stat()
            room -= about.st_size
            if path != self._file and (room < 0 or about.st_mtime < now_s - self._keep_s):
                path.unlink(missing_ok=True)


def packed(recorded: Sequence[Recorded]) -> bytes:
    """One gzip member with a line for each."""
    pack = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP)
    return pack.compress(b"".join(map(_line, recorded))) + pack.flush()


def _line(recorded: Recorded) -> bytes:
    record = as_record(recorded)
    try:
        return to_json(record) + b"\n"
    except ValueError:  # a lone surrogate, which UTF-8 cannot say
        return json.dumps(record, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def files(folder: Path) -> list[Path]:
    """The journal's files, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def read(state_dir: Path, *, since_ms: int) -> Iterator[Recorded]:
    """What was heard since then, in order; a member that was not written whole is passed over.

    Raises:
        OSError: a file cannot be read.
    """
    for path in files(state_dir / FOLDER):
        if path.stat().st_mtime * 1000 < since_ms:
            continue
        for text in _members(path.read_bytes()):
            for line in text.split(b"\n"):  # what else Unicode calls the end of a line may stand in a text
                with contextlib.suppress(ValueError, LookupError, TypeError):
                    recorded = of_record(json.loads(line))
                    if recorded.last_ms >= since_ms:
                        yield recorded


def _members(raw: bytes) -> Iterator[bytes]:
    while raw:
        unpack = zlib.decompressobj(GZIP)
        try:
            text = unpack.decompress(raw)
        except zlib.error:
            return
        if not unpack.eof:
            return
        yield text
        raw = unpack.unused_data

"""A backup while the daemon runs, as a tar file in the answer.

Only on the admin socket. Who asks names no file: the daemon copies what lies in its state directory into a folder of its
own, sends it, and forgets it, so that a request can neither read nor write elsewhere.
"""

import asyncio
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.store.care import examine

if TYPE_CHECKING:
    from gateway.app import App

log = structlog.get_logger()

PREFIX = ".tocsin-backup-"
"""Of the folder of copies; what a process that died left there goes with the next backup."""
CHUNK = 1 << 20
SPARE = 16 << 20
"""Bytes that must be free beside the copies: a backup must not fill the disk of a daemon that runs."""


class Backups:
    """Makes one at a time."""

    def __init__(self, app: "App") -> None:
        self._app = app
        self._one = asyncio.Lock()

    async def make(self, _request: Request) -> Response:
        """A tar file with a sound copy of every database in the state directory."""
        if self._one.locked():
            raise HTTPException(409, "a backup is being made: wait for it")
        async with self._one:
            sources = await asyncio.to_thread(_databases, self._app.state_dir)
            folder = await asyncio.to_thread(_folder, self._app.state_dir)
            try:
                for source in sources:
                    await self._copy(source, folder / source.name)
                parts = [_Part(folder / source.name) for source in sources]
            finally:
                await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)  # open files stay readable
        log.info("backup.made", files={part.name: part.size for part in parts})
        length = sum(part.length for part in parts) + len(_END)
        headers = {"Content-Length": str(length)}
        return StreamingResponse(_tar(parts), media_type="application/x-tar", headers=headers)

    async def _copy(self, source: Path, target: Path) -> None:
        await self._app.store.caretaker.copy(source, target)
        if damage := await asyncio.to_thread(examine, target):
            raise HTTPException(503, f"the copy of {source.name} is damaged ({damage}): nothing was backed up")


_END = bytes(2 * tarfile.BLOCKSIZE)


class _Part:
    """A file in the tar; open, so that its name may go."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self.file: BinaryIO = path.open("rb")
        self.size = os.fstat(self.file.fileno()).st_size

    @property
    def padding(self) -> int:
        return -self.size % tarfile.BLOCKSIZE

    @property
    def length(self) -> int:
        """With its header and padding."""
        return len(self.header()) + self.size + self.padding

    def header(self) -> bytes:
        about = tarfile.TarInfo(self.name)
        about.size, about.mode = self.size, 0o600
        return about.tobuf()


def _tar(parts: list[_Part]) -> Iterator[bytes]:
    with ExitStack() as stack:
        for part in parts:
            stack.enter_context(part.file)
        for part in parts:
            yield part.header()
            while chunk := part.file.read(CHUNK):
                yield chunk
            yield bytes(part.padding)
        yield _END


def _databases(state_dir: Path) -> list[Path]:
    """The store, and what sinks keep beside it.

    Raises:
        HTTPException: there is no room for copies.
    """
    found = sorted(path for path in state_dir.glob("*.db") if path.is_file() and not path.is_symlink())
    needed = sum(log_or_file.stat().st_size for path in found for log_or_file in state_dir.glob(f"{path.name}*"))
    free = shutil.disk_usage(state_dir).free
    if free < needed + SPARE:
        missing = (needed + SPARE - free + 999_999) // 1_000_000
        raise HTTPException(507, f"no room for a copy in {state_dir}: make {missing} MB more room")
    return found


def _folder(state_dir: Path) -> Path:
    for left in state_dir.glob(f"{PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=state_dir))

"""The disk below the store: what its refusals mean, room kept for the day when it is full, and files that vanish."""

import contextlib
import os
import sqlite3
from pathlib import Path

from gateway.store.api import StoreError

PAGE = 4096
"""Bytes; SQLite's default."""
_FULL = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
"""The second: the log's index could not grow."""
_CURES = {
    sqlite3.SQLITE_FULL: "make room on its disk",
    sqlite3.SQLITE_READONLY: "make its file system writable",
    sqlite3.SQLITE_IOERR: "look into the kernel's log, and at quotas and limits of file size",
    sqlite3.SQLITE_CORRUPT: "stop the daemon and restore a backup",
    sqlite3.SQLITE_NOTADB: "stop the daemon and restore a backup",
}
_DISK = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR)


def is_full(error: sqlite3.Error) -> bool:
    """Whether the disk has no room left."""
    return _code(error) in _FULL or _code(error) & 0xFF == sqlite3.SQLITE_FULL


def is_of_disk(error: Exception) -> bool:
    """Whether the disk refuses everybody, so that no work of the same commit can be kept."""
    return isinstance(error, sqlite3.Error) and _code(error) & 0xFF in _DISK


def refusal(error: sqlite3.Error) -> StoreError:
    """What the disk's refusal means, and what a person can do."""
    cure = _CURES.get(sqlite3.SQLITE_FULL if is_full(error) else _code(error) & 0xFF)
    return StoreError(f"the store refused to write: {error}" + (f"; {cure}" if cure else ""))


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", 0))


class Ballast:
    """A file that is given up when the disk is full, so that deleting, which needs room too, still works."""

    def __init__(self, path: Path | None = None, size: int = 0) -> None:
        """``size`` in bytes; without a path or with 0 there is none, and it is as if it were always there."""
        self._path = path
        self._size = size if path else 0

    @property
    def log_pages(self) -> int:
        """Pages of log after which it is brought into the file, so that on a full disk it finds room; 0: as usual."""
        return self._size * 3 // 4 // PAGE if self._size else 0

    @property
    def held(self) -> bool:
        """Whether the room is taken; asks the file system."""
        if not self._path or not self._size:
            return True
        try:
            found = self._path.stat()
        except OSError:
            return False
        return found.st_size == self._size and found.st_blocks * 512 >= self._size

    def make(self) -> bool:
        """Take the room; False if there is none.

        Half as much again must be free beside it: who has just been refused would else be refused again at once.
        """
        if not self._path or self.held:
            return True
        try:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self._size + self._size // 2)
                os.ftruncate(file, self._size)
                os.fsync(file)
            finally:
                os.close(file)
        except OSError:
            self.release()
            return False
        return True

    def release(self) -> None:
        """Give the room up."""
        if self._path:
            with contextlib.suppress(OSError):  # a read-only file system keeps it
                self._path.unlink(missing_ok=True)


class Files:
    """Tells when the store's file or its log is no longer the one that we write to.

    Somebody who deletes or copies over them does not stop us: we would go on to write into files without a name, which
    are gone at our end (so does SQLite itself, if a program that opened and closed the file made its locks vanish).
    Only asks the file system about names: to open the file here would make the locks vanish.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._paths = (path, path.with_name(f"{path.name}-wal")) if path else ()
        self._known: dict[Path, tuple[int, int]] = {}

    def lost(self) -> str | None:
        """One sentence if a file was removed or replaced since the first call; else None."""
        for path in self._paths:
            now, known = _identity(path), self._known.get(path)
            if known is None and now is not None:
                self._known[path] = now
            elif known is not None and now != known:
                what = "was removed" if now is None else "was replaced"
                return f"{path} {what} while the daemon runs: nothing more is acknowledged; restart the daemon"
        return None

    def may_grow_to(self, size: int) -> bool:
        """Whether the disk has room for a file of so many bytes in place of the store's."""
        if not self._paths:
            return True
        try:
            now = self._paths[0].stat().st_size
            disk = os.statvfs(self._paths[0].parent)
        except OSError:
            return False
        return size - now <= disk.f_bavail * disk.f_frsize


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return (found.st_dev, found.st_ino)

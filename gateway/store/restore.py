"""Bring a backup back: looked at first, put in place at once, and what was there kept aside."""

import os
import shutil
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from gateway.store.api import StoreError
from gateway.store.care import examine
from gateway.store.migrate import versions
from gateway.store.place import FILE_NAME, LOCK_NAME, RESTORING_NAME, locked

MOST_FILES = 100
LOGS = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database; it would spoil another one of the same name."""


class RestoreError(Exception):
    """The backup cannot be used, and nothing has changed; one sentence."""


def restored(backup: Path, state_dir: Path) -> list[tuple[str, str]]:
    """Put the databases of ``backup`` into ``state_dir``; their names, each with that of what was there before.

    Until every file is in its place the daemon refuses to start there.

    Raises:
        RestoreError: the backup cannot be used.
        StoreError: a daemon runs there, or the folder cannot be written.
    """
    with locked(state_dir):
        try:
            with tempfile.TemporaryDirectory(prefix="restore-", dir=state_dir) as folder:
                found = _unpacked(backup, Path(folder))
                _must_be_ours(backup, found)
                _give_to_owner(found, state_dir)
                return _put_in_place(found, state_dir)
        except OSError as error:
            raise StoreError(f"cannot write in {state_dir}: {error.strerror or error}; make it writable") from None


def _unpacked(backup: Path, folder: Path) -> list[Path]:
    try:
        with tarfile.open(backup, "r:") as tar:
            return list(_extracted(tar, backup, folder))
    except tarfile.TarError as error:
        raise RestoreError(f"{backup} is no backup: {error}; name a file that tocsin backup made") from None
    except OSError as error:
        if error.filename == str(backup):
            raise RestoreError(f"cannot read {backup}: {error.strerror}") from None
        raise


def _extracted(tar: tarfile.TarFile, backup: Path, folder: Path) -> Iterator[Path]:
    for number, member in enumerate(tar):
        name = member.name
        plain = member.isreg() and name == Path(name).name and name.endswith(".db") and not name.startswith((".", "-"))
        content = tar.extractfile(member) if plain else None
        if content is None or number >= MOST_FILES or (folder / name).exists():
            raise RestoreError(f"{backup} is no backup: {name!r} is none of our files")
        with content, (folder / name).open("xb") as target:
            (folder / name).chmod(0o600)
            shutil.copyfileobj(content, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())
        if (folder / name).stat().st_size != member.size:
            raise RestoreError(f"{backup} is cut off: take another backup")
        yield folder / name


def _must_be_ours(backup: Path, found: list[Path]) -> None:
    """Every file is sound, and the store is there and of a version that we know."""
    store = next((path for path in found if path.name == FILE_NAME), None)
    if store is None:
        raise RestoreError(f"{backup} is no backup: there is no {FILE_NAME} in it")
    for path in found:
        try:
            damage = examine(path, thorough=True)
        except StoreError as error:
            damage = str(error)
        if damage:
            raise RestoreError(f"{path.name} in {backup} is damaged ({damage}): take another backup")
    with closing(sqlite3.connect(store)) as db:
        has, known = db.execute("PRAGMA user_version").fetchone()[0], versions()
        tables = db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'incident'").fetchone()[0]
    if not has or not tables:
        raise RestoreError(f"{FILE_NAME} in {backup} is no store of ours")
    if has > known:
        raise RestoreError(
            f"{FILE_NAME} in {backup} has schema version {has} and this program knows {known}: install the newer Tocsin"
        )


def _give_to_owner(found: list[Path], state_dir: Path) -> None:
    """Root restores for the daemon's user."""
    if os.geteuid() == 0:
        owner = state_dir.stat()
        for path in (*found, state_dir / LOCK_NAME):
            os.chown(path, owner.st_uid, owner.st_gid)


def _put_in_place(found: list[Path], state_dir: Path) -> list[tuple[str, str]]:
    suffix = datetime.now(UTC).strftime("before-restore-%Y%m%dT%H%M%SZ")
    done = []
    for path in found:
        aside = f"{path.name}.{suffix}"
        # A database and its log keep belonging together under their new names.
        kept = [_kept(state_dir / f"{path.name}{log}", state_dir / f"{aside}{log}") for log in ("", *LOGS)]
        done.append((path.name, aside if kept[0] else ""))
    mark = state_dir / RESTORING_NAME
    mark.touch(mode=0o600)
    _sync(state_dir)
    for path in found:
        for log in LOGS:
            (state_dir / f"{path.name}{log}").unlink(missing_ok=True)
        path.replace(state_dir / path.name)
    _sync(state_dir)
    mark.unlink()
    _sync(state_dir)
    return done


def _kept(path: Path, aside: Path) -> bool:
    """Give a file a second name, if it is there."""
    try:
        aside.hardlink_to(path)
    except FileNotFoundError:
        return False
    return True


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""`tocsin backup` takes what a running daemon knows, and `tocsin restore` brings it back, or says why it does not."""

import asyncio
import io
import shutil
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import gateway.cli
from gateway.app import running
from gateway.config import load
from gateway.core.event import Event, EventKind
from gateway.plugins import discover
from gateway.store.api import StoreUnusable
from gateway.store.sqlite import open_sqlite

CONFIG = """
[http]
enabled = false
[collectors.snmp]
listen = ["127.0.0.1:0"]
communities = ["public"]
[sinks.local]
"""


def tocsin(*words: object) -> Result:
    """The command in this process: to start one takes longer than all that it does."""
    return CliRunner().invoke(gateway.cli.tocsin, [*map(str, words)])


def apart(*words: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as people run it."""
    command = [sys.executable, "-c", "from gateway.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def house(tmp_path: Path):
    """A daemon of `CONFIG` in this process."""
    file = tmp_path / "tocsin.toml"
    file.write_text(CONFIG)
    return running(load(file, plugins=discover()), state_dir=tmp_path / "state")


async def raise_one(app, source: str) -> None:
    now_ms = app.clock.now_ms()
    await app.engine.emit(
        Event(collector="snmp", source=source, condition="link_down", kind=EventKind.RAISE, at_ms=now_ms)
    )


async def sources(app) -> set[str]:
    return {item["source"] for item in (await app.store.reader.incidents()).items}


async def backed_up(folder: Path) -> None:
    async with house(folder) as app:
        await raise_one(app, "r1")
        done = await asyncio.to_thread(apart, "backup", "--state-dir", app.state_dir, folder / "b.tar")
        assert done.returncode == 0, done.stderr
        await raise_one(app, "r2")


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Where a daemon ran, and a backup of it was made after r1 and before r2."""
    folder = tmp_path_factory.mktemp("made")
    asyncio.run(backed_up(folder))
    return folder


@pytest.fixture
def backup(made: Path, tmp_path: Path) -> Path:
    """The backup, in a copy of all that there was."""
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return tmp_path / "b.tar"


def spoiled(backup: Path, tmp_path: Path, **files: bytes) -> Path:
    """A tar of the same files, some replaced or added."""
    other = tmp_path / "other.tar"
    with tarfile.open(backup) as tar:
        content = {member.name: tar.extractfile(member).read() for member in tar}
    content.update({name.replace("_db", ".db"): data for name, data in files.items()})
    return packed(other, content)


def packed(file: Path, content: dict[str, bytes]) -> Path:
    with tarfile.open(file, "w") as tar:
        for name, data in content.items():
            about = tarfile.TarInfo(name)
            about.size = len(data)
            tar.addfile(about, io.BytesIO(data))
    return file


def snapshot(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def test_a_backup_holds_what_was_known_and_a_restore_brings_it_back(backup, tmp_path) -> None:
    assert backup.stat().st_mode & 0o777 == 0o600
    with tarfile.open(backup) as tar:
        assert sorted(tar.getnames()) == ["tickets.db", "tocsin.db"]
    assert not list((tmp_path / "state").glob(".tocsin-backup-*"))
    done = apart("restore", "--state-dir", tmp_path / "state", backup)
    assert done.returncode == 0, done.stderr
    assert "what was there is tocsin.db.before-restore-" in done.stdout
    async with house(tmp_path) as app:
        assert await sources(app) == {"r1"}
    (aside,) = (tmp_path / "state").glob("tocsin.db.before-restore-*Z")
    with sqlite3.connect(aside) as before:
        assert {source for (source,) in before.execute("SELECT source FROM incident")} == {"r1", "r2"}
    before.close()


async def test_a_backup_can_be_restored_where_nothing_is(backup, tmp_path) -> None:
    done = tocsin("restore", "--state-dir", tmp_path / "new", backup)
    assert done.exit_code == 0, done.stderr
    async with open_sqlite(tmp_path / "new") as store:
        assert [item["source"] for item in (await store.reader.incidents()).items] == ["r1"]


async def test_a_restore_is_refused_while_a_daemon_runs_there(backup, tmp_path) -> None:
    async with house(tmp_path) as app:
        done = await asyncio.to_thread(apart, "restore", "--state-dir", app.state_dir, backup)
        assert done.returncode == 75
        assert "another Tocsin runs on the store" in done.stderr
        assert await sources(app) == {"r1", "r2"}


async def test_the_log_of_a_daemon_that_was_killed_goes_aside_with_its_database(backup, tmp_path) -> None:
    state = tmp_path / "state"
    (state / "tocsin.db-wal").write_bytes(b"another database's log")
    assert tocsin("restore", "--state-dir", state, backup).exit_code == 0
    assert not (state / "tocsin.db-wal").exists()
    (log,) = state.glob("tocsin.db.before-restore-*-wal")
    assert log.read_bytes() == b"another database's log"


def newer(backup: Path) -> bytes:
    with tarfile.open(backup) as tar:
        data = tar.extractfile("tocsin.db").read()
    return data[:60] + (9999).to_bytes(4, "big") + data[64:]  # user_version


def page_spoiled(backup: Path) -> bytes:
    with tarfile.open(backup) as tar:
        data = tar.extractfile("tocsin.db").read()
    return data[:4096] + b"\xa5" * 4096 + data[8192:]


def cut(backup: Path, tmp_path: Path) -> Path:
    (tmp_path / "cut.tar").write_bytes(backup.read_bytes()[:100_000])
    return tmp_path / "cut.tar"


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda backup, tmp: spoiled(backup, tmp, tocsin_db=newer(backup)), "schema version 9999"),
        (lambda backup, tmp: spoiled(backup, tmp, tocsin_db=page_spoiled(backup)), "is damaged"),
        (lambda backup, tmp: spoiled(backup, tmp, tocsin_db=b"a letter" * 1000), "is damaged"),
        (lambda backup, tmp: spoiled(backup, tmp, tocsin_db=b""), "no store of ours"),
        (lambda backup, tmp: spoiled(backup, tmp, **{"../evil_db": b""}), "none of our files"),
        (lambda backup, tmp: spoiled(backup, tmp, admin=b""), "none of our files"),
        (lambda _, tmp: packed(tmp / "x.tar", {"tickets.db": b""}), "there is no tocsin.db"),
        (cut, "is no backup"),
        (lambda _, tmp: letter(tmp), "is no backup"),
        (lambda _, tmp: tmp / "nowhere", "cannot read"),
    ],
)
async def test_a_backup_that_cannot_be_used_changes_nothing(backup, tmp_path, spoil, says) -> None:
    before = snapshot(tmp_path / "state")
    done = tocsin("restore", "--state-dir", tmp_path / "state", spoil(backup, tmp_path))
    assert done.exit_code == 1, done
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert snapshot(tmp_path / "state") == before
    assert not (tmp_path / "evil.db").exists()


def letter(tmp_path: Path) -> Path:
    (tmp_path / "letter").write_text("Dear all")
    return tmp_path / "letter"


async def test_a_restore_that_was_interrupted_keeps_the_daemon_from_starting(backup, tmp_path) -> None:
    state = tmp_path / "state"
    (state / "restoring").touch()
    with pytest.raises(StoreUnusable, match="interrupted: run tocsin restore again"):
        async with open_sqlite(state):
            pass
    assert tocsin("restore", "--state-dir", state, backup).exit_code == 0
    async with open_sqlite(state):
        pass


async def test_a_backup_never_takes_the_place_of_a_file(backup, tmp_path) -> None:
    before = backup.read_bytes()
    done = tocsin("backup", "--state-dir", tmp_path / "state", backup)
    assert done.exit_code == 1
    assert "is there already" in done.stderr
    assert backup.read_bytes() == before


def test_a_backup_without_a_daemon_says_so_and_leaves_nothing(tmp_path) -> None:
    done = tocsin("backup", "--state-dir", tmp_path, tmp_path / "b.tar")
    assert done.exit_code == 69
    assert "no daemon answers" in done.stderr
    assert list(tmp_path.iterdir()) == []


async def test_a_backup_is_taken_on_the_admin_socket_only(tmp_path) -> None:
    from gateway.web.site import site

    async with house(tmp_path) as app:
        paths = {admin: {route.path for route in site(app, admin=admin).routes} for admin in (True, False)}
    assert "/api/v1/backup" in paths[True]
    assert "/api/v1/backup" not in paths[False]

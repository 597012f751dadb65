"""On a full disk the store forgets with the ballast's room, takes nothing new, and goes on when room is back."""

import os

from structlog.testing import capture_logs

from gateway.core.reason import Dropped
from gateway.store.api import Retention, StoreError
from gateway.store.disk import Ballast
from gateway.store.sqlite import open_sqlite

BALLAST = 1 << 20


async def fill_quarantine(store) -> int:
    """Fill the disk with what retention may forget; how many rows were promised to be there."""
    raw, kept = os.urandom(50_000), 0
    while True:
        try:
            await store.run(lambda tx: tx.quarantine(raw, reason=Dropped.MALFORMED, source="x", at_ms=1))
        except StoreError:
            return kept
        kept += 1


async def takes(store) -> bool:
    try:
        await store.run(lambda tx: tx.put("new", b"x"))
    except StoreError:
        return False
    return True


async def rows(store) -> int:
    return await store.run(lambda tx: tx._number("SELECT count(*) FROM quarantine"))


async def test_what_is_forgotten_on_a_full_disk_makes_room_and_the_store_goes_on(scrap) -> None:
    ballast = scrap.folder / "ballast"
    async with open_sqlite(scrap.folder, ballast_bytes=BALLAST) as store:
        assert ballast.stat().st_size == BALLAST
        with capture_logs() as logs:
            kept = await fill_quarantine(store)
            while await takes(store):  # at first the log's own room is enough
                kept += await fill_quarantine(store)
            assert not ballast.exists()
            gone = 0
            while bite := await store.make_room(lambda tx: tx.prune(Retention(quarantined_after_ms=2), limit=20)):
                gone += bite
            assert gone == kept
            await store.run(lambda tx: tx.put("new", b"x"))
        assert ballast.stat().st_size == BALLAST
        said = [line["event"] for line in logs]
        assert said == ["store.ballast_released", "store.ballast_restored"] * (len(said) // 2)


async def test_what_was_stored_before_the_disk_was_full_is_there(scrap) -> None:
    async with open_sqlite(scrap.folder, ballast_bytes=BALLAST) as store:
        scrap.fill()
        kept = await fill_quarantine(store)
        scrap.empty()
        assert await rows(store) == kept
        await store.run(lambda tx: tx.put("new", b"x"))
    async with open_sqlite(scrap.folder, ballast_bytes=BALLAST) as store:
        assert await rows(store) == kept


async def test_the_ballast_is_made_again_only_with_room_to_spare(scrap) -> None:
    ballast = Ballast(scrap.folder / "ballast", 4 << 20)
    other = scrap.folder / "other"
    other.write_bytes(bytes(3 << 20))  # 5 MB are left, and 6 would be needed
    assert not ballast.make()
    assert not (scrap.folder / "ballast").exists()
    other.unlink()
    assert ballast.make()
    assert ballast.held


async def test_a_start_without_room_for_the_ballast_says_so(scrap) -> None:
    with capture_logs() as logs:
        async with open_sqlite(scrap.folder, ballast_bytes=16 << 20) as store:
            await store.run(lambda tx: tx.put("new", b"x"))
    assert [line["event"] for line in logs] == ["store.ballast_missing"]


async def test_no_ballast_is_no_trouble(scrap) -> None:
    async with open_sqlite(scrap.folder, ballast_bytes=0) as store:
        scrap.fill()
        await fill_quarantine(store)
        scrap.empty()
        await store.run(lambda tx: tx.put("new", b"x"))
    assert not (scrap.folder / "ballast").exists()


async def test_the_caretaker_keeps_no_writer_waiting_and_copies_what_is_in_the_log(tmp_path) -> None:
    async with open_sqlite(tmp_path, ballast_bytes=0) as store:
        await store.run(lambda tx: tx.put("a", b"1"))
        assert await store.caretaker.examine() == ""
        await store.caretaker.copy(tmp_path / "tocsin.db", tmp_path / "copy.db")
        assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    (tmp_path / "there").mkdir()
    (tmp_path / "copy.db").rename(tmp_path / "there" / "tocsin.db")
    async with open_sqlite(tmp_path / "there", ballast_bytes=0) as store:
        assert await store.run(lambda tx: tx.get("a")) == b"1"

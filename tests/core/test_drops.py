"""The ledger of drops: counts by source and reason, within its bound."""

from gateway.core.drops import DropLedger
from gateway.core.reason import Dropped


def test_drops_are_counted_by_source_and_reason():
    ledger = DropLedger()
    ledger.add("r1", Dropped.AUTH_FAILED, 1, now_ms=10, detail="wrong digest")
    ledger.add("r1", Dropped.REPLAYED, 1, now_ms=20, detail="late")
    told = ledger.add("r1", Dropped.AUTH_FAILED, 2, now_ms=30, detail="wrong digest again")
    assert (told.count, told.first_seen_ms, told.last_seen_ms, told.detail) == (3, 10, 30, "wrong digest again")
    assert [(drops.source, drops.reason) for drops in ledger] == [("r1", Dropped.AUTH_FAILED), ("r1", Dropped.REPLAYED)]


def test_the_source_unheard_for_longest_is_forgotten():
    ledger = DropLedger(most=2)
    for source in ("a", "b", "a", "c"):
        ledger.add(source, Dropped.MALFORMED, 1, now_ms=0, detail="")
    assert [drops.source for drops in ledger] == ["c", "a"]
    assert len(ledger) == 2

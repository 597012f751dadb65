"""The catalogue of unknown conditions is bounded: devices may invent as many as they like."""

from gateway.store import transaction
from gateway.store.api import Retention
from gateway.store.sqlite import open_sqlite


async def test_what_was_unheard_for_longest_is_forgotten(tmp_path):
    beyond = 70

    def fill(tx):
        for number in range(transaction.MOST_UNKNOWN + beyond):
            tx.count_unknown(f"oid.{number}", count=1, at_ms=number, sample="")

    def prune(tx):
        return tx.prune(Retention(), limit=50)

    async with open_sqlite(tmp_path) as store:
        await store.run(fill)
        assert [await store.run(prune) for _ in range(3)] == [50, 20, 0]
        left = {item["condition"] for item in (await store.reader.unknown(limit=1000)).items}
        assert "oid.0" not in left
        assert f"oid.{beyond}" in left or len(left) == 1000

"""Folding never changes an outcome: a batch comes to what its events come to one by one."""

import itertools
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

FOLDERS = itertools.count()
steps = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2"]), st.sampled_from(["raise", "raise", "clear", "note"]),
        st.sampled_from(["", "minor", "critical"]), st.integers(-3, 3), st.sampled_from(["", "", "a", "b"]),
        st.sampled_from(["x", "y"]),
    ),
    max_size=14,
)  # fmt: skip


async def _outcome(bench: Any) -> list[Any]:
    items = []
    for item in await bench.incidents():
        kept = ("id", "fingerprint", "state", "impact", "occurrences", "first_seen_ms", "last_seen_ms", "previous")
        items.append({name: item[name] for name in kept})
    operations = (await bench.reader.operations()).items
    syncs = [(one["incident"], one["sink"], one["rank"]) for one in operations if one["kind"] == "sync"]
    return [items, syncs]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=steps,
    hold=st.sampled_from([0, 60_000]),
    clear_hold=st.sampled_from([0, 60_000]),
    reopen=st.sampled_from([0, 9]),
)
async def test_a_batch_decides_as_its_events_one_by_one(
    build, say, steps, hold: int, clear_hold: int, reopen: int
) -> None:
    seen = []
    for batched in (True, False):
        setting = {"hold_ms": hold, "clear_hold_ms": clear_hold, "reopen_within_ms": reopen * 1000}
        async with build(runs=False, folder=f"state{next(FOLDERS)}", **setting) as bench:
            ids: dict[str, int] = {}
            bench.engine._new_id = lambda _ms, ids=ids: f"{ids.setdefault(len(ids), len(ids)):013d}"
            futures = []
            for source, kind, severity, later, identity, words in steps:
                # When a retransmission arrives counts as last seen if it is folded: it must not differ here.
                at_ms = bench.clock.now_ms() + (0 if any(step[4] for step in steps) else later)
                futures.append(
                    bench.emit(
                        source, kind, severity=severity, at_ms=at_ms, description=words,
                        identity=identity and f"{identity}{source}{kind}{severity}{later}{words}",
                    )
                )  # fmt: skip
                if not batched:
                    await bench.engine.drain()
            await bench.engine.drain()
            assert all(future.done() and future.exception() is None for future in futures)
            await bench.engine._timers._act()  # what is due by now is no matter of folding
            seen.append(await _outcome(bench))
    in_one, one_by_one = ([{**item, "id": "", "previous": bool(item["previous"])} for item in side[0]] for side in seen)

    def by_fingerprint(item: dict[str, Any]) -> tuple[Any, ...]:
        return item["fingerprint"], item["first_seen_ms"], item["state"], item["occurrences"]

    assert sorted(in_one, key=by_fingerprint) == sorted(one_by_one, key=by_fingerprint)
    assert len(seen[0][1]) == len(seen[1][1])

"""Folding never changes an outcome: a batch comes to what its events come to one by one."""

import itertools
from dataclasses import replace
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.counting import Counting, Frequency

FOLDERS = itertools.count()
OFTEN = Frequency(count=3, within_ms=3)
steps = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2"]), st.sampled_from(["raise", "raise", "clear", "note"]),
        st.sampled_from(["", "minor", "critical"]), st.integers(-6, 0), st.sampled_from(["", "", "a", "b"]),
        st.sampled_from(["x", "y"]), st.sampled_from([False, False, True]),
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
    frequency=st.sampled_from([None, None, OFTEN, replace(OFTEN, counting=Counting.TOKEN_BUCKET)]),
)
@example(
    steps=[("r1", "raise", "", at, "", "x", False) for at in (-3, -3, 0)],
    hold=0,
    clear_hold=0,
    reopen=0,
    frequency=OFTEN,
)
@example(
    steps=[
        ("r1", kind, "", at, "", "x", kind == "clear") for kind, at in (("clear", -3), ("raise", -4), ("raise", -2))
    ],
    hold=0,
    clear_hold=0,
    reopen=0,
    frequency=None,
)
@example(
    steps=[("r1", kind, "", at, "", "x", False) for kind, at in (("clear", -3), ("raise", -4), ("raise", -2))],
    hold=0,
    clear_hold=0,
    reopen=0,
    frequency=None,
)
async def test_a_batch_decides_as_its_events_one_by_one(
    build, say, steps, hold: int, clear_hold: int, reopen: int, frequency: Frequency | None
) -> None:
    seen = []
    for batched in (True, False):
        setting = {
            "hold_ms": hold, "clear_hold_ms": clear_hold, "reopen_within_ms": reopen * 1000, "frequency": frequency,
        }  # fmt: skip
        async with build(runs=False, folder=f"state{next(FOLDERS)}", **setting) as bench:
            ids: dict[str, int] = {}
            bench.engine._new_id = lambda _ms, ids=ids: f"{ids.setdefault(len(ids), len(ids)):013d}"
            futures = []
            for source, kind, severity, later, identity, words, commit in steps:
                # When a retransmission arrives counts as last seen if it is folded: it must not differ here.
                at_ms = bench.clock.now_ms() + (0 if any(step[4] for step in steps) else later)
                futures.append(
                    bench.emit(
                        source, kind, severity=severity, at_ms=at_ms, description=words,
                        identity=identity and f"{identity}{source}{kind}{severity}{later}{words}",
                    )
                )  # fmt: skip
                if commit or not batched:
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


acts = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["r1", "r2"]), st.sampled_from(["raise", "raise", "raise", "clear", "note"]),
                  st.sampled_from(["", "critical"])),
        st.sampled_from(["commit", "tick", "tick"]),
    ),
    max_size=14,
)  # fmt: skip


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=acts,
    times=st.fixed_dictionaries(
        {
            "hold_ms": st.sampled_from([0, 1500]), "clear_hold_ms": st.sampled_from([0, 1500]),
            "clear_after_ms": st.sampled_from([0, 1200, 2500]), "reopen_within_ms": st.sampled_from([0, 9000]),
        }
    ),
)  # fmt: skip
@example(
    acts=[("r1", "raise", ""), "tick", ("r1", "raise", ""), "tick"],
    times={"hold_ms": 0, "clear_hold_ms": 0, "clear_after_ms": 1200, "reopen_within_ms": 0},
)
async def test_what_merely_repeats_may_be_patient(build, say, acts, times: dict[str, int]) -> None:
    """Deadlines act before what is patient is written, which is when its time is up: nothing comes of it."""
    seen = []
    for patient in (True, False):
        async with build(runs=False, folder=f"state{next(FOLDERS)}", limits=say.Limits(repeat_s=1.0), **times) as bench:
            engine = bench.engine
            for act in acts:
                if isinstance(act, tuple):
                    source, kind, severity = act
                    assert bench.offer(source, kind, severity=severity)
                    if patient:
                        continue
                while engine._pending.pressing:
                    await engine._commits.commit_one()
                if not patient:
                    await engine.drain()
                if act == "tick":
                    await bench.clock.advance(0.9)
                    await engine._timers._act()
                    await engine.drain()
            await engine.drain()
            await engine._timers._act()
            incidents, syncs = await _outcome(bench)
            seen.append([[{**one, "id": "", "previous": bool(one["previous"])} for one in incidents], len(syncs)])
    assert seen[0] == seen[1]

"""What is prepared once and offered many times comes to what the same events come to one by one."""

import asyncio
import itertools
import weakref
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.counting import Frequency
from gateway.core.inventory import Inventory, Known
from gateway.core.judge import own_labels
from gateway.intake import CollectorIntake
from gateway.plugin import Overloaded

FOLDERS = itertools.count()
KINDS = (("r1", "raise"), ("r1", "clear"), ("r2", "raise"), ("r2", "note"), ("mail", "raise"))
acts = st.lists(
    st.one_of(st.sampled_from(KINDS), st.sampled_from(KINDS[:2]), st.sampled_from(["commit", "reload", "refused"])),
    max_size=25,
)


async def _outcome(bench: Any) -> list[Any]:
    kept = ("fingerprint", "state", "impact", "occurrences", "first_seen_ms", "last_seen_ms", "summary", "labels")
    incidents = [{name: item[name] for name in kept} for item in await bench.incidents()]
    operations = [(one["sink"], one["kind"], one["rank"]) for one in (await bench.reader.operations()).items]
    return [sorted(map(str, incidents)), sorted(operations)]


def _told(run: Any) -> tuple[Any, ...]:
    first = run.event
    return (
        run.verdict,
        first.source,
        first.labels,
        own_labels(first),
        run.offered,
        run.first_ms,
        run.last_ms,
        [identity for identity, _ in run.waiters],
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    acts=acts,
    later=st.lists(st.integers(-20, 50), min_size=25, max_size=25),
    frequency=st.sampled_from([None, None, Frequency(count=3, within_ms=60)]),
    reads=st.sampled_from(["summary", "object", ""]),
    known=st.booleans(),
    waits=st.lists(st.sampled_from(["", "", "", "one", "two"]), min_size=25, max_size=25),
)
@example(
    acts=[("r1", "clear"), *[("r1", "raise")] * 3], later=[0, -9, 1, 9], frequency=None, reads="", known=False,
    waits=[""] * 4,
)  # fmt: skip
@example(acts=[("r1", "raise")] * 2, later=[0, 1], frequency=None, reads="", known=False, waits=["one"] * 2)
@example(
    acts=[*[("r1", "raise")] * 3, "commit", *[("r1", "raise")] * 3], later=[1] * 7, frequency=None, reads="", known=True,
    waits=["", "one", "", "", "", "two", "two"],
)  # fmt: skip
async def test_prepared_events_come_to_what_plain_ones_do(
    build, say, acts, later, frequency, reads, known, waits
) -> None:
    """Whether the rules look at the label that varies, or not, whether the inventory knows the source, or not, and whether
    somebody waits for it, as who retransmits does twice, or not.
    """
    seen = []
    rules = say.judge(frequency=frequency, **({reads: say.Template("{uptime}")} if reads else {}))
    judge = replace(rules, inventory=Inventory({"r1": Known(labels={"role": "core"})} if known else {}))
    for prepares in (True, False):
        async with build(runs=False, folder=f"prepared{next(FOLDERS)}", judged_by=judge) as bench:
            engine, prepared, at_ms = bench.engine, {}, bench.clock.now_ms()
            receipts = []
            for act, more, identity in zip(acts, later, waits, strict=False):
                at_ms += more
                if act == "commit":
                    await engine.drain()
                elif act == "refused":  # a batch comes back from a disk that is full
                    engine._pending.give_back(engine._pending.take(100))
                elif act == "reload":
                    engine.judge = say.judge(say.Rule(name="all", setting=say.Setting(summary=say.Template("new"))))
                else:
                    source, kind = act
                    known_as = ("mid:<1@x>",) if source == "mail" else ()
                    uptime = str(more % 3)
                    labels = {"uptime": uptime, "port": "1"}
                    event = bench.event(source, kind, at_ms=at_ms, summary="old", known_as=known_as, labels=labels)
                    if prepares:
                        first = replace(event, at_ms=0) if known else event  # itself, or one that is told later
                        again = prepared.setdefault(act, engine.prepare(first, varying="uptime"))
                        if identity:
                            receipts.append(again.emit(at_ms, uptime, identity=identity))
                        else:
                            assert again.count(at_ms) or again.offer(at_ms, uptime)
                    elif identity:
                        receipts.append(engine.emit(replace(event, identity=identity)))
                    else:
                        assert engine.offer(event)
            pending = engine._pending
            told = [_told(run) for runs in pending._runs.values() for run in runs]
            told += [_told(run) for run in pending._patient.values()]
            books = (
                pending.inputs,
                pending.patient,
                pending._entries,
                pending._bytes,
                pending.waiting,
                list(pending._urgent),
            )
            await engine.drain()
            answers = [one.done() and (one.exception() or one.result().reason) for one in receipts]
            seen.append([told, books, list(map(repr, answers)), *await _outcome(bench)])
    assert seen[0] == seen[1]


@pytest.mark.parametrize("limit", [1, 2])
async def test_one_more_always_has_room_and_another_is_refused(build, say, limit: int) -> None:
    async with build(runs=False, limits=say.Limits(pending_max=limit)) as bench:
        events = [bench.engine.prepare(bench.event(f"r{number}")) for number in range(3)]
        told = [[event.count(1) or event.offer(1) for _ in range(2)] for event in events]
        assert told == [[number < limit] * 2 for number in range(3)]
        assert bench.engine._pending.inputs == 2 * limit


async def test_who_would_wait_is_refused_while_nothing_may_be_acknowledged(build) -> None:
    async with build(runs=False) as bench:
        why = ["the disk is full"]
        intake = CollectorIntake(
            "snmp", engine=bench.engine, watch=lambda _: None, know=lambda _: bench.engine.emit(bench.event()),
            connected=lambda *_: None, clock=bench.clock, refusal=lambda: why[0],
        )  # fmt: skip
        event = intake.prepare(bench.event())
        assert event.offer(1)
        assert isinstance(event.emit(2).exception(), Overloaded)
        why[0] = ""
        assert not event.emit(3).done()
        assert bench.engine._pending.inputs == 2


@pytest.mark.parametrize(("reads", "judged"), [(False, 1), (True, 3)])
async def test_judged_anew_for_another_value_only_if_the_judge_reads_it(build, say, reads: bool, judged: int) -> None:
    class Counting:
        def __init__(self, judge: Any) -> None:
            self.judge_, self.count, self.reads = judge, 0, lambda label: reads and label == "uptime"

        def judge(self, event: Any) -> Any:
            self.count += 1
            return self.judge_.judge(event)

    first, second = Counting(say.judge()), Counting(say.judge())
    async with build(runs=False, judged_by=first) as bench:
        event = bench.engine.prepare(bench.event(labels={"uptime": "1"}), varying="uptime")
        for now in ("1", "1", "2", "2", "3"):
            event.offer(bench.clock.now_ms(), now)
            (run,) = bench.engine._pending.take(9)
            assert run.event.labels["uptime"] == now
        assert first.count == judged
        bench.engine.judge = second
        assert not event.count(bench.clock.now_ms())
        event.offer(bench.clock.now_ms(), "3")
        assert (first.count, second.count) == (judged, 1)
        assert event.count(bench.clock.now_ms()) is not reads


async def test_what_the_rules_cannot_bear_is_set_aside_each_time(build, say) -> None:
    class Broken:
        def judge(self, _event: Any) -> Any:
            raise RuntimeError("a bug")

    async with build(runs=False, judged_by=Broken()) as bench:
        event = bench.engine.prepare(bench.event())
        assert event.offer(1)
        assert not event.count(2)
        assert event.offer(2)
        assert len(bench.engine._pending) == 0

        bench.engine.judge = say.judge()
        assert event.offer(3)
        assert event.count(4)
        bench.engine.judge = Broken()
        assert event.offer(5)
        assert event.offer(6)
        assert bench.engine._pending.inputs == 2


async def test_what_is_prepared_remembers_nobody_who_was_answered(build) -> None:
    async with build() as bench:
        prepared = bench.engine.prepare(bench.event())
        futures = [prepared.emit(bench.clock.now_ms()) for _ in range(3)]
        remembered = [weakref.ref(future) for future in futures]
        for future in futures:
            await future
        del futures, future
        await asyncio.sleep(0)
        assert [one() for one in remembered] == [None] * 3
        await prepared.emit(bench.clock.now_ms())
        assert (await bench.incident())["occurrences"] == 4

"""Nothing is acknowledged before it is on disk; nothing is lost after."""

import asyncio

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from gateway.core.event import Attachment, Reference
from gateway.core.reason import Dropped, Reason
from gateway.plugin import Overloaded


def count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(f"tocsin_inputs_{name}_total", {"collector": "snmp", **labels}) or 0.0


def balance() -> tuple[float, float, dict[str, float]]:
    dropped = {reason.value: count("dropped", reason=reason.value) for reason in Dropped}
    return count("kept"), count("folded"), {reason: number for reason, number in dropped.items() if number}


def changes(before: tuple) -> tuple[float, float, dict[str, float]]:
    kept, folded, dropped = balance()
    less = {reason: number - before[2].get(reason, 0.0) for reason, number in dropped.items()}
    return kept - before[0], folded - before[1], {reason: number for reason, number in less.items() if number}


async def test_a_receipt_comes_only_after_the_commit(build, say) -> None:
    async with build() as bench:
        bench.store.hold()
        future = bench.emit()
        await asyncio.sleep(0.05)
        assert not future.done()
        assert await bench.incidents() == []
        bench.store.free()
        receipt = await future
        assert (receipt.reason, receipt.incident) == (Reason.FIRST_RAISED, (await bench.incident())["id"])
        assert bench.woken == [1]


async def test_who_waits_is_answered_and_the_books_balance_whatever_fails_after_the_commit(build, say) -> None:
    def fails(_runs, _incidents) -> None:
        raise ValueError("a bug")

    async with build(journal=fails) as bench:
        before = balance()
        with capture_logs() as logs:
            receipts = [await bench.emit(source) for source in ("r1", "r2", "r1")]
        assert [receipt.reason for receipt in receipts] == [Reason.FIRST_RAISED, Reason.FIRST_RAISED, Reason.REPEATED]
        assert changes(before) == (3, 0, {})
        assert bench.woken[0] == 2
        assert {entry["event"] for entry in logs} == {"commit.unfinished"}


async def test_offers_are_gathered_and_committed_soon(build) -> None:
    async with build() as bench:
        works = bench.store.works
        assert all(bench.offer() for _ in range(100))
        seen = await bench.sees(occurrences=100)
        assert bench.store.works - works < 50  # a batch or two, and the looks of others, not a commit each
        assert seen["state"] == "open"


async def test_a_burst_of_other_events_does_not_wait_for_the_timer(build, say) -> None:
    async with build(limits=say.Limits(lazy_s=600, batch_max=5)) as bench:
        for number in range(5):
            bench.offer(f"r{number}")
        await bench.sees(source="r4")


async def test_what_merely_repeats_waits_its_time_but_holds_up_nothing(build, say) -> None:
    async with build(limits=say.Limits(lazy_s=0.01, repeat_s=600, pending_max=100)) as bench:
        await bench.emit(
            "r1"
        )  # a row may be read before the engine has heard that it is written; a receipt comes after
        for _ in range(5):
            bench.offer("r1")
        bench.offer("r2")
        await bench.sees(source="r2")
        assert (await bench.sees(source="r1"))["occurrences"] == 1
        bench.offer("r1", severity="critical")
        assert (await bench.sees(source="r1", occurrences=7))["impact"] == "critical"
        bench.offer("r1", severity="critical")
        assert (await bench.emit("r1", severity="critical")).reason is Reason.REPEATED
        assert (await bench.sees(source="r1"))["occurrences"] == 9
        bench.offer("r1", "clear")
        await bench.sees(source="r1", state="resolved")


async def test_what_merely_repeats_is_written_when_it_takes_the_room_of_others(build, say) -> None:
    async with build(limits=say.Limits(lazy_s=0.01, repeat_s=600, pending_max=10)) as bench:
        for number in range(5):
            bench.offer(f"r{number}")
        await bench.sees(source="r4")
        for number in range(5):
            bench.offer(f"r{number}")
        await bench.sees(source="r4", occurrences=2)


async def test_what_a_rule_drops_is_patient_too_and_counted_in_its_time(build, say) -> None:
    rule = say.Rule(name="no", conditions=("noise",), drop=True)
    async with build(rule, limits=say.Limits(lazy_s=0.01, repeat_s=0.02)) as bench:
        before = balance()
        for number in (1, 2, 3):
            bench.offer(condition="noise")
            await say.eventually(lambda number=number: changes(before) == (0, 0, {"rule": number}))


async def test_order_within_a_fingerprint_is_kept(build) -> None:
    async with build() as bench:
        futures = [bench.emit(kind=kind) for kind in ("raise", "raise", "clear", "raise", "clear", "clear")]
        receipts = [(await future).reason for future in futures]
        assert receipts == [
            Reason.FIRST_RAISED, Reason.FIRST_RAISED, Reason.CLEARED, Reason.REOPENED, Reason.CLEARED, Reason.CLEARED,
        ]  # fmt: skip
        assert (await bench.incident())["occurrences"] == 3


async def test_a_batch_larger_than_a_commit_is_written_in_order(build, say) -> None:
    async with build(limits=say.Limits(batch_max=3)) as bench:
        futures = [bench.emit(kind=kind) for kind in ("raise", "clear") * 10] + [bench.emit("r2")]
        for future in futures:
            await future
        seen = await bench.sees(source="r1")
        assert (seen["occurrences"], seen["state"]) == (10, "resolved")


async def test_a_port_that_flaps_keeps_no_other_waiting(build, say) -> None:
    async with build(limits=say.Limits(batch_max=8), runs=False) as bench:
        for kind in ("raise", "clear") * 100:
            bench.offer("r1", kind)
        other = bench.emit("r2")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(bench.engine.drain())
            await other
            assert bench.engine._pending.inputs > 150
        assert (await bench.sees(source="r1"))["occurrences"] == 100


async def test_retransmissions_are_folded_within_a_batch(build) -> None:
    async with build() as bench:
        before = balance()
        futures = [bench.emit(identity=identity) for identity in ("a", "a", "b", "", "")]
        ids = {(await future).incident for future in futures}
        assert ids == {(await bench.incident())["id"]}
        assert (await bench.incident())["occurrences"] == 4
        assert changes(before) == (1, 3, {"duplicate": 1})


async def test_retransmissions_are_folded_across_restarts(build) -> None:
    async with build() as bench:
        first = await bench.emit(identity="a")
    async with build() as bench:
        before = balance()
        again = await bench.emit(identity="a")
        assert (again.incident, again.reason) == (first.incident, Reason.DUPLICATE)
        assert (await bench.incident())["occurrences"] == 1
        assert changes(before) == (0, 0, {"duplicate": 1})


async def test_a_mail_that_comes_twice_is_one(build) -> None:
    async with build() as bench:
        mail = {"identity": "mail:1", "known_as": ("mid:<1>",), "description": "help"}
        futures = [bench.emit(**mail), bench.emit(**mail)]
        assert [(await future).reason for future in futures] == [Reason.FIRST_RAISED, Reason.DUPLICATE]


async def test_the_books_balance(build, say) -> None:
    async with build(say.Rule(name="no", conditions=("noise",), drop=True)) as bench:
        before = balance()
        futures = [bench.emit(), bench.emit(), bench.emit(identity="x"), bench.emit(identity="x")]
        futures += [bench.emit(condition="noise"), bench.emit("r2", "clear")]
        for future in futures:
            await future
        bench.offer(condition="noise")
        await bench.engine.drain()
        kept, folded, dropped = changes(before)
        assert (kept, folded, dropped) == (2, 2, {"rule": 2, "duplicate": 1})
        assert kept + folded + sum(dropped.values()) == 7


async def test_too_much_is_refused_and_counted(build, say) -> None:
    async with build(limits=say.Limits(pending_max=3), runs=False) as bench:
        before = balance()
        assert [bench.offer(f"r{number}") for number in range(5)] == [True, True, True, False, False]
        assert bench.offer("r0")  # one more of the same is a mere number
        with pytest.raises(Overloaded):
            await bench.emit("r0")
        await bench.engine.drain()
        kept, folded, dropped = changes(before)
        assert (kept, folded, dropped) == (3, 1, {"overload": 3})


async def test_who_waits_finds_room_where_those_whom_nobody_waits_for_find_none(build, say) -> None:
    async with build(limits=say.Limits(pending_max=12), runs=False) as bench:
        assert [bench.offer(f"r{number}") for number in range(11)] == [True] * 9 + [False] * 2
        answers = [bench.emit("r11"), bench.emit("r12")]
        with pytest.raises(Overloaded):
            await bench.emit("r13")
        await bench.engine.drain()
        assert [(await answer).reason for answer in answers] == [Reason.FIRST_RAISED] * 2


async def test_a_flapping_storm_of_one_fingerprint_is_bounded_too(build, say) -> None:
    async with build(limits=say.Limits(pending_max=10), runs=False) as bench:
        taken = [bench.offer(kind=kind) for kind in ("raise", "clear") * 50]
        # Clears fold into the last clear.
        assert (taken[:10], taken[11::2]) == ([True] * 8 + [False, True], [True] * 45)
        assert not any(taken[10::2])


async def test_heavy_mails_are_bounded_by_their_weight(build, say) -> None:
    heavy = Attachment(name="a", media_type="x/y", content=b"x" * 1000)
    async with build(limits=say.Limits(bytes_max=3000), runs=False) as bench:
        assert [bench.offer(f"r{number}", attachments=(heavy,)) for number in range(5)] == [True] * 3 + [False] * 2
        await bench.engine.drain()
        assert bench.offer("r9", attachments=(heavy,))


async def test_a_refusing_disk_is_told_to_who_waits_and_keeps_what_nobody_can_repeat(build, say) -> None:
    async with build() as bench:
        before = balance()
        with capture_logs() as logs:
            bench.store.refuses = True
            bench.offer("kept")
            waiting = bench.emit("told")
            with pytest.raises(Overloaded, match="full"):
                await waiting
            assert not bench.engine.health.good
            bench.offer("kept")
            for _ in range(5):
                await bench.clock.advance(1)
                await asyncio.sleep(0.01)
            bench.store.refuses = False

            async def turned() -> bool:
                await bench.clock.advance(1)
                return bench.engine.health.good

            await say.eventually(turned, "healthy")
        assert (await bench.sees(source="kept"))["occurrences"] == 2
        assert len(await bench.incidents()) == 1
        assert [entry["event"] for entry in logs] == ["store.refused", "store.recovered"]
        assert changes(before) == (1, 1, {"overload": 1})


async def test_health_comes_back_though_nothing_comes_in(build, say) -> None:
    async with build() as bench:
        bench.store.refuses = True
        with pytest.raises(Overloaded):
            await bench.emit()
        bench.store.refuses = False

        async def turned() -> bool:
            await bench.clock.advance(1)
            return bench.engine.health.good

        await say.eventually(turned, "healthy")


async def test_order_is_kept_across_a_refusal(build, say) -> None:
    async with build(runs=False) as bench:
        bench.offer(kind="raise")
        bench.store.refuses = True
        assert not await bench.engine._commits.commit_one()
        bench.store.refuses = False
        bench.offer(kind="clear")
        await bench.engine.drain()
        assert (await bench.incident())["state"] == "resolved"


class Touchy:
    """A judge of whom the core gets a verdict that it cannot bear, for one source."""

    def __init__(self, judge, source: str, *, early: bool = False) -> None:
        self._judge, self._source, self._early = judge, source, early

    def judge(self, event):
        event, verdict = self._judge.judge(event)
        if event.source != self._source:
            return event, verdict
        if self._early:
            raise KeyError(event.source)
        from dataclasses import replace

        return event, replace(verdict, hold_ms="poison")  # type: ignore[arg-type]


@pytest.mark.parametrize("early", [True, False])
async def test_poison_is_set_aside_alone_and_acknowledged(build, say, early: bool) -> None:
    async with build(judged_by=Touchy(say.judge(), "bad", early=early), limits=say.Limits(lazy_s=600)) as bench:
        before = balance()
        for number in range(20):
            bench.offer(f"r{number}")
        assert bench.offer("bad")
        waiting = [bench.emit(source) for source in ("good", "bad", "r3")]
        receipts = [await future for future in waiting]
        assert [receipt.reason for receipt in receipts] == [Reason.FIRST_RAISED, Reason.DROPPED, Reason.FIRST_RAISED]
        await say.eventually(lambda: changes(before) == (21, 1, {"malformed": 2}))
        assert sorted(one["source"] for one in await bench.incidents()) == sorted(
            ["good", *(f"r{number}" for number in range(20))]
        )
        stored = (await bench.reader.counts())["quarantine"]["malformed"]
        assert stored == (2 if early else 1)
        assert bench.engine.health.good


async def test_poison_on_a_refusing_disk_is_not_acknowledged(build, say) -> None:
    async with build(judged_by=Touchy(say.judge(), "bad")) as bench:
        bench.store.hold()
        waiting = bench.emit("bad")
        await asyncio.sleep(0.02)
        bench.store.free()
        bench.store.refuses = True
        with pytest.raises(Overloaded):
            await waiting
        with pytest.raises(Overloaded):
            await bench.engine.quarantine(b"raw", reason=Dropped.MALFORMED, source="r1")


async def test_a_bug_that_spoils_every_batch_does_not_pass_for_a_disk_that_refuses(build, say) -> None:
    async with build(judged_by=Touchy(say.judge(), "bad"), runs=False) as bench:
        bench.offer("bad")
        bench.store.refuses = True
        assert not await bench.engine._commits.commit_one()
        bench.store.refuses = False
        with capture_logs() as logs:
            await bench.engine.drain()
            await say.eventually(lambda: bench.engine.health.good, "healthy")
        assert [entry["event"] for entry in logs] == ["input.failed", "store.recovered"]
        assert (await bench.reader.counts())["quarantine"] == {"malformed": 1}


async def test_a_raw_input_is_on_disk_when_its_receipt_comes(build) -> None:
    async with build() as bench:
        receipt = await bench.engine.quarantine(b"\xff", reason=Dropped.MALFORMED, source="r1")
        assert (receipt.incident, (await bench.reader.counts())["quarantine"]) == ("", {"malformed": 1})


async def test_who_waits_learns_the_outcome_though_the_committer_is_cancelled(build, say) -> None:
    async with build(runs=False) as bench:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(bench.engine.run())
            await asyncio.sleep(0)
            bench.store.hold()
            waiting = bench.emit("r1")
            await say.eventually(lambda: len(bench.engine._pending) == 0)
            bench.offer("r2")
            serving.cancel()
        assert not waiting.done()
        bench.store.free()
        assert (await waiting).reason is Reason.FIRST_RAISED
        await bench.engine.drain()
        assert sorted(one["source"] for one in await bench.incidents()) == ["r1", "r2"]


async def test_what_a_cancelled_committer_left_is_given_back_if_the_disk_refuses_it(build, say) -> None:
    async with build(runs=False) as bench:
        async with asyncio.TaskGroup() as tasks:
            serving = tasks.create_task(bench.engine.run())
            await asyncio.sleep(0)
            bench.store.hold()
            bench.offer("r1")
            waiting = bench.emit("r2")
            await say.eventually(lambda: len(bench.engine._pending) == 0)
            serving.cancel()
        bench.store.refuses = True
        bench.store.free()
        with pytest.raises(Overloaded):
            await waiting
        bench.store.refuses = False
        await bench.engine.drain()
        assert [one["source"] for one in await bench.incidents()] == ["r1"]


async def test_draining_waits_for_the_batch_under_way(build, say) -> None:
    async with build() as bench:
        bench.store.hold()
        waiting = bench.emit()
        await say.eventually(lambda: len(bench.engine._pending) == 0)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await bench.engine.drain()
        bench.store.free()
        await bench.engine.drain()
        assert waiting.done()


async def test_draining_a_refusing_disk_says_what_is_lost(build) -> None:
    async with build(runs=False) as bench:
        bench.store.refuses = True
        for _ in range(3):
            bench.offer()
        with capture_logs() as logs, pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await bench.engine.drain()
        assert [entry["count"] for entry in logs if entry["event"] == "inputs.lost"] == [3]


async def test_a_waiter_that_is_gone_spoils_nothing(build) -> None:
    async with build() as bench:
        bench.store.hold()
        gone, stays = bench.emit(), bench.emit()
        gone.cancel()
        bench.store.free()
        assert (await stays).reason is Reason.FIRST_RAISED
        assert (await bench.incident())["occurrences"] == 2


async def test_a_new_judge_judges_what_comes_after_it(build, say) -> None:
    async with build() as bench:
        await bench.emit("r1")
        bench.engine.judge = say.judge(say.Rule(name="no", drop=True))
        assert (await bench.emit("r2")).reason is Reason.DROPPED
        assert [one["source"] for one in await bench.incidents()] == ["r1"]


async def test_a_reference_makes_a_follow_up_whatever_the_fingerprint(build) -> None:
    async with build() as bench:
        first = await bench.emit("alice", condition="mail", known_as=("mid:<1>",))
        reply = await bench.emit("bob", condition="mail", references=(Reference(key="mid:<1>"),))
        assert (reply.incident, reply.reason) == (first.incident, Reason.NOTED)
        assert len(await bench.incidents()) == 1


async def test_a_recovery_that_is_threaded_under_its_problem_clears_it(build) -> None:
    async with build() as bench:
        first = await bench.emit("web1", known_as=("mid:<1>",))
        over = await bench.emit("web1", "clear", references=(Reference(key="mid:<1>"),))
        assert (over.incident, over.reason) == (first.incident, Reason.CLEARED)
        again = await bench.emit("web1", references=(Reference(key="mid:<1>"),), description="2")
        assert (again.incident, again.reason) == (first.incident, Reason.REOPENED)


async def test_a_person_who_answers_a_problem_says_something_about_it_and_does_not_raise_it_again(build) -> None:
    async with build() as bench:
        await bench.emit("web1", known_as=("mid:<1>",))
        reply = await bench.emit("web1", references=(Reference(key="mid:<1>"),), requester="alice@example.com")
        assert reply.reason is Reason.NOTED
        assert (await bench.incident())["occurrences"] == 1


async def test_a_reference_to_a_closed_incident_begins_one_that_is_linked_to_it(build) -> None:
    async with build(reopen_within_ms=1000) as bench:
        first = await bench.emit("alice", condition="mail", known_as=("mid:<1>",))
        await bench.emit("alice", "clear", condition="mail")
        await bench.clock.advance(2)
        reply = await bench.emit("bob", condition="mail", references=(Reference(key="mid:<1>"),))
        again = await bench.emit("bob", condition="mail", references=(Reference(key="mid:<1>"),), description="2")
        assert reply.incident == again.incident != first.incident
        seen = await bench.sees(id=reply.incident)
        assert (seen["previous"], seen["occurrences"]) == (first.incident, 2)


async def test_an_incident_that_changes_to_a_graver_impact_in_one_batch_keeps_it(build) -> None:
    async with build() as bench:
        futures = [bench.emit(severity=severity) for severity in ("minor", "critical", "minor")]
        for future in futures:
            await future
        assert (await bench.incident())["impact"] == "critical"


async def test_notes_with_other_words_are_all_told(build) -> None:
    async with build() as bench:
        futures = [bench.emit(), *(bench.emit(kind="note", description=words) for words in ("one", "one", "two"))]
        for future in futures:
            await future
        said = (await bench.reader.incident((await bench.incident())["id"]))["timeline"]
        assert sum(line["reason"] == "noted" for line in said) == 2

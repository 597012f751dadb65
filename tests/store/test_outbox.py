"""The contract of every store: the outbox."""

from gateway.core.decision import Rank, Wish
from gateway.core.impact import Impact
from gateway.core.operation import MAX_CRASHES, OperationState, dead, failed, look_failed, unknown
from gateway.core.reason import Failed, Reason

LAGS = (2.0, 5.0)


async def test_the_most_pressing_is_claimed_first(write, claim, say) -> None:
    await write(say.incident(1, impact=Impact.LOW), say.wish(rank=Rank.COMMENT))
    await write(say.incident(2, impact=Impact.LOW), say.wish(rank=Rank.CREATE))
    await write(say.incident(3, impact=Impact.CRITICAL), say.wish(rank=Rank.CLOSE))
    await write(say.incident(4, impact=Impact.HIGH), say.wish(rank=Rank.CREATE))
    await write(say.incident(5, impact=Impact.HIGH), say.wish(rank=Rank.CREATE))
    first = await claim(limit=2)
    then = await claim()
    assert [int(one.incident) for one in first + then] == [4, 5, 2, 3, 1]
    assert {(one.state, one.attempts, one.sent_ms) for one in first} == {(OperationState.INFLIGHT, 1, say.now)}
    assert await claim() == []


async def test_operations_of_one_ticket_run_one_after_the_other(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish(), say.wish("comment", text="a"), say.wish("link", incident="2"))
    await write(say.incident(1), say.wish(sink="other"))
    for kind in ("sync", "comment", "link"):
        (operation,) = await claim()
        assert operation.kind == kind
        assert await claim() == []
        assert await store.run(lambda tx, operation=operation: tx.settle(None, claimed=operation))
    assert len(await claim(sink="other")) == 1


async def test_waiting_comments_of_one_ticket_are_sent_as_one(store, write, claim, say, outbox) -> None:
    await write(say.incident(1), *(say.wish("comment", text=text) for text in "abc"))
    await write(
        say.incident(1), say.wish("comment", text="for all", public="yes"), say.wish("comment", text="d" * 8000)
    )
    await write(say.incident(2), say.wish("comment", text="another's"))
    said = []
    while claimed := await claim(limit=1):
        said.append(claimed[0].body)
        await store.run(lambda tx, claimed=claimed: tx.settle(None, claimed=claimed[0]))
    assert said == [
        {"text": "a\n\nb\n\nc"},
        {"text": "for all", "public": "yes"},
        {"text": "d" * 8000},
        {"text": "another's"},
    ]
    assert await outbox() == []


async def test_a_comment_that_was_sent_is_not_folded(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish("comment", text="a"))
    (sent,) = await claim()
    await write(say.incident(1), say.wish("comment", text="b"))
    again = failed(sent, Failed.RATE_LIMITED, "slow down", now_ms=say.now, after_ms=0, chance=1)
    await store.run(lambda tx: tx.settle(again, claimed=sent))
    (alone,) = await claim()
    assert alone.body == {"text": "a"}


async def test_a_newer_sync_takes_the_place_of_one_that_was_not_sent(store, write, claim, say, outbox) -> None:
    await write(say.incident(1), say.wish(rank=Rank.PRIORITY))
    await write(say.incident(1, impact=Impact.HIGH), say.wish(rank=Rank.CLOSE), now_ms=say.now + 5)
    assert await outbox() == [(1, "sync", "pending")]
    (operation,) = await claim()
    assert (operation.rank, operation.impact) == (Rank.CLOSE, Impact.HIGH)


async def test_what_flaps_leaves_one_comment_of_each_kind_waiting(store, write, claim, say, outbox) -> None:
    def comment(reason: Reason, text: str) -> Wish:
        return say.replace(say.wish("comment", text=text), reason=reason)

    await write(say.incident(1), say.wish())
    for number in range(50):
        await write(say.incident(1), comment(Reason.CLEARED, f"cleared {number}"))
        await write(say.incident(1), comment(Reason.REOPENED, f"again {number}"))
        if number < 2:
            await write(say.incident(1), comment(Reason.NOTED, f"said {number}"))
    waiting = []
    while claimed := await claim():
        waiting += [one.body.get("text") for one in claimed]
        await store.run(lambda tx, claimed=claimed: tx.settle(None, claimed=claimed[0]))
    assert waiting == [None, "cleared 49\n\nagain 49\n\nsaid 0\n\nsaid 1"]


async def test_a_comment_that_may_be_on_its_way_is_not_rewritten(write, claim, say, outbox) -> None:
    await write(say.incident(1), say.replace(say.wish("comment", text="a"), reason=Reason.CLEARED))
    assert len(await claim()) == 1
    await write(say.incident(1), say.replace(say.wish("comment", text="b"), reason=Reason.CLEARED))
    assert await outbox() == [(1, "comment", "inflight"), (2, "comment", "pending")]


async def test_a_newer_sync_keeps_the_back_off_of_the_one_that_it_replaces(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish())
    (operation,) = await claim()
    later = failed(operation, Failed.RATE_LIMITED, "slow down", now_ms=say.now, after_ms=60_000, chance=1)
    await store.run(lambda tx: tx.settle(later, claimed=operation))
    await write(say.incident(1), say.wish())
    (waiting,) = (await store.reader.operations()).items
    assert (waiting["next_ms"], waiting["attempts"], waiting["error"]) == (
        say.now + 60_000, 1, "rate_limited: slow down",
    )  # fmt: skip
    assert await claim(now_ms=say.now + 59_999) == []
    assert len(await claim(now_ms=say.now + 60_000)) == 1


async def test_a_sync_that_is_under_way_is_never_replaced(store, write, claim, say, outbox) -> None:
    await write(say.incident(1), say.wish())
    (flying,) = await claim()
    await write(say.incident(1), say.wish())
    assert await outbox() == [(1, "sync", "inflight"), (2, "sync", "pending")]
    await store.run(lambda tx: tx.settle(unknown(flying, "?", now_ms=say.now, lags_s=LAGS), claimed=flying))
    await write(say.incident(1), say.wish())
    assert await outbox() == [(1, "sync", "unknown"), (2, "sync", "pending")]


async def test_a_dead_sync_is_revived_by_a_newer_one(store, write, claim, say, outbox) -> None:
    await write(say.incident(1), say.wish())
    (operation,) = await claim()
    await store.run(lambda tx: tx.settle(dead(operation, "no"), claimed=operation))
    await write(say.incident(1), say.wish(), now_ms=say.now + 5)
    assert await outbox() == [(1, "sync", "pending")]
    (again,) = await claim(now_ms=say.now + 5)
    assert (again.attempts, again.error, again.created_ms) == (1, "", say.now + 5)


async def test_what_died_with_an_unknown_outcome_is_looked_for_when_it_is_revived(store, write, claim, say) -> None:
    for number in (1, 2):
        await write(say.incident(number), say.wish())
    for sent in await claim():
        lost = dead(say.replace(sent, unknown_ms=say.now), "in flight at 3 crashes")
        await store.run(lambda tx, lost=lost, sent=sent: tx.settle(lost, claimed=sent))
    assert await store.run(lambda tx: tx.requeue(1, now_ms=say.now + 9))
    await write(say.incident(2), say.wish(), now_ms=say.now + 9)
    assert [one.state for one in await claim(now_ms=say.now + 9)] == [OperationState.UNKNOWN] * 2


async def test_a_dead_sync_blocks_its_ticket_and_a_dead_comment_does_not(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish("comment", text="a"))
    (comment,) = await claim()
    await write(say.incident(1), say.wish("comment", text="b"))
    await store.run(lambda tx: tx.settle(dead(comment, "no"), claimed=comment))
    assert [one.body["text"] for one in await claim()] == ["b"]
    await write(say.incident(2), say.wish(), say.wish("comment", text="c"))
    (sync,) = await claim()
    await store.run(lambda tx: tx.settle(dead(sync, "no"), claimed=sync))
    assert await claim() == []
    assert await store.run(lambda tx: tx.drop(sync.id))
    assert [one.body["text"] for one in await claim()] == ["c"]


async def test_the_next_instant_is_of_something_that_can_be_claimed(store, write, claim, say) -> None:
    async def next_ms() -> int | None:
        return await store.run(lambda tx: tx.next_operation_ms("desk"))

    assert await next_ms() is None
    await write(say.incident(1), say.wish(), say.wish("comment", text="a"))
    assert await next_ms() == say.now
    (sync,) = await claim()
    assert await next_ms() is None  # the comment waits for the sync, not for time
    await store.run(lambda tx: tx.settle(dead(sync, "no"), claimed=sync))
    assert await next_ms() is None
    await write(say.incident(2), say.wish(), now_ms=say.now + 500)
    assert await next_ms() == say.now + 500
    assert await store.run(lambda tx: tx.next_operation_ms("other")) is None


async def test_nobody_else_takes_what_is_looked_for(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish())
    (sent,) = await claim()
    asked = unknown(sent, "?", now_ms=say.now, lags_s=LAGS)
    await store.run(lambda tx: tx.settle(asked, claimed=sent))
    assert await claim(now_ms=say.now + 1999) == []
    (looked,) = await claim(now_ms=say.now + 2000)
    assert (looked.state, looked.attempts) == (OperationState.UNKNOWN, 1)
    assert await claim(now_ms=say.now + 600_000) == []
    later = look_failed(looked, "no answer", now_ms=say.now, lags_s=LAGS)
    assert await store.run(lambda tx: tx.settle(later, claimed=looked))
    assert len(await claim(now_ms=say.now + 600_000)) == 1


async def test_a_look_that_kills_the_process_three_times_is_poison(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish())
    (sent,) = await claim()
    asked = unknown(sent, "?", now_ms=say.now, lags_s=LAGS)
    await store.run(lambda tx: tx.settle(asked, claimed=sent))
    for crash in range(1, MAX_CRASHES + 1):
        (looked,) = await claim(now_ms=say.now + 600_000)
        assert looked.looking
        assert await store.run(lambda tx: tx.recover_operations(now_ms=say.now)) == 1
        assert not await store.run(lambda tx: tx.settle(None, claimed=looked))  # noqa: B023 - run before the next turn
        (item,) = (await store.reader.operations()).items
        assert (item["crashes"], item["state"]) == (crash, "dead" if crash == MAX_CRASHES else "unknown")
    assert await claim(now_ms=say.now + 600_000) == []


async def test_only_who_holds_an_operation_settles_it(store, write, claim, say, outbox) -> None:
    await write(say.incident(1), say.wish())
    (ours,) = await claim()
    await store.run(lambda tx: tx.recover_operations(now_ms=say.now))
    assert not await store.run(lambda tx: tx.settle(None, claimed=ours))
    assert await outbox() == [(1, "sync", "unknown")]


async def test_after_a_crash_its_outcome_is_unknown_and_the_third_time_it_is_poison(store, write, claim, say) -> None:
    await write(say.incident(1), say.wish(), say.wish("comment", text="a"))
    for crash in range(1, MAX_CRASHES + 1):
        (sent,) = await claim()
        assert sent.state is OperationState.INFLIGHT
        assert await store.run(lambda tx: tx.recover_operations(now_ms=say.now)) == 1
        (item,) = (await store.reader.operations()).items[:1]
        assert item["crashes"] == crash
        if item["state"] == "unknown":
            (looked,) = await claim()
            again = say.replace(looked, state=OperationState.PENDING, next_ms=say.now)
            await store.run(lambda tx, again=again, looked=looked: tx.settle(again, claimed=looked))
    assert item["state"] == "dead"
    assert "3 crashes" in item["error"]
    assert await store.run(lambda tx: tx.recover_operations(now_ms=say.now)) == 0


async def test_only_the_dead_are_repeated_or_dropped(store, write, claim, say, outbox) -> None:
    await write(say.incident(1), say.wish())
    for number in (1, 99):
        assert not await store.run(lambda tx, number=number: tx.requeue(number, now_ms=say.now))
        assert not await store.run(lambda tx, number=number: tx.drop(number))
    (sent,) = await claim()
    await store.run(lambda tx: tx.settle(dead(sent, "no"), claimed=sent))
    assert await claim() == []
    assert await store.run(lambda tx: tx.requeue(1, now_ms=say.now))
    (again,) = await claim()
    assert again.attempts == 1
    await store.run(lambda tx: tx.settle(dead(again, "no"), claimed=again))
    assert await store.run(lambda tx: tx.drop(1))
    assert await outbox() == []


async def test_a_ticket_is_busy_while_a_sync_waits_or_is_under_way(store, write, claim, say) -> None:
    async def busy() -> bool:
        return await store.run(lambda tx: tx.busy(say.incident(1).id, "desk"))

    await write(say.incident(1), say.wish("comment", text="a"))
    assert not await busy()
    await claim()
    await write(say.incident(1), say.wish())
    assert await busy()

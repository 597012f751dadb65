"""A work may write many rows at once: it comes to what single statements would have come to."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.decision import Decision
from gateway.core.incident import State, changed
from gateway.core.inhibit import Facet
from gateway.core.reason import Reason
from gateway.store.api import Retention
from gateway.store.bulk import SIZES, Bulk, Writer
from gateway.store.inline import open_inline
from gateway.store.migrate import migrate
from gateway.store.transaction import SqliteTransaction

_PAIR = Bulk("INSERT INTO pair VALUES {} ON CONFLICT (name) DO UPDATE SET value = excluded.value", 2)


@pytest.fixture
def db():
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE pair (name TEXT PRIMARY KEY, value)")
        yield connection


@pytest.mark.parametrize("number", [0, 1, 3, 7, 9, 11, 99, 100, 2 * SIZES[0] + 37])
def test_any_number_of_rows_is_written_and_found(db, number) -> None:
    writer = Writer(db, [_PAIR])
    for at in range(number):
        writer.later(_PAIR, (f"n{at}", at))
    assert writer.execute("SELECT count(*) FROM pair").fetchone() == (number,)
    asked = [f"n{at}" for at in range(number)] + ["nobody"]
    found = writer.look_up("SELECT name, value FROM pair WHERE value >= ? AND name IN ({})", asked, first=(0,))
    assert dict(found) == {f"n{at}": at for at in range(number)}


def test_a_row_takes_the_place_of_one_with_its_key(db) -> None:
    writer = Writer(db, [_PAIR])
    for value in (1, 2):
        writer.later(_PAIR, ("a", value), key="a")
        assert writer.waits(_PAIR, "a")
    assert db.execute("SELECT count(*) FROM pair").fetchone() == (0,)
    writer.flush()
    assert db.execute("SELECT value FROM pair").fetchall() == [(2,)]


def test_what_is_forgotten_is_never_written(db) -> None:
    writer = Writer(db, [_PAIR])
    writer.later(_PAIR, ("a", 1))
    writer.forget()
    writer.flush()
    writer.later(_PAIR, ("b", 1))
    assert writer.execute("SELECT name FROM pair").fetchall() == [("b",)]


def test_a_row_that_cannot_be_takes_those_behind_it_along(db) -> None:
    writer = Writer(db, [_PAIR])
    writer.later(_PAIR, ("a", object()))
    with pytest.raises(sqlite3.Error):
        writer.flush()
    writer.flush()
    assert db.execute("SELECT count(*) FROM pair").fetchone() == (0,)


async def test_a_work_whose_rows_cannot_be_is_undone_and_spoils_no_other(store, say) -> None:
    def spoiled(tx) -> None:
        tx.tally("storm", "s", until_ms=1)
        tx.write(say.decision(say.incident(1)), now_ms=say.now)
        tx.write(say.decision(say.incident(2, fingerprint=say.incident(1).fingerprint)), now_ms=say.now)

    good, bad = store.submit(lambda tx: tx.write(say.decision(say.incident(3)), now_ms=say.now)), store.submit(spoiled)
    with pytest.raises(Exception, match="UNIQUE"):
        await bad
    await good
    assert await store.run(lambda tx: tx.latest(say.incident(1).fingerprint)) is None
    assert await store.run(lambda tx: tx.tally("storm", "s", until_ms=1)) == 1
    assert await store.run(lambda tx: tx.count_alive(limit=9)) == 1


async def test_text_of_any_kind_survives_in_numbers(store, say) -> None:
    odd = ["a\x00b", "\ud800", "é\U0001f600", "q\"'\\\n"]
    some = [say.incident(n, source=text, fingerprint=f"1:c|{text}|") for n, text in enumerate(odd * 30)]
    some = [say.replace(one, fingerprint=f"{one.fingerprint}{n}") for n, one in enumerate(some)]

    def work(tx) -> None:
        for one in some:
            tx.write(say.decision(one), now_ms=say.now)

    await store.run(work)

    def again(tx) -> list:
        tx.forget()
        tx.read_ahead([one.fingerprint for one in some], [])
        return [tx.latest(one.fingerprint) for one in some]

    found = await store.run(again)
    assert [one.id for one in found] == [one.id for one in some]
    assert [one.source for one in found] == ["a\x00b", "\\ud800", "é\U0001f600", "q\"'\\\n"] * 30


# --- one work or many --------------------------------------------------------------------------------

MARKS = st.integers(0, 2)
STEPS = st.one_of(
    st.tuples(st.just("raise"), MARKS),
    st.tuples(st.just("count"), MARKS),
    st.tuples(st.just("move"), MARKS, st.sampled_from([State.RECOVERING, State.RESOLVED, State.OPEN])),
    st.tuples(st.just("close"), MARKS),
    st.tuples(st.just("touch_old"), MARKS),
    st.tuples(st.just("revive_old")),
    st.tuples(st.just("facet"), MARKS),
    st.tuples(st.just("unfacet"), MARKS),
    st.tuples(st.just("tally"), MARKS, st.integers(1, 2)),
    st.tuples(st.just("upstream"), MARKS),
    st.tuples(st.just("unknown"), MARKS),
    st.tuples(st.just("alive")),
    st.tuples(st.just("find"), MARKS),
    st.tuples(st.sampled_from(["drop_all_facets", "shift"])),
)
WORKS = st.tuples(st.lists(STEPS, max_size=12), st.booleans())
"""Steps, and whether the work fails behind them, and is undone."""


class _Hand:
    """Does steps with a transaction; incidents are numbered as they begin."""

    def __init__(self, say) -> None:
        self.say = say
        self.begun = 0

    def do(self, tx, step) -> object:  # noqa: PLR0911, PLR0912 - a case for each step
        name, *rest = step
        mark = f"1:c|m{rest[0]}|" if rest else ""
        last = tx.latest(mark) if rest else None
        open_one = last if last is not None and last.state is not State.CLOSED else None
        old = tx.incident(f"{max(1, self.begun - 1):013d}") if name.endswith("_old") else None
        match name:
            case "raise" if open_one is None:
                self.begun += 1
                new = self.say.incident(self.begun, fingerprint=mark, source=f"m{rest[0]}")
                self._write(tx, new, began=True, wishes=(self.say.wish(),), known_as=(f"incident:{new.id}",))
            case "count" if open_one is not None:
                self._write(tx, changed(open_one, occurrences=open_one.occurrences + 1, version=open_one.version + 1))
            case "move" if open_one is not None:
                entry = self.say.entry(f"to {rest[1]}")
                more = {"occurrences": open_one.occurrences + 1, "version": open_one.version + 1}
                self._write(tx, changed(open_one, state=rest[1], **more), entries=(entry,), wishes=(self.say.wish(),))
            case "close" if open_one is not None:
                self._write(tx, changed(open_one, state=State.CLOSED, closed_ms=5))
            case "touch_old" if old is not None:
                self._write(tx, changed(old, summary=f"{old.summary}+"))
            case "revive_old" if old is not None and tx.latest(old.fingerprint).state is State.CLOSED:
                self._write(tx, changed(old, state=State.OPEN, closed_ms=None))
            case "facet" if open_one is not None:
                tx.add_facets(open_one.id, [Facet("site", "a")])
            case "unfacet" if open_one is not None:
                return tx.drop_facets(open_one.id)
            case "tally":
                return tx.tally("storm", f"m{rest[0]}", until_ms=rest[1])
            case "upstream":
                was = tx.upstream(mark)
                tx.remember_upstream(mark, last.id if last else "", at_ms=1)
                return was
            case "unknown":
                tx.count_unknown(mark, count=2, at_ms=self.begun, sample="s")
            case "alive":
                return tx.count_alive(limit=2), tx.count_alive(limit=100)
            case "drop_all_facets":
                return tx.drop_all_facets()
            case "shift":
                return tx.shift_deadlines(10)
            case "find":
                holders = tx.holders(Facet("site", "a"), but="", limit=9)
                return last and (last.id, last.state, last.occurrences), [one.id for one in holders]
        return None

    def _write(self, tx, incident, **more) -> None:
        tx.write(Decision(reason=Reason.REPEATED, incident=incident, **more), now_ms=7)


def _dump(db: sqlite3.Connection) -> dict[str, list]:
    tables = ("incident", "timeline", "operation", "facet", "tally", "upstream", "unknown", "thread")
    return {table: sorted(db.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for table in tables}  # noqa: S608


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(works=st.lists(WORKS, max_size=6), ahead=st.booleans())
@example(works=[([("raise", 0)], False), ([("count", 0), ("move", 0, State.RECOVERING)], False)], ahead=False)
@example(
    works=[
        ([("raise", 0), ("close", 0), ("raise", 0)], False),
        ([("touch_old", 0), ("close", 0), ("revive_old",)], False),
    ],
    ahead=False,
)
@example(  # what a failed work took away is there again
    works=[([("raise", 0), ("facet", 0)], False), ([("unfacet", 0), ("find", 0)], True), ([("find", 0)], False)],
    ahead=False,
)
def test_a_work_comes_to_what_its_steps_come_to_one_by_one(say, works, ahead) -> None:
    def run(*, together: bool) -> tuple[list, dict[str, list]]:
        with closing(sqlite3.connect(":memory:", isolation_level=None)) as db:
            db.execute("PRAGMA foreign_keys = ON")
            migrate(db)
            tx, hand, said = SqliteTransaction(db), _Hand(say), []
            for work, fails in works:
                db.execute("BEGIN")
                if together and ahead:
                    marks = [f"1:c|m{mark}|" for mark in range(3)]
                    tx.read_ahead(marks, marks)
                    tx.read_tallies([("storm", f"m{mark}") for mark in range(2)])
                for step in work:
                    said.append(hand.do(tx, step))
                    if not together:
                        tx.finish()
                        tx = SqliteTransaction(db)  # remembers nothing
                said.append([tx.count_alive(limit=100), *(tx.latest(f"1:c|m{mark}|") for mark in range(3))])
                tx.finish()
                if fails:
                    tx.forget()
                db.execute("ROLLBACK" if fails else "COMMIT")
            return said, _dump(db)

    assert run(together=True) == run(together=False)


async def test_what_was_read_ahead_is_read_anew_by_the_next_work(store, say) -> None:
    old = say.incident(1, state=State.CLOSED, closed_ms=1)
    await store.run(lambda tx: tx.write(say.decision(old), now_ms=say.now))
    await store.run(lambda tx: tx.read_ahead([old.fingerprint], ["u"]))
    await store.run(lambda tx: tx.prune(Retention(closed_after_ms=2, upstream_after_ms=2), limit=9))
    assert await store.run(lambda tx: tx.latest(old.fingerprint)) is None


async def test_a_store_in_memory_finishes_its_works_too(say) -> None:
    async with open_inline() as store:
        await store.run(lambda tx: tx.write(say.decision(say.incident(1)), now_ms=say.now))
        assert (await store.reader.incident(say.incident(1).id)) is not None

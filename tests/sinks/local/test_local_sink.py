"""The local sink keeps one ticket per key, and sees what people do to it."""

import asyncio
import sqlite3
import threading
from collections.abc import Coroutine
from typing import Any

import pytest
from pydantic import ValidationError

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.ticket import Comment, TicketField, TicketRef, TicketState
from gateway.plugin import Attaches, Checks, FindsComments, Links, Reject, Retry, ShowsTickets
from sinks.local.config import LocalConfig
from sinks.local.desk import Desk
from sinks.local.schema import VERSION


async def test_a_ticket_has_a_small_number_and_no_page_where_the_daemon_has_none(sink, draft):
    ref = await sink.open(draft())
    assert ref == TicketRef(id="1", name="T-1", url="")


async def test_the_page_url_is_a_prefix_with_or_without_its_slash(make_sink, draft):
    async with make_sink(page_url="https://noc.example/t") as sink:
        assert (await sink.open(draft())).url == "https://noc.example/t/1"


async def test_opening_a_known_key_returns_the_ticket_as_it_is(sink, desk, draft):
    first = await sink.open(draft())
    again = await sink.open(draft(title="[P1] other"))
    assert again == first
    assert [ticket.title for ticket in desk.list()] == [draft().title]


async def test_many_opens_at_once_make_one_ticket_per_key(sink, desk, draft):
    async with asyncio.TaskGroup() as tasks:
        opens = [tasks.create_task(sink.open(draft(key=f"T{n % 3}"))) for n in range(30)]
    assert len({task.result() for task in opens}) == 3 == len(desk.list())


async def test_find_knows_the_whole_key_only(sink, draft):
    ref = await sink.open(draft(key="T0100"))
    assert await sink.find("T0100", since_ms=0) == ref
    assert await sink.find("T01", since_ms=0) is None
    assert await sink.find("T0100-2", since_ms=0) is None


async def test_update_changes_what_differs_and_twice_is_once(sink, desk, draft):
    ref = await sink.open(draft())
    wanted = draft(title="[P1] worse", impact=Impact.CRITICAL, occurrences=7, state=TicketState.RESOLVED)
    await sink.update(ref, wanted)
    once = desk.get(1)
    await sink.update(ref, wanted)
    assert desk.get(1) == once
    assert (once.title, once.impact, once.state, once.occurrences) == ("[P1] worse", "critical", "resolved", 7)
    assert [(c.who, c.what, c.before, c.after) for c in once.history] == [
        ("tocsin", "opened", "", ""),
        ("tocsin", "impact", "high", "critical"),
        ("tocsin", "state", "open", "resolved"),
        ("tocsin", "title", "[P2] Link down gw-7 [TOC-T01]", "[P1] worse"),
    ]


async def test_what_a_person_owns_is_left_alone(sink, desk, draft):
    ref = await sink.open(draft())
    desk.close(1, who="alice")
    desk.set_impact(1, Impact.LOW, who="alice")
    desk.assign(1, "n2", who="alice")
    await sink.update(ref, draft(title="new", keep=frozenset(TicketField)))
    ticket = desk.get(1)
    assert (ticket.title, ticket.state, ticket.impact, ticket.owner) == ("new", "closed", "low", "n2")


async def test_what_people_do_is_observed(sink, desk, draft):
    ref = await sink.open(draft())
    (seen,) = await sink.observe([ref])
    assert (seen.state, seen.impact, seen.owner, seen.labels) == ("open", "high", "noc", {"site=aarhus"})
    desk.close(1, who="alice", wont_fix=True)
    desk.set_impact(1, Impact.CRITICAL, who="alice")
    (seen,) = await sink.observe([ref])
    assert (seen.state, seen.wont_fix, seen.impact) == ("closed", True, "critical")
    desk.reopen(1, who="alice")
    (seen,) = await sink.observe([ref])
    assert (seen.state, seen.wont_fix) == ("open", False)
    desk.delete(1)
    (seen,) = await sink.observe([ref])
    assert not seen.exists


async def test_observe_answers_each_ref_in_order_even_a_thousand(sink, draft):
    refs = [await sink.open(draft(key=f"T{n}")) for n in range(3)]
    strange = [TicketRef(id=text) for text in ("", "0", "-1", "x", "٣", "9" * 40, "2; DROP TABLE ticket")]
    asked = [*strange, *refs * 700]
    seen = await sink.observe(asked)
    assert [o.ref.id for o in seen] == [ref.id for ref in asked]
    assert [o.exists for o in seen] == [False] * len(strange) + [True] * 2100


async def test_a_number_is_never_used_twice(sink, desk, draft):
    await sink.open(draft(key="T1"))
    desk.delete(1)
    assert (await sink.open(draft(key="T1"))).name == "T-2"


@pytest.mark.parametrize("id_", ["7", "nonsense", ""])
async def test_work_on_a_ticket_that_is_not_there_is_rejected(sink, draft, id_):
    ref = TicketRef(id=id_)
    there = await sink.open(draft())
    file = Attachment(name="a", media_type="text/plain", content=b"a")
    for call in (
        sink.update(ref, draft()),
        sink.comment(ref, Comment(mark="m", text="t")),
        sink.link(there, ref),
        sink.link(ref, there),
        sink.attach(ref, file, mark="m"),
    ):
        with pytest.raises(Reject):
            await call
    assert await sink.find("unknown", since_ms=0) is None


async def test_comments_are_written_once_by_their_mark_and_kept_as_text(sink, desk, draft):
    ref = await sink.open(draft())
    assert not await sink.has_comment(ref, "TOC-T01-1")
    for _ in range(2):
        await sink.comment(ref, Comment(mark="TOC-T01-1", text="<b>cleared</b>", public=True))
    await sink.comment(ref, Comment(mark="TOC-T01-10", text="other"))
    desk.remark(1, "on my way", who="alice")
    desk.remark(1, "on my way", who="alice")
    assert await sink.has_comment(ref, "TOC-T01-1")
    assert not await sink.has_comment(ref, "TOC-T01-")
    assert [(r.author, r.text, r.mark, r.public) for r in desk.get(1).remarks] == [
        ("tocsin", "<b>cleared</b>", "TOC-T01-1", True),
        ("tocsin", "other", "TOC-T01-10", False),
        ("alice", "on my way", "", False),
        ("alice", "on my way", "", False),
    ]


async def test_links_hold_both_ways_and_once(sink, desk, draft):
    one, two = await sink.open(draft()), await sink.open(draft(key="T02"))
    await sink.link(one, two)
    await sink.link(two, one)
    await sink.link(one, one)
    assert (desk.get(1).links, desk.get(2).links) == ((2,), (1,))


async def test_a_file_is_kept_once_by_its_mark(sink, desk, draft):
    ref = await sink.open(draft())
    for content in (b"\x00first", b"second"):
        await sink.attach(ref, Attachment(name="log.txt", media_type="text/plain", content=content), mark="m1")
    (file,) = desk.get(1).files
    assert (file.name, file.size, desk.content(1, "m1"), desk.content(1, "m2")) == ("log.txt", 6, b"\x00first", None)


async def test_a_file_above_the_limit_is_rejected(make_sink, draft):
    async with make_sink(attachment_limit_bytes=3) as sink:
        ref = await sink.open(draft())
        with pytest.raises(Reject, match="attachment_limit_bytes"):
            await sink.attach(ref, Attachment(name="big", media_type="x/y", content=b"1234"), mark="m")


async def test_tickets_survive_a_restart(make_sink, draft):
    async with make_sink() as sink:
        ref = await sink.open(draft())
    async with make_sink() as sink:
        assert await sink.find("T01", since_ms=0) == ref


@pytest.mark.parametrize(
    "text", ["\0nul\0", "\ud800 lone surrogate", "\u202e bidi", "'; DROP TABLE ticket; --", "x" * 10**6]
)
async def test_hostile_text_is_only_text(sink, desk, draft, text):
    ref = await sink.open(draft(key=text, title=text, description=text, labels={text: text}))
    assert await sink.find(text, since_ms=0) == ref
    await sink.comment(ref, Comment(mark=text, text=text))
    assert await sink.has_comment(ref, text)
    await sink.update(ref, draft(title=text))
    assert "\0" not in desk.get(1).title


async def test_a_locked_file_means_not_yet_and_nothing_happened(make_sink, draft, tmp_path, desk):
    async with make_sink(busy_timeout_s=0) as sink:
        other = sqlite3.connect(tmp_path / "tickets.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Retry, match=r"tickets\.db"):
            await sink.open(draft())
        other.execute("ROLLBACK")
        other.close()
        assert desk.list() == []
        assert (await sink.open(draft())).id == "1"


async def test_a_call_that_is_cancelled_leaves_the_sink_usable(sink, desk, draft):
    for turns in range(4):
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(sink.open(draft()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
    assert await sink.open(draft()) == await sink.find("T01", since_ms=0)
    assert len(desk.list()) == 1


async def test_what_is_asked_at_once_is_one_transaction_and_what_fails_in_it_is_undone_alone(sink, desk, draft):
    statements: list[str] = []
    await sink.ask(lambda it: it._db.set_trace_callback(statements.append))

    def half(it: Desk) -> None:
        with it._transaction():
            it._db.execute("UPDATE ticket SET title = 'half'")
            raise LookupError("half")

    first, nobody, failed, second = await _at_once(
        sink.open(draft(key="T01")),
        sink.comment(TicketRef(id="99"), Comment(mark="m", text="x")),
        sink.ask(half),
        sink.open(draft(key="T02")),
    )
    assert (first.id, type(nobody), type(failed), second.id) == ("1", Reject, LookupError, "2")
    assert {ticket.title for ticket in desk.list()} == {draft().title}
    assert [words for words in statements if words in {"BEGIN IMMEDIATE", "COMMIT"}] == ["BEGIN IMMEDIATE", "COMMIT"]


async def test_what_comes_while_the_thread_works_waits_and_goes_together(sink, desk, draft):
    began, go_on = threading.Event(), threading.Event()

    def work(_: Desk) -> None:
        began.set()
        go_on.wait(10)

    statements: list[str] = []
    await sink.ask(lambda it: it._db.set_trace_callback(statements.append))
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.ask(work))
        await asyncio.to_thread(began.wait, 10)
        for number in range(3):
            tasks.create_task(sink.open(draft(key=f"T{number}")))
            await asyncio.sleep(0)
        go_on.set()
    assert len(desk.list()) == 3
    assert statements.count("BEGIN IMMEDIATE") == 1


async def test_of_what_goes_together_nothing_happened_if_sqlite_ends_the_transaction(sink, desk, draft):
    def fail(it: Desk) -> None:
        it._db.execute("INSERT OR ROLLBACK INTO ticket SELECT * FROM ticket")  # as it does on some errors of a disk

    opened = await _at_once(sink.open(draft(key="T01")), sink.ask(fail), sink.open(draft(key="T02")))
    assert [type(one) for one in opened] == [Retry] * 3
    assert desk.list() == []
    assert (await sink.open(draft(key="T01"))).id == "1"


async def _at_once(*asked: Coroutine[Any, Any, Any]) -> list[Any]:
    """What each gives, or raises."""

    async def told(one: Coroutine[Any, Any, Any]) -> Any:
        try:
            return await one
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            return error

    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(told(one)) for one in asked]
    return [task.result() for task in started]


async def test_sqlite_works_in_its_own_thread_and_the_thread_ends(make_sink):
    async with make_sink() as sink:
        thread = await sink.ask(lambda _: threading.current_thread())
        assert thread is not threading.current_thread()
    assert not thread.is_alive()


async def test_the_file_is_closed_after_the_last_call(make_sink, draft):
    async with make_sink() as sink, asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.open(draft())).cancel()
    with pytest.raises(sqlite3.ProgrammingError):
        sink._thread.desk.list()


async def test_the_file_is_safe_against_power_cuts_and_private(make_sink, tmp_path):
    async with make_sink() as sink:
        pragmas = await sink.ask(
            lambda desk: [desk._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
        )
    assert pragmas == ["wal", 2]
    assert (tmp_path / "tickets.db").stat().st_mode & 0o077 == 0


async def test_old_closed_tickets_are_removed_and_open_ones_never(make_sink, clock, desk, draft):
    async with make_sink(keep_closed_days=30) as sink:
        await sink.open(draft(key="open"))
        await sink.open(draft(key="closed", state=TicketState.CLOSED))
        await clock.advance(20 * 86_400)
        await sink.open(draft(key="younger", state=TicketState.CLOSED))
        await clock.advance(11 * 86_400)
        await sink.open(draft(key="new"))
        assert [ticket.key for ticket in desk.list()] == ["new", "younger", "open"]


async def test_a_file_of_a_newer_version_refuses_the_start(make_sink, tmp_path):
    with sqlite3.connect(tmp_path / "tickets.db") as db:
        db.execute(f"PRAGMA user_version = {VERSION + 1}")
    db.close()
    with pytest.raises(ValueError, match="upgrade"):
        async with make_sink():
            pass


async def test_a_file_that_is_no_database_refuses_the_start(make_sink, tmp_path):
    (tmp_path / "tickets.db").write_bytes(b"not a database " * 100)
    with pytest.raises(sqlite3.DatabaseError):
        async with make_sink():
            pass


async def test_check_says_that_the_file_is_whole(sink):
    (finding,) = await sink.check(apply=False)
    assert finding.ok


async def test_it_offers_every_ability_it_claims(sink):
    assert all(isinstance(sink, ability) for ability in (FindsComments, Links, Attaches, Checks, ShowsTickets))


async def test_the_page_shows_what_was_said_and_done_in_the_order_of_time(sink, desk, clock, draft):
    ref = await sink.open(draft())
    other = await sink.open(draft(key="T02"))
    await clock.advance(1)
    await sink.comment(ref, Comment(mark="m", text="<b>cleared</b>"))
    await clock.advance(1)
    await sink.link(other, ref)
    await clock.advance(1)
    await sink.attach(ref, Attachment(name="log.txt", media_type="text/plain", content=b"x"), mark="m1")
    await clock.advance(1)
    desk.close(1, who="alice")
    view = await sink.show("1")
    assert (view.name, view.title, view.impact, view.state) == ("T-1", draft().title, "high", "closed")
    assert [(remark.who, remark.text) for remark in view.remarks] == [
        ("tocsin", "opened"),
        ("tocsin", "<b>cleared</b>"),
        ("tocsin", "link: T-2"),
        ("tocsin", "file: log.txt"),
        ("alice", "state: open → closed"),
    ]


@pytest.mark.parametrize("id_", ["3", "0", "x", "", "../1", "9" * 40])
async def test_there_is_no_page_for_a_ticket_that_is_not_there(sink, id_):
    assert await sink.show(id_) is None


async def test_a_page_walks_through_all_tickets(sink, desk, draft):
    for n in range(5):
        await sink.open(draft(key=f"T{n}", state=TicketState.CLOSED if n == 2 else TicketState.OPEN))
    assert [t.number for t in desk.list(limit=2)] == [5, 4]
    assert [t.number for t in desk.list(limit=2, below=4)] == [3, 2]
    assert [t.number for t in desk.list(state=TicketState.CLOSED)] == [3]
    assert desk.get(9) is None


@pytest.mark.parametrize(
    "options", [{"file": "../x.db"}, {"file": ""}, {"file": ".."}, {"page_url": "javascript:alert(1)"}, {"fil": "x"}]
)
def test_a_mistake_in_the_options_is_told(options):
    with pytest.raises(ValidationError):
        LocalConfig(**options)

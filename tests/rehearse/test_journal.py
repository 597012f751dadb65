"""The journal keeps what was heard, within its bounds, and gives it back whatever its end looks like."""

import asyncio
import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import journal
from gateway.core.event import Attachment, Event, EventKind, Reference
from gateway.core.judge import Inventory, Judge, Known
from gateway.core.record import Recorded, as_record, of_record
from gateway.core.rules import Rulebook, Setting
from gateway.journal import Journal, packed, read
from gateway.pending import Run
from gateway.testing.clock import START_MS, ManualClock

TEXT = st.text(max_size=8)
EVENTS = st.builds(
    Event,
    collector=TEXT,
    source=TEXT,
    condition=TEXT,
    kind=st.sampled_from(EventKind),
    at_ms=st.just(5),
    object=TEXT,
    summary=TEXT,
    labels=st.dictionaries(TEXT, TEXT, max_size=3),
    identity=TEXT,
    references=st.lists(st.builds(Reference, key=TEXT, also=TEXT), max_size=2).map(tuple),
    known_as=st.lists(TEXT, max_size=2).map(tuple),
    requester=TEXT,
)


def event(number: int = 0, **facts) -> Event:
    facts = {"description": "", "labels": {"ifIndex": str(number)}, **facts}
    return Event(
        collector="snmp", source="r1", condition="linkDown", kind=EventKind.RAISE, at_ms=START_MS + number, **facts
    )


def run(one: Event, count: int = 1) -> Run:
    verdict = Rulebook([], defaults=Setting()).judge(one)
    return Run(one, verdict, one.at_ms, one.at_ms, offered=count)


def hand(keeping: Journal, runs: list[Run]) -> None:
    keeping.keep(runs, ["T1"] * len(runs))


@given(EVENTS, st.integers(1, 1000))
def test_what_is_recorded_comes_back_as_it_was(one, count):
    recorded = Recorded(event=one, first_ms=5, last_ms=9, count=count, incident=one.source)
    assert of_record(as_record(recorded)) == recorded


def test_a_long_label_that_the_description_begins_with_is_written_once():
    heard = event(description="a" * 601, labels={"body": "a" * 600, "short": "aa"})
    recorded = Recorded(event=heard, first_ms=START_MS, last_ms=START_MS)
    record = as_record(recorded)
    assert record["labels"] == {"body": 600, "short": "aa"}
    assert of_record(record) == recorded


def test_files_are_left_out_and_so_is_what_the_inventory_added():
    book = Rulebook([], defaults=Setting())
    file = Attachment(name="a", media_type="b", content=b"c")
    heard, _ = Judge(book, Inventory({"r1": Known(labels={"site": "lyon"})})).judge(event(7, attachments=(file,)))
    assert heard.labels == {"ifIndex": "7", "site": "lyon"}
    back = of_record(as_record(Recorded(event=heard, first_ms=1, last_ms=1))).event
    assert (back.labels, back.attachments) == ({"ifIndex": "7"}, ())


def test_a_torn_end_costs_only_what_was_not_written_whole(tmp_path):
    folder = tmp_path / journal.FOLDER
    folder.mkdir()
    members = [packed([Recorded(event=event(n), first_ms=START_MS + n, last_ms=START_MS + n)]) for n in range(3)]
    whole = b"".join(members)
    for cut in range(len(whole) + 1):
        (folder / f"a{journal.SUFFIX}").write_bytes(whole[:cut])
        complete = sum(cut >= len(b"".join(members[: n + 1])) for n in range(3))
        assert len(list(read(tmp_path, since_ms=0))) == complete


def test_a_text_of_any_characters_is_one_line(tmp_path):
    folder = tmp_path / journal.FOLDER
    folder.mkdir()
    texts = ["a\u2028b\x85c\x0b\nd", "\ud800", "é"]
    heard = [event(n, description=text, known_as=("mid:<1>",)) for n, text in enumerate(texts)]
    whole = packed([Recorded(event=one, first_ms=one.at_ms, last_ms=one.at_ms) for one in heard])
    (folder / f"a{journal.SUFFIX}").write_bytes(whole)
    back = [recorded.event for recorded in read(tmp_path, since_ms=0)]
    assert [one.description for one in back] == [texts[0], "?", "é"]
    assert {one.known_as for one in back} == {("mid:<1>",)}


@pytest.fixture
def keeping(tmp_path: Path):
    return Journal(tmp_path, clock=ManualClock(), days=14, megabytes=1)


async def test_what_came_in_a_second_is_one_member_that_zcat_reads(keeping, tmp_path):
    hand(keeping, [run(event(1)), run(event(2), 200)])
    await keeping.flush()
    hand(keeping, [run(event(3))])
    await keeping.flush()
    (path,) = journal.files(tmp_path / journal.FOLDER)
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(gzip.decompress(path.read_bytes()).splitlines()) == 3
    assert [(one.event.labels["ifIndex"], one.count) for one in read(tmp_path, since_ms=0)] == [("1", 1), ("2", 200), ("3", 1)]  # fmt: skip
    assert [one.count for one in read(tmp_path, since_ms=START_MS + 3)] == [1]


async def test_it_never_takes_more_room_than_it_may(tmp_path):
    clock = ManualClock()
    keeping = Journal(tmp_path, clock=clock, days=14, megabytes=1)
    for number in range(60):
        text = "".join(chr(0x4E00 + (number * 7919 + n * 104_729) % 20_000) for n in range(20_000))
        hand(keeping, [run(event(number, description=text))])
        await keeping.flush()
        await clock.advance(1, settle=1)
    kept = journal.files(tmp_path / journal.FOLDER)
    assert sum(path.stat().st_size for path in kept) <= 1 << 20
    numbers = [one.first_ms - START_MS for one in read(tmp_path, since_ms=0)]
    assert numbers == list(range(numbers[0], 60))
    assert 5 < len(numbers) < 60


async def test_a_disk_that_refuses_is_told_once_and_holds_up_nobody(tmp_path, caplog):
    (tmp_path / journal.FOLDER).write_text("no folder")
    keeping = Journal(tmp_path, clock=ManualClock(), days=14, megabytes=1)
    for number in range(3):
        hand(keeping, [run(event(number))])
        await keeping.flush()
    (tmp_path / journal.FOLDER).unlink()
    hand(keeping, [run(event(9))])
    await keeping.flush()
    assert len(list(read(tmp_path, since_ms=0))) == 1


async def test_what_waits_is_bounded(keeping):
    hand(keeping, [run(event(1))] * (journal.RUNS_MAX + 5))
    assert len(keeping._waiting) == journal.RUNS_MAX
    await asyncio.sleep(0)

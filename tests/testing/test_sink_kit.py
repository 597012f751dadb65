"""The conformance kit passes good sinks, and finds each bad one."""

import asyncio
import subprocess
import sys
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.ticket import Observation, TicketRef, TicketState
from gateway.plugin import UnknownOutcome
from gateway.testing.sink_bench import Subject, lender
from gateway.testing.sink_kit import REQUIREMENTS, examine
from sinks.local import plugin as local
from sinks.local.config import LocalConfig
from sinks.local.desk import Desk
from sinks.local.sink import LocalSink


class DeskPerson:
    """Works at the local desk behind the sink's back."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _desk(self) -> Desk:
        return Desk(self._folder / "tickets.db", now_ms=lambda: 0)

    async def close(self, ref: TicketRef) -> None:
        with self._desk() as desk:
            desk.close(int(ref.id), who="alice")

    async def delete(self, ref: TicketRef) -> None:
        with self._desk() as desk:
            desk.delete(int(ref.id))

    async def comments(self, ref: TicketRef) -> list[str]:
        with self._desk() as desk:
            return [f"{remark.text} {remark.mark}" for remark in desk.get(int(ref.id)).remarks]

    async def count(self, key: str) -> int:
        with self._desk() as desk:
            return sum(ticket.key.partition("~")[0] == key for ticket in desk.list())


@asynccontextmanager
async def lend_local(folder: Path):
    yield Subject(plugin=local, config=LocalConfig(), state_dir=folder, person=DeskPerson(folder))


def lend_variant(kind: type[LocalSink], **plugin_changes):
    """The local sink with one method made wrong."""

    @asynccontextmanager
    async def build(config, host):
        async with local.build(config, host) as sink:
            yield kind(sink._thread, config)

    @asynccontextmanager
    async def lend(folder: Path):
        plugin = replace(local, build=build, **plugin_changes)
        yield Subject(plugin=plugin, config=LocalConfig(), state_dir=folder, person=DeskPerson(folder))

    return lend


async def test_the_local_sink_fulfils_every_requirement():
    assert await examine(lend_local) == {}


class OpensTwice(LocalSink):
    async def open(self, draft):
        await super().open(replace(draft, key=draft.key + "~again"))
        return await super().open(draft)


class OpensAgain(LocalSink):
    serial = 0

    async def open(self, draft):
        ref = await super().open(draft)
        OpensAgain.serial += 1
        return replace(ref, id=f"{ref.id}{OpensAgain.serial:09}")


class Resurrects(LocalSink):
    async def update(self, ref, draft):
        await super().update(ref, replace(draft, keep=frozenset()))


class MakesWhatIsMissing(LocalSink):
    async def update(self, ref, draft):
        (seen,) = await self.observe([ref])
        if not seen.exists:
            await self.open(draft)
            return
        await super().update(ref, draft)


class ForgetsTheMark(LocalSink):
    async def comment(self, ref, comment):
        await super().comment(ref, replace(comment, mark=""))


class FindsMarksThatNeverWere(LocalSink):
    async def has_comment(self, ref, mark):
        return True


class RaisesKeyError(LocalSink):
    async def update(self, ref, draft):
        if not ref.id.isdigit() or ref.id == "987654321":
            raise KeyError(ref.id)
        await super().update(ref, draft)


class FindsByPrefix(LocalSink):
    async def find(self, key, *, since_ms):
        return await super().find(key, since_ms=since_ms) or await super().find(key + "-2", since_ms=since_ms)


class FindsNothing(LocalSink):
    async def find(self, key, *, since_ms):
        return None


class FindsOpenTicketsOnly(LocalSink):
    async def find(self, key, *, since_ms):
        ref = await super().find(key, since_ms=since_ms)
        seen = await self.observe([ref] if ref else [])
        return ref if seen and not seen[0].state.done else None


class FailsTheUnknown(LocalSink):
    async def find(self, key, *, since_ms):
        ref = await super().find(key, since_ms=since_ms)
        if ref is None:
            raise UnknownOutcome("nothing found")
        return ref


class NeverCloses(LocalSink):
    async def update(self, ref, draft):
        await super().update(ref, replace(draft, state=TicketState.OPEN))


class AlwaysExists(LocalSink):
    async def observe(self, refs):
        return [Observation(ref=ref) for ref in refs]


class SwallowsMissing(LocalSink):
    async def observe(self, refs):
        return [seen for seen in await super().observe(refs) if seen.exists]


class OwnerGrows(LocalSink):
    async def update(self, ref, draft):
        (seen,) = await self.observe([ref])
        owner = seen.owner + "+"
        await super().update(ref, replace(draft, team=owner))


class TreatsTextAsBytes(LocalSink):
    async def open(self, draft):
        draft.description.encode("utf-8")
        return await super().open(draft)


class StaysBusy(LocalSink):
    busy = False

    async def open(self, draft):
        if StaysBusy.busy:
            raise UnknownOutcome("still busy")
        StaysBusy.busy = True
        await asyncio.sleep(0)
        ref = await super().open(draft)
        StaysBusy.busy = False
        return ref


@pytest.fixture(autouse=True)
def fresh_variants():
    StaysBusy.busy = False


@pytest.mark.parametrize(
    ("kind", "caught_by"),
    [
        (OpensTwice, "one_key_makes_one_ticket"),
        (OpensAgain, "one_key_makes_one_ticket"),
        (Resurrects, "what_a_person_owns_is_kept"),
        (MakesWhatIsMissing, "a_missing_ticket_stays_missing"),
        (ForgetsTheMark, "a_comment_carries_its_mark"),
        (FindsMarksThatNeverWere, "a_comment_carries_its_mark"),
        (RaisesKeyError, "a_missing_ticket_stays_missing"),
        (FindsByPrefix, "only_the_whole_key_is_found"),
        (FindsNothing, "an_opened_ticket_is_found_by_its_key"),
        (FindsOpenTicketsOnly, "a_closed_ticket_is_still_found"),
        (FailsTheUnknown, "an_unknown_key_is_not_found"),
        (NeverCloses, "a_ticket_is_closed_and_reopened"),
        (AlwaysExists, "each_ref_is_observed"),
        (SwallowsMissing, "each_ref_is_observed"),
        (OwnerGrows, "an_update_repeated_changes_nothing"),
        (TreatsTextAsBytes, "any_text_is_only_text"),
        (StaysBusy, "a_cancelled_call_leaves_the_sink_usable"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_bad_sink_is_caught(kind, caught_by):
    assert caught_by in await examine(lend_variant(kind), [caught_by])


async def test_an_error_that_is_no_sink_error_is_named():
    failed = await examine(lend_variant(RaisesKeyError), ["a_missing_ticket_stays_missing"])
    assert "KeyError" in failed["a_missing_ticket_stays_missing"]


async def test_an_error_within_a_group_is_told_as_what_it_is():
    failed = await examine(lend_variant(StaysBusy), ["incidents_at_the_same_time_do_not_mix"])
    assert "unexpected UnknownOutcome: still busy" in failed["incidents_at_the_same_time_do_not_mix"]


async def test_a_duplicate_is_seen_without_a_unique_key_too():
    failed = await examine(lend_variant(OpensTwice, unique_key=False), ["one_key_makes_one_ticket"])
    assert "2 tickets for one key" in failed["one_key_makes_one_ticket"]


def as_generator():
    yield {"file": "a.db"}, None


async def as_async_generator():
    yield LocalConfig(file="a.db"), None, "a person"


@contextmanager
def as_context_manager():
    yield {"file": "a.db"}, None


@pytest.mark.parametrize("hook", [as_generator, as_async_generator, as_context_manager])
async def test_a_hook_may_have_any_usual_form(hook, tmp_path):
    async with lender(local, hook)(tmp_path) as subject:
        assert (subject.config, subject.transport, subject.state_dir) == (LocalConfig(file="a.db"), None, tmp_path)
        assert subject.person == ("a person" if hook is as_async_generator else None)


def pytest_run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Pytest in a folder of its own, as a third party's project has it."""
    (folder / "pytest.ini").touch()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


def test_without_the_option_nothing_is_imported_and_nothing_collected(tmp_path):
    (tmp_path / "conftest.py").write_text(
        "import sys\n"
        "def pytest_collection_finish(session):\n"
        "    heavy = {'pydantic', 'httpx', 'gateway.plugin', 'gateway.testing.sink_kit'} & set(sys.modules)\n"
        "    print('collected', len(session.items), 'imported', sorted(heavy))\n"
    )
    assert "collected 0 imported []" in pytest_run(tmp_path, "-s").stdout


def test_the_kit_runs_on_an_entry_point_and_on_a_module(tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own(): raise AssertionError('only the kit is asked for')\n")
    for named in ("local", "sinks.local"):
        run = pytest_run(tmp_path, "--sink", named)
        assert run.returncode == 0, run.stdout
        assert f"{len(REQUIREMENTS) - 1} passed, 1 skipped" in run.stdout


def test_the_kit_runs_beside_tests_that_are_named(tmp_path):
    (tmp_path / "test_own.py").write_text("def test_own(): pass\n")
    assert f"{len(REQUIREMENTS)} passed" in pytest_run(tmp_path, "test_own.py", "--sink", "local").stdout


def test_options_come_from_a_file(tmp_path):
    (tmp_path / "sink.toml").write_text('file = "../escaped.db"\n')
    run = pytest_run(tmp_path, "--sink", "local", "--sink-config", "sink.toml")
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert "plain file name" in run.stderr


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--sink", "locla"], "did you mean local?"),
        (["--sink", "json"], "no attribute named plugin"),
        (["--sink", "local", "--sink-config", "none.toml"], "cannot be read as TOML"),
        (["--sink-config", "x.toml"], "give both"),
    ],
)
def test_a_mistake_is_one_sentence_with_its_cure(tmp_path, options, sentence):
    run = pytest_run(tmp_path, *options)
    assert run.returncode == pytest.ExitCode.USAGE_ERROR
    assert sentence in run.stderr
    assert "Traceback" not in run.stderr


def test_a_bad_sink_fails_the_run(tmp_path):
    (tmp_path / "badsink.py").write_text(
        "from contextlib import asynccontextmanager\n"
        "from dataclasses import replace\n"
        "from sinks.local import plugin as good\n"
        "from sinks.local.sink import LocalSink\n"
        "class Bad(LocalSink):\n"
        "    async def comment(self, ref, comment):\n"
        "        raise KeyError('oops')\n"
        "@asynccontextmanager\n"
        "async def build(config, host):\n"
        "    async with good.build(config, host) as sink:\n"
        "        yield Bad(sink._thread, config)\n"
        "plugin = replace(good, build=build)\n"
    )
    run = pytest_run(tmp_path, "--sink", "badsink")
    assert run.returncode == pytest.ExitCode.TESTS_FAILED
    assert "a sink raises SinkError only, this one raised KeyError('oops')" in run.stdout

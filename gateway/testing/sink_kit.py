"""What every sink must do, as requirements that run on any `gateway.plugin.SinkPlugin`.

``pytest --sink MODULE`` runs each as one test (see `gateway.testing.pytest_sink`); `examine` runs them all in one
process and says which failed. A requirement speaks only the plugin API, so it runs on a real tracker's test account as
on a fake. What a person does in the tracker itself is asked only where the sink's tests lend a `Person`.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace
from pathlib import Path

from gateway.core.event import Attachment
from gateway.core.impact import Impact
from gateway.core.ticket import Comment, TicketField, TicketRef, TicketState
from gateway.plugin import Attaches, Checks, FindsComments, Links, Reject, SinkError
from gateway.testing.sink_bench import HOSTILE, UNKNOWN, Bench, Lend, NotOffered, Subject, bench_of

PATIENCE_S = 30.0
"""How long one requirement may take on a fake."""

Requirement = Callable[[Bench], Awaitable[None]]
REQUIREMENTS: dict[str, Requirement] = {}


def requirement(function: Requirement) -> Requirement:
    """Register what every sink must do; its name says what that is."""
    REQUIREMENTS[getattr(function, "__name__", "")] = function
    return function


# --- open and find -------------------------------------------------------------------------------


@requirement
async def an_opened_ticket_is_there(bench: Bench) -> None:
    """`open` returns a ref with an id, and the ticket is open with the impact of the draft."""
    ref = await bench.sink.open(bench.draft())
    assert ref.id, "open returned a ref without an id"
    seen = await bench.see(ref)
    assert seen.exists, "observe does not see the ticket that open just made"
    assert seen.ref.id == ref.id, f"observe says that {ref.id} is now {seen.ref.id}"
    assert seen.state is TicketState.OPEN, f"a draft that is open made a ticket that is {seen.state}"
    assert seen.impact in {Impact.HIGH, None}, f"impact high is read back as {seen.impact}"


@requirement
async def an_opened_ticket_is_found_by_its_key(bench: Bench) -> None:
    """After an unknown outcome only `find` can prevent a second ticket."""
    draft = bench.draft()
    ref = await bench.sink.open(draft)
    found = await bench.find(draft.key)
    assert found is not None, "find does not find the ticket that open just made"
    assert found.id == ref.id, f"open made {ref.id}, find found {found.id}"


@requirement
async def an_unknown_key_is_not_found(bench: Bench) -> None:
    """None, not an error and not some other ticket."""
    await bench.sink.open(bench.draft())
    found = await bench.sink.find(bench.draft().key, since_ms=bench.opened_ms)
    assert found is None, f"find found {found} for a key that was never opened"


@requirement
async def only_the_whole_key_is_found(bench: Bench) -> None:
    """A key that begins with, or is the beginning of, another one is another ticket's."""
    draft = bench.draft()
    longer = bench.draft(key=draft.key + "-2")
    await bench.sink.open(longer)
    found = await bench.sink.find(draft.key, since_ms=bench.opened_ms)
    assert found is None, f"find took the ticket of {longer.key} for that of {draft.key}"
    ref = await bench.sink.open(draft)
    found = await bench.find(draft.key)
    assert found is not None, "find does not find the ticket that open just made"
    assert found.id == ref.id, "find took the ticket of a longer key"


@requirement
async def a_closed_ticket_is_still_found(bench: Bench) -> None:
    """A ticket that somebody closed within seconds is no reason to make another one."""
    draft = bench.draft()
    ref = await bench.sink.open(draft)
    await bench.sink.update(ref, replace(draft, state=TicketState.CLOSED))
    found = await bench.find(draft.key)
    assert found is not None, "find does not find a closed ticket"
    assert found.id == ref.id, f"open made {ref.id}, find found {found.id}"


@requirement
async def one_key_makes_one_ticket(bench: Bench) -> None:
    """With a unique key a second `open` returns the first ticket; without one, each `open` makes exactly one."""
    draft = bench.draft()
    ref = await bench.sink.open(draft)
    if bench.plugin.unique_key:
        again = await bench.sink.open(draft)
        assert again.id == ref.id, f"unique_key is claimed, but a second open made {again.id} beside {ref.id}"
    if bench.lent is not None:
        count = await bench.person.count(draft.key)
        assert count == 1, f"the tracker has {count} tickets for one key"


@requirement
async def incidents_at_the_same_time_do_not_mix(bench: Bench) -> None:
    """Calls for one incident come one by one, those for different ones at once."""
    drafts = [bench.draft() for _ in range(5)]
    async with asyncio.TaskGroup() as tasks:
        opens = [tasks.create_task(bench.sink.open(draft)) for draft in drafts]
    refs = [task.result() for task in opens]
    assert len({ref.id for ref in refs}) == len(drafts), "opens at the same time returned the same ticket"
    for draft, ref in zip(drafts, refs, strict=True):
        found = await bench.find(draft.key)
        assert found is not None, "a ticket opened at the same time as others is not found"
        assert found.id == ref.id, "tickets opened at the same time were mixed up"


# --- update --------------------------------------------------------------------------------------


@requirement
async def a_ticket_is_closed_and_reopened(bench: Bench) -> None:
    """`update` sets the state that the draft has, both ways."""
    draft = bench.draft()
    ref = await bench.sink.open(draft)
    for state in (TicketState.RESOLVED, TicketState.OPEN, TicketState.CLOSED, TicketState.OPEN):
        await bench.sink.update(ref, replace(draft, state=state))
        seen = await bench.see(ref)
        assert seen.state.done == state.done, f"updated to {state}, it is observed as {seen.state}"


@requirement
async def an_update_repeated_changes_nothing(bench: Bench) -> None:
    """The outbox may send the same wish twice."""
    draft = bench.draft()
    ref = await bench.sink.open(draft)
    worse = replace(draft, impact=Impact.CRITICAL, title=draft.title.replace("P2", "P1"), occurrences=9)
    await bench.sink.update(ref, worse)
    once = await bench.see(ref)
    await bench.sink.update(ref, worse)
    twice = await bench.see(ref)
    assert once == twice, f"the second update changed {once} into {twice}"
    assert twice.impact in {Impact.CRITICAL, None}, f"impact critical is read back as {twice.impact}"
    found = await bench.find(draft.key)
    assert found is not None, "after an update the ticket is not found by its key"
    assert found.id == ref.id, "after an update another ticket is found"


@requirement
async def what_a_person_owns_is_kept(bench: Bench) -> None:
    """Fields in ``draft.keep`` are left alone: above all, no update reopens what a person closed."""
    draft = bench.draft(impact=Impact.LOW)
    ref = await bench.sink.open(draft)
    await bench.sink.update(ref, replace(draft, state=TicketState.CLOSED))
    before = await bench.see(ref)
    kept = replace(draft, state=TicketState.OPEN, impact=Impact.CRITICAL, keep=frozenset(TicketField))
    await bench.sink.update(ref, kept)
    after = await bench.see(ref)
    assert after.state.done, "an update reopened a ticket although the draft keeps the state"
    assert after.impact == before.impact, "an update changed the priority although the draft keeps it"
    assert after.owner == before.owner, "an update changed the owner although the draft keeps it"


@requirement
async def what_a_person_did_is_observed(bench: Bench) -> None:
    """A ticket closed or deleted in the tracker is seen so."""
    person, draft = bench.person, bench.draft()
    ref = await bench.sink.open(draft)
    await person.close(ref)
    seen = await bench.see(ref)
    assert seen.state.done, "a person closed it, but it is observed as open"
    await person.delete(ref)
    seen = await bench.see(ref)
    assert not seen.exists, "a person deleted it, but it is observed"


@requirement
async def a_missing_ticket_stays_missing(bench: Bench) -> None:
    """Work on a ticket that is not there is rejected, and makes none."""
    draft = bench.draft()
    updated = await _error_of(bench.sink.update(UNKNOWN, draft))
    assert isinstance(updated, Reject), f"update of a ticket that does not exist: {updated!r} in place of Reject"
    commented = await _error_of(bench.sink.comment(UNKNOWN, Comment(mark=draft.mark + "-1", text="text")))
    assert isinstance(commented, Reject), f"comment on a ticket that does not exist: {commented!r} in place of Reject"
    found = await bench.sink.find(draft.key, since_ms=bench.opened_ms)
    assert found is None, "work on a ticket that does not exist made one"


# --- comment -------------------------------------------------------------------------------------


@requirement
async def a_comment_carries_its_mark(bench: Bench) -> None:
    """The mark is how a comment is found again after an unknown outcome."""
    draft = bench.draft()
    comment = Comment(mark=draft.mark + "-7", text="cleared after 12 minutes")
    ref = await bench.sink.open(draft)
    await bench.sink.comment(ref, comment)
    proven = False
    if isinstance(bench.sink, FindsComments):
        assert await bench.sink.has_comment(ref, comment.mark), "has_comment does not find the mark just written"
        assert not await bench.sink.has_comment(ref, draft.mark + "-8"), "has_comment finds a mark never written"
        assert not await bench.sink.has_comment(ref, draft.mark + "-70"), "has_comment finds a mark never written"
        proven = True
    if bench.lent is not None:
        texts = [text for text in await bench.person.comments(ref) if "cleared after 12 minutes" in text]
        assert len(texts) == 1, f"one comment was written, people read {len(texts)}"
        assert comment.mark in texts[0], "the comment was written without its mark"
        proven = True
    if not proven:
        raise NotOffered("neither FindsComments nor a Person: the comment cannot be read back")


# --- observe -------------------------------------------------------------------------------------


@requirement
async def each_ref_is_observed(bench: Bench) -> None:
    """One observation for each ref, whatever became of it."""
    refs = [await bench.sink.open(bench.draft()) for _ in range(2)]
    seen = await bench.sink.observe([refs[1], UNKNOWN, refs[0]])
    by_id = {observation.asked or observation.ref.id: observation for observation in seen}
    assert set(by_id) == {refs[0].id, refs[1].id, UNKNOWN.id}, f"asked for three refs, observed {sorted(by_id)}"
    assert by_id[refs[0].id].exists, "an existing ticket is observed as missing"
    assert by_id[refs[1].id].exists, "an existing ticket is observed as missing"
    assert not by_id[UNKNOWN.id].exists, "a ticket that never was is observed as existing"


@requirement
async def nothing_asked_is_nothing_observed(bench: Bench) -> None:
    """An empty sequence is no error and costs nothing."""
    assert await bench.sink.observe([]) == [], "observe of nothing gave observations"


# --- optional abilities --------------------------------------------------------------------------


@requirement
async def a_link_repeated_is_one_link(bench: Bench) -> None:
    """`Links.link` may be repeated."""
    able = bench.sink
    if not isinstance(able, Links):
        raise NotOffered("the sink does not offer Links")
    first, second = await bench.sink.open(bench.draft()), await bench.sink.open(bench.draft())
    await able.link(first, second)
    await able.link(first, second)
    assert (await bench.see(first)).exists, "a linked ticket is gone"


@requirement
async def a_file_repeated_is_one_file(bench: Bench) -> None:
    """`Attaches.attach` may be repeated, and takes any bytes under any clean name."""
    able = bench.sink
    if not isinstance(able, Attaches):
        raise NotOffered("the sink does not offer Attaches")
    ref = await bench.sink.open(bench.draft())
    file = Attachment(name="größe 1.bin", media_type="application/octet-stream", content=bytes(range(256)))
    await able.attach(ref, file, mark="a1b2c3d4")
    await able.attach(ref, file, mark="a1b2c3d4")


@requirement
async def a_check_tells_its_findings(bench: Bench) -> None:
    """`Checks.check` on a working set-up finds no fault, and says what it looked at."""
    able = bench.sink
    if not isinstance(able, Checks):
        raise NotOffered("the sink does not offer Checks")
    findings = await able.check(apply=False)
    assert findings, "check looked at nothing"
    for finding in findings:
        assert finding.what.strip(), "a finding says nothing"
        assert finding.ok, f"the set-up under test is said to be wrong: {finding.what}"
        assert not finding.applied, f"check changed something without apply: {finding.what}"


# --- hostility -----------------------------------------------------------------------------------


@requirement
async def any_text_is_only_text(bench: Bench) -> None:
    """No text breaks a call, and the ticket is found by its key whatever stands around it."""
    for name, text in HOSTILE.items():
        draft = bench.draft()
        title = " ".join(text.split())[:200] + f" [{draft.mark}]"
        draft = replace(draft, title=title, description=text, source=text[:200], labels={"x": text[:200]})
        ref = await bench.sink.open(draft)
        await bench.sink.update(ref, replace(draft, description=text + "."))
        await bench.sink.comment(ref, Comment(mark=draft.mark + "-1", text=text))
        found = await bench.find(draft.key)
        assert found is not None, f"with hostile text ({name}) the ticket is not found by its key"
        assert found.id == ref.id, f"with hostile text ({name}) another ticket is found"


@requirement
async def any_ref_is_survived(bench: Bench) -> None:
    """A damaged ref is an observation of nothing or a `SinkError`; never a call to some other place."""
    for id_ in ("", ".", "../user", "a/b", "a b", "?x=1", "#", "\0", "%2e%2e", "١٢", "9" * 300):
        ref, draft = TicketRef(id=id_), bench.draft()
        assert await _error_of(bench.sink.update(ref, draft)), f"update of {id_!r} succeeded"
        try:
            seen = await bench.sink.observe([ref])
        except SinkError:
            continue
        assert not any(observation.exists for observation in seen), f"{id_!r} is observed as existing"


@requirement
async def a_cancelled_call_leaves_the_sink_usable(bench: Bench) -> None:
    """The host cancels calls when it stops or runs out of patience; the next call must work."""
    for turns in (0, 1, 2, 5, 10, 20):
        draft = bench.draft()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(bench.sink.open(draft))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
        ref = await bench.find(draft.key) or await bench.sink.open(draft)
        await bench.sink.update(ref, replace(draft, state=TicketState.RESOLVED))
        assert (await bench.see(ref)).state.done, f"after a call was cancelled ({turns} turns in) update has no effect"


# --- running -------------------------------------------------------------------------------------


async def fulfil(subject: Subject, name: str) -> None:
    """Run one requirement.

    Raises:
        AssertionError: the sink does not fulfil it; the text says in what.
        NotOffered: it is about an ability that this sink has not.
    """
    async with bench_of(subject) as bench:
        patience_s = PATIENCE_S + (sum(subject.plugin.search_lag_s) * 10 if bench.patient else 0)
        try:
            async with asyncio.timeout(patience_s) as limit:
                await REQUIREMENTS[name](bench)
        except (AssertionError, NotOffered):
            raise
        except Exception as error:
            late = f"not done within {patience_s:.0f} s" if limit.expired() else ""
            raise AssertionError(late or _why(error)) from error


def _why(error: BaseException) -> str:
    """What a sink did wrong by raising ``error``."""
    if isinstance(error, BaseExceptionGroup):
        return _why(error.exceptions[0])
    if isinstance(error, SinkError):
        return f"unexpected {type(error).__name__}: {error}"
    return f"a sink raises SinkError only, this one raised {error!r}"


async def examine(lend: Lend, names: Iterable[str] = REQUIREMENTS) -> dict[str, str]:
    """Run these requirements (or all), each on a fresh subject; what failed, by name, with the reason."""
    failed: dict[str, str] = {}
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            async with lend(Path(folder)) as subject:
                try:
                    await fulfil(subject, name)
                except AssertionError as error:
                    failed[name] = str(error)
                except NotOffered:
                    continue
    return failed


async def _error_of(call: Awaitable[object]) -> SinkError | None:
    """The `SinkError` that a call raised; None if it returned. Anything else is not caught here."""
    try:
        await call
    except SinkError as error:
        return error
    return None

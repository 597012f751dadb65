"""A storm costs one ticket: groups, storms, and what is left when they are over, on a real store and virtual time."""

import contextlib
import itertools
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.core.counting import Frequency
from gateway.core.decision import OperationKind
from gateway.core.draft import draft
from gateway.core.flap import FlapLimits
from gateway.core.gather import Gatherings, Group, Rate, Scope
from gateway.core.inhibit import Inhibition, Inhibitions
from gateway.core.match import Matcher
from gateway.core.mute import Window
from gateway.core.reason import Muted
from gateway.core.ticket import TicketRef
from gateway.engine import EngineLimits
from gateway.engine.around import no_plan

SITE = Group(name="site outage", matchers=(), by=("site",), more_than=3, within_ms=120_000, until=1)


class Desk:
    """Does what delivery does with the outbox, and remembers every ticket that was ever made."""

    def __init__(self, bench: Any) -> None:
        self.bench = bench
        self.made: dict[str, str] = {}
        self.drafts: dict[str, Any] = {}
        self.comments: list[tuple[str, str]] = []
        self._numbers = itertools.count(1)

    async def work(self) -> None:
        while await self.bench.store.run(self._some):
            pass

    def _some(self, tx: Any) -> int:
        claimed = tx.claim("desk", now_ms=self.bench.clock.now_ms(), limit=500)
        for operation in claimed:
            incident, ticket = tx.incident(operation.incident), tx.ticket(operation.incident, "desk")
            if operation.kind is OperationKind.SYNC and (ticket.ref or incident.wants_ticket):
                shown = draft(incident, ticket, family=tx.family(incident.id))
                if ticket.ref is None:
                    self.made[incident.id] = shown.title
                    ref = TicketRef(id=str(next(self._numbers)), url="", name="")
                    tx.save_ticket(replace(ticket, ref=ref, state=shown.state, impact=shown.impact))
                self.drafts[incident.id] = shown
            elif operation.kind is OperationKind.COMMENT and ticket.ref:
                self.comments.append((incident.id, operation.body["text"]))
            tx.settle(None, claimed=operation)
        return len(claimed)

    @property
    def titles(self) -> list[str]:
        return sorted(title.partition(" [TOC")[0] for title in self.made.values())

    def open(self) -> list[str]:
        return [shown.title for shown in self.drafts.values() if shown.state.value == "open"]


@pytest.fixture
def gathered(build):
    """An engine with these groups and rates that nothing drives but the test, and a desk."""

    @contextlib.asynccontextmanager
    async def make(*groups: Group, rates: dict[Scope, Rate] | None = None, limits: Any = None, **setting: Any):
        async with build(runs=False, limits=limits, **setting) as bench:
            await bench.engine.mute_by(no_plan, Inhibitions(), Gatherings(groups=groups, rates=rates or {}))
            yield bench, Desk(bench)

    return make


async def settle(bench: Any, desk: Desk, seconds: float = 0, *, look: bool = True) -> None:
    """Let time pass, and all that is due be done; ``look`` at what waits, too, as the engine does every 30 seconds."""
    await bench.clock.advance(seconds)
    await bench.engine.drain()
    await bench.engine._timers._act()
    if look:
        await bench.engine._releases.look()
    await desk.work()


async def test_whom_the_core_cannot_bear_holds_up_no_other_survivor_and_no_other_parent(gathered) -> None:
    async with gathered(SITE, limits=EngineLimits(release_per_min=2)) as (bench, desk):
        now_ms = bench.clock.now_ms()
        window = Window(id="w", kind=Muted.SILENCE, match=("object = muted",), from_ms=now_ms, until_ms=now_ms + 30_000)
        await bench.engine.save_window(window)
        for site in ("lyon", "nice"):
            for number in range(5):
                bench.offer(f"{site}{number}", condition="station_down", labels={"site": site})
        for source in ("good", "bad"):
            bench.offer(source, object="muted")
        await settle(bench, desk)
        for site in ("lyon", "nice"):
            for number in range(5):
                bench.offer(f"{site}{number}", "clear", condition="station_down", labels={"site": site})
        await settle(bench, desk, look=False)
        bad = await bench.store.run(
            lambda tx: tx._db.execute(
                "UPDATE incident SET body = json_set(body, '$.clear_after_ms', 'x', '$.clear_hold_ms', 'x') "
                "WHERE source = 'bad' OR condition = 'group' AND source = 'lyon' RETURNING id"
            ).fetchall()
        )
        with capture_logs() as logs:
            await settle(bench, desk, 31)
        assert sorted(entry["incident"] for entry in logs if entry["event"] == "release.failed") == sorted(
            one for (one,) in bad
        )
        assert [one["muted"] for one in await bench.incidents() if one["source"] == "good"] == [[]]
        parents = {one["source"]: one["state"] for one in await bench.incidents() if one["condition"] == "group"}
        assert parents == {"lyon": "open", "nice": "recovering"}


async def test_a_muted_parent_that_ends_at_the_same_look_stays_ended(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        now_ms = bench.clock.now_ms()
        window = Window(
            id="w", kind=Muted.SILENCE, match=("condition = group",), from_ms=now_ms, until_ms=now_ms + 30_000
        )
        await bench.engine.save_window(window)
        for kind in ("raise", "clear"):
            for number in range(5):
                bench.offer(f"s{number}", kind, condition="station_down", labels={"site": "lyon"})
            await settle(bench, desk, look=False)
        await settle(bench, desk, 31)
        assert [one["state"] for one in await bench.incidents() if one["condition"] == "group"] == ["recovering"]


async def test_more_than_so_many_of_a_site_are_children_of_one_incident(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        for number in range(10):
            bench.offer(f"s{number}", condition="station_down", labels={"site": "lyon"})
        bench.offer("r9", labels={"site": "nice"})
        await settle(bench, desk)
        assert desk.titles == [
            "[P3] link_down on r9",
            "[P3] site outage: more than 3 incidents at lyon within 2 min",
        ]
        shown = next(one for one in desk.drafts.values() if "lyon" in one.title)
        assert "Incidents that belong to it: 10, of which 10 are not over" in shown.description
        assert "P3 station_down s7 open" in shown.description


async def test_a_parent_has_only_the_labels_that_all_its_children_share(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        for number in range(10):
            bench.offer(f"s{number}", condition="station_down", labels={"site": "lyon", "rack": "7"})
        await settle(bench, desk)
        (parent,) = [one for one in await bench.incidents() if one["condition"] == "group"]
        assert parent["labels"] == {"site": "lyon"}


async def test_who_has_a_ticket_already_is_told_of_the_greater_one(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        bench.offer("s0", condition="station_down", labels={"site": "lyon"})
        await settle(bench, desk, 1)
        for number in range(1, 5):
            bench.offer(f"s{number}", condition="station_down", labels={"site": "lyon"})
        await settle(bench, desk, 1)
        assert len(desk.titles) == 2
        assert any("which has the ticket" in text for _, text in desk.comments)


async def test_a_child_that_outlives_its_parent_gets_a_ticket_of_its_own(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        for number in range(10):
            bench.offer(f"s{number}", condition="station_down", labels={"site": "lyon"})
        await settle(bench, desk)
        for number in range(9):
            bench.offer(f"s{number}", "clear", condition="station_down", labels={"site": "lyon"})
        await settle(bench, desk, 1)
        await settle(bench, desk, 61)
        await settle(bench, desk, 1)
        assert len(desk.made) == 2
        assert any(title.startswith("[P3] station_down on s9") for title in desk.made.values())
        assert len(desk.open()) == 1


async def test_children_that_come_back_keep_their_parent(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        for kind in ("raise", "clear", "raise"):
            for number in range(10):
                bench.offer(f"s{number}", kind, condition="station_down", labels={"site": "lyon"})
            await settle(bench, desk, 20)
        await settle(bench, desk, 61)
        assert len(desk.made) == 1
        assert (await bench.sees(condition="group"))["state"] == "open"


async def test_what_begins_spread_out_is_no_group(gathered) -> None:
    async with gathered(SITE) as (bench, desk):
        for number in range(6):
            bench.offer(f"s{number}", condition="station_down", labels={"site": "lyon"})
            await settle(bench, desk, 50)
        assert len(desk.made) == 6


RATES = {Scope.SOURCE: Rate(5, 3), Scope.RULE: Rate(8, 4)}


async def test_a_storm_of_a_source_is_one_ticket_beside_the_first(gathered) -> None:
    async with gathered(rates=RATES) as (bench, desk):
        for number in range(40):
            bench.offer(object=str(number))
        bench.offer("r2")
        await settle(bench, desk)
        assert len(desk.made) == 5 + 1 + 1
        assert "[P2] storm: r1 began more than 5 new incidents in 1 min" in desk.titles
        assert (await bench.sees(condition="source_storm"))["occurrences"] == 35


async def test_survivors_of_a_storm_are_released_bit_by_bit_the_gravest_first(gathered, say) -> None:
    limits = say.Limits(release_per_min=10)
    async with gathered(rates=RATES, limits=limits) as (bench, desk):
        for number in range(40):
            bench.offer(object=str(number), severity="critical" if number == 39 else "")
        await settle(bench, desk)
        before = len(desk.made)
        await settle(bench, desk, 125)
        assert (await bench.sees(condition="source_storm"))["state"] == "resolved"
        assert len(desk.made) == before + 10
        assert any(title.startswith("[P1] link_down on r1 39") for title in desk.made.values())
        for _ in range(4):
            await settle(bench, desk, 60)
        assert len(desk.made) == before + 35


async def test_a_storm_lasts_while_new_ones_come_in_numbers(gathered) -> None:
    async with gathered(rates=RATES) as (bench, desk):
        for minute in range(8):
            for number in range(4 if minute else 10):
                bench.offer(object=f"{minute}/{number}")
            await settle(bench, desk, 60)
        assert (await bench.sees(condition="source_storm"))["state"] == "open"
        for minute in range(8, 12):
            bench.offer(object=f"{minute}/one")
            await settle(bench, desk, 60)
        assert (await bench.sees(condition="source_storm"))["state"] != "open"


async def test_what_is_raised_too_seldom_is_part_of_no_storm_and_no_group(gathered) -> None:
    frequency = Frequency(count=2, within_ms=60_000)
    async with gathered(SITE, rates={Scope.ALL: Rate(3, 1)}, frequency=frequency) as (bench, desk):
        for source in ("r1", "r2", "r3", "r4", "r5"):
            bench.offer(source, labels={"site": "lyon"})
        await settle(bench, desk)
        assert {(one["state"], one["condition"]) for one in await bench.incidents()} == {("pending", "link_down")}
        bench.offer("r1", labels={"site": "lyon"})
        await settle(bench, desk)
        assert len(desk.titles) == 1
        for source in ("r2", "r3", "r4"):
            bench.offer(source, labels={"site": "lyon"})
        await settle(bench, desk)
        assert (await bench.sees(condition="group"))["occurrences"] == 4
        await settle(bench, desk, 65)
        assert (await bench.sees(source="r5"))["state"] == "closed"


async def test_what_people_write_waits_for_no_storm(gathered) -> None:
    async with gathered(rates={Scope.ALL: Rate(3, 1)}) as (bench, desk):
        for number in range(20):
            bench.offer(f"r{number}")
        bench.offer("ann@x", condition="mail", requester="ann@x", object="1", known_as=("mid:<1>",))
        await settle(bench, desk)
        assert len(desk.made) == 3 + 1 + 1


async def test_50000_traps_of_500_flapping_ports_and_a_site_outage_are_a_few_tickets_and_calm_ends_them(
    gathered,
) -> None:
    """The issue's storm. Ports go up and down every six seconds for ten minutes, each at its own moment."""
    groups = (
        Group(name="links", matchers=(Matcher.parse("condition = link_down"),), by=("site",), more_than=5, within_ms=120_000, until=2),
        Group(name="stations", matchers=(Matcher.parse("condition = station_down"),), by=("site",), more_than=5, within_ms=120_000, until=2),
    )  # fmt: skip
    rates = {
        Scope.OBJECT: Rate(20, 5),
        Scope.SOURCE: Rate(200, 50),
        Scope.RULE: Rate(600, 150),
        Scope.ALL: Rate(2000, 500),
    }
    async with gathered(*groups, rates=rates, hold_ms=30_000, clear_hold_ms=30_000) as (bench, desk):
        traps = 0
        for second in range(600):
            for port in range(second % 6, 500, 6):
                kind = "clear" if second // 6 % 2 else "raise"
                traps += bench.offer(f"switch{port // 10}", kind, object=str(port), labels={"site": "nice"})
            if 60 <= second < 120:
                for station in range(50 * (second - 60), 50 * (second - 59)):
                    bench.offer(f"s{station}", condition="station_down", labels={"site": "lyon"})
            if second == 500:
                for station in range(3000):
                    bench.offer(f"s{station}", "clear", condition="station_down", labels={"site": "lyon"})
            if second % 3 == 2:
                await settle(bench, desk, 3, look=second % 30 == 29)
        assert traps == 50_000
        assert len(desk.made) < 10, desk.titles
        assert [title for title in desk.titles if not title.startswith(("[P3] links", "[P3] stations"))] == []
        for _ in range(60):
            await settle(bench, desk, 60)
        assert len(desk.made) < 10
        assert desk.open() == []
        items = await bench.incidents()
        assert [one for one in items if one["state"] in ("pending", "open", "recovering") or one["muted"]] == []
        print(f"{traps} traps and 3000 stations: {len(desk.made)} tickets: {desk.titles}")


FOLDERS = itertools.count()
POWER = Inhibition(
    name="power", source=(Matcher.parse("condition = power"),), target=(Matcher.parse("condition = link"),), equal=("site",)
)  # fmt: skip
ALL_ON = Gatherings(
    groups=(Group(name="site", matchers=(Matcher.parse("condition != power"),), by=("site",), more_than=2, within_ms=60_000, until=1),),
    rates={Scope.OBJECT: Rate(2, 1), Scope.SOURCE: Rate(3, 2), Scope.ALL: Rate(6, 2)},
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["r1", "r2", "r3"]), st.sampled_from(["link", "fan", "power"]), st.sampled_from(["1", "2"]),
        st.sampled_from(["raise", "raise", "clear"]), st.sampled_from(["lyon", "", "nice"]), st.sampled_from(["", "critical"]),
    ),
    max_size=25,
)  # fmt: skip


async def _outcome(bench: Any) -> Any:
    items = await bench.incidents()
    named = {item["id"]: item["fingerprint"] for item in items}
    syncs = [named[one["incident"]] for one in (await bench.reader.operations()).items if one["kind"] == "sync"]
    kept = ("fingerprint", "state", "impact", "occurrences", "first_seen_ms", "last_seen_ms", "muted")
    return sorted(str([item[name] for name in kept]) for item in items), sorted(syncs)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, hold=st.sampled_from([0, 60_000]), reopen=st.sampled_from([0, 9000]))
async def test_a_batch_decides_as_its_events_one_by_one_with_all_of_it_on(build, steps, hold: int, reopen: int) -> None:
    seen = []
    for batched in (True, False):
        flap = FlapLimits(above=7)
        setting = {"hold_ms": hold, "reopen_within_ms": reopen, "flap": flap}
        async with build(runs=False, folder=f"state{next(FOLDERS)}", **setting) as bench:
            await bench.engine.mute_by(no_plan, Inhibitions((POWER,)), ALL_ON)
            now_ms = bench.clock.now_ms()
            window = Window(id="w", kind=Muted.SILENCE, match=("source = r3",), from_ms=now_ms, until_ms=now_ms + 10)
            await bench.engine.save_window(window)
            for source, condition, number, kind, site, severity in steps:
                bench.offer(source, kind, condition=condition, object=number, severity=severity, labels={"site": site})
                if not batched:
                    await bench.engine.drain()
            await bench.engine.drain()
            await bench.engine._timers._act()
            seen.append(await _outcome(bench))
            await bench.clock.advance(70)
            for _ in range(2):
                await bench.engine._timers._act()
                await bench.engine._releases.look()
            seen.append(await _outcome(bench))
    assert seen[0] == seen[2]
    assert seen[1] == seen[3]

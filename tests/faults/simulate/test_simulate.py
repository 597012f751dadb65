"""The promises hold at every crash point, under every fault; and where one is broken on purpose, that is found."""

import pytest

from tests.faults.simulate import campaign, corpus
from tests.faults.simulate.bugs import BUGS
from tests.faults.simulate.disk import products_synchronous
from tests.faults.simulate.explore import Explorer, Schedule
from tests.faults.simulate.tracker import Fault
from tests.faults.simulate.workloads import ALL, PERSON_CLOSES, RAISE_CLEAR, faults_of
from tests.faults.simulate.world import World


def told(explorer: Explorer) -> str:
    """What to do about failures: each can be run again from its line, which goes into the corpus."""
    failures = explorer.tally.failures
    lines = [f"{one.schedule.to_json()}: {one.violations}" for one in failures[:5]]
    return f"{len(failures)} of {explorer.tally.schedules} schedules break promises:\n" + "\n".join(lines)


@pytest.mark.parametrize("schedule", corpus.load(), ids=str)
def test_what_once_failed_holds(disk, schedule: Schedule) -> None:
    explorer = Explorer(disk)
    explorer.replay(ALL[schedule.workload], schedule)
    assert not explorer.tally.failures, told(explorer)


@pytest.mark.parametrize("workload", ALL.values(), ids=lambda one: one.name)
def test_promises_hold_at_every_crash_point(disk, workload, record_property) -> None:
    explorer = Explorer(disk)
    for story, script, depth in campaign.of_ci(workload):
        explorer.explore(story, faults_of(story, script), depth=depth)
    record_property("schedules", explorer.tally.schedules)
    print(f"{workload.name}: {explorer.tally.schedules} schedules, {explorer.tally.runs} run")
    corpus.keep(explorer.tally.failures)
    assert not explorer.tally.failures, told(explorer)


@pytest.mark.parametrize("bug", BUGS, ids=lambda one: one.name)
def test_a_planted_bug_is_found(disk, bug) -> None:
    tally = campaign.hunt(bug, disk)
    print(f"{bug.name}: found by schedule number {tally.schedules}")
    assert any(said.startswith(bug.breaks) for one in tally.failures for said in one.violations)


def test_the_same_schedule_from_its_beginning_and_from_a_copy_ends_alike(disk) -> None:
    faults = faults_of(RAISE_CLEAR, ((0, Fault.RESET_AFTER),))
    world = World(RAISE_CLEAR, disk, faults=faults)
    world.record = []
    world.live()
    points, world.record = world.record, None
    world.end()
    for number in range(0, len(points), 5):
        world.resume(points[number][1])
        world.live()
        copied = world.snapshot()
        world.end()
        again = World(RAISE_CLEAR, disk, faults=faults)
        assert again.live(crash_at=number)
        again.end()
        again.live()
        assert again.snapshot().same_as() == copied.same_as(), points[number][0]
        again.end()


def test_a_restart_looks_at_once_for_what_was_being_looked_for(disk) -> None:
    world = Explorer(disk).replay(PERSON_CLOSES, Schedule(workload=PERSON_CLOSES.name, faults={}, crashes=(3, 3)))
    assert not world.violations
    (ticket,) = world.trackers[0].tickets
    assert ticket.created_s < 10.0


def test_the_model_of_the_disk_is_that_of_the_product() -> None:
    assert products_synchronous() == "FULL"

"""What a test run, or the command, explores: which stories, which faults, how deep."""

import random
from collections.abc import Iterator

import structlog

from tests.faults.simulate.bugs import Bug
from tests.faults.simulate.disk import Disk
from tests.faults.simulate.explore import Explorer, Tally
from tests.faults.simulate.workloads import ALL, RAISE_CLEAR, RETRANSMITTED, SCRIPTS, STATIONS, Script, faults_of
from tests.faults.simulate.world import Workload

Job = tuple[Workload, Script, int]
"""A story, how calls go wrong, and how many crashes at most."""


def quiet() -> None:
    """Write no logs: thousands of schedules a second leave no time for them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))


def of_ci(workload: Workload) -> Iterator[Job]:
    """Every single crash point under every script; of one story every pair under a third of the scripts, too."""
    pairs = SCRIPTS[::3] if workload is RAISE_CLEAR else ()
    for script in SCRIPTS[::2] if workload in (RETRANSMITTED, STATIONS) else SCRIPTS:  # the slow ones
        yield workload, script, 2 if script in pairs else 1


def of_seed(seed: int) -> Iterator[Job]:
    """Every pair of crash points of every story under every script, in an order of its own, without end."""
    chance = random.Random(seed)
    jobs: list[Job] = [(workload, script, 2) for workload in ALL.values() for script in SCRIPTS]
    while True:
        chance.shuffle(jobs)
        yield from jobs


def hunt(bug: Bug, disk: Disk) -> Tally:
    """Look for a planted bug until it shows; the last failure is it."""

    def found(tally: Tally) -> bool:
        return any(said.startswith(bug.breaks) for failure in tally.failures for said in failure.violations)

    explorer = Explorer(disk, parts=bug.parts, synchronous=bug.synchronous, enough=found)
    for script in SCRIPTS:
        explorer.explore(bug.workload, faults_of(bug.workload, script), depth=1)
        if found(explorer.tally):
            break
    return explorer.tally

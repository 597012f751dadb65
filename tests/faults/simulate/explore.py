"""Every single crash point and every pair of them, under one fault script.

A run without a crash records the world at each of its points; from each record a second life begins, which records the
points of its own, from which a third begins. Records from which the future is the same are run once: they count as
``merged``.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.faults.simulate.disk import Disk
from tests.faults.simulate.invariants import Balance, check, check_idle_restart
from tests.faults.simulate.life import Parts
from tests.faults.simulate.tracker import Fault
from tests.faults.simulate.world import Faults, Snapshot, Workload, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """One history, by which it can be run again."""

    workload: str
    faults: Faults
    crashes: tuple[int, ...] = ()
    """At which point of each life the process dies."""
    power_cut: bool = False
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """For a line of the corpus."""
        faults = {name: [[at, fault.name] for at, fault in script] for name, script in self.faults.items()}
        return {
            "workload": self.workload,
            "faults": faults,
            "crashes": list(self.crashes),
            "power_cut": self.power_cut,
            "seed": self.seed,
        }

    @classmethod
    def of_json(cls, said: dict[str, Any]) -> "Schedule":
        """From a line of the corpus."""
        return cls(
            workload=said["workload"],
            faults={name: tuple((at, Fault[kind]) for at, kind in script) for name, script in said["faults"].items()},
            crashes=tuple(said["crashes"]),
            power_cut=said["power_cut"],
            seed=said["seed"],
        )


@dataclass(frozen=True, slots=True)
class Failure:
    """A schedule that broke a promise, and which."""

    schedule: Schedule
    violations: tuple[str, ...]


@dataclass(slots=True)
class Tally:
    """What was run, and what it showed."""

    runs: int = 0
    merged: int = 0
    failures: list[Failure] = field(default_factory=list)

    @property
    def schedules(self) -> int:
        """Schedules covered: run, or equal in everything to one that was."""
        return self.runs + self.merged


class Explorer:
    """Runs schedules on one disk."""

    def __init__(
        self,
        disk: Disk,
        *,
        parts: Parts | None = None,
        synchronous: str | None = None,
        enough: Callable[[Tally], bool] = lambda _tally: False,
    ) -> None:
        """Use ``parts`` and ``synchronous`` in place of the product's; stop as soon as ``enough`` says so."""
        self.tally = Tally()
        self._disk = disk
        self._parts = parts or Parts()
        self._synchronous = synchronous
        self._enough = enough

    def replay(self, workload: Workload, schedule: Schedule) -> World:
        """Run one schedule from its beginning; the world at its end, checked."""
        world = self._world(workload, schedule)
        for crash_at in schedule.crashes:
            if not world.live(crash_at=crash_at):
                break
            world.end(power_cut=schedule.power_cut)
        if world.life is None:
            world.live()
        self.tally.runs += 1
        self._finish(world, schedule, thorough=True, balance=None)
        return world

    def explore(self, workload: Workload, faults: Faults, *, depth: int = 2, seed: int = 0) -> None:
        """Run all schedules with up to ``depth`` crashes."""
        schedule = Schedule(workload=workload.name, faults=faults, seed=seed)
        world = self._world(workload, schedule)
        seen: dict[Any, int] = {}
        self._go_on(world, schedule, depth=depth, seen=seen)

    def _go_on(self, world: World, schedule: Schedule, *, depth: int, seen: dict[Any, int]) -> int:
        """Run the next life to its end, then again from each of its points; how many schedules that covered."""
        world.record = [] if depth else None
        balance = Balance() if depth == 2 else None
        world.live()
        points, world.record = world.record or [], None
        self.tally.runs += 1
        self._finish(world, schedule, thorough=depth > 0, balance=balance)
        covered = 1
        for number, snapshot, power_cut in _deaths(points):
            if self._enough(self.tally):
                break
            key = (snapshot.same_as(), power_cut, depth)
            if key in seen:
                self.tally.merged += seen[key]
                covered += seen[key]
                continue
            world.resume(snapshot, power_cut=power_cut)
            further = Schedule(
                workload=schedule.workload,
                faults=schedule.faults,
                crashes=(*schedule.crashes, number),
                power_cut=power_cut,
                seed=schedule.seed,
            )
            seen[key] = self._go_on(world, further, depth=depth - 1, seen=seen)
            covered += seen[key]
        return covered

    def _finish(self, world: World, schedule: Schedule, *, thorough: bool, balance: Balance | None) -> None:
        if balance is not None and not world.violations:
            balance.check(world)
        check(world)
        if thorough and not world.violations:
            check_idle_restart(world)
        world.end()
        if world.violations:
            self.tally.failures.append(Failure(schedule, tuple(world.violations)))

    def _world(self, workload: Workload, schedule: Schedule) -> World:
        more = {} if self._synchronous is None else {"synchronous": self._synchronous}
        return World(workload, self._disk, faults=schedule.faults, parts=self._parts, seed=schedule.seed, **more)


def _deaths(points: list[tuple[str, Snapshot]]) -> Iterator[tuple[int, Snapshot, bool]]:
    """Each point with each kind of death that makes a difference there."""
    for number, (_, snapshot) in enumerate(points):
        yield number, snapshot, False
        if snapshot.synced is not None:
            yield number, snapshot, True

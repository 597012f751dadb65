"""Everything outside of our process, which outlives it: disk, trackers, senders, people, the wall clock.

A schedule is one history of this world: what is said and done at which time (the workload), which calls to trackers go
wrong, and at which points the process dies. Between two deaths a `Life` runs. The world can be copied at any point and
taken up from the copy, so that schedules with the same beginning run it once.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from gateway.core.gather import Gatherings
from gateway.core.inhibit import Inhibitions
from gateway.core.judge import Judge
from tests.faults.simulate.disk import CHECKPOINT_EVERY, Disk, Image, products_synchronous
from tests.faults.simulate.life import OBSERVE_S, Life, Parts
from tests.faults.simulate.loop import EndlessLoopError
from tests.faults.simulate.tracker import Fault, Tracker
from tests.faults.simulate.upstream import REPEAT_S, How, Message, Sender

DOWN_S = 2.0
"""From a death to the next start."""
AGAIN_S = 5.0
"""After which a person who could not act tries again."""
LIVENESS_S = 4000.0
"""Within this time after the last input and the last fault everything is done: patience, back-off and breaker ended."""

_UNDONE = (
    "SELECT count(*) FROM operation AS o WHERE state <> 'dead' AND (kind = 'sync' OR NOT EXISTS ("
    "SELECT 1 FROM operation AS p WHERE p.incident = o.incident AND p.sink = o.sink AND p.id < o.id "
    "AND p.kind = 'sync' AND p.state = 'dead'))"
)
"""Operations under way. What follows a ticket that could not be made waits, like it, for a person."""

Act = Callable[["World"], bool]
"""What a person, or the wall clock, does; False if it is not possible yet."""
Faults = Mapping[str, tuple[tuple[int, Fault], ...]]
"""By tracker: which of its calls go wrong, and how."""


@dataclass(frozen=True, kw_only=True)
class Workload:
    """What happens, if nothing fails."""

    name: str
    judge: Judge
    trackers: tuple[Tracker, ...]
    senders: tuple[Sender, ...]
    acts: tuple[tuple[float, Act], ...] = ()
    stations: bool = False
    inhibitions: Inhibitions | None = None
    gatherings: Gatherings | None = None
    expect: Callable[["World"], None] = lambda _world: None
    """Asked at the end: tells `World.violated` what should not be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The world at one point, as the next life would find it."""

    now_s: float
    lives: int
    jumped_ms: int
    image: Image
    synced: Image | None
    """What a power cut leaves; None: all that is in ``image``."""
    trackers: tuple[Tracker, ...]
    senders: tuple[Sender, ...]
    acted: int
    act_due_s: float
    acked: tuple[tuple[str, int], ...]
    requeued: frozenset[int]

    def same_as(self) -> tuple[Any, ...]:
        """Equal for snapshots from which the future is the same."""
        trackers = tuple(
            (one.calls, repr(one.tickets), tuple((at, draft.key) for at, draft in one.late)) for one in self.trackers
        )
        return (
            *(self.now_s, self.lives, self.jumped_ms, self.image, self.synced, trackers, self.senders),
            *(self.acted, self.act_due_s, self.acked, self.requeued),
        )


@dataclass(eq=False)
class World:
    """One schedule under way."""

    workload: Workload
    disk: Disk
    faults: Faults = field(default_factory=dict)
    parts: Parts = field(default_factory=Parts)
    seed: int = 0
    synchronous: str = field(default_factory=products_synchronous)

    def __post_init__(self) -> None:
        self.violations: list[str] = []
        self.trackers = [replace(one.copy(), faults=self.faults.get(one.name, ())) for one in self.workload.trackers]
        self.senders = [replace(one, due_s=one.says[0].at_s if one.says else 0.0) for one in self.workload.senders]
        self.acked: list[tuple[str, int]] = []
        self.lives = 0
        self.jumped_ms = 0
        self.acted = 0
        self.act_due_s = self.workload.acts[0][0] if self.workload.acts else 0.0
        self.commits = 0
        self.most_pending = 0
        self.repeated = False
        self.requeued: frozenset[int] = frozenset()
        """Operations that a person repeated: they stand behind what came since."""
        self.unnoticed_ms = 0
        """By how much the wall clock was set while nobody was there to notice: deadlines are off by so much."""
        self.dead = False
        self.life: Life | None = None
        self.record: list[tuple[str, Snapshot]] | None = None
        self.labels: list[str] = []
        self._now_s = 0.0
        self._points = 0
        self._crash_at: int | None = None
        self._quiet_since_s: float | None = None
        self.disk.put_back(self.disk.blank)
        self._synced: Image | None = None if self.synchronous == "FULL" else self.disk.blank

    # --- for a schedule ---------------------------------------------------------------------------

    @property
    def now_s(self) -> float:
        """Seconds since the beginning."""
        return self.life.loop.time() if self.life is not None else self._now_s

    def live(self, *, crash_at: int | None = None) -> bool:
        """Run one life until all is quiet, or until it dies at its point number ``crash_at``; whether it died."""
        life = self.start(crash_at=crash_at)
        self.heal(life)
        return self.dead

    def heal(self, life: Life) -> None:
        """Let ``life`` run until all is quiet, or it dies; it may take long, but not for ever."""
        last_s = max([self.now_s, self.act_due_s, *(one.says[-1].at_s for one in self.senders if one.says)])
        allowed_s = LIVENESS_S + self.unnoticed_ms / 1000
        self.go_on(life, last_s + allowed_s, enough=self.quiet)
        if not self.dead and not self.quiet():
            self.violated(f"I7: not everything is done {allowed_s:.0f} s after the last input: {self.undone()}")

    def go_on(self, life: Life, end_s: float, *, enough: Callable[[], bool] = lambda: False) -> None:
        """Let ``life`` run until ``end_s``."""
        try:
            life.loop.run_until(end_s, enough=enough)
        except EndlessLoopError as error:
            self.violated(f"I7: {error}")

    def die_after(self, points: int | None) -> None:
        """Let the process die ``points`` points from now; None: no more."""
        self._crash_at = None if points is None else self._points + points

    def say(self, index: int, message: Message) -> None:
        """Let a sender say one thing more, now or when what it says has come through."""
        sender = self.senders[index]
        silent = sender.message is None
        self.senders[index] = replace(
            sender, says=(*sender.says, message), due_s=self.now_s if silent else sender.due_s
        )
        if silent and self.life is not None and self.life.started:
            self.life.loop.call_soon(self._say, index)

    def start(self, *, crash_at: int | None = None) -> Life:
        """Begin a life."""
        self.dead, self._crash_at, self._points, self._quiet_since_s = False, crash_at, 0, None
        self.labels = []
        self.life = Life(self)
        return self.life

    def end(self, *, power_cut: bool = False, down_s: float = DOWN_S) -> None:
        """Bury the life; what it had not committed is lost, and with a power cut what was not synced."""
        if self.life is None:
            return
        self.dead = True
        self.unnoticed_ms += abs(self.life.clock.jump_ms())
        self._now_s = self.now_s + down_s
        self.life.loop.bury()
        self.life = None
        self.lives += 1
        if power_cut and self._synced is not None:
            self.disk.put_back(self._synced)

    def snapshot(self) -> Snapshot:
        """The world as it is, should the process die now."""
        return Snapshot(
            now_s=self.now_s,
            lives=self.lives,
            jumped_ms=self.jumped_ms,
            image=self.disk.image(),
            synced=self._synced,
            trackers=tuple(one.copy() for one in self.trackers),
            senders=tuple(self.senders),
            acted=self.acted,
            act_due_s=self.act_due_s,
            acked=tuple(self.acked),
            requeued=self.requeued,
        )

    def resume(self, snapshot: Snapshot, *, power_cut: bool = False) -> None:
        """Take the world up from ``snapshot``, after the process died there."""
        self.life = None
        lost = power_cut and snapshot.synced is not None
        self.disk.put_back(snapshot.synced if lost and snapshot.synced is not None else snapshot.image)
        self._synced = snapshot.synced
        self._now_s = snapshot.now_s + DOWN_S
        self.lives = snapshot.lives + 1
        self.jumped_ms = snapshot.jumped_ms
        self.trackers = [one.copy() for one in snapshot.trackers]
        self.senders = list(snapshot.senders)
        self.acted, self.act_due_s = snapshot.acted, snapshot.act_due_s
        self.acked = list(snapshot.acked)
        self.requeued = snapshot.requeued
        self.violations = []
        self.repeated = False

    def violated(self, what: str) -> None:
        """Write down a broken promise."""
        self.violations.append(what)

    # --- what disk and trackers tell ---------------------------------------------------------------

    def point(self, label: str, prior: Snapshot | None = None) -> bool:
        """A point at which the process may die; whether it is dead."""
        if self.dead:
            return True
        number, self._points = self._points, self._points + 1
        self.labels.append(label)
        if self.record is not None:
            self.record.append((label, prior or self.snapshot()))
        if number == self._crash_at:
            self.die()
        return self.dead

    def die(self) -> None:
        """The process is gone."""
        self.dead = True
        assert self.life is not None
        self.life.loop.halt()

    def snapshot_if_may_die(self) -> Snapshot | None:
        """The world before something that the process may not survive."""
        return self.snapshot() if self.record is not None or self._crash_at is not None else None

    def committed(self) -> None:
        """A commit is through; it is synced if the store is told to."""
        self.commits += 1
        assert self.life is not None
        self.most_pending = max(self.most_pending, len(self.life.engine._pending))
        if self._synced is not None and self.commits % CHECKPOINT_EVERY == 0:
            self._synced = self.disk.image()

    async def never(self) -> None:
        """What the dead wait for."""
        await asyncio.get_running_loop().create_future()

    # --- senders and people ------------------------------------------------------------------------

    def reconnect(self) -> None:
        """The collectors hear again."""
        assert self.life is not None
        for index, sender in enumerate(self.senders):
            self.life.loop.call_at(max(self.now_s, sender.due_s), self._say, index)
        if self.acted < len(self.workload.acts):
            self.life.loop.call_at(max(self.now_s, self.act_due_s), self._act)

    def _say(self, index: int) -> None:
        sender, life = self.senders[index], self.life
        message = sender.message
        if self.dead or life is None or message is None or self.now_s < sender.due_s - 1e-9:
            return
        at_ms = life.clock.now_ms()
        future: asyncio.Future[Any] | None = None
        if message.how is How.BEAT:
            life.intakes["mqtt"].received()
            future = life.intakes["mqtt"].beat(sender.sign_of_life(at_ms))
        else:
            happened_s = self.now_s if message.happened_s is None else message.happened_s
            event = sender.event(at_ms - round(1000 * (self.now_s - happened_s)))
            intake = life.intakes[event.collector]
            intake.received()
            if message.acknowledged:
                future = intake.emit(event)
            else:
                intake.offer(event)
        if future is None:
            self._advance(index)
            return
        self.senders[index] = replace(sender, due_s=self.now_s + REPEAT_S)
        future.add_done_callback(partial(self._told, index, sender.next))
        life.loop.call_later(REPEAT_S, self._say, index)

    def _told(self, index: int, number: int, future: asyncio.Future[Any]) -> None:
        sender = self.senders[index]
        if self.dead or future.cancelled() or future.exception() is not None or sender.next != number:
            return
        message = sender.message
        if message is not None and sender.lost < message.lost_answers:
            self.senders[index] = replace(sender, lost=sender.lost + 1)
            return
        self.acked.append((sender.name, number))
        self._advance(index)

    def _advance(self, index: int) -> None:
        self.senders[index] = sender = self.senders[index].advanced()
        assert self.life is not None
        if sender.message is not None:
            self.life.loop.call_at(max(self.now_s, sender.due_s), self._say, index)

    def _act(self) -> None:
        life, acts = self.life, self.workload.acts
        if self.dead or life is None or self.acted >= len(acts):
            return
        if not acts[self.acted][1](self):
            self.act_due_s = self.now_s + AGAIN_S
        else:
            self.acted += 1
            self.act_due_s = max(self.now_s, acts[self.acted][0]) if self.acted < len(acts) else self.now_s
        life.loop.call_at(max(self.now_s, self.act_due_s), self._act)

    # --- is all done -------------------------------------------------------------------------------

    def quiet(self) -> bool:
        """Whether everything is done, and trackers were looked at once since."""
        if not self._is_done():
            self._quiet_since_s = None
            return False
        if self._quiet_since_s is None:
            self._quiet_since_s = self.now_s
        if self.now_s < self._quiet_since_s + OBSERVE_S + 1:
            return False
        return not self._repeat_dead()

    def _repeat_dead(self) -> bool:
        """A person repeats what the tracker refused, once its faults are over; whether there was anything."""
        dead = [row[0] for row in self.disk.db.execute("SELECT id FROM operation WHERE state = 'dead'")]
        if not dead or self.repeated or self.life is None:
            return False
        life, self.repeated, self._quiet_since_s = self.life, True, None
        for tracker in self.trackers:
            tracker.faults = ()
        self.requeued |= frozenset(dead)
        for number in dead:
            life.store.submit(lambda tx, number=number: tx.requeue(number, now_ms=life.clock.now_ms()))  # type: ignore[misc]
        life.loop.call_later(0.1, life.wake_delivery)
        return True

    def _is_done(self) -> bool:
        life = self.life
        if life is None or not life.started or any(one.message is not None for one in self.senders):
            return False
        if self.acted < len(self.workload.acts) or len(life.engine._pending) or life.store._jobs:
            return False
        return not self._count(_UNDONE) and not self._count("SELECT count(*) FROM incident WHERE due_ms IS NOT NULL")

    def undone(self) -> str:
        """What is left, for people."""
        operations = self.disk.db.execute("SELECT id, kind, state, next_ms, error FROM operation").fetchall()
        due = self.disk.db.execute("SELECT id, state, due_ms FROM incident WHERE due_ms IS NOT NULL").fetchall()
        waiting = [one.name for one in self.senders if one.message is not None]
        return f"operations {operations}, due {due}, senders {waiting}, acts {self.acted}"

    def _count(self, sql: str) -> int:
        return int(self.disk.db.execute(sql).fetchone()[0])

"""Whatever happens in whatever order: inputs, people, faults, deaths, a full disk and a clock that is set."""

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from gateway.core.decision import Verb
from gateway.core.event import Attachment, BeatKind, EventKind
from gateway.core.impact import Impact
from gateway.core.ticket import TicketState
from tests.faults.simulate import campaign
from tests.faults.simulate.disk import Disk
from tests.faults.simulate.invariants import check, check_idle_restart
from tests.faults.simulate.life import judge
from tests.faults.simulate.tracker import Fault, Written
from tests.faults.simulate.upstream import How, Message, Sender
from tests.faults.simulate.workloads import LAGGED, UNIQUE, clock_jumps
from tests.faults.simulate.world import Workload, World

HOUSE = Workload(
    name="whatever happens",
    judge=judge(("jira", "hubspot"), hold_ms=500, clear_hold_ms=2000),
    trackers=(LAGGED, UNIQUE),
    senders=tuple(Sender(name=name, says=()) for name in ("r1", "r2", "ann", "s1")),
    stations=True,
)
LINKS, MAIL, STATION = st.sampled_from([0, 1]), 2, 3
TRACKERS = st.sampled_from([0, 1])
TENTHS = st.integers(0, 50).map(lambda tenths: tenths / 10)


class WhateverHappens(RuleBasedStateMachine):
    """Each step is followed by a little time; at the end faults stop, and every promise must hold."""

    disk: Disk | None = None

    @initialize(seed=st.integers(0, 1000))
    def begin(self, seed) -> None:
        campaign.quiet()
        WhateverHappens.disk = WhateverHappens.disk or Disk()
        self.world = World(HOUSE, WhateverHappens.disk, seed=seed)
        self.refusing = False
        self.world.start()
        self.lasts(0.1)

    def lasts(self, seconds: float) -> None:
        world = self.world
        end_s = world.now_s + seconds
        while world.now_s < end_s:
            assert world.life is not None
            world.go_on(world.life, end_s)
            assert not world.violations, world.violations
            if world.dead:
                world.end()
                self.rise()
        assert not world.violations, world.violations

    def rise(self) -> None:
        """Start again. A start needs a disk that works: with a full one the process ends, and systemd tries again."""
        self.refusing = False
        self.world.disk.db.execute("PRAGMA query_only = OFF")
        self.world.start()

    # --- inputs

    @rule(index=LINKS, severity=st.sampled_from(["minor", "critical"]), lost=st.integers(0, 1), then=TENTHS)
    def inform(self, index, severity, lost, then) -> None:
        self.world.say(index, Message(at_s=self.world.now_s, severity=severity, lost_answers=lost))
        self.lasts(then)

    @rule(index=LINKS, then=TENTHS)
    def clear(self, index, then) -> None:
        self.world.say(index, Message(at_s=self.world.now_s, kind=EventKind.CLEAR))
        self.lasts(then)

    @rule(index=LINKS, kind=st.sampled_from([EventKind.RAISE, EventKind.CLEAR]))
    def trap(self, index, kind) -> None:
        self.world.say(index, Message(at_s=self.world.now_s, how=How.TRAP, kind=kind, object="2"))
        self.lasts(0.05)

    @rule(index=LINKS, ago_s=TENTHS, then=TENTHS)
    def overtaken(self, index, ago_s, then) -> None:
        self.clear(index, 0.0)
        self.world.say(index, Message(at_s=self.world.now_s, happened_s=self.world.now_s - ago_s))
        self.lasts(then)

    @rule(
        fault=st.sampled_from(["", "", "door"]),
        kind=st.sampled_from([BeatKind.BEAT, BeatKind.BEAT, BeatKind.WILL, BeatKind.LEAVE]),
        then=TENTHS,
    )
    def beat(self, fault, kind, then) -> None:
        self.world.say(STATION, Message(at_s=self.world.now_s, how=How.BEAT, fault=fault, beat=kind))
        self.lasts(then)

    @rule(reply=st.booleans(), then=TENTHS)
    def mail(self, reply, then) -> None:
        first = self.world.senders[MAIL].says
        files = (Attachment(name="a.txt", media_type="text/plain", content=b"a"),)
        self.world.say(
            MAIL,
            Message(
                at_s=self.world.now_s, how=How.MAIL, reply_to="ann:0" if reply and first else "", attachments=files
            ),
        )
        self.lasts(then)

    # --- people

    @rule(tracker=TRACKERS, act=st.sampled_from(["close", "reopen", "delete", "priority"]))
    def observation(self, tracker, act) -> None:
        tickets = [one for one in self.world.trackers[tracker].tickets if not one.deleted]
        if tickets:
            _touch(tickets[-1], act)
        self.lasts(0.1)

    @rule(verb=st.sampled_from(list(Verb)))
    def operator(self, verb) -> None:
        found = self.world.disk.db.execute("SELECT id FROM incident ORDER BY id DESC LIMIT 1").fetchone()
        life = self.world.life
        if found and life is not None and life.started:
            life.loop.create_task(_command(life.engine, found[0], verb))
        self.lasts(0.1)

    # --- what fails

    @rule(tracker=TRACKERS, fault=st.sampled_from(list(Fault)), calls=st.integers(0, 3))
    def fault(self, tracker, fault, calls) -> None:
        one = self.world.trackers[tracker]
        one.faults = (*one.faults, (one.calls + calls, fault))

    @rule(points=st.integers(0, 12), then=TENTHS)
    def crash(self, points, then) -> None:
        self.world.die_after(points)
        self.lasts(then)

    @rule()
    def power_cut(self) -> None:
        self.world.end(power_cut=True)
        self.rise()
        self.lasts(0.1)

    @precondition(lambda self: not self.refusing and self.world.life.started)
    @rule(then=TENTHS)
    def disk_refuses(self, then) -> None:
        self.refusing = True
        self.world.disk.db.execute("PRAGMA query_only = ON")
        self.lasts(then)

    @precondition(lambda self: self.refusing)
    @rule(then=TENTHS)
    def disk_works(self, then) -> None:
        self.refusing = False
        self.world.disk.db.execute("PRAGMA query_only = OFF")
        self.lasts(then)

    @rule(by_ms=st.sampled_from([-7_200_000, -5_000, 5_000, 7_200_000, 86_400_000]))
    def clock_jump(self, by_ms) -> None:
        # Not promised: a clock set back just before the process dies is noticed by nobody (docs/promises.md).
        self.world.die_after(None)
        clock_jumps(by_ms)(self.world)
        self.lasts(0.5)

    @rule(seconds=st.sampled_from([1, 10, 35, 90, 300]))
    def time_passes(self, seconds) -> None:
        self.lasts(float(seconds))

    # --- the end

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        world = self.world
        try:
            world.disk.db.execute("PRAGMA query_only = OFF")
            for tracker in world.trackers:
                tracker.faults = ()
            if world.life is None:
                world.start()
            world.die_after(None)
            assert world.life is not None
            world.heal(world.life)
            check(world)
            if not world.violations:
                check_idle_restart(world)
            assert not world.violations, world.violations
        finally:
            world.end()
            structlog.reset_defaults()


def _touch(ticket: Written, act: str) -> None:
    ticket.touched = True
    match act:
        case "close":
            ticket.state = TicketState.CLOSED
        case "reopen":
            ticket.state = TicketState.OPEN
        case "delete":
            ticket.deleted = True
        case _:
            ticket.impact = Impact.LOW


async def _command(engine, incident: str, verb: Verb) -> None:
    try:
        await engine.command(incident, verb, actor="pat")
    except Exception:  # noqa: BLE001 - a full disk: the operator is told, and tries again or not
        return


TestWhateverHappens = WhateverHappens.TestCase
TestWhateverHappens.settings = settings(
    max_examples=150,
    stateful_step_count=30,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink),  # explaining takes minutes here
    suppress_health_check=list(HealthCheck),
)

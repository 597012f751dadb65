"""Small stories, each of which meets every crash point and every fault script."""

from collections.abc import Callable

from gateway.core.event import Attachment, BeatKind, EventKind
from gateway.core.flap import FlapLimits
from gateway.core.gather import Gatherings, Group
from gateway.core.inhibit import Inhibition, Inhibitions
from gateway.core.match import Matcher
from gateway.core.ticket import TicketState
from tests.faults.simulate.life import judge
from tests.faults.simulate.tracker import Fault, Tracker, Written
from tests.faults.simulate.upstream import How, Message, Sender
from tests.faults.simulate.world import Act, Faults, Workload, World

RAISE, CLEAR = EventKind.RAISE, EventKind.CLEAR
LAGGED = Tracker(name="jira", lag_s=4.0)
"""No unique key, and a search that lags: the hardest to keep to one ticket."""
UNIQUE = Tracker(name="hubspot", unique_key=True, lag_s=30.0)


def _says(name: str, *messages: Message) -> Sender:
    return Sender(name=name, says=messages)


def person_closes(world: World) -> bool:
    """A person closes the first ticket that is open."""
    ticket = _first_open(world)
    if ticket is not None:
        ticket.state = TicketState.CLOSED
    return ticket is not None or _all_said(world)


def person_deletes(world: World) -> bool:
    """A person deletes the first ticket that is open."""
    ticket = _first_open(world)
    if ticket is not None:
        ticket.deleted = True
    return ticket is not None or _all_said(world)


def _first_open(world: World) -> Written | None:
    tickets = [ticket for tracker in world.trackers for ticket in tracker.tickets]
    return next((one for one in tickets if one.state is TicketState.OPEN and not one.deleted), None)


def _all_said(world: World) -> bool:
    return all(sender.message is None for sender in world.senders)


def _nobody_waits(world: World) -> None:
    """What muted the survivors is over."""
    found = world.disk.db.execute("SELECT id, muted FROM incident WHERE muted <> '' AND state <> 'closed'").fetchall()
    if found:
        world.violated(f"I3: {found} are muted although nothing is around them any more")


def _held_for(seconds: float) -> Callable[[World], None]:
    def expect(world: World) -> None:
        early = [ticket.id for tracker in world.trackers for ticket in tracker.tickets if ticket.created_s < seconds]
        if early:
            world.violated(f"I5: {early} opened before the hold of {seconds:g} s was over")

    return expect


def _nobody_is_told(world: World) -> None:
    """What was over before it was heard of has no ticket."""
    for tracker in world.trackers:
        if tracker.tickets:
            world.violated(f"I4: {tracker.tickets[0].id} tells of what was over")


def _second_is_not_delayed(world: World) -> None:
    """One sink's trouble never delays another's."""
    first = min((ticket.created_s for ticket in world.trackers[1].tickets), default=1e9)
    if world.lives == 0 and first > 1.0:
        world.violated(f"I7: {world.trackers[1].name} had to wait {first:g} s because of {world.trackers[0].name}")


def clock_jumps(by_ms: int) -> Act:
    """Somebody sets the wall clock."""

    def jump(world: World) -> bool:
        world.jumped_ms += by_ms
        return True

    return jump


RAISE_CLEAR = Workload(
    name="raise, clear",
    judge=judge(("jira",)),
    trackers=(LAGGED,),
    senders=(_says("r1", Message(at_s=0.0), Message(at_s=5.0, kind=CLEAR)),),
)
REPEATS = Workload(
    name="three raises, the impact rises",
    judge=judge(("jira",), clear_hold_ms=3000),
    trackers=(LAGGED,),
    senders=(
        _says(
            "r1",
            Message(at_s=0.0),
            Message(at_s=0.3),
            Message(at_s=8.0, severity="critical"),
            Message(at_s=14.0, kind=CLEAR),
        ),
    ),
)
TWO_SINKS = Workload(
    name="two sinks",
    judge=judge(("jira", "hubspot")),
    trackers=(LAGGED, UNIQUE),
    senders=(_says("r1", Message(at_s=0.0), Message(at_s=6.0, kind=CLEAR)),),
    expect=_second_is_not_delayed,
)
MAIL = Workload(
    name="mail with attachment and follow-up",
    judge=judge(("hubspot",)),
    trackers=(UNIQUE,),
    senders=(
        _says(
            "ann",
            Message(
                at_s=0.0, how=How.MAIL, attachments=(Attachment(name="a.txt", media_type="text/plain", content=b"a"),)
            ),
            Message(at_s=9.0, how=How.MAIL, reply_to="ann:0"),
        ),
    ),
)
RETRANSMITTED = Workload(
    name="an inform whose answer is lost",
    judge=judge(("jira",)),
    trackers=(LAGGED,),
    senders=(
        _says("r1", Message(at_s=0.0, lost_answers=2), Message(at_s=6.0, lost_answers=1), Message(at_s=9, kind=CLEAR)),
        _says("r2", Message(at_s=0.0, how=How.TRAP), Message(at_s=0.05, how=How.TRAP), Message(at_s=7.0, kind=CLEAR)),
    ),
)
PERSON_CLOSES = Workload(
    name="a person closes while raised",
    judge=judge(("hubspot",)),
    trackers=(UNIQUE,),
    senders=(_says("r1", Message(at_s=0.0), Message(at_s=70.0), Message(at_s=90.0, kind=CLEAR)),),
    acts=((10.0, person_closes),),
)
HELD = Workload(
    name="held, reopened, the clock jumps",
    judge=judge(("jira",), hold_ms=4000, reopen_ms=30_000),
    trackers=(LAGGED,),
    senders=(
        _says("r1", Message(at_s=0.0), Message(at_s=9.0, kind=CLEAR), Message(at_s=20.0), Message(at_s=26, kind=CLEAR)),
    ),
    acts=((2.0, clock_jumps(600_000)), (40.0, clock_jumps(-600_000))),
    expect=_held_for(4.0),
)
PERSON_DELETES = Workload(
    name="a person deletes while raised",
    judge=judge(("jira",)),
    trackers=(LAGGED,),
    senders=(_says("r1", Message(at_s=0.0), Message(at_s=70.0), Message(at_s=140.0, kind=CLEAR)),),
    acts=((10.0, person_deletes),),
)
STATIONS = Workload(
    name="a station's fault, silence and return",
    judge=judge(("hubspot",)),
    trackers=(UNIQUE,),
    senders=(
        _says(
            "s1",
            *(Message(at_s=at, how=How.BEAT) for at in (0.0, 5.0)),
            Message(at_s=6.0, how=How.BEAT, fault="door"),
            Message(at_s=12.0, how=How.BEAT),
            *(Message(at_s=at, how=How.BEAT) for at in (54.0, 57.0)),
            Message(at_s=58.0, how=How.BEAT, beat=BeatKind.LEAVE),
        ),
    ),
    stations=True,
)

INHIBITED = Workload(
    name="a greater incident mutes lesser ones, and ends before one of them",
    judge=judge(("jira",)),
    trackers=(LAGGED,),
    senders=(
        _says("ups", Message(at_s=0.0, condition="power_down"), Message(at_s=12.0, condition="power_down", kind=CLEAR)),
        _says("r1", Message(at_s=3.0)),
        _says("r2", Message(at_s=4.0), Message(at_s=8.0, kind=CLEAR)),
    ),
    inhibitions=Inhibitions(
        (
            Inhibition(
                name="power",
                source=(Matcher.parse("condition = power_down"),),
                target=(Matcher.parse("condition = link_down"),),
            ),
        )
    ),
    expect=_nobody_waits,
)
GROUPED = Workload(
    name="four of a kind, of which one outlives the others",
    judge=judge(("hubspot",), hold_ms=2000),
    trackers=(UNIQUE,),
    senders=(
        _says("r1", Message(at_s=0.0), Message(at_s=14.0, kind=CLEAR)),
        _says("r2", Message(at_s=0.5), Message(at_s=15.0, kind=CLEAR)),
        _says("r3", Message(at_s=1.0), Message(at_s=16.0, kind=CLEAR)),
        _says("r4", Message(at_s=1.5)),
    ),
    gatherings=Gatherings(
        groups=(
            Group(
                name="links",
                matchers=(Matcher.parse("condition = link_down"),),
                by=("condition",),
                more_than=2,
                within_ms=60_000,
                until=1,
                clear_hold_ms=5000,
            ),
        )
    ),
    expect=_nobody_waits,
)
FLAPPING = Workload(
    name="a port flaps until it is calm",
    judge=judge(("jira",), flap=FlapLimits(above=7, half_life_ms=4000)),
    trackers=(LAGGED,),
    senders=(
        _says("r1", *(Message(at_s=at / 2, kind=CLEAR if at % 2 else RAISE) for at in range(8)), Message(at_s=5.0)),
    ),
    expect=_nobody_waits,
)
OVERTAKEN = Workload(
    name="a raise comes behind its clear",
    judge=judge(("jira",)),
    trackers=(LAGGED,),
    senders=(_says("r1", Message(at_s=0.5, kind=CLEAR), Message(at_s=1.0, happened_s=0.4)),),
    expect=_nobody_is_told,
)

ALL = {
    one.name: one
    for one in (
        *(RAISE_CLEAR, REPEATS, TWO_SINKS, MAIL, RETRANSMITTED, HELD),
        *(PERSON_CLOSES, PERSON_DELETES, STATIONS, INHIBITED, GROUPED, FLAPPING, OVERTAKEN),
    )
}

Script = tuple[tuple[int, Fault], ...]
SCRIPTS: tuple[Script, ...] = (
    (),
    *(((0, fault),) for fault in Fault),
    *(((1, fault),) for fault in (Fault.REFUSED, Fault.RESET_AFTER, Fault.TIMEOUT_AFTER, Fault.REJECTED)),
    ((0, Fault.RESET_AFTER), (1, Fault.ERROR_BEFORE)),  # the search fails, which is not "not there"
    ((0, Fault.RESET_AFTER), (1, Fault.UNAUTHORIZED)),
    ((0, Fault.RESET_BEFORE), (1, Fault.RESET_AFTER), (2, Fault.RESET_AFTER)),
    ((0, Fault.LATE), (1, Fault.LIMITED_AFTER)),
    ((0, Fault.LIMITED), (1, Fault.TIMEOUT_AFTER)),
    ((0, Fault.NONSENSE_AFTER), (3, Fault.NONSENSE_AFTER)),
    tuple((at, Fault.REFUSED) for at in range(6)),  # the breaker opens
    tuple((at, Fault.ERROR_BEFORE) for at in range(6)),
    ((2, Fault.TIMEOUT_AFTER), (3, Fault.LIMITED)),
)
"""How the calls to the first tracker go wrong."""


def faults_of(workload: Workload, script: Script) -> Faults:
    """``script`` at the first tracker; the others are well."""
    return {workload.trackers[0].name: script}

"""What must hold at the end of every schedule, when faults have stopped and everything had its time.

The numbers are those of the issue: I1 acknowledged is kept, I2 one ticket, I3 no trouble without ticket, I4 no ghosts,
I5 order and final truth, I6 one incident, I7 liveness (`World.live`), I8 exact counts, I9 bounds, I11 an idle restart
changes nothing, I12 the balance. I10 (secrets) is asserted where secrets are: in the tests of logs and of real sinks.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client import Counter as Metric

from gateway import metrics
from gateway.core.draft import draft
from gateway.core.event import EventKind
from gateway.core.incident import Incident, State
from gateway.core.ticket import Ticket, TicketField
from gateway.store import rows
from gateway.store.transaction import SqliteTransaction
from tests.faults.simulate.life import COLLECTORS, LIMITS
from tests.faults.simulate.tracker import Tracker, Written
from tests.faults.simulate.upstream import How
from tests.faults.simulate.world import World


def check(world: World) -> None:
    """Tell ``world.violated`` of every broken promise."""
    db = world.disk.db
    found = db.execute(f"SELECT {rows.INCIDENT_COLUMNS} FROM incident").fetchall()  # noqa: S608 - our own columns
    incidents = {incident.id: incident for incident in map(rows.incident_of, found)}
    tx = SqliteTransaction(db)
    _acknowledged_is_kept(world, incidents.values())
    _cleared_is_over(world, incidents.values())
    open_ones = Counter(one.fingerprint for one in incidents.values() if one.closed_ms is None)
    for mark, count in open_ones.items():
        if count > 1:
            world.violated(f"I6: {count} incidents of {mark} are open")
    gone = {one.key.partition("-")[0] for tracker in world.trackers for one in tracker.tickets if one.deleted}
    found = db.execute("SELECT id, incident FROM operation WHERE state = 'dead'").fetchall()
    dead = [number for number, incident in found if incident not in gone]
    if dead:
        world.violated(f"I7: operations {dead} are dead although the tracker is well")
    for tracker in world.trackers:
        tracker.come_late(world.now_s)
        _one_ticket_each(world, tracker)
        for incident in incidents.values():
            # Set back while nobody was there to notice, the clock makes our last write seem to lie ahead.
            if tracker.name in incident.sinks and not world.unnoticed_ms:
                _true_to_each_other(world, tracker, incident, tx.ticket(incident.id, tracker.name))
        _no_ghosts(world, tracker, tx, incidents)
        for written in tracker.tickets:
            _in_order(world, written)
    if world.most_pending > LIMITS.pending_max:
        world.violated(f"I9: {world.most_pending} fingerprints waited at once")
    world.workload.expect(world)


def _acknowledged_is_kept(world: World, incidents: Iterable[Incident]) -> None:
    """I1 and I8."""
    upstream = {row[0] for row in world.disk.db.execute("SELECT identity FROM upstream")}
    raised: Counter[str] = Counter()
    sent: Counter[str] = Counter()
    exact = {}
    for sender in world.senders:
        exact[sender.name] = all(one.how in (How.INFORM, How.MAIL) and not one.reply_to for one in sender.says)
        for number, message in enumerate(sender.says):
            acked = (sender.name, number) in world.acked
            identity = f"{message.how.value}:{sender.name}:{number}"
            if acked and message.how in (How.INFORM, How.MAIL) and identity not in upstream:
                world.violated(f"I1: {identity} was acknowledged and is not in the store")
            if message.kind is EventKind.RAISE and message.how is not How.BEAT and not message.reply_to:
                raised[sender.name] += acked
                sent[sender.name] += 1
    counted: Counter[str] = Counter()
    for incident in incidents:
        counted[incident.source] += incident.occurrences
    for name, count in raised.items():
        if counted[name] < count or (exact[name] and counted[name] != count):
            world.violated(f"I8: {counted[name]} occurrences of {name} are counted, {count} were acknowledged")


def _cleared_is_over(world: World, incidents: Iterable[Incident]) -> None:
    """I1: what was last acknowledged of a trouble is what we believe of it."""
    if world.unnoticed_ms:
        return  # when things happened is not known then
    alive = {(one.source, one.object) for one in incidents if one.alive and not one.needs_person}
    for sender in world.senders:
        links = [one for one in sender.says if one.condition == "link_down" and one.how is not How.BEAT]
        if not links or any(one.how is not How.INFORM for one in links) or sender.message is not None:
            continue
        if links[-1].kind is EventKind.CLEAR and (sender.name, links[-1].object) in alive:
            world.violated(f"I1: {sender.name} said that it is over, and we believe that it lasts")


def _one_ticket_each(world: World, tracker: Tracker) -> None:
    """I2. What a person deleted does not count: then a second one is wanted."""
    by_incident = Counter(written.key.partition("-")[0] for written in tracker.tickets if not written.deleted)
    for incident, count in by_incident.items():
        if count > 1:
            world.violated(f"I2: {count} tickets for {incident} in {tracker.name}")


def _true_to_each_other(world: World, tracker: Tracker, incident: Incident, ticket: Ticket) -> None:
    """I3 and the second half of I5: at the end ticket and incident say the same."""
    if ticket.ref is None:
        if incident.wants_ticket:
            world.violated(f"I3: {incident.id} ({incident.state}) has no ticket in {tracker.name}")
        return
    written = next((one for one in tracker.tickets if one.id == ticket.ref.id), None)
    if written is None:
        world.violated(f"I4: {ticket.ref.id} is not in {tracker.name}")
        return
    if written.deleted:
        return
    if written.touched and incident.state is State.CLOSED:
        return  # over for good: what people still do with its ticket is their affair
    if incident.muted and incident.alive:
        return  # its tickets wait
    wanted = draft(incident, ticket)
    if TicketField.STATE not in wanted.keep and written.state is not wanted.state:
        world.violated(f"I5: {written.id} is {written.state}, its incident wants {wanted.state}")
    if TicketField.PRIORITY not in wanted.keep and written.impact is not wanted.impact:
        world.violated(f"I5: {written.id} has {written.impact}, its incident {wanted.impact}")


def _no_ghosts(world: World, tracker: Tracker, tx: SqliteTransaction, incidents: Mapping[str, Incident]) -> None:
    """I4: every ticket belongs to an incident that knows it."""
    for written in tracker.tickets:
        incident_id = written.key.partition("-")[0]
        if incident_id not in incidents:
            world.violated(f"I4: {written.id} belongs to no incident")
            continue
        ticket = tx.ticket(incident_id, tracker.name)
        busy = world.disk.db.execute("SELECT 1 FROM operation WHERE incident = ?", (incident_id,)).fetchone()
        if not written.deleted and not busy and (ticket.ref is None or ticket.ref.id != written.id):
            world.violated(f"I4: {written.id} is unknown to its incident {incident_id}")


def _in_order(world: World, written: Written) -> None:
    """The first half of I5: nothing overtakes; and each comment and file once."""
    counts = [occurrences for occurrences, _ in written.drafts]
    if counts != sorted(counts):
        world.violated(f"I5: {written.id} was written in the order {counts}")
    numbers = [int(mark.rpartition("-")[2]) for mark in written.comments]
    if len(set(numbers)) < len(numbers):
        world.violated(f"I5: a comment stands twice in {written.id}: {written.comments}")
    in_turn = [number for number in numbers if number not in world.requeued]
    if in_turn != sorted(in_turn):
        world.violated(f"I5: comments of {written.id} are out of order: {written.comments}")


def check_idle_restart(world: World) -> None:
    """I11: start, stop, start, with nothing to do, changes no row, and asks trackers for nothing but a look."""
    world.end()
    before, calls = world.disk.image(), [tracker.calls for tracker in world.trackers]
    for _ in range(2):
        life = world.start()
        life.loop.run_until(world.now_s + 7.0, enough=lambda: False)
        world.end()
    after = world.disk.image()
    changed = [
        name
        for (name, rows_before), (_, rows_after) in zip(before, after, strict=True)
        if rows_before != rows_after and name not in ("meta", "sqlite_sequence")
    ]
    if changed:
        world.violated(f"I11: an idle restart changed {', '.join(changed)}")
    if calls != [tracker.calls for tracker in world.trackers]:
        world.violated("I11: an idle restart called a tracker")


class Balance:
    """I12: received = kept + folded + dropped, over a life that was not killed."""

    def __init__(self) -> None:
        self._before = _totals()

    def check(self, world: World) -> None:
        """Compare what came in since with what became of it."""
        now = _totals()
        for collector in COLLECTORS:
            received, kept, folded, dropped = (
                now[name].get(collector, 0.0) - self._before[name].get(collector, 0.0) for name in now
            )
            if received != kept + folded + dropped:
                world.violated(
                    f"I12: {collector} received {received:g}, kept {kept:g}, folded {folded:g}, dropped {dropped:g}"
                )


def _totals() -> dict[str, dict[str, float]]:
    counters = {
        "received": metrics.INPUTS_RECEIVED,
        "kept": metrics.INPUTS_KEPT,
        "folded": metrics.INPUTS_FOLDED,
        "dropped": metrics.INPUTS_DROPPED,
    }
    return {name: _by_collector(counter) for name, counter in counters.items()}


def _by_collector(counter: Metric) -> dict[str, float]:
    total: Counter[str] = Counter()
    for metric in counter.collect():
        for sample in metric.samples:
            if sample.name.endswith("_total"):
                total[sample.labels["collector"]] += sample.value  # type: ignore[assignment]
    return dict(total)

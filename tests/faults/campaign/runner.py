"""The campaign: senders that repeat, trackers that fail, and a daemon that dies a hundred deaths."""

import contextlib
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.broker import ANYBODY, KEEPS_ALL, Mosquitto
from tests.daemon import tool
from tests.faults.campaign import beats, informs, mails, trackers
from tests.faults.campaign.daemon import SECRETS, Daemon
from tests.faults.campaign.ledger import Ledger, Names, Sender
from tests.faults.campaign.powercut import Disk, compiled
from tests.faults.campaign.verify import WORDS, Findings, reckon, tickets_made
from tests.sender import Sender as Flood
from tests.sender import write_datagrams
from tests.traps import stream, troubles

SHARE_IN_START = 0.25
"""Deaths while it starts."""
MEAN_LIFE_S = 0.4
"""From ready to death, on average."""
LONGEST_LIFE_S = 3.0
SHARE_TORN = 0.5
"""Power cuts that leave some of the unsynced sectors."""
FSYNC_US = 1500
FLOODED = 500
"""Troubles of the flood, told by traps."""
TOLD = ("sink", "kind", "state", "attempts", "next", "error")
"""What is told of an operation that is left."""
ATTEMPT_S = 30.0
"""An attempt that was due, and its turn before, take no longer."""
LONGEST_S = 7200.0
"""After which the flood would end by itself."""
_WORD = SECRETS["CAMPAIGN_SNMP"]
V3 = (
    "-v3", "-u", "campaign", "-l", "authPriv", "-a", "SHA", "-A", _WORD, "-x", "AES", "-X", _WORD,
    "-r", "10",  # it takes no answer any more once two came to its discovery, which it repeats while nobody is there
)  # fmt: skip
"""An inform of SNMPv3 that is not answered is given up; the next one is a new trouble."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a campaign is to do."""

    kills: int = 50
    power_cuts: int = 50
    seed: int = 1
    minutes: float | None = None
    """Stop killing after so long, whatever is left of the plan."""
    plant: str = ""
    """A bug to run the daemon with (`tests.faults.campaign.plants`)."""
    informs_per_s: float = 60.0
    """New troubles told by informs, of one to five informs each; likewise below."""
    beats_per_s: float = 25.0
    mails_per_s: float = 5.0
    flood_per_s: float = 200.0
    """Traps that repeat `FLOODED` troubles."""
    tickets_per_s: float = 0.4
    """New incidents that want a ticket in each tracker; ClickUp's budget of calls allows no more."""
    drain_s: float = 240.0
    """Most time after the last death until all is delivered: patience with lost creates is a minute of it."""
    retry_s: float = 600.0
    """So much longer while an operation waits for the time of its next attempt: the longest back-off."""


@dataclass(slots=True, kw_only=True)
class Report:
    """What a campaign did and found."""

    plan: Plan
    deaths: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, int] = field(default_factory=dict)
    findings: Findings = field(default_factory=Findings)
    tickets: int = 0
    calls: int = 0
    calls_failed: int = 0
    requeued: int = 0
    """Operations that were dead, and that a person repeated."""
    files_cut: int = 0
    start_ms: int = 0
    """Median of a start."""
    drain_s: float = 0.0
    seconds: float = 0.0
    exit_code: int = -1

    def document(self) -> dict[str, Any]:
        """As it is printed."""
        return {
            "kills": self.deaths["kill"],
            "power_cuts": self.deaths["cut"] + self.deaths["torn"],
            "torn": self.deaths["torn"],
            "acknowledged": sum(self.acknowledged.values()),
            **{word: self.findings.count(word) for word in WORDS},
            "acknowledged_by_kind": self.acknowledged,
            "tickets": self.tickets,
            "calls": self.calls,
            "calls_failed": self.calls_failed,
            "requeued": self.requeued,
            "files_cut": self.files_cut,
            "start_ms": self.start_ms,
            "drain_s": round(self.drain_s),
            "seconds": round(self.seconds),
            "exit_code": self.exit_code,
            "seed": self.plan.seed,
            **({"plant": self.plan.plant} if self.plan.plant else {}),
        }


def progress(text: str) -> None:
    """Tell on standard error."""
    print(text, file=sys.stderr, flush=True)


def some_wait(operations: list[dict[str, Any]]) -> bool:
    """Whether the next attempt of some is still to come, or may be under way."""
    since = (datetime.now(UTC) - timedelta(seconds=ATTEMPT_S)).isoformat()
    return any(operation["next"] > since for operation in operations)


def campaign(plan: Plan, *, keep: Path | None = None, say: Callable[[str], None] = progress) -> Report:
    """Run a campaign.

    Args:
        plan: what to do.
        keep: a folder that does not exist yet, for disk and log; left out: they are thrown away.
        say: where progress goes.

    Raises:
        Refused: the daemon did not start again, or did not stop.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="campaign-"))) if keep is None else keep
        folder.mkdir(exist_ok=True)
        chance = random.Random(plan.seed)
        moody = trackers.made(chance)
        addresses = stack.enter_context(trackers.served(moody))
        broker = stack.enter_context(Mosquitto(folder, ANYBODY, KEEPS_ALL))
        disk = Disk.made(folder, shim=compiled(folder), fsync_us=FSYNC_US)
        daemon = stack.enter_context(
            contextlib.closing(Daemon(folder, disk, addresses, broker=broker.port, plant=plan.plant))
        )
        return _Campaign(plan, daemon, moody, chance, say).run()


class _Campaign:
    def __init__(
        self,
        plan: Plan,
        daemon: Daemon,
        moody: dict[str, trackers.Moody],
        chance: random.Random,
        say: Callable[[str], None],
    ) -> None:
        self.plan, self.daemon, self.trackers, self.chance, self.say = plan, daemon, moody, chance, say
        self.ledger = Ledger()
        self.report = Report(plan=plan)
        self.began_s = time.monotonic()

    def run(self) -> Report:
        self.daemon.start()
        self.daemon.wait_ready()  # from here on the broker keeps for it what it misses
        for tracker in self.trackers.values():
            tracker.fail_share = trackers.FAIL_SHARE
        with self.senders() as senders:
            self.deaths()
            for tracker in self.trackers.values():
                tracker.heal()
            self.daemon.start()
            self.daemon.wait_ready()
            drained_s = time.monotonic()
            for sender in senders:
                sender.closing.set()
            self.drain(senders)
        self.report.drain_s = time.monotonic() - drained_s
        self.report.exit_code = self.daemon.stop()
        self.say("reckoning")
        self.reckon()
        return self.report

    @contextlib.contextmanager
    def senders(self) -> Iterator[list[Sender]]:
        plan, ports, ledger = self.plan, self.daemon.ports, self.ledger

        def names(word: str, share: float, per_s: float) -> Names:
            return Names(word, random.Random(self.chance.random()), ticket_share=share * plan.tickets_per_s / per_s)

        def chance() -> random.Random:
            return random.Random(self.chance.random())

        senders = [
            informs.raw(
                ledger.informs, ports["trap"], chance(),
                per_s=plan.informs_per_s, names=names("port", 0.5, plan.informs_per_s),
            ),
            *(
                informs.by_tool(
                    ledger.informs, ports["trap"], tool("snmpinform") or "",
                    who=who, names=Names(word, chance(), ticket_share=0.0), pause_s=pause_s,
                )
                for word, who, pause_s in (("tool", informs.V2C, 0.3), ("sealed", V3, 2.0))
            ),
            beats.publisher(
                ledger.beats, ports["beat"], chance(),
                per_s=plan.beats_per_s, names=names("station", 0.25, plan.beats_per_s),
            ),
            mails.writer(
                ledger.mails, ports["mail"], chance(),
                per_s=plan.mails_per_s, names=names("mail", 0.25, plan.mails_per_s),
            ),
        ]  # fmt: skip
        try:
            with self.flood():
                yield senders
        finally:
            for sender in senders:
                sender.stop()

    @contextlib.contextmanager
    def flood(self) -> Iterator[None]:
        """Traps that nobody acknowledges, beside all that is: the same troubles again and again."""
        with tempfile.TemporaryDirectory(prefix="campaign-flood-") as name:
            folder = Path(name)
            traps = write_datagrams(folder / "traps", stream(troubles(FLOODED), 20 * FLOODED, skewed=True))
            flood = Flood(folder).start(self.daemon.ports["trap"], traps, seconds=LONGEST_S, rate=self.plan.flood_per_s)
            try:
                yield
                assert flood.poll() is None, "the flood ended by itself"
            finally:
                flood.kill()
                flood.communicate()

    # --- deaths ----------------------------------------------------------------------------------

    def deaths(self) -> None:
        """Let it die as the plan says; it runs when this begins, and does not when this ends."""
        ways = ["kill"] * self.plan.kills
        for _ in range(self.plan.power_cuts):
            ways.append("torn" if self.chance.random() < SHARE_TORN else "cut")
        self.chance.shuffle(ways)
        for number, way in enumerate(ways):
            if number:
                self.daemon.start()
                self.wait(in_start=self.chance.random() < SHARE_IN_START)
            else:
                time.sleep(MEAN_LIFE_S)
            self.daemon.kill()
            self.report.deaths[way] += 1
            if way != "kill":
                self.report.files_cut += self.daemon.disk.cut_power(self.chance, torn=way == "torn")
            if number % 10 == 9:
                self.tell()
            if self.plan.minutes is not None and time.monotonic() - self.began_s > 60 * self.plan.minutes:
                return

    def wait(self, *, in_start: bool) -> None:
        """Let it live for a while."""
        if in_start:
            starts = self.daemon.start_s
            time.sleep(self.chance.uniform(0, sorted(starts)[len(starts) // 2]))
            return
        self.daemon.wait_ready()
        time.sleep(min(LONGEST_LIFE_S, self.chance.expovariate(1 / MEAN_LIFE_S)))

    def tell(self) -> None:
        deaths = sum(self.report.deaths.values())
        acknowledged = sum(self.ledger.acknowledged().values())
        seconds = time.monotonic() - self.began_s
        self.say(
            f"{seconds:6.1f} s  {deaths} deaths, {acknowledged} acknowledged, {tickets_made(self.trackers)} tickets"
        )

    # --- the end ---------------------------------------------------------------------------------

    def drain(self, senders: list[Sender]) -> None:
        """Wait until everything is acknowledged and delivered, without faults, for a bounded time."""
        until_s = time.monotonic() + self.plan.drain_s
        said_s = 0.0
        left: list[dict[str, Any]] = []
        while time.monotonic() < until_s + (self.plan.retry_s if some_wait(left) else 0):
            self.daemon.check_alive()
            waiting = [sender.name for sender in senders if not sender.done()]
            left = self.outbox()
            last_heard = beats.SENTINEL in self.ledger.beats and self.heard(beats.SENTINEL)
            if not waiting and last_heard and not left:
                return
            if time.monotonic() - said_s > 10:
                said_s = time.monotonic()
                told = [tuple(one[name] for name in TOLD) for one in left[:3]]
                self.say(f"draining: {len(left)} operations {told}, senders {waiting}, last beat heard: {last_heard}")
            time.sleep(0.5)
        self.report.findings.add("ticketless", f"the outbox did not drain in time: {left[:10]}")

    def outbox(self) -> list[dict[str, Any]]:
        """Operations that are left; dead ones are repeated, as a person would."""
        items = self.daemon.get("/api/v1/outbox?limit=1000")["items"]
        dead = [item["id"] for item in items if item["state"] == "dead"]
        if dead:
            for item in items:
                if item["state"] == "dead":
                    self.say(f"dead: {item['sink']} {item['kind']} {item['error']}")
            self.daemon.requeue(*dead)
            self.report.requeued += len(dead)
        return items

    def heard(self, station: str) -> bool:
        return bool(self.daemon.get(f"/api/v1/incidents?source={station}")["items"])

    def reckon(self) -> None:
        report = self.report
        found = reckon(self.daemon.disk.live / "tocsin.db", self.ledger, self.trackers)
        for word, what in found.found.items():
            report.findings.found[word] += what
        report.acknowledged = self.ledger.acknowledged()
        report.tickets = tickets_made(self.trackers)
        report.calls = sum(tracker.calls for tracker in self.trackers.values())
        report.calls_failed = sum(sum(tracker.failed.values()) for tracker in self.trackers.values())
        report.start_ms = round(1000 * sorted(self.daemon.start_s)[len(self.daemon.start_s) // 2])
        report.seconds = time.monotonic() - self.began_s
        for word, what in report.findings.told().items():
            if what:
                self.say(f"{word}: {what}")

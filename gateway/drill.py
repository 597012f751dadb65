"""Drills: cry out as equipment does, by the real sockets, follow it to the trackers and back, and clear it away.

While a drill runs, the judge knows its marks: what carries one becomes an incident that says that it is a drill, of the
least impact, for no team, whatever the rules say; so nobody is woken and no rule can lead it astray. Everything else on
the way is what a real trouble meets: sockets, decoding, the watch, engine, store, outbox, tracker, observation.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import structlog

from gateway import metrics
from gateway.core.blind import Said
from gateway.core.decision import Verb
from gateway.core.event import Event, EventKind
from gateway.core.fingerprint import fingerprint
from gateway.core.impact import Impact
from gateway.core.incident import State
from gateway.core.judge import Judge
from gateway.core.rules import Verdict
from gateway.core.station import DRILLED
from gateway.plugin import CannotDrill, DrillCall
from gateway.store.api import StoreError

if TYPE_CHECKING:
    from gateway.app import App

log = structlog.get_logger()

CONDITION = "drill"
FAILED = "drill_failed"
SOURCE = DRILLED
"""The source of drilled incidents, and the station that beats for them."""
RULE = "drill"
SUMMARY = "DRILL, nothing to repair: {what}"
_ALIVE = tuple(state for state in State if state is not State.CLOSED)
LOOK_EVERY_S = 0.2
REST_S = 15.0
"""What is seen of a ticket right after our own write says nothing: so long a drill waits before it looks."""


class DrillRuns(Exception):
    """Raised if one drill is under way."""


class DrillCut(Exception):
    """Raised if the daemon stops before the drill has ended; one sentence."""


class _Late(Exception):
    """A stage took too long."""


@dataclass(slots=True, kw_only=True)
class Leg:
    """One collector's part of a drill."""

    collector: str
    ok: bool = False
    skipped: bool = False
    """It could not be drilled, which says nothing of whether it works."""
    why: str = ""
    """What went wrong, or why it was left out; one sentence."""
    incident: str = ""
    stages: dict[str, float] = field(default_factory=dict)
    """Seconds from crying out: ``heard``, ``opened``, ``seen``; from being well: ``cleared``, ``closed``."""


@dataclass(slots=True)
class _Mark:
    text: str
    kind: EventKind = EventKind.RAISE


@dataclass(frozen=True, slots=True)
class DrillJudge(Judge):
    """Judges drills itself, and leaves the rest to the rules."""

    marks: Mapping[str, _Mark] = field(default_factory=dict)
    """By collector."""
    sinks: tuple[str, ...] = ()

    def judge(self, event: Event) -> tuple[Event, Verdict]:
        """The verdict on a drill, or the rules'."""
        mark = self.marks.get(event.collector)
        if mark is None or not (event.source == SOURCE or mark.text in event.description):
            return Judge.judge(self, event)
        what = f"{event.condition} heard by {event.collector}"
        plain = replace(
            event, labels={**event.labels, "drill": "yes"}, references=(), known_as=(), requester="", attachments=()
        )
        return plain, Verdict(
            rule=RULE,
            fingerprint=_key(event.collector, mark),
            condition=CONDITION,
            kind=mark.kind,
            source=SOURCE,
            object=event.collector,
            impact=Impact.LOW,
            summary=SUMMARY.format(what=what),
            sinks=self.sinks,
            reopen_within_ms=0,
        )


class Drills:
    """Drills when told to, and by the configuration's rhythm; `run` serves until cancelled."""

    def __init__(self, app: "App", *, tell: Callable[[Event], bool], about_us: Callable[..., Event]) -> None:
        self._app = app
        self._tell, self._about_us = tell, about_us
        self._limit: asyncio.Timeout | None = None
        """Of the drill under way: without an end until the daemon stops."""
        self._idle = asyncio.Event()
        self._idle.set()
        self._marks: Mapping[str, _Mark] = {}
        """Of the drill that is under way."""
        self._sinks: tuple[str, ...] = ()
        self._plain = app.engine.judge
        """The judge of everything else."""

    def over(self, judge: Judge) -> Judge:
        """``judge``; while a drill runs, before it one that knows the drill's marks."""
        self._plain = judge
        if not self._marks:
            return judge
        return DrillJudge(judge.rulebook, judge.inventory, judge.expected, marks=self._marks, sinks=self._sinks)

    async def run(self) -> None:
        """Drill every so often, if the configuration says so; ends the drill under way when it is cancelled."""
        try:
            await self._now_and_then()
        finally:
            if self._limit is not None:
                self._limit.reschedule(asyncio.get_running_loop().time())
            await self._idle.wait()

    async def _now_and_then(self) -> None:
        """A reload may change how often."""
        await self._tidy()
        clock, since_s = self._app.clock, self._app.clock.monotonic_s()
        while True:
            await clock.sleep(1.0)
            every_s = self._app.config.drill.every / 1000
            if not every_s or clock.monotonic_s() - since_s < every_s or not self._app.ready:
                continue
            since_s = clock.monotonic_s()
            try:
                await self.drill()
            except (DrillRuns, StoreError) as error:
                log.warning("drill.skipped", why=str(error) or "one is under way")

    async def _tidy(self) -> None:
        """Clear away what a drill left that a crash cut short: nobody should be sent to repair it."""
        self._app.watch.dismiss(SOURCE)
        try:
            page = await self._app.store.reader.incidents(states=_ALIVE, source=SOURCE)
            for item in page.items:
                if item["rule"] == RULE:
                    await self._app.engine.command(item["id"], Verb.CLOSE, actor="a new start")
        except StoreError as error:
            log.warning("drill.left_open", incident="", why=str(error))

    async def drill(self) -> list[Leg]:
        """Drill every collector that can be, all at once.

        Raises:
            DrillRuns: one is under way.
            DrillCut: the daemon stops; nothing of it is left open.
        """
        if not self._idle.is_set():
            raise DrillRuns("a drill is under way; wait until it has ended")
        self._idle.clear()
        try:
            async with asyncio.timeout(None) as self._limit:
                return await self._drill()
        except TimeoutError:
            raise DrillCut("the drill was cut short, since the daemon stops; drill again when it is back") from None
        finally:
            self._limit = None
            self._idle.set()

    async def _drill(self) -> list[Leg]:
        app = self._app
        self._marks = marks = {name: _Mark(secrets.token_hex(12)) for name in app.config.collectors}
        self._sinks = app.config.drilled_sinks
        legs = [Leg(collector=name) for name in marks]
        app.engine.judge = self.over(app.engine.judge)
        try:
            async with asyncio.TaskGroup() as tasks:
                for leg in legs:
                    tasks.create_task(self._leg(leg, marks[leg.collector]), name=f"drill-{leg.collector}")
        finally:
            self._marks = {}
            app.engine.judge = self._plain  # which may be a reload's
            app.watch.dismiss(SOURCE)
        for leg in legs:
            self._account(leg)
        return legs

    async def _leg(self, leg: Leg, mark: _Mark) -> None:
        try:
            await self._there_and_back(leg, mark)
        except CannotDrill as error:
            leg.skipped, leg.why = not leg.incident, str(error)
        except _Late as error:
            leg.why = str(error)
        except Exception as error:
            log.exception("drill.crashed", collector=leg.collector)
            leg.why = f"it met a bug ({type(error).__name__}); please report it"
        else:
            leg.ok = True
        finally:
            await self._clear_away(leg, mark)

    async def _there_and_back(self, leg: Leg, mark: _Mark) -> None:
        clock = self._app.clock
        began_s = clock.monotonic_s()
        await self._send(leg, mark, well=False)
        await self._reach(leg, "heard", mark, began_s, bool)
        await self._reach(leg, "opened", mark, began_s, self._all_tickets("open"))
        await clock.sleep(REST_S)
        looked_s = clock.monotonic_s()
        for sink in self._present_sinks():
            await self._app.observations[sink].look([leg.incident])
        leg.stages["seen"] = leg.stages["opened"] + clock.monotonic_s() - looked_s
        mark.kind, began_s = EventKind.CLEAR, clock.monotonic_s()
        await self._send(leg, mark, well=True)
        await self._reach(leg, "cleared", mark, began_s, lambda item: item["state"] in ("resolved", "closed"))
        await self._reach(leg, "closed", mark, began_s, self._all_tickets("resolved", "closed"))

    async def _send(self, leg: Leg, mark: _Mark, *, well: bool) -> None:
        instance = self._app.config.collectors[leg.collector]
        if instance.plugin.drill is None:
            raise CannotDrill(f"its plugin {instance.plugin.name} brings no drill")
        stations = self._app.config.stations
        beats = 1 + max(stations.new_beats, stations.recovery_beats)
        call = DrillCall(mark=mark.text, station=SOURCE, well=well, beats=beats)
        await instance.plugin.drill(instance.config, self._app.host(leg.collector), call)

    def _all_tickets(self, *states: str) -> Callable[[Mapping[str, Any]], bool]:
        def there(item: Mapping[str, Any]) -> bool:
            found = {ticket["sink"] for ticket in item["tickets"] if ticket["ref"] and ticket["state"] in states}
            return found.issuperset(self._present_sinks())

        return there

    def _present_sinks(self) -> list[str]:
        """Those of the drill that no reload has taken away."""
        return [sink for sink in self._sinks if sink in self._app.observations]

    async def _reach(
        self, leg: Leg, stage: str, mark: _Mark, began_s: float, there: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        """Wait until the incident is as it should be at this stage.

        Raises:
            _Late: patience ended.
        """
        clock, patience_s = self._app.clock, self._app.config.drill.patience / 1000
        key = _key(leg.collector, mark)
        since_s = clock.monotonic_s()
        while True:
            item = await self._find(key)
            if item is not None:
                leg.incident = item["id"]
                if there(item):
                    leg.stages[stage] = clock.monotonic_s() - began_s
                    return
            if clock.monotonic_s() - since_s > patience_s:
                raise _Late(_WHY[stage].format(patience=round(patience_s)) + self._still(stage))
            await clock.sleep(LOOK_EVERY_S)

    def _still(self, stage: str) -> str:
        waits = stage == "heard" and self._app.watch.stands_still
        return "; no station's silence counts now: see blind in tocsin incidents, or drill again" if waits else ""

    async def _find(self, key: str) -> dict[str, Any] | None:
        page = await self._app.store.reader.incidents(source=SOURCE, limit=50)
        return next((item for item in page.items if item["fingerprint"] == key), None)

    async def _clear_away(self, leg: Leg, mark: _Mark) -> None:
        """Close what is left of it."""
        try:
            found = None if leg.incident else await self._find(_key(leg.collector, mark))
            incident = found["id"] if found else leg.incident
            if incident:
                await self._app.engine.command(incident, Verb.CLOSE, actor="the drill")
        except StoreError as error:
            log.warning("drill.left_open", incident=leg.incident, why=str(error))

    def _account(self, leg: Leg) -> None:
        outcome = "skipped" if leg.skipped else "ok" if leg.ok else "failed"
        metrics.DRILLS.labels(leg.collector, outcome).inc()
        log.info("drill.ended", collector=leg.collector, outcome=outcome, why=leg.why, **_rounded(leg))
        if leg.skipped:
            return
        if leg.ok:
            for stage, seconds in leg.stages.items():
                metrics.DRILL_SECONDS.labels(leg.collector, stage).set(seconds)
        kind = EventKind.CLEAR if leg.ok else EventKind.RAISE
        said = Said(kind=kind, summary=f"the drill of {leg.collector} {'went well' if leg.ok else 'failed'}")
        self._tell(self._about_us(FAILED, said, about=leg.collector, description=leg.why))


def _key(collector: str, mark: _Mark) -> str:
    return fingerprint(CONDITION, SOURCE, collector, [("mark", mark.text)])


def told(legs: Sequence[Leg]) -> dict[str, Any]:
    """A drill as programs get it."""
    done = [leg for leg in legs if not leg.skipped]
    return {
        "ok": bool(done) and all(leg.ok for leg in done),
        "legs": [{**asdict(leg), "stages": _rounded(leg)} for leg in legs],
    }


def _rounded(leg: Leg) -> dict[str, float]:
    return {stage: round(seconds, 3) for stage, seconds in leg.stages.items()}


_WHY = {
    "heard": "nothing was heard of it within {patience} s; tocsin drops tells what was refused, and why",
    "opened": "not every sink had its ticket within {patience} s; see tocsin outbox",
    "cleared": "that it is well again was not heard within {patience} s",
    "closed": "not every ticket was closed within {patience} s; see tocsin outbox",
}

"""Play the tests of a configuration: what happens when, and what came of it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial

from gateway.config import Config
from gateway.config.cases import Case, Deed, StepConfig
from gateway.config.types import Duration
from gateway.core.event import Beat, BeatKind, Event
from gateway.core.ticket import Observation, Ticket, TicketState
from gateway.rehearse.loop import rehearse
from gateway.rehearse.outcome import differences, wrong_calls
from gateway.rehearse.stage import START_MS, Stage, staged
from gateway.store.api import Transaction

MAIL = "mail"
SURE_MS = 3_600_000
"""What a person does in a test is not mistaken for what the tracker showed before our own write."""
SOMEBODY = "somebody@example.com"
"""Who writes a mail that has no source."""
_PERSON: dict[Deed, partial[Observation]] = {
    Deed.CLOSES: partial(Observation, state=TicketState.CLOSED),
    Deed.REOPENS: partial(Observation, state=TicketState.OPEN),
    Deed.WONT_FIX: partial(Observation, state=TicketState.CLOSED, wont_fix=True),
    Deed.DELETES: partial(Observation, exists=False),
}
_LIFE = {kind.value: kind for kind in (BeatKind.BIRTH, BeatKind.WILL, BeatKind.LEAVE)}
_HEALTHY = ("ok", *_LIFE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One expectation that did not come true."""

    file: str
    line: int
    test: str
    at: str
    text: str

    def __str__(self) -> str:
        return f'{self.file}:{self.line}: test "{self.test}" at {self.at}: {self.text}'


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of one test."""

    case: Case
    failures: tuple[Failure, ...] = ()
    reached: frozenset[str] = field(default_factory=frozenset)
    """The rules that its events met."""


def try_out(config: Config, case: Case) -> Result:
    """Play one test of ``config``, on a daemon of its own."""
    return rehearse(_play(config, case))


async def _play(config: Config, case: Case) -> Result:
    begins = case.config.begins
    start_ms = START_MS if begins is None else round(begins.timestamp() * 1000)
    failures: list[Failure] = []
    at_ms = judged = 0
    async with staged(config, start_ms=start_ms, watch=_speaks_of_stations(config, case), attentive=True) as stage:
        for step, line in zip(case.config.step, case.lines[1:], strict=True):
            begun_ms = at_ms if step.at is None else int(step.at)
            for number in range(step.times):
                at_ms = begun_ms + number * int(step.every)
                await stage.until(at_ms / 1000)
                await _do(stage, config, step)
            await stage.settle()
            found = list(differences_in(step, await stage.incidents()))
            if step.calls is not None:
                found += wrong_calls(step.calls, stage.calls[judged:])
                judged = len(stage.calls)
            failures += [
                Failure(file=case.file, line=line, test=case.config.name, at=str(Duration(at_ms)), text=text)
                for text in found
            ]
    return Result(case=case, failures=tuple(failures), reached=frozenset(stage.reached))


def _speaks_of_stations(config: Config, case: Case) -> bool:
    """Whether stations are watched: else each one that is listed would be missed in every test."""
    listed = {station.name for station in config.station} | {entry.name for entry in config.expect}
    steps = case.config.step
    named = {step.source for step in steps} | {expected.source for step in steps for expected in step.expect}
    return any(step.beat for step in steps) or bool(listed & named)


def differences_in(step: StepConfig, incidents: list[dict[str, object]]) -> Iterator[str]:
    """What is not as the step expects."""
    for expected in step.expect:
        yield from differences(expected, incidents)


async def _do(stage: Stage, config: Config, step: StepConfig) -> None:
    """Let happen what the step says; nothing, for a step that only looks."""
    now_ms = stage.clock.now_ms()
    if step.beat is not None:
        stage.beat(beat_of(step, collector=step.collector or _instance(config, "mqtt"), now_ms=now_ms))
    elif step.person is not None:
        await _act(stage, step, step.person)
    elif (event := event_of(step, config, now_ms=now_ms)) is not None:
        stage.hear(event)


def event_of(step: StepConfig, config: Config, *, now_ms: int) -> Event | None:
    """The event that the step tells of; None if it tells of none."""
    plugin, condition = ("smtp", MAIL) if step.mail else ("snmp", step.trap or step.condition)
    if condition is None:
        return None
    source, labels = step.source, dict(step.labels)
    if step.mail:
        source = source or SOMEBODY
        told = {
            "from": source,
            "from_domain": source.rpartition("@")[2],
            "subject": step.mail,
            "subject_raw": step.mail,
        }
        labels = {**told, "body": step.description, "machine": "", **labels}
    elif step.trap and step.trap[0].isdigit():
        labels.setdefault("trap_oid", step.trap)
    return Event(
        collector=step.collector or _instance(config, plugin),
        source=source,
        condition=condition,
        kind=step.kind,
        at_ms=now_ms,
        object=step.object or (f"mail-{now_ms}" if step.mail else ""),
        severity=step.severity,
        summary=step.summary or step.mail or "",
        description=step.description,
        labels=labels,
        requester=source if step.mail and not labels["machine"] else "",
        identity=f"test:{now_ms}" if step.mail else "",
    )


def beat_of(step: StepConfig, *, collector: str, now_ms: int) -> Beat:
    """The sign of life that the step tells of."""
    said = step.beat or ""
    return Beat(
        collector=collector,
        station=step.source,
        at_ms=now_ms,
        kind=_LIFE.get(said, BeatKind.BEAT),
        site=step.site,
        fault="" if said in _HEALTHY else said,
        interval_s=None if step.interval is None else step.interval.seconds,
        labels=step.labels,
        description=step.description,
    )


def _instance(config: Config, plugin: str) -> str:
    """The first collector of that plugin; the plugin's own name if there is none."""
    return next((name for name, one in config.collectors.items() if one.plugin.name == plugin), plugin)


async def _act(stage: Stage, step: StepConfig, deed: Deed) -> None:
    """Let a person do something to tickets, and the daemon see it."""

    def tickets(tx: Transaction, sink: str) -> list[Ticket]:
        return [
            ticket
            for ticket in tx.observable(sink, closed_after_ms=0)
            if ticket.ref is not None
            and (incident := tx.incident(ticket.incident)) is not None
            and (not step.source or incident.source == step.source)
            and (not step.object or incident.object == step.object)
        ]

    for sink in [step.sink] if step.sink else list(stage.app.config.sinks):
        found = await stage.app.store.run(lambda tx, sink=sink: tickets(tx, sink))  # type: ignore[misc]
        seen = [(ticket, _PERSON[deed](ref=ticket.ref)) for ticket in found]
        await stage.app.engine.observe(sink, seen, since_ms=stage.clock.now_ms() + SURE_MS)

"""An event that comes many times, as a storm's events do: judged once, and counted while its run waits.

What comes of it is what `Engine.offer` or `Engine.emit` would make of each: the judgement is made anew when the rules are others, or look at
the label that varies and find another value. A run is only counted up while it is the last of its fingerprint, so that a
raise, a clear and a raise stay three runs.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from gateway.core.event import Event, event_changed
from gateway.core.judge import Judge, with_label
from gateway.core.rules import Verdict
from gateway.pending import Pending, Run
from gateway.plugin import Receipt

Refused = Callable[[], asyncio.Future[Receipt] | None]
"""The answer while nothing is taken that somebody waits for; else None."""


class _Engine(Protocol):
    judge: Judge

    def offer(self, event: Event) -> bool: ...
    def offer_judged(self, event: Event, verdict: Verdict) -> bool: ...
    def emit(self, event: Event) -> asyncio.Future[Receipt]: ...
    def emit_judged(self, event: Event, verdict: Verdict) -> asyncio.Future[Receipt]: ...
    def emit_joined(self, run: Run, *, at_ms: int, identity: str) -> asyncio.Future[Receipt] | None: ...
    def judged(self, event: Event) -> tuple[Event, Verdict] | None: ...


class PreparedEvent:
    """Implements `gateway.plugin.Prepared`."""

    __slots__ = (
        "_engine",
        "_event",
        "_judge",
        "_judged",
        "_pending",
        "_reads",
        "_refused",
        "_run",
        "_value",
        "_varying",
    )

    def __init__(
        self, engine: _Engine, pending: Pending, event: Event, *, varying: str = "", refused: Refused = lambda: None
    ) -> None:
        self._engine = engine
        self._refused = refused
        self._pending = pending
        self._event = event
        self._varying = varying
        self._value = event.labels.get(varying, "")
        """Of the label that varies: what the event and the judgement have."""
        self._judge: Judge | None = None
        """Who made the judgement."""
        self._judged: tuple[Event, Verdict] | None = None
        self._reads = False
        """Whether with another value the judgement may be another."""
        self._run: Run | None = None
        """The run that it was part of last."""

    def count(self, at_ms: int) -> bool:
        """One more at ``at_ms`` if its run waits, and whatever the label that varies says; else False."""
        run = self._run
        return run is not None and self._judge is self._engine.judge and not self._reads and run.count_one(at_ms)

    def offer(self, at_ms: int, value: str = "") -> bool:
        """One more at ``at_ms``; False = overloaded, counted."""
        engine, run = self._engine, self._run
        if self._judge is not engine.judge or (self._reads and value != self._value):
            self._judge_anew(value)
        elif run is not None and run.count_one(at_ms):
            return True
        if self._judged is None:  # the rules cannot bear it: the engine sets it aside
            return engine.offer(self._said(self._event, at_ms, value))
        event, verdict = self._judged
        taken = engine.offer_judged(self._said(event, at_ms, value), verdict)
        self._run = self._pending.waiting_for(verdict.fingerprint) if taken else None
        return taken

    def emit(self, at_ms: int, value: str = "", *, identity: str = "") -> asyncio.Future[Receipt]:
        """One more at ``at_ms`` that somebody waits for."""
        if refused := self._refused():
            return refused
        engine, run = self._engine, self._run
        if self._judge is not engine.judge or (self._reads and value != self._value):
            self._judge_anew(value)
        elif run is not None and (
            joined := engine.emit_joined(run, at_ms=at_ms, identity=identity or self._event.identity)
        ):
            return joined
        if self._judged is None:
            return engine.emit(self._said(self._event, at_ms, value, identity))
        event, verdict = self._judged
        receipt = engine.emit_judged(self._said(event, at_ms, value, identity), verdict)
        self._run = self._pending.waiting_for(verdict.fingerprint)
        return receipt

    def _judge_anew(self, value: str) -> None:
        self._event, self._value = self._said(self._event, self._event.at_ms, value), value
        self._judge = judge = self._engine.judge
        self._judged = self._engine.judged(self._event)
        self._reads = bool(self._varying) and judge.reads(self._varying)
        self._run = None

    def _said(self, event: Event, at_ms: int, value: str, identity: str = "") -> Event:
        """The event as it was said this time."""
        same = value == self._value
        if same and at_ms == event.at_ms and identity in ("", event.identity):
            return event  # the first of all: nothing varies yet
        labels = event.labels if same else with_label(event.labels, self._varying, value)
        return event_changed(event, at_ms=at_ms, labels=labels, identity=identity or event.identity)

"""An event that comes many times, as a storm's events do: judged once, and counted while its run waits.

What comes of it is what `Engine.offer` would make of each: the judgement is made anew when the rules are others, and a
run is only counted up while it is the last of its fingerprint, so that a raise, a clear and a raise stay three runs.
"""

from dataclasses import replace
from typing import Protocol

from gateway.core.event import Event
from gateway.core.judge import Judge
from gateway.core.rules import Verdict
from gateway.pending import Pending, Run


class _Engine(Protocol):
    judge: Judge

    def offer(self, event: Event) -> bool: ...
    def offer_judged(self, event: Event, verdict: Verdict) -> bool: ...
    def judged(self, event: Event) -> tuple[Event, Verdict] | None: ...


class PreparedEvent:
    """Implements `gateway.plugin.Prepared`."""

    __slots__ = ("_engine", "_event", "_judge", "_judged", "_pending", "_run")

    def __init__(self, engine: _Engine, pending: Pending, event: Event) -> None:
        self._engine = engine
        self._pending = pending
        self._event = event
        self._judge: Judge | None = None
        """Who made the judgement."""
        self._judged: tuple[Event, Verdict] | None = None
        self._run: Run | None = None
        """The run that it was part of last."""

    def offer(self, at_ms: int) -> bool:
        """One more at ``at_ms``; False = overloaded, counted."""
        run = self._run
        if run is not None and self._judge is self._engine.judge and self._pending.count(run, at_ms):
            return True
        return self._offer(at_ms)

    def _offer(self, at_ms: int) -> bool:
        engine = self._engine
        if self._judge is not engine.judge:
            self._judge, self._judged = engine.judge, engine.judged(self._event)
        if self._judged is None:  # the rules cannot bear it: the engine sets it aside
            return engine.offer(replace(self._event, at_ms=at_ms))
        event, verdict = self._judged
        taken = engine.offer_judged(replace(event, at_ms=at_ms), verdict)
        self._run = self._pending.waiting_for(verdict.fingerprint) if taken else None
        return taken

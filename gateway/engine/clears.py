"""Remembers the clears of a batch, and tells which of its raises they, or earlier ones, have overtaken."""

from collections.abc import Sequence

from gateway.core.event import EventKind
from gateway.core.incident import TABLE, Incident, Move, Trigger
from gateway.core.overtaken import Clear, newest, over_at_ms
from gateway.pending import Run
from gateway.store.api import Transaction


class Clears:
    """For one batch, inside its transaction. The store is asked once, and only when a raise may begin something."""

    def __init__(self, tx: Transaction, batch: Sequence[Run], *, within_ms: int, now_ms: int) -> None:
        self._tx = tx
        self._batch = batch
        self._within_ms = within_ms
        self._now_ms = now_ms
        self._heard: dict[str, Clear] = {}
        """Of this batch."""
        self._stored: dict[str, Clear] | None = None

    def hear(self, run: Run, *, all_fresh: bool, follow_up: bool) -> None:
        """A run was decided: remember clears, those with retransmissions among them as if all had come with the first.

        What names another incident (``follow_up``) clears nothing.
        """
        if self._within_ms and run.verdict.kind is EventKind.CLEAR and not (run.verdict.drop or follow_up):
            at_ms = run.last_ms if all_fresh else run.first_ms
            clear = Clear(at_ms=at_ms, heard_ms=self._now_ms, collector=run.event.collector)
            mark = run.verdict.fingerprint
            self._heard[mark] = newest(self._heard.get(mark), clear) or clear

    def over_at_ms(self, run: Run, incident: Incident | None) -> int | None:
        """When a run of raises was over before it came; None: it lasts, or is one more of what is raised since."""
        if not self._within_ms or run.verdict.kind is not EventKind.RAISE or _is_raised(incident):
            return None
        if self._stored is None:
            raised = {one.verdict.fingerprint for one in self._batch if one.verdict.kind is EventKind.RAISE}
            self._stored = self._tx.clears(raised, since_ms=self._now_ms - self._within_ms)
        mark = run.verdict.fingerprint
        clear = newest(self._stored.get(mark), self._heard.get(mark))
        return over_at_ms(clear, run.event, last_ms=run.last_ms, within_ms=self._within_ms, now_ms=self._now_ms)

    def flush(self) -> None:
        """Write down what was heard."""
        if self._heard:
            self._tx.keep_clears(self._heard, since_ms=self._now_ms - self._within_ms)


def _is_raised(incident: Incident | None) -> bool:
    """What is only counted so far is not."""
    return incident is not None and TABLE[incident.state, Trigger.RAISE] is Move.COUNT and not incident.counting

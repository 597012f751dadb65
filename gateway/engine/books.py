"""What follows a commit for those who wait, and in the books: received = kept + folded + dropped."""

from collections import Counter
from collections.abc import Sequence

from gateway import metrics
from gateway.core.reason import Dropped, Reason
from gateway.engine.meaning import Outcome
from gateway.pending import Run, Waiter
from gateway.plugin import Overloaded, Receipt


def answer(waiters: Sequence[Waiter], said: Receipt | Overloaded) -> None:
    """Tell all who wait; whoever has gone is passed over."""
    for _, future in waiters:
        if future.done():
            continue
        if isinstance(said, Receipt):
            future.set_result(said)
        else:
            future.set_exception(said)


def count(batch: Sequence[Run], outcomes: Sequence[Outcome]) -> None:
    """Balance the books: received = kept + folded + dropped."""
    decisions: Counter[Reason] = Counter()
    kept: Counter[str] = Counter()
    folded: Counter[str] = Counter()
    dropped: Counter[tuple[str, Dropped]] = Counter()
    for run, outcome in zip(batch, outcomes, strict=True):
        decisions[outcome.reason] += 1
        decisions.update(outcome.before)
        collector = run.event.collector
        if outcome.reason is Reason.DROPPED:
            dropped[collector, Dropped.RULE] += outcome.fresh
        elif outcome.fresh:
            kept[collector] += 1
            folded[collector] += outcome.fresh - 1
        if outcome.repeated:
            dropped[collector, Dropped.DUPLICATE] += outcome.repeated
    for reason, count in decisions.items():
        metrics.DECISIONS.labels(reason).inc(count)
    for collector, count in kept.items():
        metrics.INPUTS_KEPT.labels(collector).inc(count)
    for collector, count in folded.items():
        metrics.INPUTS_FOLDED.labels(collector).inc(count)
    for labels, count in dropped.items():
        metrics.INPUTS_DROPPED.labels(*labels).inc(count)

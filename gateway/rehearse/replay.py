"""Play what was heard again, under two configurations, and tell what would be different."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.config import Config
from gateway.core.record import Recorded, at_once
from gateway.rehearse.loop import rehearse
from gateway.rehearse.outcome import name_of
from gateway.rehearse.stage import staged

FACTS = ("state", "impact", "rule", "team", "summary", "occurrences")
"""What is compared of an incident that there is under both."""

Key = tuple[str, str, str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """What came of the inputs under one configuration."""

    incidents: Sequence[Mapping[str, Any]]
    calls: Mapping[str, int]
    """How many of each kind: ``jira open``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One incident that differs."""

    incident: str
    first_seen_ms: int
    what: str
    """``gone``, ``new`` or ``changed``."""
    changes: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    """Fact, as it is now and as it would be."""


def replayed(config: Config, inputs: Sequence[Recorded]) -> Ending:
    """What comes of ``inputs``, oldest first, under ``config``."""
    return rehearse(_play(config, inputs))


async def _play(config: Config, inputs: Sequence[Recorded]) -> Ending:
    # Beats are not in the journal, what came of them is: a listed station would be missed.
    config = replace(config, station=())
    if not inputs:
        return Ending(incidents=(), calls={})
    start_ms = inputs[0].first_ms
    async with staged(config, start_ms=start_ms, watch=False) as stage:
        for recorded in inputs:
            await stage.until((recorded.last_ms - start_ms) / 1000)
            for event in at_once(recorded):
                stage.hear(event)
        await stage.settle()
        calls = Counter(f"{call.sink} {call.kind}" for call in stage.calls)
        return Ending(incidents=await stage.incidents(), calls=calls)


def differences(now: Ending, new: Ending) -> list[Difference]:
    """Incidents that there are under one only, or that differ, in the order in which they began."""
    before, after = _by_key(now.incidents), _by_key(new.incidents)
    told = []
    for key in sorted({*before, *after}, key=lambda key: (key[3], key)):
        old, young = before.get(key), after.get(key)
        one = old or young
        assert one is not None  # noqa: S101 - the key is of one of the two
        changes = _changes(old, young) if old and young else {}
        what = "changed" if old and young else "gone" if old else "new"
        if what != "changed" or changes:
            told.append(Difference(incident=name_of(one), first_seen_ms=key[3], what=what, changes=changes))
    return told


def _by_key(incidents: Iterable[Mapping[str, Any]]) -> dict[Key, Mapping[str, Any]]:
    return {(one["condition"], one["source"], one["object"], one["first_seen_ms"]): one for one in incidents}


def _changes(old: Mapping[str, Any], young: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    changed = {name: (old[name], young[name]) for name in FACTS if old[name] != young[name]}
    had, has = _tickets(old), _tickets(young)
    for sink in sorted({*had, *has}):
        if had.get(sink) != has.get(sink):
            changed[f"ticket in {sink}"] = (had.get(sink, "none"), has.get(sink, "none"))
    return changed


def _tickets(incident: Mapping[str, Any]) -> dict[str, str]:
    return {ticket["sink"]: ticket["state"] for ticket in incident["tickets"] if ticket["ref"]}

"""Decide when we were blind: deaf, suspended or not running for so long that people must know what they may have missed.

Pure: time is an argument, in the length of what has passed and not in instants, so a stepped wall clock is no blindness.
"""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from typing import Any

from gateway.core.event import EventKind
from gateway.core.text import many, one_line, span, utc

BLIND = "blind"
"""The condition of the incident that tells."""
STILL_MS = 5_000
"""A daemon that did not look at the time for longer did not run: it was suspended, or its machine was."""
LONGEST_CAUSES = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What we know of our own hearing."""

    looked_ms: int
    """When we looked last, wall time."""
    since_ms: int | None = None
    """Since when we are, or were, blind; None: we hear."""
    lasted_ms: int = 0
    """For how long, as measured."""
    calm_ms: int = 0
    """For how long we have heard well since."""
    causes: tuple[str, ...] = ()
    unknown: int = 0
    """Stations of which we could not say meanwhile whether they live, at the most."""
    told: bool = False
    """An incident tells that we are blind."""
    ended: bool = False
    """Its end was told, too; what is left is to clear it."""

    def as_dict(self) -> dict[str, Any]:
        """For the store."""
        return asdict(self)

    @classmethod
    def from_dict(cls, kept: dict[str, Any]) -> "Sight":
        """What `as_dict` gave."""
        return cls(**{**kept, "causes": tuple(kept["causes"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """Something to tell: an event about ourselves."""

    kind: EventKind
    summary: str


Looked = tuple[Sight, tuple[Said, ...]]


def look(
    sight: Sight,
    *,
    now_ms: int,
    passed_ms: int,
    deaf: Collection[str],
    after_ms: int,
    idle: str,
    doubted: bool = False,
    unknown: int = 0,
) -> Looked:
    """Look around.

    Args:
        sight: as it was.
        now_ms: wall time, for people.
        passed_ms: how long ago the last look really was.
        deaf: collectors that cannot hear now.
        after_ms: a blindness this long is told; and hearing for this long ends it.
        idle: what it means that nobody looked for a while (``the daemon did not run``).
        doubted: far fewer beats come than are due, and nothing proves that the way to us is open.
        unknown: stations of which we cannot say now whether they live.
    """
    causes = ([idle] if passed_ms > STILL_MS else []) + [f"{name} could not hear" for name in sorted(deaf)]
    causes += ["hardly any of the beats that are due came"] if doubted else []
    if causes:
        sight = replace(
            sight,
            since_ms=sight.looked_ms if sight.since_ms is None else sight.since_ms,
            lasted_ms=sight.lasted_ms + sight.calm_ms + passed_ms,
            calm_ms=0,
            causes=(*sight.causes, *(cause for cause in causes if cause not in sight.causes)),
            unknown=max(sight.unknown, unknown),
            ended=False,
        )
    elif sight.since_ms is not None:
        sight = replace(sight, calm_ms=sight.calm_ms + passed_ms)
    sight = replace(sight, looked_ms=now_ms)
    return (sight, ()) if sight.since_ms is None else _judged(sight, deaf=bool(deaf) or doubted, after_ms=after_ms)


def _judged(sight: Sight, *, deaf: bool, after_ms: int) -> Looked:
    """What there is to say of a blindness that lasts, or is just over."""
    if sight.lasted_ms < after_ms and not sight.told:
        return (sight if deaf else Sight(looked_ms=sight.looked_ms)), ()
    if deaf:
        if sight.told:
            return sight, ()
        words = f"we have been blind since {utc(sight.since_ms or 0)}: {_why(sight)}"
        return replace(sight, told=True), (Said(kind=EventKind.RAISE, summary=words),)
    until_ms = (sight.since_ms or 0) + sight.lasted_ms
    words = f"we were blind from {utc(sight.since_ms or 0)} to {utc(until_ms)} ({span(sight.lasted_ms)}): {_why(sight)}"
    if not sight.ended:
        kind = EventKind.NOTE if sight.told else EventKind.RAISE
        return replace(sight, told=True, ended=True), (Said(kind=kind, summary=words),)
    if sight.calm_ms >= after_ms:
        return Sight(looked_ms=sight.looked_ms), (Said(kind=EventKind.CLEAR, summary=words),)
    return sight, ()


def _why(sight: Sight) -> str:
    why = one_line(", ".join(sight.causes), LONGEST_CAUSES)
    return f"{why}; {many(sight.unknown, 'station')} unknown meanwhile" if sight.unknown else why

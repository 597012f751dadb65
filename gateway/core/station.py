"""A station under watch, and the policy it is held to: the values of `gateway.core.heartbeat`."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from gateway.core.event import EventKind
from gateway.core.match import Matcher
from gateway.core.value import value

STATION_DOWN = "station_down"
"""Condition: silent for too long, or said so by its last will."""
STATION_FAULT = "station_fault"
"""Condition: alive, and says that something is wrong with it."""

STATION_CLOCK = "station_clock"
"""Condition: alive, and its clock is wrong."""

DRILLED = "tocsin-drill"
"""The station that beats for drills: it is nobody's neighbour, and its silence never part of an outage."""

EVENT_MISSING = "event_missing"
"""Condition: an event that was expected has not come."""
EXPECTED = "expected/"
"""Begins the names of stations that stand for expected events; no topic's level can hold it."""

NEVER = math.inf
"""A deadline that never comes."""


def stands_alone(name: str) -> bool:
    """Whether this station is nobody's neighbour: it beats for drills, or stands for an expected event."""
    return name == DRILLED or name.startswith(EXPECTED)


class StationState(StrEnum):
    """What the watch thinks of a station."""

    NEW = "new"
    """Too few beats to judge: its silence is nobody's trouble yet."""
    UP = "up"
    LATE = "late"
    """Overdue; not down until that is confirmed."""
    DOWN = "down"
    SLEEPING = "sleeping"
    """It left on purpose and may come back."""
    RETIRED = "retired"
    """Taken out of service by a person."""


class StationVerb(StrEnum):
    """What a person can do with a station."""

    RETIRE = "retire"
    """It is out of service: whatever was wrong with it is over. A beat would take it up again."""
    SLEEP = "sleep"
    """It may be silent until it beats, or is woken."""
    WAKE = "wake"
    """From now on it owes beats again."""


class IntervalFrom(StrEnum):
    """Where a station's interval comes from, most trusted first."""

    SCHEDULE = "schedule"
    """There is none: beats are due at fixed times."""
    CONFIGURED = "configured"
    ANNOUNCED = "announced"
    LEARNED = "learned"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A bound of a number that stations tell in their beats."""

    name: str
    """The condition of what it raises and clears."""
    raises: Matcher
    """A comparison with a number."""
    clears: Matcher | None = None
    """The same; None: it is over as soon as ``raises`` does not hold."""
    matchers: tuple[Matcher, ...] = ()
    """Whom it is about: ``station``, ``site``, ``collector`` and labels; all must hold."""

    @property
    def field(self) -> str:
        """The label that it looks at."""
        return self.raises.field


class Schedule(Protocol):
    """The fixed times at which beats are due; its text names it."""

    def after(self, now_ms: int) -> int | None:
        """The first one after ``now_ms``, both epoch milliseconds; None if there is none."""
        ...

    def local(self, at_ms: int) -> str:
        """An instant as people there say it."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What stations owe us; stations with the same terms share one policy."""

    schedule: Schedule | None = None
    """The times at which beats are due: wins over every interval."""

    slots: bool = False
    """Its times end slots, in each of which one beat must come, at whatever moment."""

    interval_s: float | None = None
    """Configured interval: wins over whatever the station announces or we learn."""
    default_interval_s: float = 60.0
    """Until the station announces one, or enough beats were heard to learn it."""
    grace_s: float | None = None
    """How late a beat may be; None: `default_grace_s`, or half the interval if that is longer."""
    default_grace_s: float = 30.0
    schedule_grace_s: float = 3600.0
    """The same where a schedule says when beats are due."""
    least_interval_s: float = 5.0
    most_interval_s: float = 86_400.0
    """Announced and learned intervals are brought into these bounds."""
    learns: bool = True
    """Whether the interval is learned, where the station announces none."""
    learn_gaps: int = 8
    """So many gaps between beats must be known before their median counts as the interval."""
    misses: int = 1
    """Beats in a row that must be missing before a late station is down."""
    confirm_s: float = 10.0
    """Least time between late and down: what silenced a whole site shows itself meanwhile."""
    will_hold_s: float = 30.0
    """How long a last will waits for a beat, if the station is known to say when it comes online."""
    will_hold_intervals: float = 1.2
    """The same, in intervals, for a station that isn't: only its next beat can show that it is back."""
    settle_beats: int = 3
    """A discovered station is `new`, and can't go down, before so many beats."""
    recovery_beats: int = 2
    """Beats that bring a station back from down; a birth counts for all but one of them."""
    must_appear_s: float | None = None
    """The station is listed: it goes down if it isn't heard within this time, and counts as up from its first beat."""

    skew_s: float = 0.0
    """So far off may its own clock be; 0: nobody looks."""
    thresholds: tuple[Threshold, ...] = ()

    def grace(self, interval_s: float) -> float:
        """Seconds that a beat may be late."""
        if self.grace_s is not None:
            return self.grace_s
        return max(self.default_grace_s, 0.5 * interval_s) if self.schedule is None else self.schedule_grace_s

    def clamp(self, interval_s: float) -> float:
        """``interval_s`` brought into the allowed bounds."""
        return min(max(interval_s, self.least_interval_s), self.most_interval_s)


@value
class Station:
    """The watch kept on one station.

    Instants ending in ``_s`` are on the *observed clock*: seconds that pass only while the feed is trusted, so that an
    outage of ours shifts all deadlines at once.
    """

    station: str
    site: str = ""
    collector: str = ""
    """The collector instance that heard it last, by which rules may match; empty if none did."""
    state: StationState = StationState.NEW
    interval_s: float = 60.0
    interval_from: IntervalFrom = IntervalFrom.DEFAULT
    grace_s: float = 30.0
    seen_ms: int = 0
    """Wall time of the last fresh sign of life, for people; 0 if there was none."""
    expected_ms: int = 0
    """Wall time of the next beat that its schedule asks for; 0 if it has none."""
    deadline_s: float = NEVER
    """When `expired` has something to say."""
    beats: int = 0
    """Fresh signs of life so far."""
    misses: int = 0
    """Beats missing in a row."""
    back: int = 0
    """Beats since it was down; a birth counts for all that are needed but one."""
    down_since_ms: int = 0
    covered: bool = False
    """It is down, and the outage of its site tells so."""
    told: bool = False
    """It may have an incident of its own, since that it is down was told, or was about to be: its return is told, too."""
    fault: str = ""
    """What the station says is wrong with it; empty while it is well."""
    crossed: tuple[str, ...] = ()
    """Thresholds that are crossed, and `STATION_CLOCK` while its clock is wrong, by condition."""
    skewed: int = 0
    """Beats in a row by which its clock seems wrong."""
    born: bool = False
    """It is known to say when it comes online."""
    will: bool = False
    """The broker told its last will, and no beat has come since."""
    session: int | None = None
    """Of its last birth that told one."""
    sequence: int | None = None
    sent_ms: int | None = None
    """Of the last beat that was accepted; ``sent_ms`` never later than we received it."""
    doubted: tuple[int, int] | None = None
    """``(sent_ms, at_ms)`` of the last beat that looked like a replay."""
    gaps: tuple[int, ...] = ()
    """Whole seconds between the last beats, oldest first, while the interval must be learned."""
    counted_s: float = 0.0
    """Observed time of the beat from which the next gap is measured."""


def only_beat(before: Station, after: Station) -> bool:
    """Whether nothing has changed but what every beat changes: a restart gives each its whole time before it, anyway."""
    return (
        after.state is before.state
        and after.interval_s == before.interval_s
        and after.interval_from is before.interval_from
        and after.site == before.site
        and after.collector == before.collector
        and after.fault == before.fault
        and after.crossed == before.crossed
        and after.expected_ms == before.expected_ms
        and after.session == before.session
        and after.covered is before.covered
        and after.told is before.told
        and after.born is before.born
        and after.will is before.will
        and after.back == before.back
        and after.misses == before.misses
        and before.beats > 0
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Signal:
    """What the watch has to say about a station: the host makes an event of it."""

    kind: EventKind
    condition: str
    """`STATION_DOWN`, `STATION_FAULT`, `STATION_CLOCK`, `EVENT_MISSING`, or a threshold's name."""
    summary: str
    labels: dict[str, str]
    """``site``, ``interval_s``, ``interval_from``, and ``cause`` (``silence``, ``will``, ``never_appeared``, ``fault``,
    ``threshold``, ``clock``; of a clear: ``beat``, ``leave``, ``retired``)."""


Change = tuple[Station, tuple[Signal, ...]]
"""A station as something has made it, and what there is to say of that."""

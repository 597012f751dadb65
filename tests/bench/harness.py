"""What all benchmarks share: who runs on which core, what a process used, medians, the table and the line of JSON."""

import contextlib
import json
import os
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from tests.daemon import Books, Daemon, cpu_s, status

OURS = "tocsin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How long and how often to measure; a benchmark takes its own share of `seconds` where it has many parts."""

    repeats: int = 5
    seconds: float = 10.0
    folder: Path
    """Where everything temporary goes."""
    peers: bool = True
    """Whether to measure others beside us."""
    small: bool = False
    """Merely try whether the benchmark works."""

    def fresh(self, name: str) -> Path:
        """A folder that nobody has used yet."""
        number = sum(1 for _ in self.folder.glob(f"{name}-*"))
        folder = self.folder / f"{name}-{number}"
        folder.mkdir(parents=True)
        return folder


def cores() -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The cores of the sender, and those of the receiver; none for either on a machine with one."""
    have = sorted(os.sched_getaffinity(0))
    return ((have[0],), (have[1],)) if len(have) > 1 else ((), ())


@dataclass(slots=True)
class Used:
    """What a process used while it was watched."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    rss_mib: float = 0.0
    """Resident when the watch ended."""


@contextlib.contextmanager
def watch(pid: int) -> Iterator[Used]:
    """Watch a process; read the result afterwards."""
    used = Used()
    began_s, before_s = time.monotonic(), cpu_s(pid)
    yield used
    used.seconds, used.cpu_s = time.monotonic() - began_s, cpu_s(pid) - before_s
    used.rss_mib = round(status(pid, "VmRSS") / 1024, 1)


def quantile(before: str, after: str, histogram: str, part: float) -> float:
    """The upper bound of the bucket that holds a quantile of what a histogram saw between two texts of ``/metrics``."""
    bounds: dict[float, float] = defaultdict(float)
    for sign, text in ((1, after), (-1, before)):
        for line in text.splitlines():
            if line.startswith(f"{histogram}_bucket"):
                bounds[float(line.partition('le="')[2].partition('"')[0])] += sign * float(line.rpartition(" ")[2])
    most = max(bounds.values(), default=0)
    return next((bound for bound in sorted(bounds) if bounds[bound] >= part * most), float("inf"))


class OutOfBooks(AssertionError):
    """What was sent is not what was counted."""


def account(daemon: Daemon, before: Books, *, sent: int, collector: str = "snmp") -> dict[str, int]:
    """What became of all that was sent since ``before``.

    Raises:
        OutOfBooks: sent = kept + folded + dropped does not hold.
    """
    books = daemon.quiet((collector,)).since(before, collector)
    told = sum(count for what, count in books.items() if what != "received")
    if not sent == books.get("received", 0) == told:
        raise OutOfBooks(f"sent {sent}, counted {books}")
    return books


@dataclass(slots=True)
class Report:
    """What a benchmark measured: samples by case, program and quantity."""

    name: str
    options: Options
    main: str = ""
    """The quantity that ratios are of: more is better."""
    samples: dict[str, dict[str, dict[str, list[float]]]] = field(default_factory=dict)
    curves: dict[str, dict[float, list[float]]] = field(default_factory=dict)
    """How a cost of ours grows: by name, samples over what it grows with."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Peers that were not measured, and why."""

    def add(self, case: str, program: str, **quantities: float) -> None:
        """Keep one sample of a program in a case."""
        of = self.samples.setdefault(case, {}).setdefault(program, {})
        for name, value in quantities.items():
            of.setdefault(name, []).append(value)
        told = " ".join(f"{name}={_short(value)}" for name, value in quantities.items())
        print(f"{self.name}: {case}: {program}: {told}", file=sys.stderr, flush=True)

    def point(self, curve: str, over: float, value: float) -> None:
        """Keep one sample of a curve."""
        self.curves.setdefault(curve, {}).setdefault(over, []).append(value)
        print(f"{self.name}: {curve}: {over:,g}: {_short(value)}", file=sys.stderr, flush=True)

    def lines(self) -> dict[str, list[tuple[float, float]]]:
        """By curve, the medians over what it grows with."""
        return {
            curve: [(over, round(statistics.median(values), 4)) for over, values in sorted(points.items())]
            for curve, points in self.curves.items()
        }

    def skip(self, program: str, why: str) -> None:
        """Say that a peer was left out."""
        if program not in self.skipped:
            print(f"{self.name}: {program} is skipped: {why}", file=sys.stderr, flush=True)
        self.skipped[program] = why

    def medians(self) -> dict[str, dict[str, dict[str, float]]]:
        """By case, program and quantity."""
        return {
            case: {
                program: {name: round(statistics.median(values), 4) for name, values in quantities.items()}
                for program, quantities in programs.items()
            }
            for case, programs in self.samples.items()
        }

    def ratios(self) -> dict[str, dict[str, float]]:
        """By case, ours to each peer."""
        of: dict[str, dict[str, float]] = {}
        for case, programs in self.medians().items():
            ours = programs.get(OURS, {}).get(self.main)
            for program, quantities in programs.items():
                if program != OURS and ours and quantities.get(self.main):
                    of.setdefault(case, {})[program] = round(ours / quantities[self.main], 2)
        return of

    def document(self) -> dict[str, Any]:
        """All of it, to be one line of JSON; ``ratios`` are those of the first case that has some."""
        ratios = self.ratios()
        return {
            "bench": self.name,
            "repeats": self.options.repeats,
            "ratios": next(iter(ratios.values()), {}),
            "ratios_by_case": ratios,
            "medians": self.medians(),
            "curves": self.lines(),
            "skipped": self.skipped,
        }

    def table(self, to: TextIO) -> None:
        """Print the medians for people."""
        for case, programs in self.medians().items():
            names = list(dict.fromkeys(name for quantities in programs.values() for name in quantities))
            rows = [[case, *names], *([of, *(_short(q.get(n)) for n in names)] for of, q in programs.items())]
            widths = [max(len(row[column]) for row in rows) for column in range(len(names) + 1)]
            for row in rows:
                first, *rest = (
                    f"{cell:<{width}}" if not column else f"{cell:>{width}}"
                    for column, (cell, width) in enumerate(zip(row, widths, strict=True))
                )
                print("  ".join([first, *rest]), file=to)
            print(file=to)
        for curve, points in self.lines().items():
            print(curve, *(f"{over:,g}: {_short(value)}" for over, value in points), sep="\n  ", file=to)
        for program, why in self.skipped.items():
            print(f"{program} was skipped: {why}", file=to)

    def finish(self) -> None:
        """Print table and line."""
        self.table(sys.stdout)
        print(json.dumps(self.document()), flush=True)


def _short(value: float | None) -> str:
    if value is None:
        return "-"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"

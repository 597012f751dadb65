"""Draw how costs grow, from what ``make bench`` measured.

By hand: ``make bench > bench.txt && python docs/growth.py bench.txt`` takes the curves from the lines of JSON in that file
into ``growth.json``, and draws them; without a file it draws what is there. A test fails when the pictures are not what
``growth.json`` says.
"""  # noqa: INP001 - documentation is no package

import json
import math
import sys
from collections.abc import Iterable
from html import escape
from pathlib import Path

HERE = Path(__file__).parent
KEPT = HERE / "growth.json"
PLOTS = {
    "rate": ("CPU µs of a trap, over traps a second",),
    "latency": ("ms from datagram to request (p99), over traps a second",),
    "fingerprints": ("CPU µs of a trap, over fingerprints",),
    "rules": ("CPU µs of a trap through the daemon, over rules", "CPU µs of a verdict in process, over rules"),
    "stations": ("CPU µs of a beat in process, over stations",),
    "incidents": (
        "seconds from exec to ready, over open incidents",
        "CPU seconds from exec to ready, over open incidents",
    ),
}
"""The curves of each picture; all of one picture have the same unit."""
Points = list[tuple[float, float]]

LEFT, RIGHT, TOP, BOTTOM, WIDE, TALL = 60, 20, 20, 50, 460, 200
COLOURS = ("#35618f", "#b5651d")
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="{label}">
<style>
text {{ font: 11px sans-serif; fill: #333 }} .x {{ text-anchor: middle }} .y {{ text-anchor: end }}
line {{ stroke: #ccc }} polyline {{ fill: none; stroke-width: 2 }} svg {{ background: white }}
</style>
"""


def curves_of(text: str) -> dict[str, Points]:
    """The curves in what ``make bench`` printed."""
    found: dict[str, Points] = {}
    for line in text.splitlines():
        if line.startswith("{"):
            for curve, points in json.loads(line).get("curves", {}).items():
                found[curve] = [(over, value) for over, value in points]
    return found


def svg(curves: dict[str, Points]) -> str:
    """Some curves over one axis."""
    points = [point for line in curves.values() for point in line]
    top = _nice(max(value for _, value in points))
    ticks = sorted({over for over, _ in points})
    over = next(iter(curves)).rpartition(", over ")[2]
    width, height = LEFT + WIDE + RIGHT, TOP + TALL + BOTTOM + 16 * len(curves)
    parts = [HEAD.format(width=width, height=height, label=escape("; ".join(curves)))]
    for step in range(5):
        y = TOP + TALL * (1 - step / 4)
        parts.append(f'<line x1="{LEFT}" y1="{y:g}" x2="{LEFT + WIDE}" y2="{y:g}"/>\n')
        parts.append(f'<text class="y" x="{LEFT - 6}" y="{y + 4:g}">{top * step / 4:,.6g}</text>\n')
    parts += [f'<text class="x" x="{_x(at, ticks):.1f}" y="{TOP + TALL + 16}">{at:,.6g}</text>\n' for at in ticks]
    parts.append(f'<text class="x" x="{LEFT + WIDE / 2:g}" y="{TOP + TALL + 34}">{escape(over)}</text>\n')
    for number, (name, line) in enumerate(curves.items()):
        colour, y = COLOURS[number], TOP + TALL + 52 + 16 * number
        drawn = " ".join(f"{_x(at, ticks):.1f},{TOP + TALL * (1 - value / top):.1f}" for at, value in line)
        parts.append(f'<polyline points="{drawn}" style="stroke:{colour}"/>\n')
        parts.append(f'<text x="{LEFT}" y="{y}" style="fill:{colour}">{escape(name)}</text>\n')
    return "".join(parts) + "</svg>\n"


def _nice(most: float) -> float:
    """The least of 1, 2, 4, 6, 8 or 10 times a power of ten that is not below ``most``."""
    power = 10.0 ** math.floor(math.log10(most))
    return next(power * step for step in (1, 2, 4, 6, 8, 10) if power * step >= most)


def _x(at: float, ticks: Iterable[float]) -> float:
    """Where a value stands: by its logarithm, with 0 a step before the first of the others."""
    places = {tick: math.log10(tick) for tick in ticks if tick > 0}
    low, high = min(places.values()), max(places.values())
    if 0 in ticks:
        low -= 0.5
    return LEFT + WIDE * (0.04 + 0.92 * ((places[at] if at > 0 else low) - low) / ((high - low) or 1))


def files() -> dict[Path, str]:
    """What the pictures should hold."""
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    return {
        HERE / f"growth-{plot}.svg": svg({name: kept[name] for name in names if name in kept})
        for plot, names in PLOTS.items()
        if any(name in kept for name in names)
    }


def take(text: str) -> None:
    """Keep the curves of a run, and those of earlier runs that this one did not measure."""
    kept = json.loads(KEPT.read_text(encoding="utf-8")) if KEPT.exists() else {}
    drawn = {name for names in PLOTS.values() for name in names}
    kept |= {name: points for name, points in curves_of(text).items() if name in drawn}
    lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(points)}" for name, points in sorted(kept.items())]
    KEPT.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        take(Path(sys.argv[1]).read_text(encoding="utf-8"))
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")

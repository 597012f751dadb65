"""Draw the incident's states from the table in `gateway.core.incident`.

Where a move leads is not written here: each cell is tried on the core (`gateway.core.decide`), with and without holds, and
what comes out is drawn. By hand: ``python docs/states.py`` writes ``states.svg``, ``states-table.md`` and ``people-table.md``
beside this file; a test fails when they are not what the core says.
"""  # noqa: INP001 - documentation is no package

from collections.abc import Iterator
from dataclasses import replace
from html import escape
from pathlib import Path

from gateway.core.decide import decide
from gateway.core.decision import Due, Heard, Input, Seen
from gateway.core.event import Event, EventKind
from gateway.core.impact import Impact
from gateway.core.incident import TABLE, Incident, Move, State, Trigger, due_of
from gateway.core.person import POLICY, Phase
from gateway.core.rules import Verdict
from gateway.core.ticket import Observation, Ticket, TicketRef, TicketState

HERE = Path(__file__).parent
NOW_MS = 1_000_000_000
NONE = "(none)"
Edge = tuple[str, str, str]
"""From, to, trigger."""
Way = tuple[str, str]


def edges() -> list[Edge]:
    """Every way from one state to another, as the core takes it; staying is left out."""
    found: dict[Edge, None] = {}
    for (state, trigger), move in TABLE.items():
        if move is Move.IGNORE:
            continue
        for before in _incidents(state):
            for what in _inputs(trigger, hold_ms=0), _inputs(trigger, hold_ms=1000):
                after = decide(before, what, now_ms=NOW_MS, new_id="N").incident
                if after is None or (before is not None and after.state is before.state and after.id == before.id):
                    continue
                new = ", a new one" if before is not None and after.id != before.id else ""
                found[state or NONE, after.state, trigger.value + new] = None
    return list(found)


def _incidents(state: State | None) -> Iterator[Incident | None]:
    """Incidents in ``state`` whose deadlines have all come, with and without holds."""
    if state is None:
        yield None
        return
    for hold_ms in (0, 1000):
        incident = Incident(
            id="I", fingerprint="1:x|s|", condition="x", source="s", state=state, impact=Impact.HIGH,
            first_seen_ms=1, last_seen_ms=1, raised_ms=1, opened_ms=1, cleared_ms=1, resolved_ms=1,
            clear_hold_ms=hold_ms, clear_after_ms=hold_ms, sinks=("desk",),
        )  # fmt: skip
        yield replace(incident, due_ms=due_of(incident))
    counting = replace(incident, lapses_ms=1)
    yield replace(counting, due_ms=due_of(counting))


def _inputs(trigger: Trigger, *, hold_ms: int) -> Input:
    match trigger:
        case Trigger.DUE:
            return Due()
        case Trigger.TICKET_CLOSED:
            ref = TicketRef(id="1")
            ticket = Ticket(incident="I", sink="desk", ref=ref, state=TicketState.OPEN, impact=Impact.HIGH)
            return Seen(ticket=ticket, observation=Observation(ref=ref, state=TicketState.CLOSED))
        case _:
            kind = EventKind(trigger.value)
            event = Event(collector="c", source="s", condition="x", kind=kind, at_ms=NOW_MS)
            verdict = Verdict(
                rule="r",
                fingerprint="1:x|s|",
                condition="x",
                kind=kind,
                source="s",
                impact=Impact.HIGH,
                hold_ms=hold_ms,
            )
            return Heard(event=event, verdict=verdict, first_ms=NOW_MS, last_ms=NOW_MS)


def table() -> str:
    """The table itself, in Markdown."""
    rows = ["| | " + " | ".join(Trigger) + " |", "|---" * (len(Trigger) + 1) + "|"]
    for state in (None, *State):
        moves = " | ".join(TABLE[state, trigger].value for trigger in Trigger)
        rows.append(f"| **{state or NONE}** | {moves} |")
    return "\n".join(rows) + "\n"


def people() -> str:
    """What people do to tickets, in Markdown."""
    rows = ["| a person ... | " + " | ".join(Phase) + " |", "|---" * (len(Phase) + 1) + "|"]
    rows += [
        f"| {act} | " + " | ".join(answers[phase].value for phase in Phase) + " |" for act, answers in POLICY.items()
    ]
    return "\n".join(rows) + "\n"


# --- the picture ---------------------------------------------------------------------------------

WIDE, TALL, GAP, LEVEL = 110, 40, 60, 26
NODES = (NONE, *State)
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" aria-label="Incident states">
<style>
text {{ font: 12px sans-serif; text-anchor: middle; fill: #333 }} .state {{ font-weight: bold }}
rect {{ fill: #eef4fb; stroke: #35618f }} path {{ fill: none; stroke: #777 }} .label {{ font-size: 10px }}
svg {{ background: white }}
</style>
<defs><marker id="tip" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">
<path d="M0,0 L8,4 L0,8 z" style="fill:#777"/></marker></defs>
"""


def svg() -> str:
    """States in a row; ways forward above them, ways back below."""
    by_way: dict[Way, list[str]] = {}
    for start, end, trigger in edges():
        by_way.setdefault((start, end), []).append(trigger.replace(" by a person", ""))
    ways = sorted(by_way, key=lambda way: (abs(_place(way[1]) - _place(way[0])), _place(way[0])))
    above = _levels([way for way in ways if _forward(way)])
    below = _levels([way for way in ways if not _forward(way)])
    top = 40 + LEVEL * (1 + max(above.values()))
    height = top + TALL + 40 + LEVEL * (1 + max(below.values()))
    parts = [HEAD.format(width=len(NODES) * (WIDE + GAP) + GAP, height=height)]
    parts += [_arrow(way, ways, label=", ".join(by_way[way]), level=(above | below)[way], top=top) for way in ways]
    for place, name in enumerate(NODES):
        left = GAP + place * (WIDE + GAP)
        parts.append(f'<rect x="{left}" y="{top}" width="{WIDE}" height="{TALL}" rx="8"/>\n')
        parts.append(f'<text class="state" x="{left + WIDE / 2}" y="{top + 25}">{escape(name)}</text>\n')
    return "".join(parts) + "</svg>\n"


def _place(name: str) -> int:
    return NODES.index(name)


def _forward(way: Way) -> bool:
    return _place(way[1]) > _place(way[0])


def _levels(ways: list[Way]) -> dict[Way, int]:
    """How far from the states each way must pass so that it meets no other: short ones pass nearer than long ones."""
    levels: dict[Way, int] = {}
    for way in ways:
        low, high = sorted(map(_place, way))
        taken = {
            level
            for other, level in levels.items()
            if low <= max(map(_place, other)) and min(map(_place, other)) <= high
        }
        levels[way] = next(level for level in range(len(ways)) if level not in taken)
    return levels


def _x(name: str, way: Way, ways: list[Way]) -> float:
    """Where ``way`` touches the state ``name``: ways on one side of a state share its width."""
    here = [each for each in ways if name in each and _forward(each) is _forward(way)]
    here.sort(key=lambda each: _place(each[0] if each[1] == name else each[1]))
    return GAP + _place(name) * (WIDE + GAP) + WIDE * (here.index(way) + 1) / (len(here) + 1)


def _arrow(way: Way, ways: list[Way], *, label: str, level: int, top: int) -> str:
    x1, x2 = (_x(name, way, ways) for name in way)
    far = 22 + LEVEL * level
    edge, turn = (top, top - far) if _forward(way) else (top + TALL, top + TALL + far)
    return (
        f'<path marker-end="url(#tip)" d="M{x1:g},{edge} L{x1:g},{turn} L{x2:g},{turn} L{x2:g},{edge}"/>\n'
        f'<text class="label" x="{(x1 + x2) / 2:g}" y="{turn - 4}">{escape(label)}</text>\n'
    )


def files() -> dict[Path, str]:
    """What the files should hold."""
    return {HERE / "states.svg": svg(), HERE / "states-table.md": table(), HERE / "people-table.md": people()}


if __name__ == "__main__":
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")

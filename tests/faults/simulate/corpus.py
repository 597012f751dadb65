"""Schedules that once failed, one JSON object a line: each test run begins with them."""

import json
from collections.abc import Iterable
from pathlib import Path

from tests.faults.simulate.explore import Failure, Schedule

FILE = Path(__file__).with_name("corpus.jsonl")


def load(path: Path = FILE) -> list[Schedule]:
    """Every schedule that is kept."""
    if not path.exists():
        return []
    return [Schedule.of_json(json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines() if line]


def keep(failures: Iterable[Failure], path: Path = FILE) -> int:
    """Add schedules that are not kept yet; how many."""
    known = {json.dumps(one.to_json(), sort_keys=True) for one in load(path)}
    new = {json.dumps(one.schedule.to_json(), sort_keys=True) for one in failures} - known
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in sorted(new))
    return len(new)

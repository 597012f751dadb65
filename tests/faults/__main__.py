"""``python -m tests.faults``: the simulation, the campaign of kills and power cuts, and one line of JSON about both.

What each part did is told on standard error. The exit code is 0 if every promise held and every planted bug was found.
"""

import argparse
import json
import subprocess
import sys
from typing import Any

KEYS = (
    *("schedules", "violations", "planted_bugs", "planted_bugs_found"),
    *("kills", "power_cuts", "acknowledged", "lost", "duplicates", "ghosts"),
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, help="of the simulation")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--power-cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    seed = ("--seed", str(given.seed))
    deaths = ("--kills", str(given.kills), "--power-cuts", str(given.power_cuts))
    parts = [
        _ran("tests.faults.simulate", "--schedules", str(given.schedules), *seed),
        _ran("tests.faults.campaign", "--plants", *seed),
        _ran("tests.faults.campaign", *deaths, *seed),
    ]
    print(json.dumps(merged([document for document, _ in parts])))
    return max(code for _, code in parts)


def merged(documents: list[dict[str, Any]]) -> dict[str, int]:
    """The sums of what the parts counted; what no part counted is left out."""
    return {key: sum(one.get(key, 0) for one in documents) for key in KEYS if any(key in one for one in documents)}


def _ran(module: str, *arguments: str) -> tuple[dict[str, Any], int]:
    """The last line of a part's standard output, and its exit code; {} and 1 if it said nothing."""
    print(f"== {module} {' '.join(arguments)}", file=sys.stderr, flush=True)
    ended = subprocess.run([sys.executable, "-m", module, *arguments], stdout=subprocess.PIPE, text=True, check=False)
    lines = ended.stdout.strip().splitlines()
    if not lines:
        return {}, ended.returncode or 1
    print(lines[-1], file=sys.stderr, flush=True)
    return json.loads(lines[-1]), ended.returncode


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.faults.campaign --kills 50 --power-cuts 50 --seed 1``: progress on standard error, one line of JSON.

A thousand deaths take about half an hour: ``python -m tests.faults.campaign --kills 500 --power-cuts 500``. The exit
code is 0 if nothing was lost, made twice or made up. ``--plants`` looks for bugs that are planted into the daemon.
"""

import argparse
import json
import sys
from pathlib import Path

from tests.faults.campaign.daemon import missing_tools
from tests.faults.campaign.hunt import hunt
from tests.faults.campaign.plants import PLANTS
from tests.faults.campaign.runner import Plan, campaign
from tests.faults.campaign.verify import WORDS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.campaign", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--power-cuts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=None, help="stop killing after so long")
    parser.add_argument("--plant", default="", choices=["", *PLANTS], help="run the daemon with this bug")
    parser.add_argument("--plants", action="store_true", help="look for every planted bug instead")
    parser.add_argument("--keep", type=Path, default=None, help="a new folder that keeps disk and log")
    given = parser.parse_args()
    missing = missing_tools()
    if missing:
        print(f"install first: {', '.join(missing)}", file=sys.stderr)
        return 2
    if given.plants:
        found = hunt(seed=given.seed)
        print(json.dumps({"planted_bugs": len(found), "planted_bugs_found": sum(found.values())}))
        return int(not all(found.values()))
    plan = Plan(
        kills=given.kills,
        power_cuts=given.power_cuts,
        seed=given.seed,
        minutes=given.minutes,
        plant=given.plant,
    )
    document = campaign(plan, keep=given.keep).document()
    print(json.dumps(document))
    return int(any(document[word] for word in WORDS) or document["exit_code"] != 0)


if __name__ == "__main__":
    sys.exit(main())

"""``python -m tests.faults.simulate --schedules 100000 --seed 7``: explore, and print the counts as JSON."""

import argparse
import json
import sys
import time

from tests.faults.simulate import campaign, corpus
from tests.faults.simulate.bugs import BUGS
from tests.faults.simulate.disk import Disk
from tests.faults.simulate.explore import Explorer, Failure
from tests.faults.simulate.workloads import ALL, faults_of


def main(arguments: list[str] | None = None) -> int:
    """Explore; 1 if a promise broke, or a planted bug was not found."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.simulate", description=__doc__)
    parser.add_argument("--schedules", type=int, default=20_000, help="how many to cover at least")
    parser.add_argument("--seed", type=int, default=0, help="chooses the order, and every chance within")
    parser.add_argument("--keep", action="store_true", help="add failing schedules to the corpus")
    chosen = parser.parse_args(arguments)
    campaign.quiet()
    began_s = time.perf_counter()
    disk = Disk()
    explorer = Explorer(disk, enough=lambda tally: tally.schedules >= chosen.schedules)
    for schedule in corpus.load():
        explorer.replay(ALL[schedule.workload], schedule)
    replayed = explorer.tally.runs
    for workload, script, depth in campaign.of_seed(chosen.seed):
        explorer.explore(workload, faults_of(workload, script), depth=depth, seed=chosen.seed)
        if explorer.tally.schedules >= chosen.schedules:
            break
    took_s = time.perf_counter() - began_s
    failures = explorer.tally.failures
    for failure in failures[:20]:
        _show(failure)
    if chosen.keep:
        corpus.keep(failures)
    found = sum(bool(campaign.hunt(bug, disk).failures) for bug in BUGS)
    told = {
        "schedules": explorer.tally.schedules,
        "runs": explorer.tally.runs,
        "corpus": replayed,
        "violations": len(failures),
        "planted_bugs": len(BUGS),
        "planted_bugs_found": found,
        "seed": chosen.seed,
        "seconds": round(took_s, 1),
        "schedules_per_s": round(explorer.tally.schedules / took_s),
    }
    print(json.dumps(told))
    return 0 if not failures and found == len(BUGS) else 1


def _show(failure: Failure) -> None:
    print(json.dumps({**failure.schedule.to_json(), "violations": list(failure.violations)}), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())

"""``make fleet``: the stories at full size; a table, and one line of JSON at the end. Exit code 1 if one was told wrong."""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.fleet.stories import STORIES, Result, play
from tests.fleet.world import JITTER

HEAD = f"{'story':30} {'false':>6} {'found':>12} {'tickets':>8} {'first at':>9} {'no later':>9} {'blind':>6} {'s':>6}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet", description=__doc__)
    parser.add_argument("--stations", type=int, default=10_000)
    parser.add_argument("--sites", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jitter", type=float, default=JITTER)
    parser.add_argument("--only", default="", help="stories whose name holds this")
    given = parser.parse_args()
    print(HEAD)
    results = []
    for story in STORIES:
        if given.only not in story.name:
            continue
        began_s = time.process_time()
        with tempfile.TemporaryDirectory(prefix="tocsin-fleet-") as folder:
            result = asyncio.run(
                play(
                    story,
                    Path(folder),
                    stations=given.stations,
                    sites=given.sites,
                    length_s=given.minutes * 60,
                    seed=given.seed,
                    jitter=given.jitter,
                )
            )
        results.append(result)
        print(_row(result, time.process_time() - began_s), flush=True)
    print(json.dumps({result.story.name: _facts(result) for result in results}))
    return 0 if all(result.passed for result in results) else 1


def _row(result: Result, cpu_s: float) -> str:
    first = "-" if result.first_at_s is None else f"{result.first_at_s:.0f} s"
    bound = "-" if result.story.within_s is None else f"{result.story.within_s:.0f} s"
    found = f"{result.detected} of {result.wanted}"
    mark = "" if result.passed else "  WRONG"
    return (
        f"{result.story.name:30} {result.false_incidents:>6} {found:>12} {result.tickets:>8} {first:>9} {bound:>9} "
        f"{result.feed:>6} {cpu_s:>6.1f}{mark}"
    )


def _facts(result: Result) -> dict[str, object]:
    return {
        "false_incidents": result.false_incidents,
        "detected": result.detected,
        "tickets": result.tickets,
        "first_at_s": result.first_at_s,
        "feed": result.feed,
        "passed": result.passed,
    }


if __name__ == "__main__":
    sys.exit(main())

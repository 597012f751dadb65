"""Abuse the real daemon, and print one JSON object of what came of it; exit 1 if a promise was broken.

python -m tests.faults.abuse               CI size: under a minute
python -m tests.faults.abuse --minutes 1   a minute of flood, a million fingerprints, every mail of the corpus
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.daemon import Books, tool
from tests.faults.abuse import attacks
from tests.faults.abuse.house import TOOLS, House
from tests.faults.abuse.probes import Probes
from tests.sender import Sender

MOST_RSS_MIB = 256.0
MOST_FILES = 2_500
"""Descriptors while 5,000 clients come at once: 600 seats, and those that are just being turned away."""


class Trial:
    """Attacks one after the other, with honest visitors beside each."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.report: dict[str, dict] = {}
        self.broken: list[str] = []

    def run(self, name: str, attack: Callable[[], dict], *, informs_to: str = "calm") -> tuple[dict, dict]:
        """One attack; its numbers, and what the trap collector's books say of it."""
        began_s = time.monotonic()
        before = self._house.quiet()
        self._house.peak()
        with Probes(self._house, informs_to=informs_to) as probes:
            told = attack()
        after = self._house.quiet()
        books = after.since(before, "snmp")
        told |= {
            "probes": probes.report(),
            "books": books,
            "rss_mib": self._house.peak(),
            "took_s": round(time.monotonic() - began_s, 1),
        }
        self.report[name] = told
        self.check(name, probes.failed == 0, f"honest visitors were not served: {probes.report()}")
        self.check(name, told["rss_mib"] <= MOST_RSS_MIB, f"{told['rss_mib']} MiB resident")
        self._check_probes(name, probes, before, after)
        return told, {**books, "received": books.get("received", 0) - probes.datagrams}

    def check(self, name: str, holds: bool, why: str) -> None:
        if not holds:
            self.broken.append(f"{name}: {why}")

    def _check_probes(self, name: str, probes: Probes, before: Books, after: Books) -> None:
        beats = after.since(before, "mqtt").get("kept", 0)
        self.check(
            name, beats >= probes.tallies["beat"].asked, f"{beats} beats taken of {probes.tallies['beat'].asked}"
        )


def abuse(folder: Path, *, minutes: float) -> dict:
    """All of it; the report."""
    small = minutes <= 0
    sender = Sender(folder)
    attacks.raise_file_limit(20_000)
    with House(folder) as house:
        trial = Trial(house)
        start_mib, began_s = house.peak(), time.monotonic()
        cases = {**attacks.send_hard_cases(house), "took_s": round(time.monotonic() - began_s, 1)}
        trial.report["hard_cases"] = cases
        trial.check("hard_cases", not cases["wrong"], f"other verdicts than expected: {cases['wrong']}")

        def flood(**how) -> Callable[[], dict]:
            return lambda: attacks.flood(sender, house.ports["trap"], **how)

        seconds = 3.0 if small else 60.0 * minutes
        for name, how, to in (
            ("flood", {"seconds": seconds}, "calm"),
            ("flood_100k", {"seconds": seconds, "rate": 100_000}, "calm"),
            ("flood_same_port", {"seconds": seconds, "rate": 20_000}, "trap"),
            (
                "unique",
                {"seconds": 600, "rate": 50_000, "unique": True, "count": 100_000 if small else 1_000_000},
                "calm",
            ),
        ):
            told, books = trial.run(name, flood(**how), informs_to=to)
            trial.check(name, books["received"] == told["sent"], f"sent {told['sent']}, counted {books['received']}")
        storms = [one for one in house.incidents() if one["condition"] == "source_storm"]
        trial.check("unique", len(storms) == 1, f"{len(storms)} storm incidents")

        told, books = trial.run("mutants", lambda: attacks.mutants(house, count=5_000 if small else 200_000))
        trial.check("mutants", books["received"] == told["sent"], f"sent {told['sent']}, counted {books['received']}")
        half = 2_500
        told, _ = trial.run(
            "idle", lambda: asyncio.run(attacks.idle_sessions(house, smtp=half, http=half, hold_s=3 if small else 15))
        )
        trial.check("idle", told["most_descriptors"] <= MOST_FILES, f"{told['most_descriptors']} descriptors")
        trial.check("idle", told.get("mail_220", 0) <= 400, "more sessions let in than there are seats")
        loris = {"clients": 300 if small else 500, "seconds": 5 if small else 30}
        trial.run("slow_loris", lambda: asyncio.run(attacks.slow_loris(house, **loris)))
        mails = attacks.hostile_mails(corpus=60 if small else 10_000)
        told, _ = trial.run("mails", lambda: attacks.send_mails(house, mails))
        trial.check("mails", sum(told["answers"].values()) == len(mails), "mails without an answer")
        trial.check("mails", set(told["answers"]) <= {"250", "552"}, f"answers {told['answers']}")

        trial.report["daemon"] = {
            "rss_mib_at_start": start_mib, "rss_mib_at_end": house.peak(), "rss_mib_ever": round(house.status("VmHWM") / 1024, 1),
            "ready": house.answers("/readyz"), "log_lines": len(house.log.read_text(errors="replace").splitlines()),
            "state_mib": round(sum(path.stat().st_size for path in (folder / "state").iterdir() if path.is_file()) / 2**20, 1),
        }  # fmt: skip
        trial.check("daemon", trial.report["daemon"]["ready"], "not ready after all")
        code = house.stop()
        trial.check("daemon", code == 0, f"ended with {code}")
    return {**trial.report, "broken": trial.broken}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=0, help="length of each flood; 0: CI size")
    given = parser.parse_args()
    missing = [name for name in TOOLS if tool(name) is None]
    if missing:
        sys.stderr.write(f"needs {', '.join(missing)}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="tocsin-abuse-") as folder:
        report = abuse(Path(folder), minutes=given.minutes)
    sys.stdout.write(json.dumps(report, indent=1) + "\n")
    return 1 if report["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())

"""Measure the real daemon beside its peers: ``python -m tests.bench [NAME...]``, all benchmarks if none is named.

Each prints a table, then one line of JSON. What is under way is told on standard error.
"""

import argparse
import importlib
import json
import sys
import tempfile
import traceback
from pathlib import Path

from tests.bench.harness import Options

BENCHES = ("traps", "v3", "informs", "smtp", "rules", "store", "mqtt", "stations", "e2e", "start", "growth")
"""Modules of this package, each with a function ``run(options) -> Report``."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=10.0, help="of the longest trial")
    parser.add_argument("--no-peers", action="store_true", help="measure only ourselves")
    parser.add_argument("--small", action="store_true", help="merely try whether the benchmarks work")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"no benchmark is called {', '.join(sorted(unknown))}: choose of {', '.join(BENCHES)}")
    documents, failed = [], []
    with tempfile.TemporaryDirectory(prefix="tocsin-bench-") as folder:
        for name in given.names or BENCHES:
            options = Options(
                repeats=given.repeats, seconds=given.seconds, folder=Path(folder, name), peers=not given.no_peers,
                small=given.small,
            )  # fmt: skip
            options.folder.mkdir()
            try:
                report = importlib.import_module(f"tests.bench.{name}").run(options)
            except Exception:  # noqa: BLE001 - the others are worth their time all the same
                traceback.print_exc()
                failed.append(name)
                continue
            report.finish()
            documents.append(report.document())
    if len(given.names or BENCHES) > 1:
        print(json.dumps({"benches": {document["bench"]: document for document in documents}, "failed": failed}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

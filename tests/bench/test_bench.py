"""The benchmarks work, and what they count is right; how fast anything is, no test judges."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.harness import OURS, Options, OutOfBooks, Report, account, quantile
from tests.daemon import Books, tool


@pytest.fixture
def report(tmp_path: Path) -> Report:
    report = Report("traps", Options(folder=tmp_path), main="per_s")
    for ours, theirs in ((300.0, 100.0), (100.0, 10.0), (200.0, 50.0)):
        report.add("storm", OURS, per_s=ours, dropped=0)
        report.add("storm", "snmptrapd", per_s=theirs, dropped=7)
    return report


def test_ratios_are_of_medians(report) -> None:
    document = report.document()
    assert document["ratios"] == {"snmptrapd": 4.0}
    assert document["medians"]["storm"]["snmptrapd"] == {"per_s": 50.0, "dropped": 7}


def test_a_peer_that_is_missing_is_named(report, capsys) -> None:
    report.skip("gosnmp", "it is not installed")
    report.finish()
    *table, line = capsys.readouterr().out.strip().splitlines()
    assert "gosnmp was skipped: it is not installed" in table
    assert json.loads(line)["skipped"] == {"gosnmp": "it is not installed"}


def test_a_quantile_is_of_what_came_between() -> None:
    before = 'late_bucket{le="0.1"} 5.0\nlate_bucket{le="1.0"} 5.0\nlate_bucket{le="+Inf"} 5.0\n'
    after = 'late_bucket{le="0.1"} 5.0\nlate_bucket{le="1.0"} 104.0\nlate_bucket{le="+Inf"} 105.0\n'
    assert quantile(before, after, "late", 0.99) == 1.0
    assert quantile(before, after, "late", 1.0) == float("inf")


def test_a_curve_is_of_medians_in_order(report) -> None:
    for over, value in ((100, 9.0), (10, 1.0), (10, 3.0), (10, 2.0)):
        report.point("cost over rules", over, value)
    assert report.document()["curves"] == {"cost over rules": [(10, 2.0), (100, 9.0)]}


class Quiet:
    """A daemon whose books are given."""

    def __init__(self, **counts: int) -> None:
        self._text = "".join(
            f'tocsin_inputs_{what}_total{{collector="snmp"}} {count}.0\n' for what, count in counts.items()
        )

    def quiet(self, _collectors) -> Books:
        return Books(self._text)


def test_what_was_sent_must_be_in_the_books() -> None:
    assert account(Quiet(received=3, kept=1, folded=2), Books(""), sent=3) == {"received": 3, "kept": 1, "folded": 2}
    with pytest.raises(OutOfBooks):
        account(Quiet(received=3, kept=1, folded=2), Books(""), sent=4)
    with pytest.raises(OutOfBooks):
        account(Quiet(received=3, kept=1, folded=1), Books(""), sent=3)


@pytest.mark.tools
@pytest.mark.parametrize(
    "name", ["traps", "v3", "informs", "smtp", "rules", "store", "mqtt", "stations", "e2e", "start", "growth"]
)
def test_a_benchmark_runs(name: str) -> None:
    needed = "mosquitto" if name in ("mqtt", "stations") else "gcc"
    if tool(needed) is None:
        pytest.skip(f"not installed: {needed}")
    ran = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--small", "--no-peers", "--repeats", "1", "--seconds", "0.5", name],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr[-3000:]
    medians = json.loads(ran.stdout.splitlines()[-1])["medians"]
    assert medians
    assert all(OURS in programs for programs in medians.values())

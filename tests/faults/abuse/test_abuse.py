"""The daemon under attack, at CI size: memory under its cap, other inputs alive, everything sent is counted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.daemon import Books, tool
from tests.faults.abuse import attacks
from tests.faults.abuse.house import TOOLS

pytestmark = pytest.mark.tools
LONGEST_S = 240


@pytest.fixture(scope="module")
def report() -> dict:
    missing = [name for name in TOOLS if tool(name) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.faults.abuse"], cwd=root, capture_output=True, text=True, timeout=LONGEST_S, check=False,
        env={**os.environ, "TOCSIN_SHARED": str(attacks.SHARED)},
    )  # fmt: skip
    assert ran.stdout, ran.stderr[-3000:]
    return json.loads(ran.stdout)


def test_no_promise_is_broken(report) -> None:
    assert report["broken"] == []


def test_every_hard_case_gets_its_verdict(report) -> None:
    if not attacks.hard_cases():
        pytest.skip(f"no corpora/snmp/hard_cases.jsonl in TOCSIN_SHARED ({attacks.SHARED})")
    assert report["hard_cases"]["cases"] == 88
    assert report["hard_cases"]["wrong"] == {}


def test_each_attack_was_one(report) -> None:
    assert report["flood"]["sent"] > 100_000
    assert report["unique"]["sent"] == 100_000
    assert report["idle"]["mail_220"] + report["idle"]["mail_421"] > 2_000
    assert report["slow_loris"]


def test_books_that_do_not_balance_are_seen() -> None:
    text = 'tocsin_inputs_received_total{collector="snmp"} 10.0\ntocsin_inputs_kept_total{collector="snmp"} 3.0\n'
    more = 'tocsin_inputs_folded_total{collector="snmp"} 4.0\n'
    dropped = 'tocsin_inputs_dropped_total{collector="snmp",reason="kernel"} 2.0\n'
    assert Books(text + more + dropped).open("snmp") == 1
    assert Books(text + more + dropped + dropped.replace("kernel", "overload").replace("2.0", "1.0")).open("snmp") == 0

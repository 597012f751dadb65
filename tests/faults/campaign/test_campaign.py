"""A hundred deaths of the real daemon, at the size that every run can afford; a thousand: see ``__main__``."""

import os

import pytest

from tests.faults.campaign.daemon import missing_tools
from tests.faults.campaign.hunt import HUNTS, caught
from tests.faults.campaign.runner import Plan, campaign
from tests.faults.campaign.verify import WORDS

MISSING = missing_tools()
pytestmark = [
    pytest.mark.tools,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]
SEED = int(os.environ.get("TOCSIN_CAMPAIGN_SEED", "1"))


def test_a_hundred_deaths_lose_nothing_and_make_nothing_twice() -> None:
    report = campaign(Plan(kills=50, power_cuts=50, seed=SEED))
    document = report.document()
    assert {word: document[word] for word in WORDS} == dict.fromkeys(WORDS, 0), report.findings.told()
    assert (document["kills"], document["power_cuts"], document["exit_code"]) == (50, 50, 0)
    assert document["acknowledged"] > 3000
    assert min(document["acknowledged_by_kind"].values()) > 30
    assert document["tickets"] > 40
    assert document["calls_failed"] > 50


@pytest.mark.parametrize("plant", HUNTS)
def test_a_planted_bug_is_found(plant: str) -> None:
    assert caught(plant, seed=SEED).findings.count(HUNTS[plant].word) > 0

"""Does the campaign see anything? Short campaigns against daemons with a planted bug (`plants`)."""

from dataclasses import dataclass, field, replace

from tests.faults.campaign.runner import Plan, Report, campaign, progress


@dataclass(frozen=True, slots=True)
class Hunt:
    """How to find a bug, and the word that it is found by."""

    word: str
    plan: Plan = field(default_factory=Plan)


HUNTS = {
    "lazy-sync": Hunt("lost", Plan(kills=0, power_cuts=4, tickets_per_s=0, drain_s=20, retry_s=0)),
    "hasty": Hunt("lost", Plan(kills=12, power_cuts=0, tickets_per_s=0, drain_s=20, retry_s=0)),
    "forgets-doubt": Hunt("duplicates", Plan(kills=20, power_cuts=0, tickets_per_s=3, drain_s=20, retry_s=0)),
}
TRIES = 3
"""Deaths come at random times, so a hunt may miss its bug; not so often in a row."""


def caught(plant: str, *, seed: int) -> Report:
    """The report of the first campaign that finds ``plant``, or of the last one that did not."""
    for again in range(TRIES):
        hunt = HUNTS[plant]
        report = campaign(replace(hunt.plan, seed=seed + again, plant=plant), say=lambda _text: None)
        if report.findings.count(hunt.word):
            break
    progress(f"{plant}: {hunt.word} {report.findings.count(hunt.word)} in {report.seconds:.0f} s")
    return report


def hunt(*, seed: int) -> dict[str, bool]:
    """Whether each planted bug is found."""
    return {plant: caught(plant, seed=seed).findings.count(HUNTS[plant].word) > 0 for plant in HUNTS}

"""A verdict, and what became of the rules, as text for people."""

from dataclasses import fields
from typing import Any

from gateway.cli.tables import table
from gateway.core.flap import FlapLimits
from gateway.core.rules import Explanation, Verdict
from gateway.core.text import span

LATE_SHOWN = 5
"""Rules after the winner that people are shown."""


def judgement_text(verdict: Verdict, explanations: list[Explanation]) -> str:
    """The verdict, and the rules that were tried."""
    return f"{_verdict_text(verdict)}\n{_rules_text(explanations)}"


def _verdict_text(verdict: Verdict) -> str:
    shown = [(item.name, getattr(verdict, item.name)) for item in fields(Verdict)]
    return table(("VERDICT", ""), [_fact(name, value) for name, value in shown if value or name == "reopen_within_ms"])


def _fact(name: str, value: Any) -> tuple[str, str]:
    """A field as the configuration calls it and writes it."""
    if name == "impact_after":
        return name, ", ".join(f"{impact} after {span(age_ms)}" for age_ms, impact in value)
    if isinstance(value, FlapLimits):
        return name, f"above {value.above:g}, calm below {value.below:g}, halved in {span(value.half_life_ms)}"
    if name.endswith("_ms"):
        return name.removesuffix("_ms"), span(value)
    return name, ", ".join(value) if isinstance(value, tuple) else str(value)


def _rules_text(explanations: list[Explanation]) -> str:
    """All that were tried, and the first few of those that came too late to be."""
    tried = next((number for number, said in enumerate(explanations, 1) if said.won), len(explanations))
    shown = explanations[: tried + LATE_SHOWN]
    rows = [("won" if said.won else "lost", said.rule, said.why) for said in shown]
    more = len(explanations) - len(shown)
    rest = f"\n{more} more come after it; --json names them" if more else ""
    return "\n" + table(("", "RULE", "WHY"), rows) + rest

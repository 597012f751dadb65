"""``tocsin explain``: which rule wins for an event, and why the others lose."""

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import IO, Any

import click

from gateway.cli.exits import Failure
from gateway.cli.options import config_option, configuration, json_option, say_json
from gateway.cli.tables import table
from gateway.compose import judge_of
from gateway.config.mistakes import unknown_key
from gateway.core.event import Event, EventKind
from gateway.core.rules import Explanation, Verdict
from gateway.core.text import span

_TEXTS = ("collector", "source", "condition", "object", "severity", "summary", "description", "requester")
_KNOWN = (*_TEXTS, "kind", "labels", "at_ms")
LATE_SHOWN = 5
"""Rules after the winner that people are shown."""


@click.command()
@config_option
@click.argument("event", type=click.File(encoding="utf-8"))
@json_option
def explain(path: Path | None, event: IO[str], *, as_json: bool) -> None:
    """Say what the rules make of EVENT, a JSON file (- for standard input).

    Its members are those of an event: collector, source, condition, kind, object, severity, summary, description, labels.
    """
    judge = judge_of(configuration(path))
    try:
        said = read_event(event.read())
    except UnicodeDecodeError:
        raise Failure("EVENT is not UTF-8; save it in that encoding") from None
    said, verdict = judge.judge(said)
    explanations = judge.rulebook.explain(said)
    if as_json:
        say_json({"verdict": asdict(verdict), "rules": [asdict(explanation) for explanation in explanations]})
        return
    click.echo(_verdict_text(verdict))
    click.echo(_rules_text(explanations))


def read_event(text: str) -> Event:
    """The event that a JSON document describes; values of labels may be numbers.

    Raises:
        Failure: it describes none; the sentence says why.
    """
    try:
        given = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Failure(f"EVENT is not JSON ({error}); write an object with source, condition and labels") from None
    if not isinstance(given, dict) or not isinstance(given.get("labels", {}), dict):
        raise Failure('EVENT and its labels must be JSON objects, as in {"source": "r1", "condition": "link_down"}')
    for key in given:
        if key not in _KNOWN:
            raise Failure(f"EVENT has {key}: {unknown_key(key, _KNOWN)}")
    kind = given.get("kind", EventKind.RAISE.value)
    if kind not in list(EventKind):
        raise Failure(f"EVENT has kind {kind!r}; write raise, clear or note")
    texts: dict[str, Any] = {name: _text(given.get(name, "")) for name in _TEXTS}
    labels = {name: _text(value) for name, value in given.get("labels", {}).items()}
    return Event(kind=EventKind(kind), at_ms=0, labels=labels, **texts)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _verdict_text(verdict: Verdict) -> str:
    shown = [(item.name, getattr(verdict, item.name)) for item in fields(Verdict)]
    return table(("VERDICT", ""), [_fact(name, value) for name, value in shown if value or name == "reopen_within_ms"])


def _fact(name: str, value: Any) -> tuple[str, str]:
    """A field as the configuration calls it and writes it."""
    if name == "impact_after":
        return name, ", ".join(f"{impact} after {span(age_ms)}" for age_ms, impact in value)
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
